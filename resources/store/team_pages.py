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
