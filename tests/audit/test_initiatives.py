"""Goals, states and pace of initiatives, by hand."""

from __future__ import annotations

import datetime as dt

import pytest

from elder_assets.audit.errors import ConfigurationError
from elder_assets.audit.initiatives import (
    Goal,
    Pace,
    Point,
    Stand,
    checked_days,
    checked_goal,
    is_met,
    pace_of,
    state_on,
    words,
)
from elder_assets.audit.ruler import default_ruler

OWN = default_ruler()
TODAY = dt.date(2026, 3, 4)  # a Wednesday
STAND = Stand(
    repository="shop", is_audited=True, score=79.9, magics={"tdd": 80.0, "flow": None}, level="silver",
    open_rules=frozenset({"STR013"}),
)  # fmt: skip


@pytest.mark.parametrize(
    ("goal", "has"),
    [
        (Goal(kind="rule", subject="INT001"), True),
        (Goal(kind="rule", subject="STR013"), False),
        (Goal(kind="score", least=80), False),
        (Goal(kind="score", least=79.9), True),
        (Goal(kind="magic", subject="tdd", least=80), True),
        (Goal(kind="magic", subject="tdd", least=80.1), False),
        (Goal(kind="magic", subject="flow", least=80), None),  # it does not apply, and is asked for nothing
        (Goal(kind="level", subject="silver"), True),
        (Goal(kind="level", subject="bronze"), True),
        (Goal(kind="level", subject="gold"), False),
    ],
    ids=lambda value: words(value) if isinstance(value, Goal) else str(value),
)
def test_a_goal_is_met_by_what_is_rolled_up(goal: Goal, has: bool | None):
    assert is_met(goal, STAND) is has


def test_a_repository_that_was_never_audited_meets_nothing():
    never = Stand(repository="new", is_audited=False, score=None, magics={}, level="", open_rules=frozenset())
    assert is_met(Goal(kind="rule", subject="INT001"), never) is False


@pytest.mark.parametrize(
    ("given", "key"),
    [
        (("rules", "INT001", None), "kind"),
        (("rule", "INT999", None), "subject"),
        (("magic", "tddd", 80.0), "subject"),
        (("level", "platinum", None), "subject"),
        (("score", "tdd", 80.0), "subject"),
        (("score", "", None), "least"),
        (("magic", "tdd", 100.1), "least"),
        (("level", "gold", 80.0), "least"),
    ],
)
def test_a_goal_that_cannot_be_measured_is_refused_by_its_value(given: tuple[str, str, float | None], key: str):
    with pytest.raises(ConfigurationError) as raised:
        checked_goal(*given, OWN)
    assert raised.value.key == key


@pytest.mark.parametrize(
    ("starts", "deadline", "key"),
    [
        ("2026-03-04", "2026-03-03", "deadline"),
        ("2026-03-04", "2036-03-03", "deadline"),
        ("2026-04-02", "2026-04-01", "starts_on"),
        ("2001-01-01", "2026-04-01", "starts_on"),
    ],
)
def test_days_that_make_no_sense_are_refused(starts: str, deadline: str, key: str):
    with pytest.raises(ConfigurationError) as raised:
        checked_days(dt.date.fromisoformat(starts), dt.date.fromisoformat(deadline), TODAY)
    assert raised.value.key == key


@pytest.mark.parametrize(
    ("state", "starts", "deadline", "is_done", "then"),
    [
        ("planned", 1, 9, False, "planned"),
        ("planned", 1, 9, True, "planned"),  # what is there before the start is no merit
        ("planned", 0, 9, False, "active"),
        ("active", -9, 0, False, "active"),  # the last day counts
        ("active", -9, -1, False, "missed"),
        ("active", -9, 9, True, "reached"),
        ("missed", -9, -1, True, "reached"),
        ("reached", -9, 9, False, "reached"),
        ("withdrawn", -9, 9, True, "withdrawn"),
    ],
)
def test_the_state_follows_from_day_and_progress(state, starts, deadline, is_done, then):
    days = [TODAY + dt.timedelta(days=number) for number in (starts, deadline)]
    assert state_on(state, *days, TODAY, is_done=is_done) == then


def points(*left: int) -> list[Point]:
    """Ten repositories; how many were left in the last weeks up to this one."""
    monday = dt.date(2026, 3, 2)
    weeks = [monday - dt.timedelta(weeks=len(left) - 1 - place) for place in range(len(left))]
    return [Point(week=week.isoformat(), done=10 - one, total=10) for week, one in zip(weeks, left, strict=True)]


def test_the_pace_is_what_was_done_a_week_and_leads_to_a_day():
    # from 8 to 4 in four weeks: one a week; four more weeks from today
    assert pace_of(points(8, 7, 6, 5, 4), TODAY) == Pace(per_week=1.0, reached_on=dt.date(2026, 4, 1))


@pytest.mark.parametrize("left", [(), (5,), (5, 5, 5), (4, 5)], ids=["none", "one week", "still", "backwards"])
def test_where_nothing_moves_there_is_no_day(left: tuple[int, ...]):
    assert pace_of(points(*left), TODAY).reached_on is None


def test_an_old_sprint_says_nothing_of_the_present_pace():
    assert pace_of(points(9, *([3] * 10)), TODAY).reached_on is None


def test_what_is_done_is_done_today():
    assert pace_of(points(2, 0), TODAY).reached_on == TODAY
