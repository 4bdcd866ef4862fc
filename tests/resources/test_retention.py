"""What is let go of after a while, and what never is; on SQLite and on PostgreSQL."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from clocks import Clock

from elder_assets.audit.engine import audit
from elder_assets.audit.errors import ConfigurationError, StoreError
from elder_assets.audit.facts.extraction import MemoryFactStore
from elder_assets.audit.model import Snapshot, Verdict
from elder_assets.audit.ruler import default_ruler
from elder_assets.audit.suppression import apply
from elder_assets.audit.testing import MemorySource
from resources.settings import load_settings
from resources.store import Store, open_store, tables
from resources.store.findings import Observed

KEY, OTHER = "example.org/shop/basket", "example.org/shop/till"
RULER = default_ruler()
MONDAY = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)


@pytest.fixture
def clock() -> Clock:
    return Clock(MONDAY)


@pytest.fixture
def store(store_url: str, clock: Clock) -> Iterator[Store]:
    with open_store(store_url, clock=clock) as opened:
        opened.add_repository(KEY, "x")
        opened.add_repository(OTHER, "x")
        yield opened


def verdict(commit: str, key: str = KEY) -> Verdict:
    """One with two findings: a conflict, and no reader's guide."""
    body = "<<<<<<< a\n=======\n>>>>>>> b\n"
    found = audit(MemorySource({"shop/basket.py": body}), MemoryFactStore(), RULER)
    return msgspec.structs.replace(
        found, snapshot=Snapshot(repository=key, commit=commit * 40, tree="f" * 40, as_of=1_700_000_000)
    )


def recorded(store: Store, clock: Clock, commit: str, day: int, key: str = KEY) -> int:
    """The snapshot of an audit so many days after that Monday."""
    clock.now = MONDAY + dt.timedelta(days=day)
    given = verdict(commit, key)
    observed = Observed(applied=apply(given, [], RULER, clock.now.date()), paths=frozenset({"shop/basket.py"}))
    return store.record(given, RULER.document(), observed=observed)


def kept(store: Store, *snapshots: int) -> list[int]:
    """Copies of findings that are here, of each snapshot."""
    return [len(store.findings(snapshot=number)) for number in snapshots]


def test_a_week_keeps_its_last_copy_and_the_latest_snapshot_its_own(store: Store, clock: Clock):
    monday, tuesday = recorded(store, clock, "a", 0), recorded(store, clock, "b", 1)
    next_week = recorded(store, clock, "c", 7)
    young = recorded(store, clock, "d", 60)
    till = recorded(store, clock, "e", 3, OTHER)
    (each,) = kept(store, monday)
    assert each >= 1
    gone = store.let_go(MONDAY + dt.timedelta(days=30))
    assert (gone.snapshots, gone.findings) == (1, each)
    assert kept(store, monday, tuesday, next_week, young, till) == [0, each, each, each, each]
    again = store.let_go(MONDAY + dt.timedelta(days=30))
    assert (again.snapshots, again.findings) == (0, 0)


def test_what_was_let_go_of_is_still_counted_and_said(store: Store, clock: Clock):
    first = recorded(store, clock, "a", 0)
    recorded(store, clock, "b", 1)
    counted = store.snapshots(snapshot=first)["findings"].item()
    store.let_go(MONDAY + dt.timedelta(days=30))
    assert store.snapshots(snapshot=first)["findings"].item() == counted > 0
    assert len(store.outcomes(snapshot=first)) > 0
    assert len(store.scores(snapshot=first)) > 0
    assert len(store.audit_events(first)) == 1
    with pytest.raises(StoreError, match=r"let go of \(ELDER_KEEP_DAYS\): audit aaaaaaaaaaaa again"):
        store.verdict(first)


def test_the_same_audit_brings_back_what_was_let_go_of(store: Store, clock: Clock):
    first = recorded(store, clock, "a", 0)
    recorded(store, clock, "b", 1)
    before = store.findings(snapshot=first)
    store.let_go(MONDAY + dt.timedelta(days=30))
    assert recorded(store, clock, "a", 40) == first
    again = store.findings(snapshot=first)
    assert list(again["fingerprint"]) == list(before["fingerprint"])
    assert len({event["content_digest"] for event in store.audit_events(first)}) == 1


def test_lives_of_findings_are_never_let_go_of(store: Store, clock: Clock):
    recorded(store, clock, "a", 0)
    recorded(store, clock, "b", 1)
    table = tables.finding_events
    with store._reading() as connection:
        before = connection.scalar(sa.select(sa.func.count()).select_from(table))
    store.let_go(MONDAY + dt.timedelta(days=3_000))
    with store._reading() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == before


def test_old_live_events_go_and_the_newest_stays(store: Store, clock: Clock):
    number = store.repository(KEY).id
    ids = [store.put_live_event(number, "audit_update", {"stage": str(n)}) for n in range(3)]
    assert store.let_go(MONDAY + dt.timedelta(days=1)).live_events == 2
    assert [event["id"] for event in store.live_events_after(0, 10)] == ids[2:]


@pytest.mark.parametrize("given", ["6", "-1", "36501", "week"])
def test_days_that_would_drop_what_is_in_use_are_refused(given: str, tmp_path: Path):
    with pytest.raises(ConfigurationError, match="ELDER_KEEP_DAYS"):
        load_settings({"ELDER_HOME": str(tmp_path), "ELDER_KEEP_DAYS": given})
