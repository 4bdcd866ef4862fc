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

Row = dict[str, Any]
ROWS_MAX = 5_000
"""Rows that one reader gives at most."""

_GATE_COLUMNS = (
    "id", "base", "head", "change_number", "title", "status", "reason", "failing", "new", "fixed", "suppressed",
    "run_id", "judged_at",
)  # fmt: skip
"""Without the report, which may be long."""


class GateFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which gates are shown."""

    text: str = ""
    """Part of the repository's key or of the change's title, in any case."""
    status: str = ""
    team: str = ""
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
            key, title = tables.repositories.c.key, gates.c.title
            fits = [column.icontains(wanted.text, autoescape=True) for column in (key, title)]
            statement = statement.where(sa.or_(*fits))
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


def _gates(columns: Sequence[Any], team_id: int | None, *, is_named: bool = True) -> sa.Select[Any]:
    """Gates of registered repositories that the team may see, with the names of repository and team."""
    gates, repositories, teams = tables.gates, tables.repositories, tables.teams
    names = [repositories.c.key.label("repository"), teams.c.key.label("team"), teams.c.name.label("team_name")]
    return (
        sa.select(*columns, *(names if is_named else []))
        .select_from(gates)
        .join(repositories, repositories.c.id == gates.c.repository_id)
        .outerjoin(teams, teams.c.id == repositories.c.team_id)
        .where(*shown_repositories(team_id))
    )


def shown_repositories(team_id: int | None) -> list[sa.ColumnElement[bool]]:
    """Registered, and of the team of whoever has one."""
    repositories = tables.repositories
    shown: list[sa.ColumnElement[bool]] = [repositories.c.removed_at.is_(None)]
    return shown if team_id is None else [*shown, repositories.c.team_id == team_id]
