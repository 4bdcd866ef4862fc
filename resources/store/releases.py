"""Releases of a repository: a projection of its tags, written again by every audit of kind default."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from resources.git.releases import Release
from resources.store import tables
from resources.store.database import Database, storable


class Releases(Database):
    """A part of the store."""

    def keep_releases(self, repository: str, releases: Sequence[Release]) -> None:
        """Say again which releases a repository has; a tag that is gone is a release no more."""
        table = tables.releases
        with self._writing() as connection:
            number = self._repository(connection, repository).id
            rows = {
                storable(one.tag): {"repository_id": number, "commit": one.commit, "released_at": one.released_at}
                for one in releases
            }
            connection.execute(sa.delete(table).where(table.c.repository_id == number))
            if rows:
                connection.execute(sa.insert(table), [{**row, "tag": tag} for tag, row in rows.items()])
            self._tell_pages(connection, "projections")

    def releases_since(self, repository_id: int, since: dt.datetime, limit: int = 60) -> list[dict[str, Any]]:
        """The newest releases since a time, newest first: tag, commit, released_at."""
        table = tables.releases
        statement = (
            sa.select(table.c.tag, table.c.commit, table.c.released_at)
            .where(table.c.repository_id == repository_id, table.c.released_at >= since)
            .order_by(table.c.released_at.desc(), table.c.tag)
            .limit(limit)
        )
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]
