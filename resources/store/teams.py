"""Teams in the results store: which repositories are whose, since when, and the central policy of each team (D18)."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from elder_assets.audit.errors import ConfigurationError, Conflict, UnknownRecord
from elder_assets.audit.policy import PROFILES
from resources.store import tables
from resources.store.audit_log import AuditLog
from resources.store.database import Repository, storable

TEAM_KEY = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
Origin = Literal["registry", "elder.yaml"]


class Team(msgspec.Struct, frozen=True, kw_only=True):
    """A team that owns repositories."""

    id: int
    key: str
    name: str
    added_at: datetime
    removed_at: datetime | None


class TeamPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a team's central policy."""

    id: int
    document: str
    """YAML; '' = none."""
    author: str
    comment: str
    recorded_at: datetime


def checked_team_key(key: str) -> str:
    """A team's key.

    Raises:
        ConfigurationError: it is none.
    """
    if not TEAM_KEY.fullmatch(key):
        raise ConfigurationError("team", key, "1 to 64 of a-z, 0-9, '.', '_' and '-', a letter or digit at both ends")
    return key


class Teams(AuditLog):
    """A part of the store."""

    def add_team(self, key: str, name: str = "", *, by: str = "") -> Team:
        """Register a team, or take one back that was removed.

        Raises:
            ConfigurationError: the key is none.
        """
        row = {"key": checked_team_key(key), "name": storable(name or key), "added_at": self._clock()}
        with self._writing() as connection:
            if self._insert_new(connection, tables.teams, row) is None:
                values = {"removed_at": None} | ({"name": row["name"]} if name else {})
                connection.execute(sa.update(tables.teams).where(tables.teams.c.key == key).values(**values))
            self._log(connection, by, "team.add", key, {"name": row["name"]})
            return self._team(connection, key)

    def team(self, key: str) -> Team:
        """The team with this key.

        Raises:
            UnknownRecord: there is none.
        """
        with self._reading() as connection:
            return self._team(connection, key)

    def _team(self, connection: Connection, key: str) -> Team:
        row = connection.execute(sa.select(tables.teams).where(tables.teams.c.key == key)).mappings().one_or_none()
        if row is None:
            known = list(connection.scalars(sa.select(tables.teams.c.key).order_by(tables.teams.c.key).limit(20)))
            msg = f"there is no team {key!r}; known: {', '.join(known) or 'none yet'}"
            raise UnknownRecord(msg)
        return Team(**row)

    def teams(self) -> list[Team]:
        """Every team that was not removed, in order of key."""
        table = tables.teams
        with self._reading() as connection:
            statement = sa.select(table).where(table.c.removed_at.is_(None)).order_by(table.c.key)
            return [Team(**row) for row in connection.execute(statement).mappings()]

    def assign(self, repository: str, team: str | None, origin: Origin = "registry", *, by: str = "") -> Repository:
        """Give a repository to a team, or to none; what was before stays known.

        Raises:
            RepositoryNotFound: there is no such repository.
            UnknownRecord: there is no such team.
        """
        table, now = tables.memberships, self._clock()
        with self._writing() as connection:
            found = self._repository(connection, repository)
            team_id = None if team is None else self._team(connection, team).id
            if found.team_id == team_id:
                return found
            held = (table.c.repository_id == found.id, table.c.until.is_(None))
            connection.execute(sa.update(table).where(*held).values(until=now))
            row = {"repository_id": found.id, "team_id": team_id, "origin": origin, "since": now}
            connection.execute(sa.insert(table).values(**row))
            connection.execute(
                sa.update(tables.repositories).where(tables.repositories.c.id == found.id).values(team_id=team_id)
            )
            self._log(connection, by, "team.assign", found.key, {"team": team})
            return self._repository(connection, found.key)

    def assigned_by(self, repository: str) -> str | None:
        """Who said whose the repository is: registry or elder.yaml; None when nobody did."""
        table = tables.memberships
        with self._reading() as connection:
            repository_id = self._repository(connection, repository).id
            held = sa.select(table.c.origin).where(table.c.repository_id == repository_id, table.c.until.is_(None))
            origin: str | None = connection.scalar(held)
            return origin

    def team_of(self, repository: str) -> Team | None:
        """The owning team; None without one."""
        with self._reading() as connection:
            team_id = self._repository(connection, repository).team_id
            if team_id is None:
                return None
            row = connection.execute(sa.select(tables.teams).where(tables.teams.c.id == team_id)).mappings().one()
            return Team(**row)

    def repositories_of(self, team: str) -> list[Repository]:
        """The team's repositories that were not removed, in order of key.

        Raises:
            UnknownRecord: there is no such team.
        """
        table = tables.repositories
        with self._reading() as connection:
            team_id = self._team(connection, team).id
            statement = sa.select(table).where(table.c.team_id == team_id, table.c.removed_at.is_(None))
            rows = connection.execute(statement.order_by(table.c.key)).mappings()
            return [Repository(**row) for row in rows]

    # --- policies --------------------------------------------------------------------------------------------

    def set_policy(
        self, team: str, document: str, author: str, comment: str = "", *, based_on: int | None = None
    ) -> TeamPolicy:
        """Keep a new version of a team's central policy; '' takes it away. The caller has checked the document.

        Args:
            team: its key.
            document: YAML.
            author: who sets it.
            comment: why.
            based_on: the version that the author saw, 0 for none; None = whatever holds is replaced.

        Raises:
            UnknownRecord: there is no such team.
            Conflict: somebody else has set another version meanwhile.
        """
        table = tables.team_policies
        row = {
            "document": storable(document),
            "author": storable(author),
            "comment": storable(comment),
            "recorded_at": self._clock(),
        }
        with self._writing() as connection:
            row["team_id"] = team_id = self._team(connection, team).id
            if based_on is not None:
                self._see_newest(connection, team_id, based_on)
            number = connection.scalars(sa.insert(table).returning(table.c.id), row).one()
            self._log(connection, author, "policy.set", team, {"policy_version": number, "comment": row["comment"]})
            found = connection.execute(sa.select(table).where(table.c.id == number)).mappings().one()
            return _policy(found)

    def _see_newest(self, connection: Connection, team_id: int, based_on: int) -> None:
        """Hold the team's row, so that two who save at once come one after the other, and compare versions."""
        held = sa.select(tables.teams.c.id).where(tables.teams.c.id == team_id)
        connection.execute(held.with_for_update() if connection.dialect.name == "postgresql" else held)
        table = tables.team_policies
        statement = sa.select(table).where(table.c.team_id == team_id).order_by(table.c.id.desc()).limit(1)
        newest = connection.execute(statement).mappings().one_or_none()
        if (newest["id"] if newest else 0) != based_on:
            said = (
                f"{newest['author']} saved version {newest['id']} at {newest['recorded_at']:%Y-%m-%d %H:%M} UTC"
                if newest
                else "it has no version yet"
            )
            msg = f"these settings were changed meanwhile: {said}; preview again on top of it"
            raise Conflict(msg)

    def policies(self, team: str) -> list[TeamPolicy]:
        """Every version of a team's central policy, newest first."""
        table = tables.team_policies
        with self._reading() as connection:
            statement = sa.select(table).where(table.c.team_id == self._team(connection, team).id)
            return [_policy(row) for row in connection.execute(statement.order_by(table.c.id.desc())).mappings()]

    def policy_for(self, repository: str) -> str:
        """The central policy that holds for a repository, as YAML: its team's, else its project's profile, else ''."""
        table = tables.team_policies
        with self._reading() as connection:
            found = self._repository(connection, repository)
            team_id = found.team_id
            statement = sa.select(table.c.document).where(table.c.team_id == team_id)
            document: str | None = connection.scalar(statement.order_by(table.c.id.desc()).limit(1))
            if document:
                return document
            project = tables.projects
            settings = connection.scalar(sa.select(project.c.settings).where(project.c.repository_id == found.id))
            profile = str((settings or {}).get("profile", ""))
            return f"version: 1\nprofile: {json.dumps(profile)}\n" if profile in PROFILES else ""


def _policy(row: Any) -> TeamPolicy:
    return TeamPolicy(**{name: row[name] for name in TeamPolicy.__struct_fields__})
