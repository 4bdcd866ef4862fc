"""Projects in the results store: repositories as the control plane knows them. Deleting one deletes all of its data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, get_args

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from elder_assets.audit.errors import Conflict, UnknownRecord
from resources.store import tables
from resources.store.addresses import without_credentials
from resources.store.audit_log import AuditLog
from resources.store.database import storable

ProjectStatus = Literal["pending", "active", "refused", "archived"]
Tier = Literal["micro", "small", "medium", "large", "xlarge"]
Scaling = Literal["auto", "fixed"]
PROJECT_STATUSES: tuple[ProjectStatus, ...] = get_args(ProjectStatus)
TIERS: tuple[Tier, ...] = get_args(Tier)


class ProjectTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What people say about a project, and may change."""

    name: str
    provider: str = ""
    """'' for a plain address or path."""
    credential: str = ""
    """A reference, env:NAME or file:PATH; never the secret."""
    tier: Tier = "small"
    scaling: Scaling = "auto"
    is_auto_audited: bool = True
    is_public: bool = False
    channels: tuple[str, ...] = ()
    compliance_tags: tuple[str, ...] = ()
    settings: dict[str, Any] = {}


class Project(ProjectTerms, frozen=True, kw_only=True):
    """A registered repository, and how it stands now."""

    id: int
    key: str
    url: str
    team: str | None
    team_id: int | None
    status: ProjectStatus
    reason: str
    """Why it was refused."""
    first_look: dict[str, Any]
    default_branch: str
    web_url: str
    webhook_id: str
    webhook_secret_version: int
    added_at: datetime
    changed_at: datetime
    audit_status: str | None = None
    """Of the last audit of kind default; None, as what follows, before the first."""
    score: float | None = None
    commit: str | None = None
    audited_at: datetime | None = None
    open: int | None = None
    critical: int | None = None
    high: int | None = None


class Projects(AuditLog):
    """A part of the store."""

    def add_project(
        self,
        key: str,
        url: str,
        terms: ProjectTerms,
        *,
        team: str | None = None,
        status: ProjectStatus = "pending",
        by: str = "",
    ) -> Project:
        """Register a repository as a project; one that was removed or only added by its key is taken up.

        Raises:
            Conflict: there is such a project already; names it.
            UnknownRecord: there is no such team.
        """
        with self._writing() as connection:
            row = {"key": key, "url": without_credentials(url), "added_at": self._clock()}
            self._insert_new(connection, tables.repositories, row)
            found = self._repository(connection, key)
            known = connection.scalar(
                sa.select(tables.projects.c.repository_id).where(tables.projects.c.repository_id == found.id)
            )
            if known is not None and found.removed_at is None:
                msg = f"{found.key} is registered already, as project {found.id}"
                raise Conflict(msg)
            connection.execute(
                sa.update(tables.repositories)
                .where(tables.repositories.c.id == found.id)
                .values(url=row["url"], removed_at=None)
            )
            content = {**_columns(terms), **_NEW, "status": status, "changed_at": self._clock()}
            if known is None:
                connection.execute(sa.insert(tables.projects).values(repository_id=found.id, **content))
            else:
                self._write(connection, found.id, content)
            if team is not None:
                self._own(connection, found.id, team)
            self._log(connection, by, "project.add", found.key, {"project_id": found.id, "team": team})
            return self._one(connection, found.id, None)

    def _own(self, connection: Connection, repository_id: int, team: str | None) -> None:
        """Give a project to a team, or to none; what was before stays known."""
        teams, table, now = tables.teams, tables.memberships, self._clock()
        team_id = None
        if team is not None:
            team_id = connection.scalar(sa.select(teams.c.id).where(teams.c.key == team, teams.c.removed_at.is_(None)))
            if team_id is None:
                msg = f"there is no team {team!r}"
                raise UnknownRecord(msg)
        repositories = tables.repositories
        held = (table.c.repository_id == repository_id, table.c.until.is_(None))
        connection.execute(sa.update(table).where(*held).values(until=now))
        row = {"repository_id": repository_id, "team_id": team_id, "origin": "registry", "since": now}
        connection.execute(sa.insert(table).values(**row))
        connection.execute(sa.update(repositories).where(repositories.c.id == repository_id).values(team_id=team_id))

    def project(self, number: int, *, team_id: int | None = None) -> Project:
        """One project; of a team's own only, when a team is named.

        Raises:
            UnknownRecord: there is none, or it belongs to another team.
        """
        with self._reading() as connection:
            return self._one(connection, number, team_id)

    def _one(self, connection: Connection, number: int, team_id: int | None) -> Project:
        statement = _projects(team_id).where(tables.projects.c.repository_id == number)
        row = connection.execute(statement).mappings().one_or_none()
        if row is None:
            msg = f"there is no project {number}"
            raise UnknownRecord(msg)
        return _project(row)

    def projects(
        self,
        *,
        team_id: int | None = None,
        team: str | None = None,
        status: ProjectStatus | None = None,
        tag: str | None = None,
        text: str = "",
        after: str = "",
        limit: int = 50,
    ) -> list[Project]:
        """A page of projects in order of key.

        Args:
            team_id: the reader's team; only its projects.
            team: only projects of this team (its key).
            status: only in this one.
            tag: only with this compliance tag.
            text: only where name or key holds this text.
            after: key of the last project of the page before.
            limit: rows of a page.
        """
        projects, repositories = tables.projects, tables.repositories
        statement = _projects(team_id).order_by(repositories.c.key).limit(limit)
        if team is not None:
            statement = statement.where(tables.teams.c.key == team)
        if status is not None:
            statement = statement.where(projects.c.status == status)
        if text:
            like = f"%{text.lower().replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"
            named = (sa.func.lower(projects.c.name), sa.func.lower(repositories.c.key))
            statement = statement.where(sa.or_(*(column.like(like, escape="!") for column in named)))
        if after:
            statement = statement.where(repositories.c.key > after)
        if tag is not None:
            quoted = json.dumps(tag).replace("!", "!!").replace("%", "!%").replace("_", "!_")
            statement = statement.where(sa.cast(projects.c.compliance_tags, sa.Text).like(f"%{quoted}%", escape="!"))
        with self._reading() as connection:
            return [_project(row) for row in connection.execute(statement).mappings()]

    def pending_projects(self) -> list[int]:
        """Projects whose registration has not ended, oldest first."""
        table = tables.projects
        with self._reading() as connection:
            waiting = sa.select(table.c.repository_id).where(table.c.status == "pending")
            return list(connection.scalars(waiting.order_by(table.c.repository_id)))

    def change_project(
        self,
        number: int,
        changes: Mapping[str, Any],
        *,
        team_id: int | None = None,
        by: str = "",
        team: str | msgspec.UnsetType | None = msgspec.UNSET,
        status: ProjectStatus | None = None,
    ) -> Project:
        """Change what people say about a project, its owner or its status.

        Args:
            number: the project.
            changes: fields of ProjectTerms.
            team_id: the team of whoever changes it.
            by: who changes it.
            team: its new owner; None for nobody.
            status: its new status.

        Raises:
            UnknownRecord: there is no such project or team.
        """
        with self._writing() as connection:
            found = self._one(connection, number, team_id)
            content = _columns(changes) | ({"status": status} if status else {})
            self._write(connection, number, {**content, "changed_at": self._clock()})
            detail = {name: value for name, value in content.items() if name != "settings"}
            if team is not msgspec.UNSET and team != found.team:
                self._own(connection, number, team)
                detail["team"] = team
            self._log(connection, by, "project.change", found.key, {"project_id": number, **detail})
            return self._one(connection, number, None)

    def settle_project(self, number: int, **found: Any) -> None:
        """Write what Elder itself found out: status, reason, first_look, default_branch, web_url, webhook_id."""
        with self._writing() as connection:
            self._write(connection, number, {**storable(found), "changed_at": self._clock()})

    def _write(self, connection: Connection, number: int, content: Mapping[str, Any]) -> None:
        connection.execute(
            sa.update(tables.projects).where(tables.projects.c.repository_id == number).values(**content)
        )

    def delete_project(self, number: int, *, team_id: int | None = None, by: str) -> Project:
        """Delete a project with everything that was ever recorded about it; the audit log keeps that it was.

        Raises:
            UnknownRecord: there is none.
        """
        with self._writing() as connection:
            found = self._one(connection, number, team_id)
            connection.execute(
                sa.update(tables.inbox)
                .where(tables.inbox.c.replay_of.in_(_rows_of(tables.inbox, number)))
                .values(replay_of=None)
            )
            for table in reversed(tables.METADATA.sorted_tables):
                if table is not tables.repositories and (owned := _owned_by(table, number)) is not None:
                    connection.execute(sa.delete(table).where(owned))
            connection.execute(sa.delete(tables.repositories).where(tables.repositories.c.id == number))
            self._log(connection, by, "project.delete", found.key, {"project_id": number})
            return found


_NEW: dict[str, Any] = {
    "status": "pending",
    "reason": "",
    "first_look": {},
    "default_branch": "",
    "web_url": "",
    "webhook_id": "",
    "webhook_secret_version": 1,
}


def added_project(repository_id: int, key: str, now: datetime) -> dict[str, Any]:
    """The row of a repository that was added by its key and address alone."""
    content = {**_columns(ProjectTerms(name=key.rpartition("/")[2])), **_NEW}
    return {"repository_id": repository_id, **content, "status": "active", "changed_at": now}


def _columns(terms: ProjectTerms | Mapping[str, Any]) -> dict[str, Any]:
    content = dict(terms) if isinstance(terms, Mapping) else msgspec.structs.asdict(terms)
    written: dict[str, Any] = storable(content)
    return written


def _projects(team_id: int | None) -> sa.Select[Any]:
    """Every project that is not removed, with its owner and how it stands."""
    projects, repositories, teams, latest = tables.projects, tables.repositories, tables.teams, tables.latest
    columns = [column for column in projects.c if column.name != "repository_id"]
    statement = (
        sa.select(
            *columns,
            repositories.c.id,
            repositories.c.key,
            repositories.c.url,
            repositories.c.team_id,
            repositories.c.added_at,
            teams.c.key.label("team"),
            latest.c.status.label("audit_status"),
            *(latest.c[name] for name in ("score", "commit", "audited_at", "open", "critical", "high")),
        )
        .join(repositories, repositories.c.id == projects.c.repository_id)
        .outerjoin(teams, teams.c.id == repositories.c.team_id)
        .outerjoin(latest, latest.c.repository_id == repositories.c.id)
        .where(repositories.c.removed_at.is_(None))
    )
    return statement if team_id is None else statement.where(repositories.c.team_id == team_id)


def _project(row: Mapping[Any, Any]) -> Project:
    lists = {name: tuple(row[name]) for name in ("channels", "compliance_tags")}
    return Project(**{**row, **lists})


def _rows_of(table: sa.Table, number: int) -> sa.Select[Any]:
    return sa.select(table.c.id).where(table.c.repository_id == number)


def _owned_by(table: sa.Table, number: int) -> sa.ColumnElement[bool] | None:
    """Which rows of a table are about a repository, directly or through a row that they name; None for other tables."""
    if "repository_id" in table.c:
        return table.c.repository_id == number
    for key in table.foreign_keys:
        owner = key.column.table
        if owner is not table and "repository_id" in owner.c and "id" in owner.c:
            return key.parent.in_(_rows_of(owner, number))
    return None
