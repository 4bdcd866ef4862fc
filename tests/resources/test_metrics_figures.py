"""Figures for Prometheus: levels as the store has them, counters of what came since, labels from closed sets."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from clocks import Clock
from test_store import KEY, RULER, verdict

from resources.observability import figures
from resources.observability.figures import Figures
from resources.settings import Settings
from resources.store import Store, open_store, tables


@pytest.fixture
def clock() -> Clock:
    return Clock(dt.datetime.now(dt.UTC))


@pytest.fixture
def store(store_url: str, clock: Clock) -> Iterator[Store]:
    with open_store(store_url, clock) as opened:
        opened.add_repository(KEY, "x")
        yield opened


def sample(seen: Figures, name: str, *labels: str) -> float:
    """The sum of what begins with these labels."""
    found = {family.name: family for family in seen.families()}[name]
    return sum(value for key, value in found.samples if key[: len(labels)] == labels)


def test_a_counter_starts_at_nought_and_grows_by_what_comes(store: Store):
    store.record(verdict("a"), RULER.document())
    seen = Figures(store)
    assert sample(seen, "elder_audits", "judged") == 0
    store.record(verdict("b"), RULER.document())
    store.record(verdict("c"), RULER.document())
    store.record_failure(KEY, "cannot be cloned")
    assert sample(seen, "elder_audits", "judged") == 2
    assert sample(seen, "elder_audits", "failed") == 1
    assert sample(seen, "elder_audits", "judged") == 2


def test_an_audit_whose_transaction_ends_late_is_counted_once(store: Store):
    first = store.record(verdict("a"), RULER.document())
    seen = Figures(store)
    row = {"snapshot_id": first, "kind": "default", "audited_at": store._clock(), "content_digest": "x"}
    with store._writing() as connection:
        connection.execute(sa.insert(tables.audits), {"id": 50, **row})
    assert sample(seen, "elder_audits", "judged") == 1
    with store._writing() as connection:
        connection.execute(sa.insert(tables.audits), {"id": 49, **row})
    assert sample(seen, "elder_audits", "judged") == 2
    assert sample(seen, "elder_audits", "judged") == 2


def test_blobs_are_known_or_measured(store: Store):
    seen = Figures(store)
    store.record_cost(KEY, {"seconds": 3.0, "cpu_seconds": 2.5, "blobs_known": 30, "blobs_measured": 10})
    assert sample(seen, "elder_facts_blobs", "known") == 30
    assert sample(seen, "elder_facts_blobs", "measured") == 10


def test_teams_beyond_the_largest_are_one_label(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(figures, "TEAMS_MAX", 0)
    store.add_team("shop")
    store.assign(KEY, "shop", "registry")
    seen = Figures(store)
    store.record_cost(KEY, {"seconds": 3.0, "cpu_seconds": 2.5, "blobs_known": 0, "blobs_measured": 0})
    assert sample(seen, "elder_cpu_seconds", "other", "facts") == 2.5


def test_a_delivery_counts_when_it_comes_and_when_it_ends(store: Store, clock: Clock):
    seen = Figures(store)
    put = store.ask_audit(KEY, source="api", delivery_id="one")
    assert sample(seen, "elder_deliveries_received", "api") == 1
    assert sample(seen, "elder_inbox_rows", "waiting") == 1
    with store._writing() as connection:
        connection.execute(sa.update(tables.inbox).values(state="queued"))
    clock.now += dt.timedelta(seconds=8)
    store.finish_inbox(put.row, state="done", result={})
    assert sample(seen, "elder_deliveries_ended", "api", "done") == 1
    assert sample(seen, "elder_deliveries_received", "api") == 1
    took = {family.name: family for family in seen.families()}["elder_delivery_seconds"]
    assert took.buckets == ((("api",), (0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1), 8.0),)


def test_a_backup_has_an_age_once_one_was_made_and_is_missed_only_where_one_is_waited_for(store: Store, clock: Clock):
    def backups(limit: int) -> list[float]:
        settings = Settings(home=Path("/nowhere"), backup_minutes_max=limit)
        families = {family.name: family for family in Figures(store, settings).families()}
        names = ("elder_backup_age_seconds", "elder_backup_age_limit_seconds")
        return [value for name in names for _labels, value in families[name].samples]

    hour = dt.timedelta(hours=1)
    assert backups(0) == []
    assert backups(60) == [math.inf, 3600]
    store.note_backup(dt.datetime.now(dt.UTC) - 2 * hour)
    assert backups(60) == [pytest.approx(7200, abs=60), 3600]
    store.note_backup(dt.datetime.now(dt.UTC))
    assert backups(0) == [pytest.approx(0, abs=60)]


def test_lags_are_the_ages_of_what_waits(store: Store, clock: Clock):
    seen = Figures(store)
    assert sample(seen, "elder_inbox_lag_seconds") == 0
    clock.now -= dt.timedelta(seconds=600)
    store.ask_audit(KEY, source="api", delivery_id="one")
    store.beat("daemon")
    assert 600 <= sample(seen, "elder_inbox_lag_seconds") < 660
    assert 600 <= sample(seen, "elder_heartbeat_age_seconds", "daemon") < 660


def test_repositories_are_stale_failing_or_neither(store: Store, clock: Clock):
    clock.now -= dt.timedelta(days=3)
    store.add_repository("example.org/old/never", "x")
    clock.now += dt.timedelta(days=3)
    store.record_failure("example.org/old/never", "cannot be cloned")
    seen = Figures(store)
    assert [sample(seen, "elder_repositories", state) for state in ("registered", "audited", "stale", "failing")] == [
        2, 0, 1, 1,
    ]  # fmt: skip
    assert store.failing_repositories(10) == [("example.org/old/never", "cannot be cloned")]


def test_a_beat_is_one_row_however_often(store: Store):
    store.beat("daemon")
    store.beat("daemon")
    assert list(store.beats()) == ["daemon"]
