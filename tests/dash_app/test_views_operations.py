"""What the pages about work in progress show, worked out by hand."""

from __future__ import annotations

import datetime as dt

import pytest

from dash_app import figures_operations, views_operations

MONDAY = dt.date(2026, 3, 2)


def at(day: dt.date, hour: int = 12) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(hour), dt.UTC)


@pytest.mark.parametrize(
    ("provider", "web_url", "number", "address"),
    [
        ("github", "https://h/o/n", 3, "https://h/o/n/pull/3"),
        ("gitlab", "https://h/o/n/", 3, "https://h/o/n/-/merge_requests/3"),
        ("bitbucket_server", "https://h/projects/o/repos/n/browse", 3, "https://h/projects/o/repos/n/pull-requests/3"),
        ("github", "javascript:alert(1)", 3, ""),
        ("github", "https://h/o/n", None, ""),
        ("", "https://h/o/n", 3, ""),
    ],
)
def test_where_a_change_request_is_shown(provider, web_url, number, address):
    assert views_operations.change_address(provider, web_url, number) == address


def test_weeks_without_a_gate_are_there_with_zeros():
    days = [(at(MONDAY), "passed"), (at(MONDAY, 23), "failed"), (at(MONDAY - dt.timedelta(days=15)), "error")]
    weeks = views_operations.gate_weeks(days, MONDAY - dt.timedelta(weeks=3), MONDAY + dt.timedelta(days=2))
    assert [(row["passed"], row["failed"], row["other"]) for row in weeks] == [
        (0, 0, 1),
        (0, 0, 0),
        (0, 0, 0),
        (1, 1, 0),
    ]
    assert weeks[-1]["week"] == "2026-03-02"


def test_advice_is_what_is_new_and_neither_fails_nor_is_suppressed():
    def named(*names: str):
        return [{"fingerprint": name} for name in names]

    report = {"failing": named("a"), "new": named("a", "b", "c"), "suppressed": named("c")}
    assert views_operations.advice(report) == named("b")
    assert views_operations.advice({}) == []


def test_the_bars_leave_out_what_never_happened():
    weeks = [{"week": "2026-03-02", "passed": 2, "failed": 1, "other": 0}]
    texts = dict.fromkeys(("title", "week", "changes", "passed", "failed", "other"), "t")
    figure = figures_operations.gate_bars(weeks, texts)
    assert [list(bar["y"]) for bar in figure["data"]] == [[1], [2]]
    assert figure["layout"]["barmode"] == "stack"


@pytest.mark.parametrize(
    ("days", "is_revoked", "state"),
    [(30, True, "revoked"), (0, False, "expired"), (14, False, "expiring"), (15, False, "valid")],
)
def test_how_a_token_stands(days, is_revoked, state):
    now = at(MONDAY)
    expires = now + dt.timedelta(days=days)
    assert views_operations.token_state(expires, now if is_revoked else None, now) == state


def test_reasons_show_times_and_no_seconds():
    told = "told at 1772625600, less than 3600 s ago"
    assert views_operations.with_times(told) == "told at 2026-03-04 12:00 UTC, less than 3600 s ago"
    assert views_operations.with_times("id 17726256001") == "id 17726256001"


def test_decisions_are_counted_by_what_came_of_them():
    actions = {"send": 2, "hold for digest": 1, "hold for quiet hours": 3, "drop: muted": 4, "drop: duplicate": 1}
    assert views_operations.decision_groups(actions) == {"send": 2, "hold": 4, "drop": 5}


def event(number: int, run: str, minutes: int, name: str = "audit_update", **said: object) -> dict[str, object]:
    document = {"run_id": run, **said} if run else said
    return {"id": number, "repository": "r", "event": name, "document": document,
            "at": at(MONDAY) - dt.timedelta(minutes=minutes)}  # fmt: skip


def test_events_of_a_run_are_one_entry_with_its_time_and_its_last_word():
    events = [
        event(4, "b", 1, stage="facts", impact="2 files"),
        event(3, "a", 2, "audit_completed", status="passed", score=90, findings=3, commit="c"),
        event(2, "b", 5, stage="started"),
        event(1, "a", 12, stage="started"),
    ]
    running, finished = views_operations.live_runs(events, {}, at(MONDAY))
    assert (running.state, running.stage, running.detail, running.seconds) == ("running", "facts", "2 files", 240.0)
    assert (finished.state, finished.score, finished.findings, finished.seconds) == ("finished", 90.0, 3, 600.0)


def test_a_run_without_a_word_for_an_hour_is_silent_and_one_that_failed_says_why():
    events = [event(2, "b", 61, stage="facts"), event(1, "a", 61, stage="started")]
    failures = {"a": {"reason": "gone", "failed_at": at(MONDAY)}}
    silent, failed = views_operations.live_runs(events, failures, at(MONDAY))
    assert (silent.state, failed.state, failed.detail) == ("silent", "failed", "gone")


def test_completed_events_of_no_run_are_entries_of_their_own():
    events = [event(2, "", 1, "audit_completed"), event(1, "", 2, "audit_completed")]
    assert [run.state for run in views_operations.live_runs(events, {}, at(MONDAY))] == ["finished", "finished"]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "–"), (0.4, "0.4 s"), (8, "8 s"), (125, "2 min 5 s"), (3780, "1 h 3 min"), (60, "1 min 0 s")],
)
def test_a_duration_is_said_as_people_say_it(seconds, shown):
    assert views_operations.spent(seconds) == shown
