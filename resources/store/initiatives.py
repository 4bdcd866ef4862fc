"""Initiatives in the results store: goals with deadlines, their history, and how far each was in each week.

How far they are now is read from projections (`latest`, `latest_magics`, `latest_rules`, `scorecards`); no raw finding
is grouped.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from elder_assets.audit.errors import Conflict, UnknownRecord
from elder_assets.audit.initiatives import Goal, Point, Stand, State
from resources.store import tables
from resources.store.audit_log import AuditLog
from resources.store.database import storable

MARK = "alerts:initiatives"


class Initiative(msgspec.Struct, frozen=True, kw_only=True):
    """A goal with a deadline."""

    id: int
    team_id: int | None
    """None = of the platform, for all teams."""
    title: str
    goal: Goal
    scope: tuple[int, ...]
    """Ids of repositories; () = all of the team."""
    owner: str
    starts_on: dt.date
    deadline: dt.date
    state: State
    created_by: str
    created_at: dt.datetime
    settled_at: dt.datetime | None


class InitiativeEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to an initiative."""

    event: str
    actor: str
    detail: dict[str, Any]
    at: dt.datetime


class Initiatives(AuditLog):
    """A part of the store."""

    def add_initiative(self, row: Mapping[str, Any], goal: Goal, *, by: str) -> Initiative:
        """Keep an initiative; the caller has checked it.

        Args:
            row: team_id, title, scope, owner, starts_on, deadline, state.
            goal: what it asks for.
            by: who makes it.
        """
        table, now = tables.initiatives, self._clock()
        values = {
            **storable(dict(row)),
            **msgspec.structs.asdict(goal),
            "created_by": storable(by),
            "created_at": now,
            "settled_at": None,
        }
        with self._writing() as connection:
            number = connection.scalars(sa.insert(table).returning(table.c.id), values).one()
            self._tell_initiative(connection, number, "made", by, {"deadline": row["deadline"].isoformat()})
            self._log(connection, by, "initiative.add", f"initiative {number}", {"title": values["title"]})
            return self._initiative(connection, number)

    def initiative(self, number: int) -> Initiative:
        """One of them.

        Raises:
            UnknownRecord: there is none.
        """
        with self._reading() as connection:
            return self._initiative(connection, number)

    def _initiative(self, connection: Connection, number: int) -> Initiative:
        table = tables.initiatives
        row = connection.execute(sa.select(table).where(table.c.id == number)).mappings().one_or_none()
        if row is None:
            msg = f"there is no initiative {number}"
            raise UnknownRecord(msg)
        return _made(row)

    def initiatives(self, team_id: int | None = None) -> list[Initiative]:
        """Those of a team and of the platform, those that end first at first; None = all of them."""
        table = tables.initiatives
        statement = sa.select(table).order_by(table.c.deadline, table.c.id)
        if team_id is not None:
            statement = statement.where(sa.or_(table.c.team_id == team_id, table.c.team_id.is_(None)))
        with self._reading() as connection:
            return [_made(row) for row in connection.execute(statement).mappings()]

    def change_initiative(self, number: int, values: Mapping[str, Any], *, by: str, reason: str) -> Initiative:
        """Change title, owner or deadline; what was there stays in its history.

        Raises:
            UnknownRecord: there is none.
            Conflict: it was withdrawn.
        """
        table = tables.initiatives
        with self._writing() as connection:
            before = self._initiative(connection, number)
            if before.state == "withdrawn":
                msg = f"initiative {number} was withdrawn"
                raise Conflict(msg)
            moved = {name: value for name, value in values.items() if getattr(before, name) != value}
            if moved:
                connection.execute(sa.update(table).where(table.c.id == number).values(**storable(dict(moved))))
                detail = {name: [str(getattr(before, name)), str(value)] for name, value in moved.items()}
                self._tell_initiative(connection, number, "changed", by, {"reason": reason, "changes": detail})
                self._log(connection, by, "initiative.change", f"initiative {number}", detail)
            return self._initiative(connection, number)

    def move_initiative(self, number: int, before: State, after: State, *, by: str, detail: Mapping[str, Any]) -> bool:
        """Bring an initiative to another state; False when somebody else has moved it meanwhile."""
        table, now = tables.initiatives, self._clock()
        is_settled = after in {"reached", "missed", "withdrawn"}
        with self._writing() as connection:
            held = (table.c.id == number, table.c.state == before)
            values = {"state": after, "settled_at": now if is_settled else None}
            if not connection.execute(sa.update(table).where(*held).values(**values)).rowcount:
                return False
            self._tell_initiative(connection, number, after, by, detail)
            self._log(connection, by, f"initiative.{after}", f"initiative {number}", detail)
            return True

    def _tell_initiative(
        self, connection: Connection, number: int, event: str, actor: str, detail: Mapping[str, Any]
    ) -> None:
        row = {"initiative_id": number, "event": event, "actor": storable(actor), "detail": storable(dict(detail))}
        connection.execute(sa.insert(tables.initiative_events).values(**row, at=self._clock()))

    def initiative_events(self, numbers: Sequence[int]) -> dict[int, list[InitiativeEvent]]:
        """What happened to some initiatives, oldest first."""
        table = tables.initiative_events
        found: dict[int, list[InitiativeEvent]] = defaultdict(list)
        with self._reading() as connection:
            statement = sa.select(table).where(table.c.initiative_id.in_(list(numbers))).order_by(table.c.id)
            for row in connection.execute(statement).mappings():
                event = {name: row[name] for name in InitiativeEvent.__struct_fields__}
                found[row["initiative_id"]].append(InitiativeEvent(**event))
        return found

    def newest_initiative_event(self) -> int:
        """Id of the last thing that happened to any; 0 before the first."""
        with self._reading() as connection:
            return connection.scalar(sa.select(sa.func.max(tables.initiative_events.c.id))) or 0

    def initiative_news(self, after: int, events: Sequence[str]) -> list[tuple[int, Initiative, str]]:
        """(id, initiative, event) of what happened since an event, oldest first."""
        told, table = tables.initiative_events, tables.initiatives
        statement = (
            sa.select(table, told.c.id.label("event_id"), told.c.event)
            .join(told, told.c.initiative_id == table.c.id)
            .where(told.c.id > after, told.c.event.in_(list(events)))
            .order_by(told.c.id)
        )
        with self._reading() as connection:
            rows = connection.execute(statement).mappings()
            return [(row["event_id"], _made(row), row["event"]) for row in rows]

    def initiative_mark(self) -> tuple[int, int | None]:
        """(the last event that people were told of, when in seconds since the epoch); None before the first time."""
        table = tables.watermarks
        with self._reading() as connection:
            value = connection.scalar(sa.select(table.c.value).where(table.c.name == MARK))
        if value is None:
            return 0, None
        read, at = msgspec.json.decode(value, type=tuple[int, int])
        return read, at

    def keep_initiative_mark(self, read: int, at: int) -> None:
        """Keep how far people were told."""
        table = tables.watermarks
        row = {"value": msgspec.json.encode([read, at]).decode(), "changed_at": self._clock()}
        with self._writing() as connection:
            if not connection.execute(sa.update(table).where(table.c.name == MARK).values(**row)).rowcount:
                self._insert_new(connection, table, {"name": MARK, **row})

    # --- how far they are ------------------------------------------------------------------------------------

    def keep_points(self, number: int, team_id: int, points: Sequence[Point]) -> None:
        """Keep how far an initiative was in some weeks of a team; what was kept of these weeks is replaced."""
        table = tables.initiative_points
        rows = [{"initiative_id": number, "team_id": team_id, **msgspec.structs.asdict(point)} for point in points]
        if not rows:
            return
        with self._writing() as connection:
            held = (table.c.initiative_id == number, table.c.team_id == team_id)
            connection.execute(sa.delete(table).where(*held, table.c.week.in_([point.week for point in points])))
            connection.execute(sa.insert(table), rows)
            self._tell_pages(connection, "projections")

    def points_of(self, numbers: Sequence[int], team_id: int | None = None) -> dict[int, list[Point]]:
        """How far some initiatives were, oldest week first; of all teams together, or of one."""
        table = tables.initiative_points
        sums = [sa.func.sum(table.c[name]).label(name) for name in ("done", "total")]
        statement = (
            sa.select(table.c.initiative_id, table.c.week, *sums)
            .where(table.c.initiative_id.in_(list(numbers)))
            .group_by(table.c.initiative_id, table.c.week)
            .order_by(table.c.week)
        )
        if team_id is not None:
            statement = statement.where(table.c.team_id == team_id)
        found: dict[int, list[Point]] = defaultdict(list)
        with self._reading() as connection:
            for row in connection.execute(statement):
                found[row.initiative_id].append(Point(week=row.week, done=int(row.done), total=int(row.total)))
        return found

    def stands(self, team_id: int) -> dict[int, Stand]:
        """How each repository of a team stands now, by its id, in order of key."""
        repositories, latest = tables.repositories, tables.latest
        known = sa.select(repositories.c.id, repositories.c.key).where(
            repositories.c.team_id == team_id, repositories.c.removed_at.is_(None)
        )
        with self._reading() as connection:
            keys = {row.id: row.key for row in connection.execute(known.order_by(repositories.c.key))}
            if not keys:
                return {}
            scores = _by_id(connection, sa.select(latest.c.repository_id, latest.c.score), keys)
            magics, rules = tables.latest_magics, tables.latest_rules
            of_magics: dict[int, dict[str, float | None]] = defaultdict(dict)
            statement = sa.select(magics.c.repository_id, magics.c.magic, magics.c.score)
            for number, magic, score in connection.execute(statement.where(magics.c.repository_id.in_(keys))).tuples():
                of_magics[number][magic] = score
            opened: dict[int, set[str]] = defaultdict(set)
            found = sa.select(rules.c.repository_id, rules.c.rule).where(rules.c.open > 0, rules.c.severity != "info")
            for number, rule in connection.execute(found.where(rules.c.repository_id.in_(keys))).tuples():
                opened[number].add(rule)
            levels = self._levels_now(connection, team_id)
        return {
            number: Stand(
                repository=key,
                is_audited=number in scores,
                score=scores.get(number),
                magics=of_magics[number],
                level=levels.get(number, ""),
                open_rules=frozenset(opened[number]),
            )
            for number, key in keys.items()
        }

    def _levels_now(self, connection: Connection, team_id: int) -> dict[int, str]:
        table = tables.scorecards
        newest = sa.select(sa.func.max(table.c.week)).where(table.c.team_id == team_id).scalar_subquery()
        statement = sa.select(table.c.repository_id, table.c.level).where(
            table.c.team_id == team_id, table.c.magic == "", table.c.week == newest
        )
        return dict(list(connection.execute(statement).tuples()))

    def past_points(self, goal: Goal, repositories: Sequence[int], weeks: Sequence[str]) -> list[Point]:
        """How far a goal was in weeks that are over, from the weekly scores; [] for a goal that these cannot tell."""
        if goal.kind not in {"magic", "score"} or not repositories or not weeks:
            return []
        table = tables.latest_weeks
        met = sa.func.sum(sa.case((table.c.score >= goal.least, 1), else_=0))
        statement = (
            sa.select(table.c.week, met.label("done"), sa.func.count(table.c.score).label("total"))
            .where(
                table.c.magic == goal.subject,
                table.c.repository_id.in_(list(repositories)),
                table.c.week.in_(list(weeks)),
                table.c.score.is_not(None),
            )
            .group_by(table.c.week)
            .order_by(table.c.week)
        )
        with self._reading() as connection:
            rows = list(connection.execute(statement))
        return [Point(week=row.week, done=int(row.done), total=int(row.total)) for row in rows]


def _by_id(connection: Connection, statement: sa.Select[Any], keys: Mapping[int, str]) -> dict[int, Any]:
    column = next(iter(statement.selected_columns))
    return dict(list(connection.execute(statement.where(column.in_(keys))).tuples()))


def _made(row: Any) -> Initiative:
    values = {name: row[name] for name in Initiative.__struct_fields__ if name not in {"goal", "scope"}}
    goal = Goal(kind=row["kind"], subject=row["subject"], least=row["least"])
    return Initiative(goal=goal, scope=tuple(row["scope"]), **values)
