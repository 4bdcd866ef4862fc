"""Whatever writes what pages show moves the mark that open pages ask for, whoever writes it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator

import msgspec
import pytest
import sqlalchemy as sa
from fleet_samples import BASKET, MESSAGE, NEW, NOW, RULER, TILL, fill, record, verdict, weeks
from operations_samples import NOON, alert, decision, gate

from elder_assets.audit.alerts import Action, AlertRule
from elder_assets.audit.finding_states import Introduced
from elder_assets.audit.initiatives import Goal, Point
from elder_assets.audit.suppression import Suppression
from elder_assets.team_scorecard import make_scorecard
from resources.git.releases import Release
from resources.store import Store, open_store, tables
from resources.store.inbox import InboxDecision


def of(store: Store, key: str) -> int:
    return store.repository(key).id


def waiting(store: Store, name: str) -> int:
    given = {"source": "webhook", "provider": "github", "document": {}}
    return store.put_inbox(**given, delivery_id=name, action="push", repository_id=of(store, BASKET)).row


def queued(store: Store, name: str) -> int:
    number = waiting(store, name)
    store.decide_inbox([InboxDecision(row=number, state="queued", reason="r", run_key=f"k:{name}")])
    return number


def finding(store: Store) -> int:
    states = tables.finding_states
    with store._reading() as connection:
        return connection.scalars(sa.select(states.c.id).where(states.c.message == MESSAGE)).first()


def initiative(store: Store, by: str = "") -> int:
    row = {"team_id": store.team("payments").id, "title": "t", "scope": [], "owner": "ann", "state": "active"}
    days = {"starts_on": NOW.date(), "deadline": NOW.date() + dt.timedelta(days=30)}
    return store.add_initiative({**row, **days}, Goal(kind="score", least=80.0), by=by).id


def ticket(store: Store):
    return store.claim_ticket(finding(store), of(store, BASKET), "github", "ann")


def wish(store: Store) -> int:
    wanted = Suppression(rules=("STR013",), path="a.py", reason="r", until=NOW.date(), origin="request", place="")
    return store.request_suppression(BASKET, wanted, "ann").id


def turn(store: Store) -> None:
    with store.alert_turn() as one:
        one.keep(of(store, BASKET), [decision("gates", Action.SEND, "", "chat")])


def settled(store: Store, *, is_given_up: bool) -> Callable[[], object]:
    alert(store)
    left = store.due_notices(NOON, 10)
    if is_given_up:
        return lambda: store.settle_given_up(left, "410", left[0].notice, NOON)
    return lambda: store.settle_sent(left)


Prepare = Callable[[Store], Callable[[], object]]
"""Makes what a write needs; gives the write."""


def now(write: Callable[[Store], object]) -> Prepare:
    return lambda store: lambda: write(store)


def after(make: Callable[[Store], object], write: Callable[..., object]) -> Prepare:
    def prepare(store: Store) -> Callable[[], object]:
        made = make(store)
        return lambda: write(store, made)

    return prepare


WRITES: list[tuple[str, str, Prepare]] = [
    ("audits", "an audit", now(lambda s: record(s, verdict(BASKET, "e", NOW)))),
    ("audit_failures", "a failure", now(lambda s: s.record_failure(NEW, "gone"))),
    ("week_scores", "weeks", now(lambda s: s.record_weeks(TILL, weeks([50]), RULER.document()))),
    ("latest_weeks", "weeks", now(lambda s: s.record_weeks(TILL, weeks([50]), RULER.document()))),
    ("scorecards", "again", now(lambda s: s.record_scorecard("growth", make_scorecard(s, "growth", NOW)))),
    ("finding_states", "who brought it",
     after(finding, lambda s, n: s.record_introduced({n: Introduced(commit="a" * 40, change="b" * 40, at=1)}))),
    ("gates", "a gate", now(lambda s: gate(s, BASKET, "failed", "t", 1))),
    ("releases", "tags", now(lambda s: s.keep_releases(BASKET, [Release(tag="v1", commit="a" * 40, released_at=NOW)]))),
    ("repositories", "added", now(lambda s: s.add_repository("example.org/z", "https://example.org/z"))),
    ("repositories", "removed", now(lambda s: s.remove_repository(NEW))),
    ("repository_aliases", "renamed", now(lambda s: s.rename_repository(NEW, "local/newer"))),
    ("projects", "changed", now(lambda s: s.change_project(of(s, BASKET), {"name": "other"}))),
    ("projects", "tier", now(lambda s: s.fit_tier(BASKET, "large"))),
    ("teams", "added", now(lambda s: s.add_team("new"))),
    ("memberships", "assigned", now(lambda s: s.assign(NEW, "growth"))),
    ("team_policies", "set", now(lambda s: s.set_policy("growth", "", "ann", "why"))),
    ("suppression_requests", "asked for", now(wish)),
    ("suppression_requests", "decided", after(wish, lambda s, n: s.decide(n, is_approved=True, decided_by="bob"))),
    ("feedback", "said", now(lambda s: s.add_feedback(finding(s), "true", "", "ann"))),
    ("tickets", "claimed", now(ticket)),
    ("tickets", "failed", after(ticket, lambda s, one: s.release_ticket(one, "503"))),
    ("tickets", "opened", after(ticket, lambda s, one: s.settle_ticket(one, "1", "https://example.org/1", ""))),
    ("initiatives", "made", now(initiative)),
    ("initiative_events", "moved",
     after(initiative, lambda s, n: s.move_initiative(n, "active", "reached", by="", detail={}))),
    ("initiative_points", "counted", after(initiative, lambda s, n: s.keep_points(
        n, s.team("payments").id, [Point(week="2026-03-02", done=1, total=2)]))),
    ("inbox", "came", now(lambda s: waiting(s, "one"))),
    ("inbox", "decided", after(lambda s: waiting(s, "two"), lambda s, n: s.decide_inbox(
        [InboxDecision(row=n, state="skipped", reason="r")]))),
    ("inbox", "started", after(lambda s: queued(s, "three"), lambda s, n: s.start_inbox(n, "run"))),
    ("inbox", "finished", after(lambda s: queued(s, "four"), lambda s, n: s.finish_inbox(n, state="done", result={}))),
    ("inbox", "released", after(lambda s: queued(s, "five"), lambda s, n: s.release_inbox(n, "again"))),
    ("inbox", "noted", after(lambda s: waiting(s, "six"), lambda s, n: s.note_inbox(n, {"score": 1}))),
    ("live_events", "told", now(lambda s: s.put_live_event(of(s, BASKET), "audit_update", {"stage": "facts"}))),
    ("circuits", "opened", now(lambda s: s.change_circuit("h", lambda one: msgspec.structs.replace(one, state="open")))),
    ("tokens", "made", now(lambda s: s.create_token("ann", "viewer", days=1, by="root"))),
    ("tokens", "revoked", after(lambda s: s.create_token("ann", "viewer", days=1, by="root")[0].id,
                                lambda s, n: s.revoke_token(n, "root"))),
    ("audit_log", "a change", now(lambda s: s.add_team("other", by="ann"))),
    ("channels", "made", now(lambda s: s.put_channel("c", "slack", "env:PLACE"))),
    ("channels", "removed", after(lambda s: s.put_channel("c", "slack", "env:PLACE"), lambda s, _: s.remove_channel("c"))),
    ("alert_rules", "muted", after(alert, lambda s, _: s.put_rule(
        AlertRule(name="gates", kind="gate_failed", channels=("chat",), muted_until=NOON), "ann"))),
    ("alert_rules", "removed", after(alert, lambda s, _: s.remove_rule("gates"))),
    ("alert_decisions", "decided", after(alert, lambda s, _: turn(s))),
    ("notices", "sent", lambda s: settled(s, is_given_up=False)),
    ("notices", "given up", lambda s: settled(s, is_given_up=True)),
]  # fmt: skip
UNSEEN = {
    "rulers": "written with an audit or weeks only",
    "snapshots": "written with an audit only",
    "findings": "written with an audit only",
    "outcomes": "written with an audit only",
    "scores": "written with an audit only",
    "finding_events": "written with an audit only",
    "audit_counts": "written with an audit only",
    "latest": "written with an audit only",
    "latest_magics": "written with an audit only",
    "latest_rules": "written with an audit only",
    "latest_files": "written with an audit only",
    "imports": "no page shows them before the next audit",
    "costs": "no page shows them",
    "samples": "the server's own numbers, several a minute; its page says when they were read",
    "sessions": "no page shows them",
    "watermarks": "counters and heartbeats",
}
"""Tables that need no mark of their own, and why."""


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with open_store(store_url, clock=lambda: NOW) as opened:
        fill(opened)
        yield opened


@pytest.mark.parametrize(("table", "prepare"), [(table, prepare) for table, _, prepare in WRITES],
                         ids=[f"{table}-{what}" for table, what, _ in WRITES])  # fmt: skip
def test_a_write_that_pages_show_moves_the_mark(store: Store, table: str, prepare: Prepare):
    write, written = prepare(store), set()
    before = store.newest_change()

    def note(_connection, _cursor, statement: str, *_rest: object) -> None:
        if found := re.match(r"(?:INSERT INTO|UPDATE|DELETE FROM) \"?(\w+)", statement):
            written.add(found[1])

    sa.event.listen(store._engine, "before_cursor_execute", note)
    write()
    sa.event.remove(store._engine, "before_cursor_execute", note)
    assert table in written
    assert store.newest_change() != before


def test_every_table_is_seen_or_said_not_to_be():
    assert {table for table, _, _ in WRITES} | set(UNSEEN) == set(tables.METADATA.tables)
    assert not {table for table, _, _ in WRITES} & set(UNSEEN)


def test_rows_that_are_written_again_under_the_ids_of_the_old_ones_are_seen(store: Store):
    content = make_scorecard(store, "growth", NOW)
    store.record_scorecard("growth", content)
    with store._reading() as connection:
        newest = connection.scalar(sa.select(sa.func.max(tables.scorecards.c.id)))
    before = store.newest_change()
    store.record_scorecard("growth", content)
    with store._reading() as connection:
        assert (
            connection.dialect.name != "sqlite"
            or connection.scalar(sa.select(sa.func.max(tables.scorecards.c.id))) == newest
        )
    assert store.newest_change() != before


def test_what_changes_nothing_moves_nothing(store: Store):
    number = queued(store, "one")
    store.finish_inbox(number, state="done", result={})
    before = store.newest_change()
    assert not store.finish_inbox(number, state="failed", result={})
    assert not store.release_inbox(number, "late")
    assert store.decide_inbox([InboxDecision(row=number, state="queued", reason="r", run_key="k")]) == []
    store.beat("daemon")
    assert store.newest_change() == before


def test_the_mark_is_asked_for_in_two_statements_whose_plans_read_ends_of_keys_alone(store: Store):
    asked: list[tuple[str, object]] = []

    def note(_connection, _cursor, statement: str, parameters: object, *_rest: object) -> None:
        asked.append((statement, parameters))

    sa.event.listen(store._engine, "before_cursor_execute", note)
    store.newest_change()
    sa.event.remove(store._engine, "before_cursor_execute", note)
    asked = [one for one in asked if one[0].startswith("SELECT")]
    assert len(asked) == 2
    if store._engine.dialect.name == "sqlite":
        with store._engine.connect() as connection:
            steps = [
                step[3]
                for statement, parameters in asked
                for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            ]
        assert [step for step in steps if step.startswith("SCAN") and step != "SCAN CONSTANT ROW"] == []
