"""How the installation does, read from projections and from the newest rows: for figures, `elder doctor` and rules.

Nothing here groups a table of all times: states are read from roll-ups and indexed columns, events by the ids that came
since the last look.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from resources.store import tables
from resources.store.database import Database

HEARTBEAT = "heartbeat:"
BACKUP = "backup"
UNEVEN_IDS = 200
"""In PostgreSQL a transaction may end after one with a higher id; so many ids below the mark are looked at again."""
ROWS_MAX = 20_000
"""Most rows of one look at events; what is beyond comes with the next."""


class Levels(msgspec.Struct, frozen=True, kw_only=True):
    """How many of what there are now."""

    registered: int
    audited: int
    stale: int
    """Registered, and not audited within the time that was asked for."""
    failing: int
    """Whose last attempt failed."""
    passed: int
    mean_score: float | None
    open: int
    suppressed: int
    critical: int
    high: int
    waiting: int
    queued: int
    oldest_waiting: datetime | None
    notices_waiting: int
    notices_given_up: int
    oldest_notice: datetime | None
    """When the oldest notice that is due was due."""
    requests_pending: int
    tokens_expiring: int
    circuits_open: int


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One audit, failure, gate or cost that came since the last look."""

    id: int
    tier: str
    team: str
    kind: str
    """default, change_request, ... of an audit; the status of a gate; the magic of a cost."""
    values: dict[str, float] = {}


class Operations(Database):
    """A part of the store."""

    def beat(self, name: str) -> None:
        """Say that a process of this name works."""
        self._mark(HEARTBEAT + name, self._clock())

    def _mark(self, name: str, at: datetime) -> None:
        table = tables.watermarks
        with self._writing() as connection:
            changed = sa.update(table).where(table.c.name == name).values(changed_at=at)
            if not connection.execute(changed).rowcount:
                self._insert_new(connection, table, {"name": name, "value": "", "changed_at": at})

    def beats(self) -> dict[str, datetime]:
        """When each process last said that it works."""
        table = tables.watermarks
        with self._reading() as connection:
            found = connection.execute(
                sa.select(table.c.name, table.c.changed_at).where(table.c.name.startswith(HEARTBEAT)).limit(20)
            )
            return {name.removeprefix(HEARTBEAT): at for name, at in found}

    def note_backup(self, made_at: datetime) -> None:
        """Say that a good backup holds what the store was at this moment."""
        self._mark(BACKUP, made_at)

    def last_backup(self) -> datetime | None:
        """The moment that the last good backup holds; None when none was ever made of this store."""
        table = tables.watermarks
        with self._reading() as connection:
            return connection.scalar(sa.select(table.c.changed_at).where(table.c.name == BACKUP))

    def database_time(self) -> datetime:
        """What the database takes for the time of day; SQLite has this machine's."""
        with self._reading() as connection:
            if connection.dialect.name == "postgresql":
                now: datetime = connection.scalars(sa.select(sa.func.clock_timestamp())).one()
                return now
            text = connection.scalars(sa.text("SELECT strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')")).one()
            return datetime.fromisoformat(text)

    def record_cost(self, repository: str, values: Mapping[str, float | int]) -> None:
        """Keep what it cost to measure a repository: the columns of `costs`."""
        with self._writing() as connection:
            row = {"repository_id": self._repository(connection, repository).id, "at": self._clock(), **values}
            connection.execute(sa.insert(tables.costs), row)

    # --- levels -----------------------------------------------------------------------------------------------

    def levels(self, *, stale_after: timedelta, expiring_within: timedelta) -> Levels:
        """How things stand now."""
        now = self._clock()
        latest, inbox, notices = tables.latest, tables.inbox, tables.notices
        requests, tokens, circuits = tables.suppression_requests, tables.tokens, tables.circuits
        due = (notices.c.state == "waiting", notices.c.next_at <= now)
        statement = sa.select(
            *_fleet(now - stale_after),
            _count(inbox, inbox.c.state == "waiting").label("waiting"),
            _count(inbox, inbox.c.state == "queued").label("queued"),
            sa.select(sa.func.min(inbox.c.received_at))
            .where(inbox.c.state == "waiting")
            .scalar_subquery()
            .label("oldest"),
            _count(notices, *due).label("notices_waiting"),
            _count(notices, notices.c.state == "given up").label("notices_given_up"),
            sa.select(sa.func.min(notices.c.next_at)).where(*due).scalar_subquery().label("oldest_notice"),
            _count(requests, requests.c.state == "pending").label("requests_pending"),
            _count(
                tokens, tokens.c.revoked_at.is_(None), tokens.c.expires_at.between(now, now + expiring_within)
            ).label("tokens_expiring"),
            _count(circuits, circuits.c.state != "closed").label("circuits_open"),
        )
        with self._reading() as connection:
            row = dict(connection.execute(statement).mappings().one())
            held = _of_latest(connection, latest)
        return Levels(oldest_waiting=row.pop("oldest"), **row, **held)

    def team_levels(self, most: int) -> list[dict[str, Any]]:
        """Of the teams with most repositories: team, repositories, mean score, open findings, failed repositories."""
        latest, repositories, teams = tables.latest, tables.repositories, tables.teams
        count = sa.func.count().label("repositories")
        statement = (
            sa.select(
                teams.c.key.label("team"),
                count,
                sa.func.avg(latest.c.score).label("score"),
                sa.func.sum(latest.c.open).label("open"),
                sa.func.sum(sa.case((latest.c.status == "failed", 1), else_=0)).label("failed"),
            )
            .join(repositories, repositories.c.id == latest.c.repository_id)
            .join(teams, teams.c.id == repositories.c.team_id)
            .where(repositories.c.removed_at.is_(None))
            .group_by(teams.c.key)
            .order_by(count.desc(), teams.c.key)
            .limit(most)
        )
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def failing_repositories(self, most: int) -> list[tuple[str, str]]:
        """Key and reason of repositories whose last attempt failed."""
        failures, latest, repositories = tables.audit_failures, tables.latest, tables.repositories
        statement = (
            sa.select(repositories.c.key, failures.c.reason)
            .join(repositories, repositories.c.id == failures.c.repository_id)
            .outerjoin(latest, latest.c.repository_id == repositories.c.id)
            .where(failures.c.id.in_(_last_failures()), repositories.c.removed_at.is_(None), _is_failing())
            .order_by(repositories.c.key)
            .limit(most)
        )
        with self._reading() as connection:
            return [(key, reason) for key, reason in connection.execute(statement)]

    def silent_webhooks(self, since: datetime) -> list[str]:
        """Keys of projects with a webhook that has brought nothing since then, though they are audited after pushes."""
        projects, inbox, repositories = tables.projects, tables.inbox, tables.repositories
        heard = sa.exists().where(
            inbox.c.repository_id == projects.c.repository_id,
            inbox.c.source == "webhook",
            inbox.c.received_at >= since,
        )
        statement = (
            sa.select(repositories.c.key)
            .join(projects, projects.c.repository_id == repositories.c.id)
            .where(
                projects.c.webhook_id != "",
                projects.c.is_auto_audited,
                repositories.c.removed_at.is_(None),
                repositories.c.added_at < since,
                ~heard,
            )
            .order_by(repositories.c.key)
        )
        with self._reading() as connection:
            return list(connection.scalars(statement))

    # --- events -----------------------------------------------------------------------------------------------

    def newest_ids(self) -> dict[str, int]:
        """The last id of each table of events."""
        with self._reading() as connection:
            return {
                table.name: connection.scalar(sa.select(sa.func.max(table.c.id))) or 0
                for table in (tables.audits, tables.audit_failures, tables.gates, tables.costs, tables.inbox)
            }

    def audits_after(self, mark: int) -> list[Event]:
        """Audits with a higher id: tier, team, kind, and the seconds of each magic."""
        audits, snapshots, scores = tables.audits, tables.snapshots, tables.scores
        statement = _with_owner(
            sa.select(audits.c.id, audits.c.kind, scores.c.magic, scores.c.duration_ms)
            .join(snapshots, snapshots.c.id == audits.c.snapshot_id)
            .outerjoin(scores, scores.c.snapshot_id == snapshots.c.id)
            .where(audits.c.id > mark)
            .order_by(audits.c.id)
            .limit(ROWS_MAX),
            snapshots.c.repository_id,
        )
        found: dict[int, Event] = {}
        with self._reading() as connection:
            for row in connection.execute(statement).mappings():
                event = found.setdefault(row["id"], _event(row, row["kind"]))
                if row["magic"] is not None:
                    event.values[row["magic"]] = row["duration_ms"] / 1000
        return list(found.values())

    def failures_after(self, mark: int) -> list[Event]:
        """Failed attempts with a higher id."""
        table = tables.audit_failures
        statement = sa.select(table.c.id).where(table.c.id > mark).order_by(table.c.id).limit(ROWS_MAX)
        return self._events(_with_owner(statement, table.c.repository_id), "failed")

    def gates_after(self, mark: int) -> list[Event]:
        """Gates with a higher id; `kind` is the status."""
        table = tables.gates
        statement = sa.select(table.c.id, table.c.status).where(table.c.id > mark).order_by(table.c.id).limit(ROWS_MAX)
        with self._reading() as connection:
            found = connection.execute(_with_owner(statement, table.c.repository_id)).mappings()
            return [_event(row, row["status"]) for row in found]

    def costs_after(self, mark: int) -> list[Event]:
        """What measuring cost, with a higher id."""
        table = tables.costs
        columns = [column for column in table.columns if column.name not in {"id", "repository_id", "at"}]
        statement = sa.select(table.c.id, *columns).where(table.c.id > mark).order_by(table.c.id).limit(ROWS_MAX)
        names = [column.name for column in columns]
        with self._reading() as connection:
            found = connection.execute(_with_owner(statement, table.c.repository_id)).mappings()
            return [_event(row, "facts", {name: float(row[name]) for name in names}) for row in found]

    def ended_inbox(self, mark: int, pending: Collection[int]) -> list[dict[str, Any]]:
        """Inbox rows with a higher id, and those that were pending: id, source, state, received_at, finished_at."""
        table = tables.inbox
        columns = (table.c.id, table.c.source, table.c.state, table.c.received_at, table.c.finished_at)
        wanted = sa.or_(table.c.id > mark, table.c.id.in_(sorted(pending)[-ROWS_MAX:]))
        with self._reading() as connection:
            statement = sa.select(*columns).where(wanted).order_by(table.c.id).limit(ROWS_MAX)
            return [dict(row) for row in connection.execute(statement).mappings()]

    def _events(self, statement: sa.Select[Any], kind: str) -> list[Event]:
        with self._reading() as connection:
            return [_event(row, kind) for row in connection.execute(statement).mappings()]


def _count(table: sa.Table, *where: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    return sa.select(sa.func.count()).select_from(table).where(*where).scalar_subquery()


def _last_failures() -> sa.Select[tuple[int]]:
    table = tables.audit_failures
    return sa.select(sa.func.max(table.c.id)).group_by(table.c.repository_id)


def _is_failing() -> sa.ColumnElement[bool]:
    """Whether the failure is later than the last audit."""
    failures, latest = tables.audit_failures, tables.latest
    return sa.or_(latest.c.repository_id.is_(None), failures.c.failed_at > latest.c.audited_at)


def _fleet(stale_before: datetime) -> tuple[sa.Label[int], ...]:
    repositories, latest, failures = tables.repositories, tables.latest, tables.audit_failures
    here = repositories.c.removed_at.is_(None)
    joined = repositories.outerjoin(latest, latest.c.repository_id == repositories.c.id)
    counted = sa.select(sa.func.count()).select_from(joined).where(here)
    is_stale = sa.func.coalesce(latest.c.audited_at, repositories.c.added_at) < stale_before
    failed = failures.join(repositories, repositories.c.id == failures.c.repository_id)
    failed = failed.outerjoin(latest, latest.c.repository_id == repositories.c.id)
    failing = sa.select(sa.func.count()).select_from(failed)
    return (
        counted.scalar_subquery().label("registered"),
        counted.where(latest.c.repository_id.is_not(None)).scalar_subquery().label("audited"),
        counted.where(is_stale).scalar_subquery().label("stale"),
        failing.where(here, failures.c.id.in_(_last_failures()), _is_failing()).scalar_subquery().label("failing"),
    )


def _of_latest(connection: sa.Connection, latest: sa.Table) -> dict[str, Any]:
    repositories = tables.repositories
    sums = {
        name: sa.func.coalesce(sa.func.sum(latest.c[name]), 0) for name in ("open", "suppressed", "critical", "high")
    }
    statement = (
        sa.select(
            sa.func.coalesce(sa.func.sum(sa.case((latest.c.status == "passed", 1), else_=0)), 0).label("passed"),
            sa.func.avg(latest.c.score).label("mean_score"),
            *(column.label(name) for name, column in sums.items()),
        )
        .join(repositories, repositories.c.id == latest.c.repository_id)
        .where(repositories.c.removed_at.is_(None))
    )
    row = connection.execute(statement).mappings().one()
    return {name: value if name == "mean_score" else int(value) for name, value in row.items()}


def _with_owner(statement: sa.Select[Any], repository_id: sa.Column[Any]) -> sa.Select[Any]:
    """Add tier and team of the repository."""
    projects, repositories, teams = tables.projects, tables.repositories, tables.teams
    return (
        statement.add_columns(projects.c.tier, teams.c.key.label("team"))
        .join(repositories, repositories.c.id == repository_id)
        .outerjoin(projects, projects.c.repository_id == repositories.c.id)
        .outerjoin(teams, teams.c.id == repositories.c.team_id)
    )


def _event(row: Mapping[Any, Any], kind: str, values: dict[str, float] | None = None) -> Event:
    return Event(id=row["id"], tier=row["tier"] or "none", team=row["team"] or "none", kind=kind, values=values or {})
