"""Initiatives: a goal for repositories with a deadline, how far it is, and when it will be there at the present pace.

Pure. A goal is one of a small closed set, so that it is measured from what is rolled up already: no finding of a rule
is open, a magic or the whole has a score of at least so much, a repository has a level.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from elder_assets.audit.errors import ConfigurationError
from elder_assets.audit.levels import RANKS
from elder_assets.audit.policy import LEVELS, nearest
from elder_assets.audit.ruler import Ruler

GoalKind = Literal["rule", "magic", "score", "level"]
GOAL_KINDS: tuple[GoalKind, ...] = ("rule", "magic", "score", "level")
State = Literal["planned", "active", "reached", "missed", "withdrawn"]
STATES: tuple[State, ...] = ("planned", "active", "reached", "missed", "withdrawn")
TITLE_CHARACTERS_MAX = 120
DAYS_MAX = 3 * 366
"""How far away a deadline may be; chosen by us: beyond that nobody remembers why."""
PACE_WEEKS = 8
"""Weeks that the present pace is taken from."""
PROJECTED_WEEKS_MAX = 260


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """What a repository must have."""

    kind: GoalKind
    subject: str = ""
    """Code of the rule, name of the magic, or the level; '' for the score of the whole."""
    least: float | None = None
    """Score, 0-100; of kinds magic and score."""


class Stand(msgspec.Struct, frozen=True, kw_only=True):
    """How one repository stands, in what goals ask for."""

    repository: str
    is_audited: bool
    score: float | None
    magics: Mapping[str, float | None]
    """Magic to its score; one without a score does not apply."""
    level: str
    open_rules: frozenset[str]
    """Rules with open findings."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """How far an initiative was in one week."""

    week: str
    """Monday, 2026-02-09."""
    done: int
    total: int


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How fast it goes."""

    per_week: float
    """Repositories a week over the last weeks; 0 or less = no pace."""
    reached_on: dt.date | None
    """When all are done at this pace; None where there is none yet."""


def checked_goal(kind: str, subject: str, least: float | None, own: Ruler) -> Goal:
    """A goal that can be measured.

    Raises:
        ConfigurationError: it cannot; says which value and what is allowed.
    """
    found = next((known for known in GOAL_KINDS if known == kind), None)
    if found is None:
        raise ConfigurationError("kind", kind, GOAL_KINDS)
    subjects: dict[GoalKind, tuple[str, ...]] = {
        "rule": tuple(own.rules),
        "magic": tuple(own.weights),
        "level": LEVELS,
        "score": ("",),
    }
    allowed = subjects[found]
    if subject not in allowed:
        raise ConfigurationError("subject", subject, nearest(subject, allowed) if found != "score" else "nothing")
    if found in {"magic", "score"}:
        if least is None or not 0 <= least <= 100:
            raise ConfigurationError("least", least, "a score from 0 to 100")
        return Goal(kind=found, subject=subject, least=least)
    if least is not None:
        raise ConfigurationError("least", least, f"nothing: a goal of kind {found} has no score")
    return Goal(kind=found, subject=subject)


def checked_days(starts_on: dt.date, deadline: dt.date, today: dt.date) -> None:
    """See that the days make sense.

    Raises:
        ConfigurationError: they do not.
    """
    if deadline < today:
        raise ConfigurationError("deadline", str(deadline), f"a day from {today} on")
    if (deadline - today).days > DAYS_MAX:
        raise ConfigurationError("deadline", str(deadline), "a day within three years")
    if not today - dt.timedelta(days=DAYS_MAX) <= starts_on <= deadline:
        raise ConfigurationError("starts_on", str(starts_on), f"a day within three years, at the latest {deadline}")


def checked_title(title: str) -> str:
    """A title in one line.

    Raises:
        ConfigurationError: it says nothing, or too much.
    """
    said = " ".join(title.split())
    if not 3 <= len(said) <= TITLE_CHARACTERS_MAX:
        raise ConfigurationError("title", title[:80], f"3 to {TITLE_CHARACTERS_MAX} characters")
    return said


def words(goal: Goal) -> str:
    """A goal in English; pages say it in the viewer's language."""
    if goal.kind == "rule":
        return f"no {goal.subject} open"
    if goal.kind == "level":
        return f"level {goal.subject} or above"
    return f"{goal.subject or 'overall'} score at least {goal.least:g}"


def is_met(goal: Goal, stand: Stand) -> bool | None:
    """Whether a repository has what the goal asks for; None where it asks nothing of it (the magic does not apply)."""
    if not stand.is_audited:
        return False  # not audited is not clean
    if goal.kind == "rule":
        return goal.subject not in stand.open_rules
    if goal.kind == "level":
        return RANKS.index(stand.level if stand.level in RANKS else RANKS[0]) >= RANKS.index(goal.subject)
    score = stand.score if goal.kind == "score" else stand.magics.get(goal.subject)
    if score is None:
        return None if goal.kind == "magic" else False
    return score >= (goal.least or 0.0)


def state_on(state: State, starts_on: dt.date, deadline: dt.date, today: dt.date, *, is_done: bool) -> State:
    """The state of an initiative on a day.

    One that was withdrawn or reached stays so; one that was missed may still be reached. The day of the deadline is the
    last one that counts.
    """
    if state in {"withdrawn", "reached"}:
        return state
    if today < starts_on:
        return "planned"
    if is_done:
        return "reached"
    return "missed" if today > deadline else "active"


def pace_of(points: Sequence[Point], today: dt.date) -> Pace:
    """The pace over the last weeks, and where it leads.

    Args:
        points: oldest first, one a week at most.
        today: the day.
    """
    recent = [
        point for point in points if dt.date.fromisoformat(point.week) > today - dt.timedelta(weeks=PACE_WEEKS + 1)
    ]
    if not recent:
        return Pace(per_week=0.0, reached_on=None)
    first, last = recent[0], recent[-1]
    weeks = (dt.date.fromisoformat(last.week) - dt.date.fromisoformat(first.week)).days / 7
    left = last.total - last.done
    gained = (first.total - first.done) - left
    per_week = gained / weeks if weeks else 0.0
    if left <= 0:
        return Pace(per_week=per_week, reached_on=today)
    weeks_left = left / per_week if per_week > 0 else PROJECTED_WEEKS_MAX + 1
    if weeks_left > PROJECTED_WEEKS_MAX:
        return Pace(per_week=per_week, reached_on=None)
    return Pace(per_week=per_week, reached_on=today + dt.timedelta(days=round(weeks_left * 7)))


def monday_of(day: dt.date) -> str:
    """The Monday of a day's week."""
    return (day - dt.timedelta(days=day.weekday())).isoformat()
