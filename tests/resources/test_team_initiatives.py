"""Initiatives over the results store: measured from roll-ups, settled by the day, kept with their history."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from clocks import Clock

from elder_assets.audit.alerts import AlertRule
from elder_assets.audit.errors import ConfigurationError, Conflict
from resources.store import Store, open_store, tables
from resources.teams import initiatives
from resources.teams.initiative_alerts import tell_initiatives
from resources.teams.initiatives import Wanted

START = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)
LAST = dt.date(2026, 4, 30)
REVISIONS = itertools.count()
KEYS = ("local/a", "local/b", "local/c")


@pytest.fixture
def clock() -> Clock:
    return Clock(START)


@pytest.fixture
def store(store_url: str, clock: Clock) -> Iterator[Store]:
    """A team of three repositories, two of which were audited."""
    with open_store(store_url, clock=clock) as opened:
        for team in ("payments", "growth"):
            opened.add_team(team)
        for key in KEYS:
            opened.add_repository(key, "x")
            opened.assign(key, "payments")
        audited(opened, "local/a", 91.0, {"STR013": 2})
        audited(opened, "local/b", 70.0, {})
        yield opened


def audited(store: Store, key: str, score: float, rules: dict[str, int]) -> None:
    """What an audit leaves in the projections."""
    number = store.repository(key).id
    with store._writing() as connection:
        for table in (tables.latest, tables.latest_magics, tables.latest_rules):
            connection.execute(sa.delete(table).where(table.c.repository_id == number))
        ruler = {"digest": "r", "document": "{}", "recorded_at": START}
        store._insert_new(connection, tables.rulers, ruler)
        snapshot = {
            "repository_id": number, "revision": f"{number} {next(REVISIONS)}", "ruler": "r", "baseline": "", "refs_digest": "",
            "tree": "t", "as_of": START, "as_of_seconds": 0, "is_shallow": False, "is_partial": False, "notes": [],
            "eligible_files": 1, "analysed_files": 1, "skipped": [], "status": "passed", "reason": "",
        }  # fmt: skip
        made = connection.scalars(sa.insert(tables.snapshots).returning(tables.snapshots.c.id), snapshot).one()
        audit = connection.scalars(
            sa.insert(tables.audits).returning(tables.audits.c.id),
            {"snapshot_id": made, "kind": "default", "audited_at": START, "content_digest": ""},
        ).one()
        row = {
            "repository_id": number, "audit_id": audit, "snapshot_id": made, "commit": "c", "as_of": START,
            "audited_at": START, "ruler": "r", "profile": "default", "status": "passed", "reason": "", "score": score,
            "eligible_files": 1, "analysed_files": 1, "open": 0, "suppressed": 0, "critical": 0, "high": 0,
            "problems": [],
        }  # fmt: skip
        connection.execute(sa.insert(tables.latest).values(**row))
        magic = {
            "repository_id": number, "magic": "tdd", "status": "passed", "reason": "", "score": score,
            "weight_share": "1", "findings": 0, "suggestions": 0, "units": 1, "affected": 0, "duration_ms": 1.0,
        }  # fmt: skip
        connection.execute(sa.insert(tables.latest_magics).values(**magic))
        for rule, count in rules.items():
            opened = {"repository_id": number, "rule": rule, "severity": "medium", "magic": "strict", "tier": "advise"}
            connection.execute(sa.insert(tables.latest_rules).values(**opened, open=count, suppressed=0))


def made(store: Store, **given) -> initiatives.Seen:
    wanted = {"title": "90 everywhere", "kind": "score", "least": 90.0, "deadline": LAST, **given}
    number = initiatives.make(store, store.team("payments"), Wanted(**wanted), by="ann").id
    return seen(store, number)


def seen(store: Store, number: int) -> initiatives.Seen:
    (one,) = [one for one in initiatives.seen_by(store, store.team("payments")) if one.initiative.id == number]
    return one


def test_what_is_done_is_counted_and_what_was_never_audited_is_left(store: Store):
    one = made(store)
    assert (one.done, one.total, one.left) == (1, 3, ("local/b", "local/c"))
    assert (one.initiative.state, one.initiative.owner, one.is_overdue) == ("active", "ann", False)
    assert [(point.week, point.done, point.total) for point in one.points] == [("2026-03-02", 1, 3)]
    assert one.pace.reached_on is None


def test_a_goal_may_be_for_some_repositories_alone(store: Store):
    one = made(store, kind="rule", subject="STR013", least=None, repositories=("local/a", "local/b"))
    assert (one.done, one.total, one.left) == (1, 2, ("local/a",))
    with pytest.raises(ConfigurationError, match="local/z"):
        made(store, repositories=("local/z",))


def test_the_course_shows_what_was_done_in_each_week_and_leads_on(store: Store, clock: Clock):
    number = made(store, repositories=("local/a", "local/b")).initiative.id
    clock.now += dt.timedelta(weeks=1)
    audited(store, "local/a", 50.0, {})
    initiatives.measure_all(store)
    clock.now += dt.timedelta(weeks=1)
    audited(store, "local/a", 91.0, {})
    assert initiatives.measure_all(store, store.team("payments").id) == []
    assert [(point.week, point.done) for point in seen(store, number).points] == [
        ("2026-03-02", 1), ("2026-03-09", 0), ("2026-03-16", 1),
    ]  # fmt: skip
    audited(store, "local/b", 95.0, {})
    (moved,) = initiatives.measure_all(store)
    assert (moved.before, moved.after, moved.done, moved.total) == ("active", "reached", 2, 2)
    one = seen(store, number)
    assert [event.event for event in one.events] == ["made", "reached"]
    assert one.initiative.settled_at == clock.now


def test_a_deadline_that_passes_is_missed_and_can_still_be_reached(store: Store, clock: Clock):
    number = made(store).initiative.id
    clock.now = dt.datetime(2026, 4, 30, 23, tzinfo=dt.UTC)
    assert initiatives.measure_all(store) == []  # the last day counts
    clock.now = dt.datetime(2026, 5, 1, 1, tzinfo=dt.UTC)
    assert seen(store, number).is_overdue
    (moved,) = initiatives.measure_all(store)
    assert (moved.after, initiatives.measure_all(store)) == ("missed", [])
    for key in KEYS:
        audited(store, key, 99.0, {})
    assert [one.after for one in initiatives.measure_all(store)] == ["reached"]
    assert [event.event for event in seen(store, number).events] == ["made", "missed", "reached"]


def test_another_deadline_keeps_the_first_one_in_the_history(store: Store, clock: Clock):
    number = made(store).initiative.id
    clock.now = dt.datetime(2026, 5, 1, 1, tzinfo=dt.UTC)
    initiatives.measure_all(store)
    with pytest.raises(ConfigurationError, match="reason"):
        initiatives.change(store, number, {"deadline": dt.date(2026, 6, 1)}, by="bob", reason="late")
    later = initiatives.change(
        store, number, {"deadline": dt.date(2026, 6, 1)}, by="bob", reason="ann was ill in April"
    )
    assert (later.state, later.deadline, later.settled_at) == ("active", dt.date(2026, 6, 1), None)
    changed = next(event for event in seen(store, number).events if event.event == "changed")
    assert changed.detail == {"reason": "ann was ill in April", "changes": {"deadline": ["2026-04-30", "2026-06-01"]}}
    assert [entry.actor for entry in store.log_entries(target=f"initiative {number}")][:1] == ["bob"]


def test_what_was_withdrawn_stays_and_moves_no_more(store: Store):
    number = made(store).initiative.id
    assert initiatives.withdraw(store, number, by="ann", reason="we sold the shop").state == "withdrawn"
    for key in KEYS:
        audited(store, key, 99.0, {})
    assert initiatives.measure_all(store) == []
    assert seen(store, number).initiative.state == "withdrawn"
    with pytest.raises(Conflict):
        initiatives.change(store, number, {"owner": "bob"}, by="ann", reason="he wants it back")


def test_the_weeks_before_it_was_made_are_read_from_the_weekly_scores(store: Store):
    weeks = {"2026-02-16": (50.0, 60.0), "2026-02-23": (95.0, 60.0)}
    with store._writing() as connection:
        for week, scores in weeks.items():
            for key, score in zip(KEYS, scores, strict=False):
                row = {"week": week, "magic": "", "ruler": "r", "status": "passed", "score": score, "findings": 0}
                connection.execute(sa.insert(tables.latest_weeks).values(repository_id=store.repository(key).id, **row))
    one = made(store, starts_on=dt.date(2026, 2, 18))
    assert [(point.week, point.done, point.total) for point in one.points] == [
        ("2026-02-16", 0, 2), ("2026-02-23", 1, 2), ("2026-03-02", 1, 3),
    ]  # fmt: skip


def test_an_initiative_of_the_platform_is_counted_team_by_team(store: Store):
    store.add_repository("local/z", "x")
    store.assign("local/z", "growth")
    audited(store, "local/z", 99.0, {})
    wanted = Wanted(title="90 everywhere", kind="score", least=90.0, deadline=LAST)
    made = initiatives.make(store, None, wanted, by="root")
    of = {team: initiatives.seen_by(store, store.team(team))[0] for team in ("payments", "growth")}
    assert {team: (one.done, one.total, one.is_platform) for team, one in of.items()} == {
        "payments": (1, 3, True), "growth": (1, 1, True),
    }  # fmt: skip
    assert made.state == "active"  # reached when every team is there


def test_people_are_told_once_when_a_deadline_passes_and_when_it_is_reached_after_all(store: Store, clock: Clock):
    made(store)
    store.put_channel("chat", "webhook", "env:PLACE env:KEY")
    for kind in ("initiative_missed", "initiative_reached"):
        store.put_rule(AlertRule(name=kind, kind=kind, channels=("chat",), team="payments"), "ann")

    def told() -> list[tuple[str, str, bool]]:
        tell_initiatives(store, int(clock.now.timestamp()))
        documents = [row["document"] for row in store.alert_history()]
        return [(row["rule"], row["action"], row["notice"]["is_recovery"]) for row in reversed(documents)]

    assert told() == []
    clock.now = dt.datetime(2026, 5, 1, 1, tzinfo=dt.UTC)
    assert told() == [("initiative_missed", "send", False)]
    clock.now += dt.timedelta(hours=2)
    assert told() == [("initiative_missed", "send", False)]
    for key in KEYS:
        audited(store, key, 99.0, {})
    assert len(told()) == 1  # looked at once an hour
    clock.now += dt.timedelta(hours=2)
    assert told()[1:] == [("initiative_missed", "send", True), ("initiative_reached", "send", False)]


def test_hotspots_that_nobody_owns_come_first(store: Store):
    team = store.team("payments")
    assert store.team_hotspots(team.id) == []
    rows = [("a.py", 9, [], 3), ("b.py", 90, ["@org/shop"], 1), ("c.py", 50, None, 2), ("d.py", 2, [], 1)]
    with store._writing() as connection:
        for path, changes, owners, authors in rows:
            row = {
                "repository_id": store.repository("local/a").id, "path": path, "size_bytes": 1, "open": 0, "weight": 0,
                "changes": changes, "cognitive": 10, "authors": authors, "declared_owners": owners,
            }  # fmt: skip
            connection.execute(sa.insert(tables.latest_files).values(**row))
    found = store.team_hotspots(team.id)
    assert [(row["path"], row["risk"], row["declared_owners"]) for row in found] == [
        ("a.py", 90, []), ("d.py", 20, []), ("b.py", 900, ["@org/shop"]), ("c.py", 500, None),
    ]  # fmt: skip
    assert store.hotspot_counts(team.id) == {"hotspots": 4, "ownerless": 2, "single": 2, "repositories": 1}
    assert store.team_hotspots(store.team("growth").id) == []
