"""Who is let in: tokens, sessions, hosts, origins, limits, headers."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from fastapi.testclient import TestClient

from dash_app.app import create_app
from dash_app.guard import content_policy, is_loopback
from dash_app.limits import Allowance
from dash_app.server import serve
from elder_assets.audit.errors import ConfigurationError
from resources.settings import Settings
from resources.store import Store

pytestmark = pytest.mark.platform
SOMEWHERE = "/metrics"  # needs a person, and any role will do


@pytest.fixture
def remote(store: Store, settings: Settings) -> Iterator[TestClient]:
    """An app that listens to the network."""
    app = create_app(store, msgspec.structs.replace(settings, host="0.0.0.0"))  # noqa: S104 - that is the point
    with TestClient(app, base_url="https://elder.example.com", follow_redirects=False) as one:
        yield one


@pytest.fixture
def token(store: Store) -> str:
    return store.create_token("ann", "viewer", days=1, by="root")[1]


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def sign_in(client: TestClient, token: str) -> str:
    """Sign in; what changes must bring along."""
    answer = client.post("/sign-in", data={"token": token, "next": "/teams"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/teams")
    return client.cookies["_csrf_token"]


# --- without tokens ------------------------------------------------------------------------------------------


def test_on_loopback_without_tokens_the_person_is_the_local_admin(client: TestClient):
    assert client.get(SOMEWHERE).status_code == 200


def test_from_the_first_token_on_nobody_is_let_in_without(client: TestClient, token: str):
    assert client.get(SOMEWHERE).status_code == 401
    assert client.get(SOMEWHERE, headers=bearer(token)).status_code == 200


@pytest.mark.parametrize("host", ["evil.example.com", "127.0.0.1.nip.io", "localhost.evil.example", ""])
def test_a_name_that_was_bound_to_loopback_from_outside_is_refused(client: TestClient, host: str):
    answer = client.get(SOMEWHERE, headers={"Host": host})
    assert answer.status_code == 403
    assert "localhost only" in answer.json()["detail"]


@pytest.mark.parametrize("host", ["localhost:8321", "127.0.0.1", "[::1]:8321", "LOCALHOST"])
def test_the_names_of_this_machine_are_served(client: TestClient, host: str):
    assert client.get(SOMEWHERE, headers={"Host": host}).status_code == 200


def test_a_page_of_another_site_changes_nothing(client: TestClient):
    refused = client.post("/api/v1/nothing", headers={"Origin": "https://evil.example.com"})
    assert refused.status_code == 403
    assert client.post("/api/v1/nothing", headers={"Origin": "null"}).status_code == 403
    assert client.post("/api/v1/nothing", headers={"Origin": "http://127.0.0.1:8321"}).status_code == 404


@pytest.mark.parametrize(
    ("host", "is_safe"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("127.9.9.9", True),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("10.0.0.1", False),
        ("elder", False),
    ],
)
def test_loopback_is_what_nobody_else_can_reach(host: str, is_safe: bool):
    assert is_loopback(host) is is_safe


def test_the_network_is_not_served_while_nobody_has_a_token(settings: Settings, store: Store):
    open_to_all = msgspec.structs.replace(settings, host="0.0.0.0")  # noqa: S104
    with pytest.raises(ConfigurationError, match="elder token create"):
        serve(open_to_all, lambda: None)
    made, _ = store.create_token("ann", "admin", days=1, by="root")
    store.revoke_token(made.id, "root")
    with pytest.raises(ConfigurationError):
        serve(open_to_all, lambda: None)


# --- tokens --------------------------------------------------------------------------------------------------


def test_a_stranger_is_told_how_to_come_in(remote: TestClient):
    answer = remote.get("/api/v1/nothing")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="elder"'
    assert answer.json()["type"].endswith("sign-in-needed")


@pytest.mark.parametrize("header", ["Bearer", "Bearer x", "Basic YTpi", "elder_x", "Bearer " + "é" * 9])
def test_a_header_that_is_no_token_is_refused(remote: TestClient, header: str):
    answer = remote.get(SOMEWHERE, headers={"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401
    assert header not in answer.text


def test_health_is_open_to_everybody(remote: TestClient):
    assert remote.get("/health/live").status_code == 200


def test_the_description_of_the_api_is_not(remote: TestClient):
    assert remote.get("/api/v1/openapi.json").status_code == 401


# --- sessions ------------------------------------------------------------------------------------------------


def test_a_browser_is_sent_to_the_sign_in_page_and_back(remote: TestClient):
    answer = remote.get("/repositories?team=a&b=c", headers={"Accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=%2Frepositories%3Fteam%3Da%26b%3Dc"
    page = remote.get(answer.headers["location"])
    assert 'value="/repositories?team=a&amp;b=c"' in page.text


def test_the_cookie_of_a_session_is_hidden_from_scripts_and_other_sites(remote: TestClient, token: str):
    answer = remote.post("/sign-in", data={"token": token})
    session, csrf = answer.headers.get_list("set-cookie")
    assert session.startswith("elder_session=")
    assert {"HttpOnly", "SameSite=lax", "Secure", "Path=/"} <= set(session.split("; "))
    assert "HttpOnly" not in csrf
    assert token not in session + csrf


def test_without_https_the_cookie_still_works(client: TestClient, token: str):
    sign_in(TestClient(client.app, base_url="http://127.0.0.1:8321", follow_redirects=False), token)


def test_a_change_in_a_session_needs_what_only_our_page_knows(remote: TestClient, token: str):
    csrf = sign_in(remote, token)
    assert remote.get(SOMEWHERE).status_code == 200
    assert remote.post("/api/v1/nothing").status_code == 403
    assert remote.post("/api/v1/nothing", headers={"X-CSRFToken": "0" * 64}).status_code == 403
    assert remote.post("/api/v1/nothing", headers={"X-CSRFToken": "é".encode("latin-1")}).status_code == 403
    assert remote.post("/api/v1/nothing", headers={"X-CSRFToken": csrf}).status_code == 404


def test_signing_out_ends_the_session_for_good(remote: TestClient, token: str):
    csrf = sign_in(remote, token)
    cookies = dict(remote.cookies)
    assert remote.post("/sign-out").status_code == 403
    assert remote.post("/sign-out", data={"csrf_token": csrf}).headers["location"] == "/sign-in"
    assert remote.get(SOMEWHERE, cookies=cookies).status_code == 401


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nb", "javascript:x"]
)
def test_after_signing_in_nobody_is_sent_to_another_site(remote: TestClient, token: str, wanted: str):
    answer = remote.post("/sign-in", data={"token": token, "next": wanted})
    assert answer.headers["location"] == "/"


def test_a_wrong_token_is_refused_and_not_repeated(remote: TestClient):
    answer = remote.post("/sign-in", data={"token": "<script>alert(1)</script>", "next": '"><script>'})
    assert answer.status_code == 401
    assert "<script>" not in answer.text


# --- limits --------------------------------------------------------------------------------------------------


def test_many_wrong_tokens_of_one_address_have_to_wait_and_right_ones_do_not(remote: TestClient, token: str):
    statuses = [remote.get(SOMEWHERE, headers=bearer("elder_x")).status_code for _ in range(25)]
    assert statuses[:10] == [401] * 10
    assert statuses[-1] == 429
    waiting = remote.get(SOMEWHERE, headers=bearer("elder_x"))
    assert 1 <= int(waiting.headers["retry-after"]) <= 60
    assert remote.get(SOMEWHERE, headers=bearer(token)).status_code == 200


def test_a_bucket_fills_again_while_its_client_waits():
    now = [0.0]
    allowance = Allowance(per_minute=60, burst=2, clock=lambda: now[0])
    assert [allowance.take("a") for _ in range(3)] == [0, 0, 1]
    assert allowance.take("b") == 0
    now[0] = 1
    assert allowance.take("a") == 0
    assert allowance.take("a") == 1


def test_a_body_that_says_it_is_too_large_is_refused_at_once(remote: TestClient, token: str):
    answer = remote.post("/api/v1/nothing", content=b"x" * 1_000_001, headers=bearer(token))
    assert (answer.status_code, answer.json()["detail"]) == (413, "the body has more than 1,000,000 bytes")


def test_a_body_that_does_not_say_its_size_is_counted(remote: TestClient):
    answer = remote.post("/sign-in", content=(b"x" * 100_000 for _ in range(11)))
    assert answer.status_code == 413


# --- headers -------------------------------------------------------------------------------------------------


def test_every_answer_says_what_a_browser_may_do_with_it(remote: TestClient):
    for path in ("/health/live", "/sign-in", "/api/v1/nothing"):
        headers = remote.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "strict-transport-security" in headers


def test_inline_scripts_need_their_hash():
    assert "script-src 'self' 'sha256-abc';" in content_policy(["'sha256-abc'"])
    assert "unsafe-inline' 'sha" not in content_policy([])
    assert "script-src 'self';" in content_policy([])
