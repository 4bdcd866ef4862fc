"""Calls to a git host do the same for every provider, and survive a host that misbehaves."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from provider_cases import AFTER, CASES, TOKEN, Case, FakeHost

from elder_assets.audit.errors import ConfigurationError, ProviderError, ProviderUnavailable, Transient
from resources.git.providers import open_provider, provider_for, provider_names
from resources.git.providers.calls import Secret, ask, open_host, retry_seconds

every_provider = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
HOOK_URL = "https://elder.example.com/webhooks/x/1"


def fake_of(case: Case):
    fake = FakeHost(case.handle)
    return fake, open_host(case.api, Secret(TOKEN), transport=httpx.MockTransport(fake))


def answering(case: Case, respond):
    return open_host(case.api, Secret(TOKEN), transport=httpx.MockTransport(respond))


@every_provider
def test_metadata_says_what_the_host_says(case):
    _, host = fake_of(case)
    assert open_provider(case.name).metadata(host, case.repository) == case.remote


@every_provider
def test_a_second_webhook_for_the_same_address_updates_the_first(case):
    fake, host = fake_of(case)
    provider = open_provider(case.name)
    first = provider.create_webhook(host, case.repository, url=HOOK_URL, secret="one-secret")
    known = len(fake.hooks)
    assert provider.create_webhook(host, case.repository, url=HOOK_URL, secret="two-secret") == first
    assert first
    assert len(fake.hooks) == known
    assert "two-secret" in str(fake.hooks)
    assert "one-secret" not in str(fake.hooks)
    provider.create_webhook(host, case.repository, url=HOOK_URL + "/other", secret="three-secret")
    assert len(fake.hooks) == 2 * known


@every_provider
@pytest.mark.parametrize("state", ["pending", "success", "failure", "error"])
def test_a_status_has_the_providers_word_and_a_summary_that_fits(case, state):
    fake, host = fake_of(case)
    open_provider(case.name).set_status(
        host,
        case.repository,
        AFTER,
        state,
        summary="so\nmuch " + "x" * 5000,
        target_url="https://elder.example.com/r/1",
    )
    (status,) = fake.statuses
    assert case.state_of(status) == case.states[state]
    assert len(case.summary_of(status)) <= case.max_summary
    assert case.summary_of(status).startswith("so much xxx")
    assert "https://elder.example.com/r/1" in str(status)


@every_provider
def test_there_is_one_comment_however_often_it_is_written(case):
    fake, host = fake_of(case)
    provider = open_provider(case.name)
    fake.comments["900"] = dict(case.strangers_comment)
    provider.comment(host, case.repository, 7, "first verdict")
    provider.comment(host, case.repository, 7, "second verdict")
    assert fake.comments.pop("900") == case.strangers_comment
    (comment,) = fake.comments.values()
    assert "second verdict" in case.text_of(comment)
    assert "elder:gate" in case.text_of(comment)
    assert "first verdict" not in str(comment)


@every_provider
def test_a_huge_comment_is_shortened(case):
    fake, host = fake_of(case)
    open_provider(case.name).comment(host, case.repository, 7, "x" * 2_000_000)
    (comment,) = fake.comments.values()
    assert len(case.text_of(comment)) <= 1_000_000
    assert case.text_of(comment).endswith("(shortened)")


@every_provider
def test_all_pages_of_repositories_are_listed(case):
    _, host = fake_of(case)
    found = list(open_provider(case.name).list_repositories(host, case.owner))
    assert len(found) == 130
    assert {one.repository for one in found} == {case.repository}


@every_provider
@pytest.mark.parametrize(
    ("status", "headers", "reason", "retry_after"),
    [
        (401, {}, "unauthorised", None),
        (403, {}, "forbidden", None),
        (404, {}, "not_found", None),
        (409, {}, "conflict", None),
        (422, {}, "invalid", None),
        (418, {}, "unusable", None),
        (429, {"Retry-After": "17"}, "rate_limited", 17.0),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}, "rate_limited", 0.0),
        (500, {}, "unavailable", None),
        (503, {"Retry-After": "99999"}, "unavailable", 3600.0),
    ],
)
def test_a_refusal_says_its_reason_and_whether_to_retry_but_never_the_token(case, status, headers, reason, retry_after):
    host = answering(case, lambda _: httpx.Response(status, headers=headers, json={"message": f"no {TOKEN}\nthanks"}))
    with pytest.raises(ProviderError) as refused:
        open_provider(case.name).metadata(host, case.repository)
    assert refused.value.reason == reason
    assert str(status) in str(refused.value)
    assert "no [token] thanks" in str(refused.value)
    assert TOKEN not in str(refused.value)
    assert isinstance(refused.value, Transient) == (reason in {"rate_limited", "unavailable"})
    assert getattr(refused.value, "retry_after_seconds", None) == retry_after


@every_provider
@pytest.mark.parametrize("body", [b"<html>", b"[1]", b'"x"', b"null", b"{}", b"[" * 100_000, b"\xff"])
def test_garbage_is_an_error_and_no_empty_answer(case, body):
    host = answering(case, lambda _: httpx.Response(200, content=body))
    with pytest.raises(ProviderError) as refused:
        open_provider(case.name).metadata(host, case.repository)
    assert refused.value.reason == "garbage"
    assert not isinstance(refused.value, Transient)
    if body != b"{}":
        with pytest.raises(ProviderError):
            list(open_provider(case.name).list_repositories(host, case.owner))


@every_provider
@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example.com/x",
        "http://{host}/x",
        "https://{host}:8443/x",
        "//evil.example.com/x",
        "https://[/",
        "",
    ],
)
def test_a_redirect_elsewhere_is_not_followed(case, target):
    asked: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(302, headers={"Location": target.format(host=request.url.host)})

    with pytest.raises(ProviderError) as refused:
        open_provider(case.name).metadata(answering(case, respond), case.repository)
    assert refused.value.reason == "redirected"
    assert len(asked) == 1


@every_provider
def test_a_renamed_repository_is_followed_on_the_same_host(case):
    fake = FakeHost(case.handle)

    def respond(request: httpx.Request) -> httpx.Response:
        if "old-name" in request.url.path:
            return httpx.Response(301, headers={"Location": str(request.url).replace("old-name", "shop")})
        return fake(request)

    found = open_provider(case.name).metadata(answering(case, respond), case.repository.replace("shop", "old-name"))
    assert found.repository == case.repository


@every_provider
def test_endless_redirects_end(case):
    host = answering(case, lambda request: httpx.Response(302, headers={"Location": str(request.url)}))
    with pytest.raises(ProviderError, match="more than 3 redirects"):
        open_provider(case.name).metadata(host, case.repository)


@every_provider
def test_names_that_climb_out_of_their_path_are_not_called(case):
    fake, host = fake_of(case)
    for name in ("../../user", "acme/..", "acme//shop"):
        with pytest.raises(ConfigurationError):
            open_provider(case.name).metadata(host, f"{case.repository.partition('/')[0]}/{name}")
    assert fake.requests == []


class Misbehaving(BaseHTTPRequestHandler):
    """A host with one bad habit, named by the server."""

    def do_GET(self):
        getattr(self, self.server.habit)()

    def log_message(self, *_):
        pass

    def hang(self):
        self.server.stop.wait(20)

    def drip(self):
        self.send_response(200)
        self.end_headers()
        while not self.server.stop.wait(0.05):
            try:
                self.wfile.write(b" ")
            except OSError:
                return

    def huge(self):
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(200):
                self.wfile.write(b" " * 100_000)
        except OSError:
            self.close_connection = True

    def garbage(self):
        self.wfile.write(b"\x00\x01 not http at all\r\n\r\n")

    def closes(self):
        self.connection.close()

    def limited(self):
        self.send_response(429)
        self.send_header("Retry-After", "5")
        self.end_headers()

    def broken(self):
        self.send_response(500)
        self.end_headers()
        self.wfile.write(b"<h1>oops</h1>")

    def redirect(self):
        self.send_response(302)
        self.send_header("Location", f"http://localhost:{self.server.server_address[1]}/stolen")
        self.end_headers()

    def bomb(self):
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(b"\x1f\x8b")


@contextmanager
def loopback(habit: str) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Misbehaving)
    server.habit, server.stop, server.daemon_threads = habit, threading.Event(), True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.stop.set()
        server.shutdown()
        server.server_close()


@every_provider
@pytest.mark.parametrize(
    ("habit", "reason"),
    [
        ("hang", "timeout"),
        ("drip", "timeout"),
        ("huge", "too_large"),
        ("garbage", "unavailable"),
        ("closes", "unavailable"),
        ("limited", "rate_limited"),
        ("broken", "unavailable"),
        ("redirect", "redirected"),
        ("bomb", "garbage"),
    ],
)
def test_a_real_host_that_misbehaves_costs_bounded_time_and_a_clear_error(case, habit, reason):
    with loopback(habit) as api:
        host = open_host(api, Secret(TOKEN), allowed_hosts={"127.0.0.1"}, read_seconds=0.3, whole_seconds=0.5)
        started = time.monotonic()
        with pytest.raises(ProviderError) as refused:
            open_provider(case.name).metadata(host, case.repository)
    assert refused.value.reason == reason
    assert time.monotonic() - started < 5
    assert TOKEN not in str(refused.value)


def test_a_host_that_nobody_listens_at_is_unavailable():
    host = open_host("http://127.0.0.1:1", Secret(TOKEN), allowed_hosts={"127.0.0.1"})
    with pytest.raises(ProviderUnavailable):
        open_provider("github").metadata(host, "github.com/acme/shop")


@pytest.mark.parametrize(
    "api",
    [
        "http://git.example.com/api",
        "https://user:secret-pw@git.example.com",
        "https://127.0.0.1/api",
        "https://169.254.169.254/latest",
        "https://[::1]/",
        "https://10.1.2.3",
        "https://localhost",
        "https://2130706433/",
        "https://metadata.google.internal",
        "ftp://git.example.com",
        "git.example.com",
        "https://",
        "https://[/",
        "https://git.example.com?x=1",
        "https://git.example.com:99999",
    ],
)
def test_an_api_address_that_could_reach_the_inner_network_is_refused(api):
    with pytest.raises(ConfigurationError) as refused:
        open_host(api, Secret(TOKEN))
    assert "secret-pw" not in str(refused.value)


@pytest.mark.parametrize("api", ["http://git.corp:8080/api", "https://10.1.2.3/api", "https://localhost/"])
def test_the_operator_may_allow_a_host(api):
    host = open_host(api, Secret(TOKEN), allowed_hosts={"git.corp", "10.1.2.3", "localhost"})
    assert host.api == api.rstrip("/")


def test_a_secret_shows_itself_nowhere():
    secret = Secret(TOKEN)
    assert TOKEN not in f"{secret} {secret!r} {[secret]} {open_host('https://git.example.com', secret)}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "30"}, 30.0),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}, 9.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"x-ratelimit-reset": "946684800"}, 10.0),
        ({"ratelimit-reset": "1"}, 0.0),
        ({}, None),
    ],
)
def test_the_time_to_wait_is_read_from_what_hosts_send(headers, seconds):
    assert retry_seconds(headers, 946684790.0) == seconds


@every_provider
def test_an_address_of_the_public_host_finds_its_provider(case):
    if case.address:
        assert provider_for(case.address, {}) == case.name


def test_the_operator_maps_self_hosted_names_first():
    assert provider_for("ssh://git@Git.Corp/acme/shop", {"git.corp": "github"}) == "github"


def test_a_host_that_nobody_serves_and_a_wrong_name_say_what_is_allowed():
    with pytest.raises(ConfigurationError, match="github"):
        provider_for("https://git.corp/acme/shop", {})
    with pytest.raises(ConfigurationError, match=r"sourceforge.*github"):
        provider_for("https://git.corp/acme/shop", {"git.corp": "sourceforge"})


def test_every_provider_is_under_test():
    assert {case.name for case in CASES} == set(provider_names())


def test_a_host_that_rests_is_not_called(tmp_path):
    import httpx

    from resources.store import open_store

    calls = []

    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        return httpx.Response(429, headers={"Retry-After": "60"})

    with open_store(f"sqlite:///{tmp_path / 'elder.db'}") as store:
        host = open_host(
            "https://git.example.org/api", Secret("t"), transport=httpx.MockTransport(answer), circuits=store
        )
        for reason in ("rate_limited", "resting"):
            with pytest.raises(ProviderUnavailable) as refused:
                ask(host, {}, "GET", "/repos")
            assert refused.value.reason == reason
    assert len(calls) == 1
