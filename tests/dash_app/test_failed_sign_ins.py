"""Refused credentials are counted by where they came from, in bounded memory, and become an alert."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
import pytest
from fastapi.testclient import TestClient

from dash_app import failed_sign_ins
from dash_app.app import create_app
from dash_app.failed_sign_ins import FailedSignIns, network_of
from resources.alerting.self_watch import SignInFailures, watch
from resources.settings import Settings
from resources.store import Store

pytestmark = pytest.mark.platform
NOON = 1_770_000_000.0 - 1_770_000_000 % 60
ONE = "203.0.113.7"


class World:
    """A counter on a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOON
        self.reports: list[SignInFailures] = []
        self.kinds: list[str] = []
        self.failed = FailedSignIns(self.kinds.append, self.reports.append, lambda: self.now)

    def fail(self, times: int, address: str = ONE) -> None:
        for _ in range(times):
            self.failed.record(address, "token")


def test_the_first_failure_is_reported_and_then_every_half_minute():
    world = World()
    world.fail(3)
    assert [(one.total, one.worst) for one in world.reports] == [(1, ((ONE, 1),))]
    world.now += 29
    world.fail(1)
    assert len(world.reports) == 1
    world.now += 1
    world.fail(1)
    assert [one.total for one in world.reports] == [1, 5]


def test_what_goes_over_a_threshold_is_reported_at_once():
    world = World()
    world.fail(30)
    assert len(world.reports) == 1
    world.fail(1)
    assert world.reports[-1].worst == ((ONE, 31),)
    for number in range(70):
        world.fail(1, f"198.51.100.{number}")
    assert [one.total for one in world.reports] == [1, 31, 101]


def test_a_failure_counts_for_five_whole_minutes():
    world = World()
    world.fail(4)
    world.now = NOON + 4 * 60 + 59
    world.fail(1)
    assert world.reports[-1].total == 5
    world.now = NOON + 5 * 60 + 30
    world.fail(1, "198.51.100.9")
    assert (world.reports[-1].total, dict(world.reports[-1].worst)) == (2, {ONE: 1, "198.51.100.9": 1})


def test_memory_and_reports_are_bounded_however_many_addresses_there_are(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(failed_sign_ins, "CLIENTS_MAX", 50)
    world = World()
    for number in range(300):
        world.fail(1, f"198.51.{number // 250}.{number % 250}")
    assert len(world.failed._by_address) == 50
    world.fail(1)
    world.now += 60
    world.fail(1)
    assert world.reports[-1].total == 302  # of all, also of those that were forgotten
    assert world.reports[-1].worst[0] == (ONE, 2)
    assert len(world.reports[-1].worst) == 5
    for _ in range(2_000):
        world.now += 60
        world.fail(1)
    assert len(world.failed._all) == 5


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "unknown"),
        ("<script>", "unknown"),
    ],
)
def test_an_ipv6_network_is_one_place(address: str, network: str):
    assert network_of(address) == network


# --- through the app -------------------------------------------------------------------------------------------


@pytest.fixture
def remote(store: Store, settings: Settings) -> Iterator[TestClient]:
    store.create_token("ann", "viewer", days=1, by="root")
    app = create_app(store, msgspec.structs.replace(settings, host="0.0.0.0"))  # noqa: S104 - that is the point
    with TestClient(app, base_url="https://elder.example.com", client=(ONE, 50000)) as one:
        yield one


def counted(client: TestClient) -> dict[str, float]:
    registry = client.app.state.metrics.registry  # type: ignore[attr-defined]
    (family,) = [one for one in registry.collect() if one.name == "elder_sign_in_failures"]
    return {one.labels["kind"]: one.value for one in family.samples if one.name.endswith("_total")}


def test_each_kind_of_refused_credential_is_counted_and_a_stranger_is_none(remote: TestClient):
    remote.get("/api/v1/projects")  # asks without any credential: a visitor
    assert counted(remote) == {}
    remote.get("/api/v1/projects", headers={"Authorization": "Bearer elder_x"})
    remote.get("/api/v1/projects", headers={"Authorization": "Basic YTpi"})
    remote.get("/api/v1/projects", headers={"Cookie": "elder_session=x"})
    remote.post("/sign-in", data={"token": "x"})
    remote.post("/webhooks/github", content=b"{}", headers={"X-GitHub-Event": "push"})
    found = counted(remote)
    assert (found["token"], found["session"], found["form"]) == (2, 1, 1)
    assert set(found) <= {"token", "session", "form", "webhook", "limited"}


@pytest.mark.parametrize(("tries", "signals"), [(30, set()), (31, {"failed_sign_ins_of_one"})])
def test_one_address_is_told_of_from_its_31st_failure_on(
    remote: TestClient, store: Store, settings: Settings, tries: int, signals: set[str]
):
    for _ in range(tries):
        remote.get("/api/v1/projects", headers={"Authorization": "Bearer elder_x"})
    assert counted(remote) == {"token": 20, "limited": tries - 20}
    events = watch(store, settings, int(time.time()))
    assert {event.what for event in events if "sign_ins" in event.what} == signals
    for event in events:
        if event.what == "failed_sign_ins_of_one":
            assert (event.after, event.limit, event.reason) == (31, 30, f"{ONE} (31)")
