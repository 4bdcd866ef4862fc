"""Live updates over a WebSocket: filtered, resumable, within the team, in under a second."""

from __future__ import annotations

import time

import pytest
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from resources.store import Store
from tests.dash_app.organisation import Side, build

pytestmark = pytest.mark.platform


@pytest.fixture
def sides(store: Store) -> dict[str, Side]:
    return build(store)


def follow(client: TestClient, side: Side, token: str = ""):
    headers = {"Authorization": f"Bearer {token or side.token}"}
    return client.websocket_connect(f"/ws/projects/{side.project_id}/audit-updates", headers=headers)


def test_an_event_reaches_its_follower_within_a_second(client: TestClient, store: Store, sides: dict[str, Side]):
    side = sides["apples"]
    with follow(client, side) as socket:
        socket.send_json({"type": "subscribe_updates"})
        assert socket.receive_json()["type"] == "subscribed"
        started = time.monotonic()
        number = store.put_live_event(side.project_id, "audit_update", {"stage": "facts"})
        told = socket.receive_json()
        assert time.monotonic() - started < 1
    assert (told["type"], told["event_id"], told["data"]) == ("audit_update", number, {"stage": "facts"})


def test_a_client_that_comes_back_gets_what_it_missed_once(client: TestClient, store: Store, sides: dict[str, Side]):
    side = sides["apples"]
    first, second = (store.put_live_event(side.project_id, "audit_update", {"n": n}) for n in (1, 2))
    store.put_live_event(sides["pears"].project_id, "audit_update", {"n": 3})
    with follow(client, side) as socket:
        socket.send_json({"type": "subscribe_updates", "last_event_id": first})
        assert socket.receive_json()["last_event_id"] == first
        assert socket.receive_json()["event_id"] == second
        third = store.put_live_event(side.project_id, "audit_completed", {})
        assert socket.receive_json()["event_id"] == third


def test_only_what_was_asked_for_is_sent(client: TestClient, store: Store, sides: dict[str, Side]):
    side = sides["apples"]
    with follow(client, side) as socket:
        wanted = {"event": "audit_completed", "status": ["failed", "warning"]}
        socket.send_json({"type": "subscribe_updates", "filter": wanted})
        socket.receive_json()
        store.put_live_event(side.project_id, "audit_update", {"status": "failed"})
        store.put_live_event(side.project_id, "audit_completed", {"status": "passed"})
        number = store.put_live_event(side.project_id, "audit_completed", {"status": "failed"})
        assert socket.receive_json()["event_id"] == number


@pytest.mark.parametrize(
    "said",
    ["nothing", "{}", '{"type": "other"}', '{"type": "subscribe_updates", "filter": 1}', '{"type":"subscribe_updates","last_event_id":-1}'],
)  # fmt: skip
def test_what_is_not_understood_ends_the_connection(client: TestClient, sides: dict[str, Side], said: str):
    with follow(client, sides["apples"]) as socket:
        socket.send_text(said)
        with pytest.raises(WebSocketDisconnect) as ended:
            socket.receive_json()
    assert ended.value.code == 1003


def test_nobody_follows_another_teams_project(client: TestClient, sides: dict[str, Side]):
    with pytest.raises(WebSocketDisconnect), follow(client, sides["pears"], sides["apples"].token):
        pass


def test_a_stranger_follows_nothing(client: TestClient, sides: dict[str, Side]):
    with pytest.raises(Exception) as refused, follow(client, sides["apples"], "elder_x"):  # noqa: PT011
        pass
    assert "401" in str(getattr(refused.value, "status_code", "")) or isinstance(refused.value, WebSocketDisconnect)
