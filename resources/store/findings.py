"""Findings over time in the results store: what each audit means for each finding, and what holds now (D13)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from elder_assets.audit import rows
from elder_assets.audit.dates import utc
from elder_assets.audit.finding_states import (
    ACTIVE,
    ARRIVALS,
    Count,
    Evidence,
    Introduced,
    Known,
    Move,
    Standing,
    advance,
    is_counted,
)
from elder_assets.audit.model import Finding, MagicResult, Severity, Status, Tier, Verdict
from elder_assets.audit.scoring import rounded
from elder_assets.audit.suppression import Applied, Suppression
from resources.store import tables
from resources.store.bulk import insert_numbered, insert_rows, update_rows
from resources.store.database import Database, storable

ELDER = "elder"
_SILENT = (Status.ERROR.value, Status.NOT_AVAILABLE.value)


FILES_KEPT = 400
"""Files of a repository that pages can show beside each other."""


class FileNow(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the audited commit, and what makes it a hotspot; zeros where it is none."""

    path: str
    size_bytes: int
    changes: int = 0
    """Commits in a year."""
    cognitive: int = 0
    authors: int = 0
    main_share: float = 0.0
    """Share of the changes by whoever changed it most, 0-1; whose they are is not kept."""
    declared_owners: tuple[str, ...] = ()
    """By CODEOWNERS."""


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """What an audit of kind default saw beside its verdict."""

    applied: Applied
    """The verdict as it is shown on the day of the audit."""
    paths: frozenset[str]
    """Files of the snapshot."""
    profile: str = "default"
    files: tuple[FileNow, ...] = ()
    """Files that people wrote, for the map of a repository."""
    earlier: tuple[Finding, ...] | None = None
    """What the commit of the last audit has under the ruler of today; None when its ruler was the same or the commit
    is gone."""


class Latest(msgspec.Struct, frozen=True, kw_only=True):
    """A repository's last audit of kind default."""

    audit_id: int
    snapshot_id: int
    commit: str
    ruler: str
    as_of: datetime
    audited_at: datetime


class FindingsOverTime(Database):
    """A part of the store."""

    def latest(self, repository: str) -> Latest | None:
        """The last audit of kind default; None before the first."""
        with self._reading() as connection:
            return self._latest(connection, self._repository(connection, repository).id)

    def _latest(self, connection: Connection, repository_id: int) -> Latest | None:
        table = tables.latest
        columns = (table.c[name] for name in Latest.__struct_fields__)
        found = connection.execute(sa.select(*columns).where(table.c.repository_id == repository_id)).mappings()
        row = found.one_or_none()
        return None if row is None else Latest(**row)

    def _advance(
        self, connection: Connection, repository_id: int, audit: Latest, verdict: Verdict, observed: Observed
    ) -> Count:
        """Keep what an audit means for the repository's findings, in the audit's own transaction."""
        known = self._known(connection, repository_id, ELDER)
        evidence = self._evidence(connection, repository_id, verdict, observed)
        moves, count = advance(known, verdict.findings, observed.applied.suppressed, evidence)
        magic_of = {outcome.rule: magic.magic for magic in verdict.magics for outcome in magic.outcomes}
        self._keep_moves(connection, repository_id, audit, moves, magic_of, ELDER)
        shown = observed.applied.verdict
        counted = {
            "audit_id": audit.audit_id,
            "repository_id": repository_id,
            "as_of": audit.as_of,
            **msgspec.structs.asdict(count),
            "evaluated_on": observed.applied.evaluated_on,
            "status": shown.status.value,
            **rows.score_columns(shown.score),
            "magics": [_magic_summary(magic) for magic in shown.magics],
        }
        connection.execute(sa.insert(tables.audit_counts).values(**counted))
        self._project(connection, repository_id, audit, observed, count)
        return count

    def _evidence(self, connection: Connection, repository_id: int, verdict: Verdict, observed: Observed) -> Evidence:
        before = self._latest(connection, repository_id)
        asked: set[str] = set()
        if before is not None:
            table = tables.outcomes
            statement = sa.select(table.c.rule).where(
                table.c.snapshot_id == before.snapshot_id, table.c.status.not_in(_SILENT)
            )
            asked = set(connection.scalars(statement))
        return Evidence(
            outcomes=verdict.outcomes,
            paths=observed.paths,
            earlier=observed.earlier,
            asked_before=frozenset(asked),
            is_first=before is None,
        )

    def _known(self, connection: Connection, repository_id: int, source: str) -> list[Known]:
        table = tables.finding_states
        statement = sa.select(table).where(table.c.repository_id == repository_id, table.c.source == source)
        return [
            Known(id=row["id"], finding=_finding(row), standing=row["standing"])
            for row in connection.execute(statement.order_by(table.c.id)).mappings()
        ]

    def _keep_moves(  # noqa: PLR0917 - one audit's moves and where they belong
        self,
        connection: Connection,
        repository_id: int,
        audit: Latest,
        moves: Sequence[Move],
        magic_of: Mapping[str, str],
        source: str,
    ) -> None:
        arriving = [move for move in moves if move.known is None]
        values = [
            {"repository_id": repository_id, "source": source, **_opened(move, audit), **_place(move, magic_of)}
            for move in arriving
        ]
        ids = insert_numbered(connection, tables.finding_states, values)
        identified = [*zip(ids, arriving, strict=True), *((m.known, m) for m in moves if m.known is not None)]
        self._update(connection, audit, [(i, m) for i, m in identified if m.known is not None and i], magic_of)
        events = [
            {
                "finding_id": number,
                "repository_id": repository_id,
                "audit_id": audit.audit_id,
                "event": event,
                "commit": audit.commit,
                "as_of": audit.as_of,
                "recorded_at": audit.audited_at,
                "detail": _detail(move.by) if event == "suppressed" and move.by else {},
            }
            for number, move in identified
            for event in move.events
        ]
        insert_rows(connection, tables.finding_events, events)

    def _update(
        self, connection: Connection, audit: Latest, moves: Sequence[tuple[int, Move]], magic_of: Mapping[str, str]
    ) -> None:
        """Write what changed of known findings; most audits change few of them."""
        table = tables.finding_states
        wanted = [number for number, _ in moves]
        stored: dict[int, Mapping[Any, Any]] = {}
        for start in range(0, len(wanted), 500):
            statement = sa.select(table).where(table.c.id.in_(wanted[start : start + 500]))
            stored |= {row["id"]: row for row in connection.execute(statement).mappings()}
        changes: dict[int, Mapping[str, Any]] = {}
        for number, move in moves:
            row = stored[number]
            values = _place(move, {**magic_of, move.finding.rule: magic_of.get(move.finding.rule, row["magic"])})
            values |= _standing(move, audit, row)
            if changed := {name: value for name, value in values.items() if row[name] != value}:
                changes[number] = changed
        update_rows(connection, table, changes)

    def _project(
        self, connection: Connection, repository_id: int, audit: Latest, observed: Observed, count: Count
    ) -> None:
        """Say what holds now: the rows that pages read."""
        shown = observed.applied.verdict
        for table in (tables.latest, tables.latest_magics, tables.latest_rules):
            connection.execute(sa.delete(table).where(table.c.repository_id == repository_id))
        gating = [finding for finding in shown.findings if finding.tier is Tier.GATE]
        connection.execute(
            sa.insert(tables.latest).values(
                repository_id=repository_id,
                **msgspec.structs.asdict(audit),
                run_id=connection.scalar(sa.select(tables.audits.c.run_id).where(tables.audits.c.id == audit.audit_id)),
                profile=observed.profile,
                status=shown.status.value,
                reason=storable(shown.reason),
                **rows.score_columns(shown.score),
                eligible_files=shown.coverage.eligible,
                analysed_files=shown.coverage.analysed,
                open=count.open,
                suppressed=count.suppressed,
                critical=sum(finding.severity is Severity.CRITICAL for finding in gating),
                high=sum(finding.severity is Severity.HIGH for finding in gating),
                problems=storable([msgspec.structs.asdict(problem) for problem in observed.applied.problems]),
            )
        )
        magics = [_magic_row(repository_id, row, shown) for row in rows.score_rows(shown)]
        if magics:
            connection.execute(sa.insert(tables.latest_magics), magics)
        self._count_rules(connection, repository_id)
        self._map_files(connection, repository_id, observed.files)

    def _map_files(self, connection: Connection, repository_id: int, files: Sequence[FileNow]) -> None:
        """The files that matter on a map: those with findings or risk, then the largest."""
        states, table = tables.finding_states, tables.latest_files
        weights = {severity.value: max(severity.weight, 1) for severity in Severity}
        statement = (
            sa.select(
                states.c.path,
                sa.func.count().label("open"),
                sa.func.sum(sa.case(weights, value=states.c.severity, else_=1)).label("weight"),
            )
            .where(states.c.repository_id == repository_id, states.c.standing == "open")
            .group_by(states.c.path)
        )
        found = {row.path: (row.open, row.weight) for row in connection.execute(statement)}
        rows = []
        for file in files:
            path = storable(file.path)
            count, weight = found.get(path, (0, 0))
            row = {**msgspec.structs.asdict(file), "path": path, "open": count, "weight": weight}
            row["owner_share"] = row.pop("main_share") or None
            row["declared_owners"] = storable(list(file.declared_owners)) if file.changes else None
            rows.append({"repository_id": repository_id, **row})
        rows.sort(key=lambda row: (-row["weight"], -row["changes"] * row["cognitive"], -row["size_bytes"], row["path"]))
        connection.execute(sa.delete(table).where(table.c.repository_id == repository_id))
        if rows:
            connection.execute(sa.insert(table), rows[:FILES_KEPT])

    def _count_rules(self, connection: Connection, repository_id: int) -> None:
        """Active findings by rule and severity, of every source."""
        table = tables.finding_states
        statement = (
            sa.select(
                table.c.repository_id,
                table.c.rule,
                table.c.severity,
                sa.func.min(table.c.magic).label("magic"),
                sa.func.min(table.c.tier).label("tier"),
                sa.func.sum(sa.case((table.c.standing == "open", 1), else_=0)).label("open"),
                sa.func.sum(sa.case((table.c.standing == "suppressed", 1), else_=0)).label("suppressed"),
            )
            .where(table.c.repository_id == repository_id, table.c.standing.in_(ACTIVE))
            .group_by(table.c.repository_id, table.c.rule, table.c.severity)
        )
        counted = [dict(row) for row in connection.execute(statement).mappings()]
        connection.execute(sa.delete(tables.latest_rules).where(tables.latest_rules.c.repository_id == repository_id))
        if counted:
            connection.execute(sa.insert(tables.latest_rules), counted)

    # --- reading -------------------------------------------------------------------------------------------

    def finding_rows(
        self, repository: str, *, standings: Iterable[Standing] = ACTIVE, source: str | None = None
    ) -> list[dict[str, Any]]:
        """Findings of a repository over time, in order of path, line and rule: the columns of `finding_states`."""
        table = tables.finding_states
        with self._reading() as connection:
            statement = as_last_seen().where(
                table.c.repository_id == self._repository(connection, repository).id,
                table.c.standing.in_(list(standings)),
            )
            if source is not None:
                statement = statement.where(table.c.source == source)
            ordered = statement.order_by(table.c.path, table.c.line, table.c.rule, table.c.id)
            return [dict(row) for row in connection.execute(ordered).mappings()]

    def finding_history(self, finding_id: int) -> list[dict[str, Any]]:
        """What became of one finding, oldest first: the columns of `finding_events`."""
        table = tables.finding_events
        with self._reading() as connection:
            statement = sa.select(table).where(table.c.finding_id == finding_id).order_by(table.c.id)
            return [dict(row) for row in connection.execute(statement).mappings()]

    def latest_rows(self, team: str | None = None) -> list[dict[str, Any]]:
        """What holds now of every registered repository that was audited, in order of key.

        The columns of `latest`, `repository` (key) and `team` (key or None).
        """
        table, repositories, teams = tables.latest, tables.repositories, tables.teams
        statement = (
            sa.select(table, repositories.c.key.label("repository"), teams.c.key.label("team"))
            .join(repositories, repositories.c.id == table.c.repository_id)
            .join(teams, teams.c.id == repositories.c.team_id, isouter=True)
            .where(repositories.c.removed_at.is_(None))
            .order_by(repositories.c.key)
        )
        if team is not None:
            statement = statement.where(teams.c.key == team)
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def latest_magics(self, repository: str | None = None) -> list[dict[str, Any]]:
        """Each magic's result now: the columns of `latest_magics` and `repository` (key)."""
        return self._of_repositories(tables.latest_magics, repository)

    def rule_counts(self, repository: str | None = None) -> list[dict[str, Any]]:
        """Active findings by rule and severity now: the columns of `latest_rules` and `repository` (key)."""
        return self._of_repositories(tables.latest_rules, repository)

    def _of_repositories(self, table: sa.Table, repository: str | None) -> list[dict[str, Any]]:
        repositories = tables.repositories
        statement = (
            sa.select(table, repositories.c.key.label("repository"))
            .join(repositories, repositories.c.id == table.c.repository_id)
            .where(repositories.c.removed_at.is_(None))
            .order_by(repositories.c.key, *table.primary_key.columns)
        )
        with self._reading() as connection:
            if repository is not None:
                statement = statement.where(table.c.repository_id == self._repository(connection, repository).id)
            return [dict(row) for row in connection.execute(statement).mappings()]

    def counts(self, repository: str) -> list[dict[str, Any]]:
        """Each default audit's findings, counted, oldest first: the columns of `audit_counts`."""
        table = tables.audit_counts
        with self._reading() as connection:
            repository_id = self._repository(connection, repository).id
            statement = sa.select(table).where(table.c.repository_id == repository_id).order_by(table.c.audit_id)
            return [dict(row) for row in connection.execute(statement).mappings()]

    # --- who brought it --------------------------------------------------------------------------------------

    def arrivals(self, repository: str, limit: int) -> list[tuple[int, str, int]]:
        """Id, path and line of open findings that the code brought and nobody is named for, newest first."""
        table = tables.finding_states
        with self._reading() as connection:
            statement = (
                sa.select(table.c.id, table.c.path, table.c.line)
                .where(
                    table.c.repository_id == self._repository(connection, repository).id,
                    table.c.standing.in_(ACTIVE),
                    table.c.arrival.in_(("new", "reopened")),
                    table.c.introduced_commit.is_(None),
                    table.c.line > 0,
                )
                .order_by(table.c.id.desc())
                .limit(limit)
            )
            return [(row.id, row.path, row.line) for row in connection.execute(statement)]

    def record_introduced(self, found: Mapping[int, Introduced]) -> None:
        """Name the commits that brought findings, by the findings' ids."""
        table = tables.finding_states
        with self._writing() as connection:
            for number, by in found.items():
                values = {
                    "introduced_commit": by.commit,
                    "introduced_change": by.change,
                    "introduced_at": utc(by.at),
                }
                connection.execute(sa.update(table).where(table.c.id == number).values(**values))
            self._tell_pages(connection, "projections")

    # --- what cannot be audited --------------------------------------------------------------------------------

    def record_failure(self, repository: str, reason: str, run_id: str | None = None) -> None:
        """Keep that a repository could not be audited, and why."""
        with self._writing() as connection:
            connection.execute(
                sa.insert(tables.audit_failures).values(
                    repository_id=self._repository(connection, repository).id,
                    reason=storable(reason)[:2_000],
                    run_id=run_id,
                    failed_at=self._clock(),
                )
            )

    def failing(self) -> dict[int, dict[str, Any]]:
        """Repositories whose last attempts failed, by id: since, reason (the last one), attempts, run_id."""
        failures, latest = tables.audit_failures, tables.latest
        statement = (
            sa.select(failures)
            .join(latest, latest.c.repository_id == failures.c.repository_id, isouter=True)
            .where(sa.or_(latest.c.audited_at.is_(None), failures.c.failed_at > latest.c.audited_at))
            .order_by(failures.c.id)
        )
        found: dict[int, dict[str, Any]] = {}
        with self._reading() as connection:
            for row in connection.execute(statement).mappings():
                entry = found.setdefault(row["repository_id"], {"since": row["failed_at"], "attempts": 0})
                entry |= {"reason": row["reason"], "attempts": entry["attempts"] + 1, "run_id": row["run_id"]}
        return found


def as_last_seen(*more: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """`finding_states` as they are read: an active one was last seen by the last audit, or by its tool's last import.

    Rows keep the commit at which they were found or closed; nothing is written while a finding only stands.

    Args:
        more: columns of tables that the caller joins.
    """
    states, latest, imports, snapshots = tables.finding_states, tables.latest, tables.imports, tables.snapshots
    is_audited = sa.exists().where(
        snapshots.c.repository_id == imports.c.repository_id, snapshots.c.revision == imports.c.commit
    )  # an import waits until its commit is
    is_active = states.c.standing.in_(sorted(ACTIVE))
    imported = (
        sa.select(sa.func.max(imports.c.id))
        .where(
            imports.c.repository_id == states.c.repository_id,
            states.c.source == "sarif:" + imports.c.tool,
            is_audited.correlate(imports),
        )
        .correlate(states)
        .scalar_subquery()
    )
    by_import = imports.alias("last_import")
    commit = sa.case(
        (sa.and_(is_active, states.c.source == "elder"), latest.c.commit),
        (is_active, by_import.c.commit),
        else_=states.c.last_commit,
    )
    seen = sa.case(
        (sa.and_(is_active, states.c.source == "elder"), latest.c.as_of),
        (is_active, by_import.c.imported_at),
        else_=states.c.last_seen,
    )
    kept = [column for column in states.c if column.name not in {"last_commit", "last_seen"}]
    return (
        sa.select(
            *kept,
            sa.func.coalesce(commit, states.c.last_commit).label("last_commit"),
            sa.func.coalesce(seen, states.c.last_seen).label("last_seen"),
            *more,
        )
        .select_from(states)
        .outerjoin(latest, latest.c.repository_id == states.c.repository_id)
        .outerjoin(by_import, by_import.c.id == imported)
    )


def _finding(row: Mapping[Any, Any]) -> Finding:
    return msgspec.structs.replace(rows.finding_of(row), kin=row["kin"])


def _opened(move: Move, audit: Latest) -> dict[str, Any]:
    return {
        "standing": move.standing,
        "first_commit": audit.commit,
        "first_seen": audit.as_of,
        "first_audit_id": audit.audit_id,
        "last_commit": audit.commit,
        "last_seen": audit.as_of,
        "closed_at": None,
        "arrival": next(event for event in move.events if event in ARRIVALS),
        "times_reopened": 0,
        "suppression": _detail(move.by) if move.by else None,
    }


def _standing(move: Move, audit: Latest, row: Mapping[Any, Any]) -> dict[str, Any]:
    """How a known finding stands now. While it is active its `last_commit` stays; `as_last_seen` reads it."""
    if not move.is_answered:
        return {}
    values: dict[str, Any] = {"standing": move.standing, "suppression": _detail(move.by) if move.by else None}
    if move.standing in ACTIVE:
        values["closed_at"] = None
        if arrival := next((event for event in move.events if event in ARRIVALS), None):
            reopened = row["times_reopened"] + (arrival == "reopened")
            values |= {"arrival": arrival, "times_reopened": reopened, "introduced_commit": None}
            values |= {"introduced_change": None, "introduced_at": None}
    else:
        values |= {"closed_at": audit.as_of, "last_commit": audit.commit, "last_seen": audit.as_of}
    return values


def _place(move: Move, magic_of: Mapping[str, str]) -> dict[str, Any]:
    finding = move.finding
    row = rows.finding_row(magic_of.get(finding.rule, ""), finding)
    values: dict[str, Any] = storable({**row, "kin": finding.kin})
    return values


def _detail(by: Suppression) -> dict[str, Any]:
    found: dict[str, Any] = storable(
        {"reason": by.reason, "until": by.until.isoformat(), "origin": by.origin, "place": by.place}
    )
    return found


def _magic_summary(magic: MagicResult) -> list[Any]:
    units = sum(outcome.units for outcome in magic.outcomes)
    affected = sum(outcome.affected for outcome in magic.outcomes)
    return [magic.magic, magic.status.value, rounded(magic.score), units, affected]


def _magic_row(repository_id: int, row: Mapping[str, Any], shown: Verdict) -> dict[str, Any]:
    (magic,) = (magic for magic in shown.magics if magic.magic == row["magic"])
    rules = {outcome.rule for outcome in magic.outcomes}
    own = [finding for finding in shown.findings if finding.rule in rules and is_counted(finding)]
    return {
        "repository_id": repository_id,
        **storable(row),
        "findings": len(own),
        "suggestions": sum(bool(finding.remedy) for finding in own),
        "units": sum(outcome.units for outcome in magic.outcomes),
        "affected": sum(outcome.affected for outcome in magic.outcomes),
    }
