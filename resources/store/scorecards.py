"""What scorecards are made of, and the scorecards themselves, in the results store. Frames need pandas."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from resources.store import tables
from resources.store.database import Database, storable

if TYPE_CHECKING:
    import pandas as pd


Marks = tuple[int, ...]
"""Highest ids that were seen of audits, gates, failures, memberships and policies."""
NO_MARKS: Marks = (0, 0, 0, 0, 0)


class Scorecards(Database):
    """A part of the store."""

    def moved(self, team: str, since: dt.datetime) -> list[dict[str, Any]]:
        """Default audits of a team's repositories: repository (key), as_of, new (with reopened), fixed."""
        counts, repositories, teams = tables.audit_counts, tables.repositories, tables.teams
        statement = (
            sa.select(
                repositories.c.key.label("repository"),
                counts.c.as_of,
                (counts.c.new + counts.c.reopened).label("new"),
                counts.c.fixed,
            )
            .join(repositories, repositories.c.id == counts.c.repository_id)
            .join(teams, teams.c.id == repositories.c.team_id)
            .where(teams.c.key == team, counts.c.as_of >= since)
            .order_by(counts.c.audit_id)
        )
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def judged(self, team: str, since: dt.datetime) -> list[dict[str, Any]]:
        """Gates of a team's repositories: repository (key), judged_at, status."""
        gates, repositories, teams = tables.gates, tables.repositories, tables.teams
        statement = (
            sa.select(repositories.c.key.label("repository"), gates.c.judged_at, gates.c.status)
            .join(repositories, repositories.c.id == gates.c.repository_id)
            .join(teams, teams.c.id == repositories.c.team_id)
            .where(teams.c.key == team, gates.c.judged_at >= since)
            .order_by(gates.c.id)
        )
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def team_magics(self, team: str) -> list[dict[str, Any]]:
        """Each magic's result now of a team's repositories: the columns of `latest_magics` and `repository` (key)."""
        table, repositories, teams = tables.latest_magics, tables.repositories, tables.teams
        statement = (
            sa.select(table, repositories.c.key.label("repository"))
            .join(repositories, repositories.c.id == table.c.repository_id)
            .join(teams, teams.c.id == repositories.c.team_id)
            .where(teams.c.key == team, repositories.c.removed_at.is_(None))
            .order_by(repositories.c.key, table.c.magic)
        )
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def record_scorecard(self, team: str, content: pd.DataFrame) -> int:
        """Keep a scorecard, a frame of SCORECARDS; how many rows were written.

        Rows of the newest week, and of weeks that are not known yet, are written; what earlier weeks said stays.
        """
        from elder_assets.audit import frames

        frames.validate(frames.SCORECARDS, content)
        table, now = tables.scorecards, self._clock()
        plain = content.astype(object).where(content.notna(), None).to_dict("records")
        newest = max((row["week"] for row in plain), default="")
        with self._writing() as connection:
            team_id = connection.scalars(sa.select(tables.teams.c.id).where(tables.teams.c.key == team)).one()
            connection.execute(sa.delete(table).where(table.c.team_id == team_id, table.c.week == newest))
            known_statement = sa.select(table.c.week, table.c.repository_id, table.c.magic)
            known = {tuple(row) for row in connection.execute(known_statement.where(table.c.team_id == team_id))}
            ids = {key: self._repository(connection, key).id for key in {row["repository"] for row in plain}}
            rows = []
            for row in plain:
                if (row["week"], ids[row["repository"]], row["magic"]) not in known:
                    values = {str(name): value for name, value in row.items() if name not in {"team", "repository"}}
                    values |= {"team_id": team_id, "repository_id": ids[row["repository"]], "recorded_at": now}
                    rows.append(storable(values))
            if rows:
                connection.execute(sa.insert(table), rows)
            self._tell_pages(connection, "projections")  # rows that were written again may have the ids of the old ones
            return len(rows)

    def scorecard(self, team: str, since: str = "") -> pd.DataFrame:
        """A team's scorecard from a week on (a Monday): a frame of SCORECARDS, in order of week, repository, magic."""
        from elder_assets.audit import frames

        table, repositories, teams = tables.scorecards, tables.repositories, tables.teams
        statement = (
            sa.select(table, repositories.c.key.label("repository"), teams.c.key.label("team"))
            .join(repositories, repositories.c.id == table.c.repository_id)
            .join(teams, teams.c.id == table.c.team_id)
            .where(teams.c.key == team, table.c.week >= since)
            .order_by(table.c.week, repositories.c.key, table.c.magic)
        )
        with self._reading() as connection:
            content = [dict(row) for row in connection.execute(statement).mappings()]
        return frames.validate(frames.SCORECARDS, frames.frame(frames.SCORECARDS, content))

    def teams_moved(self, after: Marks) -> tuple[list[str], Marks]:
        """Teams that have news since the marks, and the marks of now.

        News: a repository was audited, judged by a gate, could not be audited, came or went; or the policy changed.
        """
        teams = tables.teams
        found: set[str] = set()
        marks: list[int] = []
        with self._reading() as connection:
            for (table, news), seen in zip(_news(), after, strict=True):
                newest = connection.scalar(sa.select(sa.func.max(table.c.id))) or 0
                statement = sa.select(teams.c.key).distinct().join(news, news.c.team_id == teams.c.id)
                found |= set(connection.scalars(statement.where(news.c.id > seen, news.c.id <= newest)))
                marks.append(newest)
        return sorted(found), tuple(marks)


def _news() -> list[tuple[sa.Table, sa.Subquery]]:
    """Tables that hold news, and of each the ids of its rows with the team that each is news for."""
    owners = sa.select(tables.repositories.c.id.label("repository_id"), tables.repositories.c.team_id).subquery()
    audited = sa.select(tables.audits.c.id, tables.snapshots.c.repository_id).join(
        tables.snapshots, tables.snapshots.c.id == tables.audits.c.snapshot_id
    )
    rows: list[tuple[sa.Table, sa.Subquery]] = [(tables.audits, audited.subquery())]
    rows += [(t, sa.select(t.c.id, t.c.repository_id).subquery()) for t in (tables.gates, tables.audit_failures)]
    owned = [
        (table, sa.select(row.c.id, owners.c.team_id).join(owners, owners.c.repository_id == row.c.repository_id))
        for table, row in rows
    ]
    changed, held = tables.memberships, tables.memberships.alias("held")
    moved = sa.select(changed.c.id, held.c.team_id).join(held, held.c.repository_id == changed.c.repository_id)
    policies = sa.select(tables.team_policies.c.id, tables.team_policies.c.team_id)
    owned += [(changed, moved), (tables.team_policies, policies)]
    return [(table, statement.subquery()) for table, statement in owned]
