"""The inbox on SQLite and on PostgreSQL: nothing comes twice, nothing is lost, what ended can be asked for again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from elder_assets.audit.errors import ConfigurationError, RepositoryNotFound, StoreError
from resources.store import Store, open_store
from resources.store.inbox import HIGH, LOW, InboxDecision, Put

KEY = "example.org/shop/basket"
NOON = dt.datetime(2026, 3, 3, 12, tzinfo=dt.UTC)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    is_embedded = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'elder.db'}" if is_embedded else request.getfixturevalue("empty_postgres")
    with open_store(url, clock=lambda: NOON) as opened:
        yield opened


def put(store: Store, delivery_id: str, **changes) -> Put:
    given = {"source": "webhook", "provider": "github", "action": "push", "document": {"head": "a" * 40}}
    return store.put_inbox(**{**given, "delivery_id": delivery_id, **changes})


def decide(store: Store, number: int, state: str = "queued") -> list[InboxDecision]:
    return store.decide_inbox([InboxDecision(row=number, state=state, reason="because", run_key=f"audit:{number}")])


def test_a_delivery_that_comes_twice_is_one_row(store: Store):
    first, again = put(store, "one"), put(store, "one", document={"head": "b" * 40})
    assert (first.is_new, again.is_new, again.row) == (True, False, first.row)
    assert [row.document for row in store.waiting_inbox(10)] == [{"head": "a" * 40}]


def test_the_same_id_of_another_provider_is_another_row(store: Store):
    assert put(store, "one").row != put(store, "one", provider="gitlab").row


def test_twenty_threads_with_one_delivery_make_one_row(store: Store):
    with ThreadPoolExecutor(8) as pool:
        came = list(pool.map(lambda _: put(store, "one"), range(20)))
    assert sum(one.is_new for one in came) == 1
    assert len({one.row for one in came}) == 1


def test_rows_wait_by_priority_and_then_in_order_of_arrival(store: Store):
    numbers = [put(store, str(n), priority=p).row for n, p in enumerate((LOW, 0, HIGH, 0))]
    assert [row.id for row in store.waiting_inbox(3)] == [numbers[2], numbers[1], numbers[3]]


def test_a_row_is_decided_once(store: Store):
    number = put(store, "one").row
    assert len(decide(store, number)) == 1
    assert decide(store, number, "skipped") == []
    row = store.inbox_row(number)
    assert (row.state, row.decision, row.run_key, row.decided_at) == ("queued", "because", f"audit:{number}", NOON)
    assert row.finished_at is None


def test_a_run_ends_a_row_once_and_adds_to_its_result(store: Store):
    number = put(store, "one").row
    decide(store, number)
    store.start_inbox(number, "run-1")
    store.note_inbox(number, {"commit": "a"})
    assert store.finish_inbox(number, state="done", result={"score": 90.0})
    assert not store.finish_inbox(number, state="failed", result={})
    row = store.inbox_row(number)
    assert (row.state, row.run_id, row.finished_at) == ("done", "run-1", NOON)
    assert row.result == {"commit": "a", "score": 90.0}


def test_a_row_whose_run_is_lost_waits_again(store: Store):
    number = put(store, "one").row
    decide(store, number)
    assert store.release_inbox(number, "its run is lost")
    assert not store.release_inbox(number, "again")
    assert [(row.id, row.decision, row.run_id) for row in store.waiting_inbox(10)] == [
        (number, "its run is lost", None)
    ]
    assert store.inbox_row(number).result == {"attempts": 1}
    decide(store, number)
    assert store.release_inbox(number, "it never began", is_attempt=False)
    assert store.inbox_row(number).result == {"attempts": 1}


def test_the_row_of_a_run_is_found_while_it_works(store: Store):
    number = put(store, "one").row
    decide(store, number)
    store.start_inbox(number, "run-1")
    assert store.row_of_run("run-1").id == number
    store.finish_inbox(number, state="done", result={})
    assert store.row_of_run("run-1") is None


def test_rows_are_taken_by_action(store: Store):
    mine, other = put(store, "one").row, put(store, "two", action="remediation").row
    assert [row.id for row in store.waiting_inbox(10, ["push"])] == [mine]
    assert [row.id for row in store.waiting_inbox(10)] == [mine, other]
    decide(store, mine)
    decide(store, other)
    assert [row.id for row in store.queued_inbox(["push"])] == [mine]


def test_a_replay_is_a_new_row_that_names_the_old_one(store: Store):
    number = put(store, "one", state="skipped", decision="nobody knows it").row
    again, third = store.replay_inbox(number), store.replay_inbox(number)
    rows = [store.inbox_row(put.row) for put in (again, third)]
    assert [(row.replay_of, row.source, row.state, row.document) for row in rows] == [
        (number, "replay", "waiting", {"head": "a" * 40})
    ] * 2
    assert store.inbox_row(number).state == "skipped"


def test_a_replay_finds_the_repository_that_was_registered_since(store: Store):
    number = put(store, "one", state="skipped", document={"repository": KEY}).row
    known = store.add_repository(KEY, "https://example.org/shop/basket")
    assert store.inbox_row(store.replay_inbox(number).row).repository_id == known.id


def test_what_has_not_ended_is_not_replayed(store: Store):
    number = put(store, "one").row
    with pytest.raises(StoreError, match="is waiting; only what has ended is replayed"):
        store.replay_inbox(number)


def test_pages_of_rows_follow_each_other_without_gap_or_repeat(store: Store):
    numbers = [put(store, str(n)).row for n in range(5)]
    seen, cursor = [], None
    while True:
        page, cursor = store.inbox_rows(before=cursor, limit=2)
        seen.append([row.id for row in page])
        if cursor is None:
            break
    assert seen == [[numbers[4], numbers[3]], [numbers[2], numbers[1]], [numbers[0]]]


def test_rows_are_chosen_by_repository_and_state(store: Store):
    known = store.add_repository(KEY, "https://example.org/shop/basket")
    put(store, "other")
    ours = put(store, "ours", repository_id=known.id).row
    done = put(store, "done", repository_id=known.id, state="skipped").row
    assert [row.id for row in store.inbox_rows(repository=KEY)[0]] == [done, ours]
    assert [(row.id, row.repository) for row in store.inbox_rows(repository=KEY, states=["waiting"])[0]] == [
        (ours, KEY)
    ]


def test_a_page_of_any_size_is_refused(store: Store):
    with pytest.raises(ConfigurationError, match="limit: got 501"):
        store.inbox_rows(limit=501)


def test_counts_name_every_state(store: Store):
    put(store, "one")
    put(store, "two", state="skipped")
    assert store.inbox_counts() == {"waiting": 1, "queued": 0, "skipped": 1, "collapsed": 0, "done": 0, "failed": 0}
    assert store.oldest_waiting() == NOON


def test_an_audit_that_was_asked_for_waits_in_the_inbox(store: Store):
    store.add_repository(KEY, "https://example.org/shop/basket")
    asked = store.ask_audit(KEY, source="api", delivery_id="task-1", audit_type="full", branch="next", magics=["tdd"])
    row = store.inbox_row(asked.row)
    assert (row.action, row.provider, row.repository) == ("audit", "api", KEY)
    assert row.document == {"audit_type": "full", "branch": "next", "commit": "", "magics": ["tdd"]}
    with pytest.raises(RepositoryNotFound):
        store.ask_audit("example.org/a/b", source="api", delivery_id="task-2")


def test_a_target_without_a_project_is_audited_after_every_push(store: Store):
    known = store.add_repository(KEY, "https://example.org/shop/basket")
    store.add_team("payments")
    store.assign(KEY, "payments")
    target = store.audit_targets()[known.id]
    assert (target.key, target.team, target.is_auto_audited, target.latest_commit) == (KEY, "payments", True, "")
    store.remove_repository(KEY)
    assert store.audit_targets([known.id])[known.id].is_removed
    assert store.audit_targets([]) == {}
