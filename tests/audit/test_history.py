"""Weeks, landings and dates of a line of commits, worked out by hand."""

from __future__ import annotations

import datetime as dt

import pytest

from elder_assets.audit.facts.commit_log import DAY_SECONDS, Commit, CommitGraph, FileChange
from elder_assets.audit.history import week_start, weeks_of

MONDAY = int(dt.datetime(2026, 3, 2, tzinfo=dt.UTC).timestamp())


def commit(name: str, day: float, *parents: str) -> Commit:
    time = MONDAY + int(day * DAY_SECONDS)
    return Commit(name, parents, "Ann", "ann@example.org", time, "Ann", "ann@example.org", time, f"feat: {name}")


def line(*days: float) -> list[Commit]:
    """Commits c0, c1, ... on these days, newest first."""
    made = [commit(f"c{i}", day, *([f"c{i - 1}"] if i else [])) for i, day in enumerate(days)]
    return made[::-1]


def test_a_week_begins_on_monday_in_utc():
    assert week_start(MONDAY) == MONDAY
    assert week_start(MONDAY - 1) == MONDAY - 7 * DAY_SECONDS
    assert week_start(MONDAY + 7 * DAY_SECONDS - 1) == MONDAY


def test_each_week_ends_with_its_last_commit_and_quiet_weeks_keep_the_one_before():
    weeks = weeks_of(line(0, 1, 3, 15, 16), 52)
    assert [(week.name, week.commit) for week in weeks] == [
        ("2026-W10", "c2"),
        ("2026-W11", "c2"),
        ("2026-W12", "c4"),
    ]


def test_only_as_many_weeks_as_asked_for_are_given_the_newest_ones():
    assert [week.commit for week in weeks_of(line(0, 7, 14), 2)] == ["c1", "c2"]
    assert weeks_of([], 52) == []


def test_a_commit_dated_back_does_not_move_to_an_earlier_week():
    assert [week.commit for week in weeks_of(line(8, 1), 52)] == ["c1"]  # c1 says a week before its parent


def test_a_clock_far_ahead_opens_no_weeks_in_the_future():
    weeks = weeks_of(line(0, 400, 8), 52)
    assert [(week.name, week.commit) for week in weeks] == [("2026-W10", "c1"), ("2026-W11", "c2")]


MERGED = [
    commit("root", 0),
    commit("main1", 1, "root"),
    commit("side1", 2, "root"),
    commit("side2", 3, "side1"),
    commit("merge", 4, "main1", "side2"),
    commit("later", 5, "merge"),
]


def test_a_merge_lands_the_commits_that_it_brought_in():
    landings = CommitGraph(MERGED, "later").landings
    assert [(landing.commit.id, [member.id for member in landing.members]) for landing in landings] == [
        ("later", ["later"]),
        ("merge", ["merge", "side2", "side1"]),
        ("main1", ["main1"]),
        ("root", ["root"]),
    ]


def test_the_order_in_which_commits_were_read_does_not_matter():
    graphs = [CommitGraph(commits, "later") for commits in (MERGED, MERGED[::-1])]
    assert graphs[0].commits == graphs[1].commits
    assert graphs[0].landings == graphs[1].landings


@pytest.mark.parametrize("head", ["root", "main1", "merge"])
def test_the_past_of_a_head_equals_the_history_of_that_commit(head: str):
    changes = {name: (FileChange("M", f"{name}.py", "", 1, 0),) for name in ("root", "side1", "side2", "later")}
    whole = CommitGraph(MERGED, "later")
    alone = CommitGraph(MERGED, head)
    past, own = whole.view(whole.place(head), changes), alone.view(alone.place(head), changes)
    assert (past.commits, past.landings, dict(past.changes)) == (own.commits, own.landings, dict(own.changes))
    assert past.changes_since == own.changes_since


def test_a_commit_beside_the_line_cannot_be_a_head():
    graph = CommitGraph(MERGED, "later")
    with pytest.raises(KeyError):
        graph.place("side1")


def test_commits_that_a_force_push_dropped_are_not_in_the_history():
    dropped = [*MERGED, commit("dropped", 6, "merge")]
    assert "dropped" not in {known.id for known in CommitGraph(dropped, "later").commits}


def test_parents_that_are_not_known_are_named():
    assert CommitGraph([commit("tip", 1, "gone")], "tip").missing == {"gone"}
