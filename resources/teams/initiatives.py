"""Initiatives of a team and of the platform: made, measured, settled, and looked at.

Measuring reads projections and keeps one point a week; it is asked for by the scorecard of a team, by the alerts of the
day, and when an initiative is made or changed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec

from elder_assets.audit.errors import ConfigurationError
from elder_assets.audit.initiatives import (
    Pace,
    Point,
    Stand,
    State,
    checked_days,
    checked_goal,
    checked_title,
    is_met,
    monday_of,
    pace_of,
    state_on,
)
from elder_assets.audit.ruler import default_ruler
from resources.store import Store
from resources.store.initiatives import Initiative, InitiativeEvent
from resources.store.teams import Team

NAME_CHARACTERS_MAX = 80
REASON_CHARS_MIN = 8


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """An initiative that somebody wants to make."""

    title: str
    kind: str
    subject: str = ""
    least: float | None = None
    deadline: dt.date
    starts_on: dt.date | None = None
    """None = today."""
    owner: str = ""
    repositories: tuple[str, ...] = ()
    """Keys; () = all of the team."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """An initiative as a team looks at it."""

    initiative: Initiative
    done: int
    total: int
    left: tuple[str, ...]
    """Keys of the team's repositories that lack it."""
    points: tuple[Point, ...]
    pace: Pace
    events: tuple[InitiativeEvent, ...]
    is_overdue: bool

    @property
    def is_platform(self) -> bool:
        """Whether it is for all teams."""
        return self.initiative.team_id is None


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """An initiative that came to another state."""

    initiative: Initiative
    before: State
    after: State
    done: int
    total: int


def make(store: Store, team: Team | None, wanted: Wanted, *, by: str) -> Initiative:
    """Make an initiative, and measure it for the first time.

    Args:
        store: where it is kept.
        team: whose; None = of the platform, for all teams.
        wanted: the initiative.
        by: who makes it.

    Raises:
        ConfigurationError: a value is not allowed.
        RepositoryNotFound: a named repository is not the team's.
    """
    today = store.now().date()
    goal = checked_goal(wanted.kind, wanted.subject, wanted.least, default_ruler())
    starts_on = wanted.starts_on or today
    checked_days(starts_on, wanted.deadline, today)
    row = {
        "team_id": None if team is None else team.id,
        "title": checked_title(wanted.title),
        "scope": _scope(store, team, wanted.repositories),
        "owner": _name(wanted.owner or by),
        "starts_on": starts_on,
        "deadline": wanted.deadline,
        "state": "planned" if today < starts_on else "active",
    }
    made = store.add_initiative(row, goal, by=by)
    for known in [team] if team else store.teams():
        _keep_past(store, made, known)
    measure(store, made.id)
    return store.initiative(made.id)


def _name(owner: str) -> str:
    said = " ".join(owner.split())
    if len(said) > NAME_CHARACTERS_MAX:
        raise ConfigurationError("owner", owner[:80], f"at most {NAME_CHARACTERS_MAX} characters")
    return said


def _scope(store: Store, team: Team | None, keys: Sequence[str]) -> list[int]:
    if not keys:
        return []
    if team is None:
        raise ConfigurationError("repositories", list(keys)[:5], "none: an initiative of the platform is for all")
    owned = {known.key: known.id for known in store.repositories_of(team.key)}
    if unknown := [key for key in keys if key not in owned]:
        raise ConfigurationError("repositories", unknown[0], f"repositories of {team.key}")
    return sorted({owned[key] for key in keys})


def _keep_past(store: Store, made: Initiative, team: Team) -> None:
    """Points of the weeks since its start that are over, where the weekly scores tell them."""
    this_week = dt.date.fromisoformat(monday_of(store.now().date()))
    first = dt.date.fromisoformat(monday_of(made.starts_on))
    weeks = [(first + dt.timedelta(weeks=n)).isoformat() for n in range((this_week - first).days // 7)]
    repositories = made.scope or tuple(store.stands(team.id))
    store.keep_points(made.id, team.id, store.past_points(made.goal, repositories, weeks))


def change(store: Store, number: int, values: dict[str, Any], *, by: str, reason: str) -> Initiative:
    """Change title, owner or deadline of an initiative.

    Raises:
        UnknownRecord: there is none.
        ConfigurationError: a value is not allowed, or the reason says nothing.
        Conflict: it was withdrawn.
    """
    known, today = store.initiative(number), store.now().date()
    said = _reason(reason)
    checked: dict[str, Any] = {}
    if "title" in values:
        checked["title"] = checked_title(values["title"])
    if "owner" in values:
        checked["owner"] = _name(values["owner"])
    if "deadline" in values:
        checked_days(min(known.starts_on, values["deadline"]), values["deadline"], today)
        checked["deadline"] = values["deadline"]
    store.change_initiative(number, checked, by=by, reason=said)
    if known.state == "missed" and checked.get("deadline", known.deadline) >= today:
        store.move_initiative(number, "missed", "active", by=by, detail={"reason": said})
    measure(store, number)
    return store.initiative(number)


def _reason(reason: str) -> str:
    said = " ".join(reason.split())
    if len(said) < REASON_CHARS_MIN:
        raise ConfigurationError("reason", reason[:80], f"why, in at least {REASON_CHARS_MIN} characters")
    return said[:500]


def withdraw(store: Store, number: int, *, by: str, reason: str) -> Initiative:
    """Give an initiative up; it stays with its history.

    Raises:
        UnknownRecord: there is none.
        ConfigurationError: the reason says nothing.
    """
    known = store.initiative(number)
    store.move_initiative(number, known.state, "withdrawn", by=by, detail={"reason": _reason(reason)})
    return store.initiative(number)


# --- measuring -------------------------------------------------------------------------------------------


def progress(known: Initiative, stands: dict[int, Stand]) -> tuple[int, int, tuple[str, ...]]:
    """(done, total, keys of those that lack it) of a team's repositories."""
    in_scope = [stand for number, stand in stands.items() if not known.scope or number in known.scope]
    met = {stand.repository: is_met(known.goal, stand) for stand in in_scope}
    counted = {key: has for key, has in met.items() if has is not None}
    return sum(counted.values()), len(counted), tuple(key for key, has in counted.items() if not has)


def measure(store: Store, number: int) -> Moved | None:
    """Keep how far one initiative is, and bring it to the state that follows; what moved."""
    known, today = store.initiative(number), store.now().date()
    if known.state in {"withdrawn", "reached"}:
        return None
    done = total = 0
    for team in store.teams():
        if known.team_id in {None, team.id}:
            of_team, all_of_team, _ = progress(known, store.stands(team.id))
            done, total = done + of_team, total + all_of_team
            point = Point(week=monday_of(today), done=of_team, total=all_of_team)
            if today >= known.starts_on and all_of_team:
                store.keep_points(number, team.id, [point])
    after = state_on(known.state, known.starts_on, known.deadline, today, is_done=bool(total) and done == total)
    if after == known.state:
        return None
    detail = {"from": known.state, "done": done, "total": total}
    if not store.move_initiative(number, known.state, after, by="", detail=detail):
        return None
    return Moved(initiative=store.initiative(number), before=known.state, after=after, done=done, total=total)


def measure_all(store: Store, team_id: int | None = None) -> list[Moved]:
    """Measure every initiative of a team and of the platform (None = all); those that came to another state."""
    found = [measure(store, known.id) for known in store.initiatives(team_id)]
    return [moved for moved in found if moved is not None]


def seen_by(store: Store, team: Team) -> list[Seen]:
    """The initiatives of a team and of the platform, as the team stands now; those that end first at first."""
    every = store.initiatives(team.id)
    numbers = [known.id for known in every]
    stands, points, events = store.stands(team.id), store.points_of(numbers, team.id), store.initiative_events(numbers)
    today = store.now().date()
    found = []
    for known in every:
        done, total, left = progress(known, stands)
        kept = points.get(known.id, [])
        found.append(
            Seen(
                initiative=known,
                done=done,
                total=total,
                left=left,
                points=tuple(kept),
                pace=pace_of(kept, today),
                events=tuple(events.get(known.id, ())),
                is_overdue=known.state in {"active", "missed"} and today > known.deadline,
            )
        )
    return found
