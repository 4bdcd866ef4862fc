"""What the team's page and the preview of its settings ask of the results store."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa

from elder_assets.audit.errors import UnknownRecord
from resources.store import tables
from resources.store.database import Database

Row = dict[str, Any]


class TeamPages(Database):
    """A part of the store."""

    # --- what a preview scores again -------------------------------------------------------------------------

    def suppressed_findings(self, repository_id: int) -> list[Row]:
        """Findings of ours that are suppressed now: rule, path, fingerprint, suppression (reason, until, ...)."""
        table = tables.finding_states
        columns = (table.c.rule, table.c.path, table.c.fingerprint, table.c.suppression)
        statement = sa.select(*columns).where(
            table.c.repository_id == repository_id, table.c.standing == "suppressed", table.c.source == "elder"
        )
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(statement.order_by(table.c.id)).mappings()]

    def snapshot_baseline(self, snapshot_id: int) -> str:
        """The commit that a snapshot was compared with; '' = none."""
        table = tables.snapshots
        with self._reading() as connection:
            return connection.scalar(sa.select(table.c.baseline).where(table.c.id == snapshot_id)) or ""

    def judged_snapshot(self, snapshot_id: int) -> Row:
        """What the rules said about a snapshot.

        Its columns, repository (key), outcomes, and findings with the columns that scores need.

        Raises:
            UnknownRecord: there is no such snapshot.
        """
        snapshots, outcomes, findings = tables.snapshots, tables.outcomes, tables.findings
        repositories = tables.repositories
        one = (
            sa.select(snapshots, repositories.c.key.label("repository"))
            .join(repositories, repositories.c.id == snapshots.c.repository_id)
            .where(snapshots.c.id == snapshot_id)
        )
        names = ("rule", "severity", "path", "line", "fingerprint", "unit")
        listed = sa.select(*(findings.c[name] for name in names)).where(findings.c.snapshot_id == snapshot_id)
        told = sa.select(outcomes).where(outcomes.c.snapshot_id == snapshot_id).order_by(outcomes.c.rule)
        with self._reading() as connection:
            row = connection.execute(one).mappings().one_or_none()
            if row is None:
                msg = f"there is no snapshot {snapshot_id}"
                raise UnknownRecord(msg)
            return {
                **row,
                "outcomes": [dict(outcome) for outcome in connection.execute(told).mappings()],
                "findings": [dict(finding) for finding in connection.execute(listed).mappings()],
            }

    def newest_gates(self, team: str, since: dt.datetime, limit: int) -> list[Row]:
        """The last gate of each change of a team's repositories since a time, newest first.

        id, repository (key), change_number, title, status, report.
        """
        gates, repositories, teams = tables.gates, tables.repositories, tables.teams
        change = sa.func.coalesce(sa.cast(gates.c.change_number, sa.Text), gates.c.head)
        newest = (
            sa.select(sa.func.max(gates.c.id).label("id"))
            .join(repositories, repositories.c.id == gates.c.repository_id)
            .join(teams, teams.c.id == repositories.c.team_id)
            .where(teams.c.key == team, repositories.c.removed_at.is_(None), gates.c.judged_at >= since)
            .group_by(gates.c.repository_id, change)
            .order_by(sa.func.max(gates.c.id).desc())
            .limit(limit)
            .subquery()
        )
        columns = (gates.c.id, gates.c.change_number, gates.c.title, gates.c.status, gates.c.report)
        statement = (
            sa.select(*columns, repositories.c.key.label("repository"))
            .join(repositories, repositories.c.id == gates.c.repository_id)
            .where(gates.c.id.in_(sa.select(newest.c.id)))
            .order_by(gates.c.id.desc())
        )
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    # --- hotspots ----------------------------------------------------------------------------------------------

    def team_hotspots(self, team_id: int, limit: int = 100) -> list[Row]:
        """The riskiest files of a team's repositories: those that nobody owns at first, then by risk.

        repository (key), path, changes (commits in a year), cognitive, authors, owner_share (of the one who changed it
        most, 0-1, None where it is not known), declared_owners (None where no audit has looked yet), open (findings),
        risk (changes x complexity).
        """
        files, repositories = tables.latest_files, tables.repositories
        names = ("path", "changes", "cognitive", "authors", "owner_share", "declared_owners", "open")
        risk = (files.c.changes * files.c.cognitive).label("risk")
        is_owned = sa.case((sa.cast(files.c.declared_owners, sa.Text) == "[]", 0), else_=1)
        statement = (
            sa.select(repositories.c.key.label("repository"), *(files.c[name] for name in names), risk)
            .join(repositories, repositories.c.id == files.c.repository_id)
            .where(repositories.c.team_id == team_id, repositories.c.removed_at.is_(None), files.c.changes > 0)
            .order_by(is_owned, risk.desc(), repositories.c.key, files.c.path)
            .limit(limit)
        )
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def hotspot_counts(self, team_id: int) -> Row:
        """Of a team's hotspots: hotspots, ownerless (no CODEOWNERS rule names anybody), single (one author alone)."""
        files, repositories = tables.latest_files, tables.repositories
        is_ownerless = sa.case((sa.cast(files.c.declared_owners, sa.Text) == "[]", 1), else_=0)
        statement = (
            sa.select(
                sa.func.count().label("hotspots"),
                sa.func.coalesce(sa.func.sum(is_ownerless), 0).label("ownerless"),
                sa.func.coalesce(sa.func.sum(sa.case((files.c.authors == 1, 1), else_=0)), 0).label("single"),
                sa.func.count(sa.distinct(files.c.repository_id)).label("repositories"),
            )
            .join(repositories, repositories.c.id == files.c.repository_id)
            .where(repositories.c.team_id == team_id, repositories.c.removed_at.is_(None), files.c.changes > 0)
        )
        with self._reading() as connection:
            return dict(connection.execute(statement).mappings().one())
