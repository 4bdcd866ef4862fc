"""What the pages about work in progress read: gates, deliveries, alerts, live events; bounded and paged in SQL.

Every reader takes `team_id`, the authorisation key (D18): None sees all teams.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from elder_assets.audit.errors import UnknownRecord
from resources.store import tables
from resources.store.database import Database
from resources.store.pages import known_repositories

Row = dict[str, Any]
ROWS_MAX = 5_000
"""Rows that one reader gives at most."""

_GATE_COLUMNS = (
    "id", "base", "head", "change_number", "title", "status", "reason", "failing", "new", "fixed", "suppressed",
    "run_id", "judged_at",
)  # fmt: skip
"""Without the report, which may be long."""

_DELIVERY_COLUMNS = (
    "id", "source", "provider", "delivery_id", "action", "received_at", "state", "decision", "audit_type", "run_id",
    "replay_of", "decided_at", "finished_at",
)  # fmt: skip
"""Without the document, which is as long as its sender made it."""


class GateFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which gates are shown."""

    text: str = ""
    """Part of the repository's key or of the change's title, in any case."""
    status: str = ""
    team: str = ""
    offset: int = 0
    limit: int = 25


class DeliveryFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries are shown."""

    text: str = ""
    """Part of the repository's key, of the delivery's id, or of the action, in any case."""
    state: str = ""
    offset: int = 0
    limit: int = 25


class LogFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which changes of the audit log are shown."""

    text: str = ""
    """Part of who, what or on which, in any case."""
    offset: int = 0
    limit: int = 25


class AlertFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which decisions about alerts are shown."""

    text: str = ""
    """Part of the repository's key or the rule's name, in any case."""
    action: str = ""
    """send, hold or drop."""
    before: int | None = None
    """Only decisions older than this one."""
    offset: int = 0
    limit: int = 25


class OperationsPages(Database):
    """A part of the store."""

    # --- gates ------------------------------------------------------------------------------------------------

    def gate_page(self, wanted: GateFilter, team_id: int | None = None) -> tuple[list[Row], int]:
        """Gates of one page, newest first, and how many there are on all pages.

        Each: id, repository, team, team_name, base, head, change_number, title, status, reason, failing, new, fixed,
        suppressed, run_id, judged_at.
        """
        gates = tables.gates
        statement = _gates([gates.c[name] for name in _GATE_COLUMNS], team_id)
        if wanted.text:
            fits = gates.c.title.icontains(wanted.text, autoescape=True)
            statement = statement.where(sa.or_(gates.c.repository_id.in_(_named(wanted.text)), fits))
        if wanted.status:
            statement = statement.where(gates.c.status == wanted.status)
        if wanted.team:
            statement = statement.where(tables.teams.c.key == wanted.team)
        total = statement.with_only_columns(sa.func.count())
        page = statement.order_by(gates.c.id.desc()).offset(wanted.offset).limit(min(wanted.limit, ROWS_MAX))
        with self._reading() as connection:
            rows = [dict(row) for row in connection.execute(page).mappings()]
            return rows, connection.scalar(total) or 0

    def gate(self, number: int, team_id: int | None = None) -> Row:
        """One gate: as in `gate_page`, with ruler, report, provider and web_url ('' where no project is known).

        Raises:
            UnknownRecord: there is none, or it is not shown to the team.
        """
        gates, projects = tables.gates, tables.projects
        columns = [*gates.c, *(sa.func.coalesce(projects.c[name], "").label(name) for name in ("provider", "web_url"))]
        statement = _gates(columns, team_id).outerjoin(projects, projects.c.repository_id == gates.c.repository_id)
        with self._reading() as connection:
            row = connection.execute(statement.where(gates.c.id == number)).mappings().one_or_none()
        if row is None:
            msg = f"there is no gate {number}"
            raise UnknownRecord(msg)
        return dict(row)

    def gate_days(self, since: dt.datetime, team_id: int | None = None) -> list[tuple[dt.datetime, str]]:
        """(judged_at, status) of every gate since a time, oldest first."""
        gates = tables.gates
        statement = _gates([gates.c.judged_at, gates.c.status], team_id, is_named=False)
        with self._reading() as connection:
            found = connection.execute(statement.where(gates.c.judged_at >= since).order_by(gates.c.judged_at))
            return [(at, status) for at, status in found.tuples()]

    # --- deliveries -------------------------------------------------------------------------------------------

    def delivery_page(self, wanted: DeliveryFilter, team_id: int | None = None) -> tuple[list[Row], int]:
        """Deliveries of one page, newest first, and how many there are on all pages.

        Each: id, source, provider, delivery_id, action, received_at, state, decision, audit_type, run_id, replay_of,
        decided_at, finished_at, repository ('' where none is registered). Of those only who sees all teams is shown.
        """
        inbox = tables.inbox
        statement = _deliveries(team_id)
        if wanted.text:
            fits = [one.icontains(wanted.text, autoescape=True) for one in (inbox.c.delivery_id, inbox.c.action)]
            statement = statement.where(sa.or_(inbox.c.repository_id.in_(_named(wanted.text)), *fits))
        if wanted.state:
            statement = statement.where(inbox.c.state == wanted.state)
        total = statement.with_only_columns(sa.func.count())
        page = statement.order_by(inbox.c.id.desc()).offset(wanted.offset).limit(min(wanted.limit, ROWS_MAX))
        with self._reading() as connection:
            rows = [dict(row) for row in connection.execute(page).mappings()]
            return rows, connection.scalar(total) or 0

    def delivery(self, number: int, team_id: int | None = None) -> Row:
        """One delivery as in `delivery_page`.

        Raises:
            UnknownRecord: there is none, or it is not shown to the team.
        """
        with self._reading() as connection:
            statement = _deliveries(team_id).where(tables.inbox.c.id == number)
            row = connection.execute(statement).mappings().one_or_none()
        if row is None:
            msg = f"there is no delivery {number}"
            raise UnknownRecord(msg)
        return dict(row)

    def delivery_states(self, team_id: int | None = None) -> dict[str, int]:
        """How many deliveries are in each state that one is in."""
        state = tables.inbox.c.state
        statement = sa.select(state, sa.func.count()).group_by(state)
        if team_id is not None:
            statement = _deliveries(team_id).with_only_columns(state, sa.func.count()).group_by(state)
        with self._reading() as connection:
            return dict(list(connection.execute(statement).tuples()))

    # --- alerts -----------------------------------------------------------------------------------------------

    def alert_page(self, wanted: AlertFilter, team_id: int | None = None) -> tuple[list[Row], int]:
        """Decisions of one page, newest first, and how many there are on all pages.

        Each: the columns of `alert_decisions`, repository ('' for Elder itself, which only who sees all teams is shown)
        and notices, each with channel, state, attempts, next_at, error and sent_at.
        """
        table = tables.alert_decisions
        statement = _decisions(team_id)
        if wanted.text:
            fits = table.c.rule.icontains(wanted.text, autoescape=True)
            statement = statement.where(sa.or_(table.c.repository_id.in_(_named(wanted.text)), fits))
        if wanted.before is not None:
            statement = statement.where(table.c.id < wanted.before)
        if wanted.action:
            statement = statement.where(table.c.action.startswith(wanted.action, autoescape=True))
        total = statement.with_only_columns(sa.func.count())
        page = statement.order_by(table.c.id.desc()).offset(wanted.offset).limit(min(wanted.limit, ROWS_MAX))
        with self._reading() as connection:
            rows = [dict(row) for row in connection.execute(page).mappings()]
            count = connection.scalar(total) or 0
        told = self._notices_of([row["id"] for row in rows])
        return [{**row, "notices": told.get(row["id"], [])} for row in rows], count

    def _notices_of(self, decisions: Sequence[int]) -> dict[int, list[Row]]:
        table, channels = tables.notices, tables.channels
        columns = [table.c[name] for name in ("decision_id", "state", "attempts", "next_at", "error", "sent_at")]
        statement = sa.select(*columns, channels.c.name.label("channel")).join(
            channels, channels.c.id == table.c.channel_id
        )
        found: dict[int, list[Row]] = {}
        with self._reading() as connection:
            for start in range(0, len(decisions), 500):
                some = statement.where(table.c.decision_id.in_(decisions[start : start + 500])).order_by(table.c.id)
                for row in connection.execute(some).mappings():
                    found.setdefault(row["decision_id"], []).append(dict(row))
        return found

    def alert_actions(self, since: dt.datetime, team_id: int | None = None) -> dict[str, int]:
        """How many decisions since a time came to each action."""
        table = tables.alert_decisions
        statement = _decisions(team_id).with_only_columns(table.c.action, sa.func.count()).where(table.c.at >= since)
        with self._reading() as connection:
            return dict(list(connection.execute(statement.group_by(table.c.action)).tuples()))

    def notice_states(self, team_id: int | None = None) -> dict[str, int]:
        """How many notices are in each state that one is in."""
        table, decisions, repositories = tables.notices, tables.alert_decisions, tables.repositories
        statement = sa.select(table.c.state, sa.func.count()).select_from(table).group_by(table.c.state)
        if team_id is not None:
            statement = (
                statement.join(decisions, decisions.c.id == table.c.decision_id)
                .join(repositories, repositories.c.id == decisions.c.repository_id)
                .where(repositories.c.team_id == team_id)
            )
        with self._reading() as connection:
            return dict(list(connection.execute(statement).tuples()))

    # --- live -------------------------------------------------------------------------------------------------

    def live_page(
        self, *, text: str = "", before: int | None = None, limit: int = 300, team_id: int | None = None
    ) -> list[Row]:
        """Live events, newest first, from an id on: id, repository, event, document, at."""
        table, repositories = tables.live_events, tables.repositories
        columns = (table.c.id, repositories.c.key.label("repository"), table.c.event, table.c.document, table.c.at)
        statement = (
            sa.select(*columns)
            .join(repositories, repositories.c.id == table.c.repository_id)
            .where(*known_repositories(team_id))
            .order_by(table.c.id.desc())
            .limit(min(limit, ROWS_MAX))
        )
        if before is not None:
            statement = statement.where(table.c.id < before)
        if text:
            statement = statement.where(repositories.c.key.icontains(text, autoescape=True))
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def live_events_of(self, repository_id: int, limit: int = 12) -> list[Row]:
        """The newest live events of one repository, newest first: the columns of `live_page`."""
        table, repositories = tables.live_events, tables.repositories
        columns = (table.c.id, repositories.c.key.label("repository"), table.c.event, table.c.document, table.c.at)
        statement = (
            sa.select(*columns)
            .join(repositories, repositories.c.id == table.c.repository_id)
            .where(table.c.repository_id == repository_id)
            .order_by(table.c.id.desc())
            .limit(limit)
        )
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def failed_runs(self, runs: Sequence[str]) -> dict[str, Row]:
        """Of a few runs those whose audit failed: reason and failed_at, by run."""
        table = tables.audit_failures
        statement = sa.select(table.c.run_id, table.c.reason, table.c.failed_at).where(table.c.run_id.in_(runs))
        with self._reading() as connection:
            found = connection.execute(statement.order_by(table.c.id)).mappings()
            return {row["run_id"]: dict(row) for row in found}

    def ended_since(self, since: dt.datetime, team_id: int | None = None) -> tuple[int, int]:
        """How many audits were recorded since a time, and how many attempts failed."""
        audits, snapshots, failures = tables.audits, tables.snapshots, tables.audit_failures
        repositories = tables.repositories
        recorded = (
            sa.select(sa.func.count())
            .select_from(audits)
            .join(snapshots, snapshots.c.id == audits.c.snapshot_id)
            .join(repositories, repositories.c.id == snapshots.c.repository_id)
            .where(audits.c.audited_at >= since, *known_repositories(team_id))
        )
        failed = (
            sa.select(sa.func.count())
            .select_from(failures)
            .join(repositories, repositories.c.id == failures.c.repository_id)
            .where(failures.c.failed_at >= since, *known_repositories(team_id))
        )
        with self._reading() as connection:
            return connection.scalar(recorded) or 0, connection.scalar(failed) or 0

    # --- comparisons ------------------------------------------------------------------------------------------

    def repository_keys(self, team_id: int | None = None, *, text: str = "", limit: int = 500) -> list[str]:
        """Keys of the repositories that were audited and contain a text, in order."""
        repositories, latest = tables.repositories, tables.latest
        statement = sa.select(repositories.c.key).join(latest, latest.c.repository_id == repositories.c.id)
        statement = statement.where(*known_repositories(team_id)).order_by(repositories.c.key).limit(limit)
        if text:
            statement = statement.where(repositories.c.key.icontains(text, autoescape=True))
        with self._reading() as connection:
            return list(connection.scalars(statement))

    def tallied(self, snapshot_id: int) -> Row:
        """What is needed to score a snapshot again.

        commit, as_of_seconds, eligible_files, analysed_files, status, reason, score_exact, ruler; outcomes (rows of
        `outcomes`), severities ({rule: those of its findings}), scores (score_exact by magic).

        Raises:
            UnknownRecord: there is no such snapshot.
        """
        snapshots, outcomes, findings, scores = tables.snapshots, tables.outcomes, tables.findings, tables.scores
        names = (
            "commit",
            "as_of_seconds",
            "eligible_files",
            "analysed_files",
            "status",
            "reason",
            "score_exact",
            "ruler",
        )
        with self._reading() as connection:
            one = sa.select(*(snapshots.c[name] for name in names)).where(snapshots.c.id == snapshot_id)
            row = connection.execute(one).mappings().one_or_none()
            if row is None:
                msg = f"there is no snapshot {snapshot_id}"
                raise UnknownRecord(msg)
            told = connection.execute(sa.select(outcomes).where(outcomes.c.snapshot_id == snapshot_id)).mappings()
            pairs = sa.select(findings.c.rule, findings.c.severity).where(findings.c.snapshot_id == snapshot_id)
            severities: dict[str, set[str]] = {}
            for rule, severity in connection.execute(pairs.distinct()).tuples():
                severities.setdefault(rule, set()).add(severity)
            exact = sa.select(scores.c.magic, scores.c.score_exact).where(scores.c.snapshot_id == snapshot_id)
            kept = dict(list(connection.execute(exact).tuples()))
            return {**row, "outcomes": [dict(one) for one in told], "severities": severities, "scores": kept}

    def same_commit_under(self, repository_id: int, commit: str, ruler: str) -> int | None:
        """A snapshot of a commit under a ruler; None when it was never judged so."""
        table = tables.snapshots
        wanted = (table.c.repository_id == repository_id, table.c.commit == commit, table.c.ruler == ruler)
        with self._reading() as connection:
            found: int | None = connection.scalar(sa.select(sa.func.max(table.c.id)).where(*wanted))
            return found

    # --- the audit log, and what the server holds -------------------------------------------------------------

    def log_page(self, wanted: LogFilter) -> tuple[list[Row], int]:
        """Changes of one page, newest first, and how many there are on all pages; the columns of `audit_log`."""
        table = tables.audit_log
        statement = sa.select(table)
        if wanted.text:
            columns = (table.c.actor, table.c.action, table.c.target)
            statement = statement.where(sa.or_(*(one.icontains(wanted.text, autoescape=True) for one in columns)))
        total = statement.with_only_columns(sa.func.count(table.c.id))
        page = statement.order_by(table.c.id.desc()).offset(wanted.offset).limit(min(wanted.limit, ROWS_MAX))
        with self._reading() as connection:
            rows = [dict(row) for row in connection.execute(page).mappings()]
            return rows, connection.scalar(total) or 0

    def holdings(self) -> Row:
        """What the store is and holds: database, schema, repositories, audits, gates, deliveries, findings (open)."""
        counted = {
            "repositories": sa.select(sa.func.count())
            .select_from(tables.repositories)
            .where(*known_repositories(None)),
            "audits": sa.select(sa.func.count()).select_from(tables.audits),
            "gates": sa.select(sa.func.count()).select_from(tables.gates),
            "deliveries": sa.select(sa.func.count()).select_from(tables.inbox),
            "findings": sa.select(sa.func.coalesce(sa.func.sum(tables.latest.c.open), 0)),
        }
        with self._reading() as connection:
            row = {name: connection.scalar(statement) for name, statement in counted.items()}
            return {**row, "database": connection.dialect.name, "schema": tables.REVISION}


def _named(text: str) -> sa.Select[Any]:
    """Ids of the repositories whose key contains a text: looked for once, not in every row about one of them."""
    repositories = tables.repositories
    return sa.select(repositories.c.id).where(repositories.c.key.icontains(text, autoescape=True))


def _decisions(team_id: int | None) -> sa.Select[Any]:
    table, repositories = tables.alert_decisions, tables.repositories
    key = sa.func.coalesce(repositories.c.key, "").label("repository")
    statement = sa.select(table, key).select_from(table)
    statement = statement.outerjoin(repositories, repositories.c.id == table.c.repository_id)
    return statement if team_id is None else statement.where(repositories.c.team_id == team_id)


def _deliveries(team_id: int | None) -> sa.Select[Any]:
    inbox, repositories = tables.inbox, tables.repositories
    key = sa.func.coalesce(repositories.c.key, "").label("repository")
    columns = [inbox.c[name] for name in _DELIVERY_COLUMNS]
    statement = sa.select(*columns, key).select_from(inbox)
    statement = statement.outerjoin(repositories, repositories.c.id == inbox.c.repository_id)
    return statement if team_id is None else statement.where(repositories.c.team_id == team_id)


def _gates(columns: Sequence[Any], team_id: int | None, *, is_named: bool = True) -> sa.Select[Any]:
    """Gates of registered repositories that the team may see, with the names of repository and team."""
    gates, repositories, teams = tables.gates, tables.repositories, tables.teams
    names = [repositories.c.key.label("repository"), teams.c.key.label("team"), teams.c.name.label("team_name")]
    return (
        sa.select(*columns, *(names if is_named else []))
        .select_from(gates)
        .join(repositories, repositories.c.id == gates.c.repository_id)
        .outerjoin(teams, teams.c.id == repositories.c.team_id)
        .where(*known_repositories(team_id))
    )
