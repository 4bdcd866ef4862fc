"""The process: health, figures, unknown paths, errors."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from dash_app.api.errors import PROBLEM_JSON, answer_to
from elder_assets.audit.errors import (
    AccessRefused,
    ConfigurationError,
    Conflict,
    ElderError,
    ProviderUnavailable,
    RepositoryNotFound,
    SignInNeeded,
    StoreError,
    UnknownRecord,
    WebhookRejected,
)
from resources.store import Store

pytestmark = pytest.mark.platform


def test_a_living_process_says_so(client: TestClient):
    assert client.get("/health/live").json() == {"status": "live"}


def test_it_is_ready_while_the_schema_is_the_right_one(client: TestClient, store: Store):
    assert client.get("/health/ready").status_code == 200
    with store._writing() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.headers["content-type"]) == (503, PROBLEM_JSON)
    assert answer.json()["detail"].startswith("the results store has schema 0001")


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/", "/webhooks/a/b/c", "/health/x"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_path_of_the_api_is_a_problem_and_no_page(client: TestClient, path: str, method: str):
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, PROBLEM_JSON)
    assert answer.json()["type"] == "urn:problem-type:elder:not-found"


def test_another_method_is_told_which_ones_there_are(client: TestClient):
    answer = client.post("/health/live")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.headers["content-type"] == PROBLEM_JSON


def test_figures_name_route_templates_and_never_paths(client: TestClient):
    client.get("/health/live")
    client.get("/api/v1/some/strange/path")
    text = client.get("/metrics").text
    assert 'elder_http_requests_total{method="GET",route="/health/live",status="200"} 1.0' in text
    assert "strange" not in text
    assert 'route="/api/{rest:path}",status="404"' in text


def test_the_api_describes_itself(client: TestClient):
    document = client.get("/api/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert "/health/live" in document["paths"]


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (SignInNeeded("x"), 401, "sign-in-needed"),
        (AccessRefused("x"), 403, "access-refused"),
        (ConfigurationError("tier", "huge", "small"), 400, "value-not-allowed"),
        (RepositoryNotFound("x"), 404, "not-found"),
        (UnknownRecord("x"), 404, "not-found"),
        (Conflict("x"), 409, "conflict"),
        (ProviderUnavailable("x"), 424, "git-host-refused"),
        (StoreError("x"), 503, "store-unavailable"),
        (WebhookRejected(415, "x"), 415, "webhook-rejected"),
        (ElderError("x"), 500, ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_each_error_of_ours_has_its_answer(error: ElderError, status: int, kind: str):
    answer = answer_to(error)
    assert answer.status_code == status
    assert (f'"type":"urn:problem-type:elder:{kind}"' if kind else "about:blank") in answer.body.decode()


def test_figures_of_the_store_stand_beside_those_of_requests(client: TestClient, store: Store):
    store.add_repository("example.org/shop/basket", "x")
    text = client.get("/metrics").text
    assert "elder_store_up 1.0" in text
    assert 'elder_repositories{state="registered"} 1.0' in text
    assert 'elder_build_info{version="' in text


def test_figures_say_when_the_store_cannot_be_read(client: TestClient, store: Store):
    with store._writing() as connection:
        connection.execute(sa.text("DROP TABLE notices"))
    assert "elder_store_up 0.0" in client.get("/metrics").text
