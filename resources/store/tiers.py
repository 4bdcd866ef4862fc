"""The tier of a project's runs in the results store."""

from __future__ import annotations

import sqlalchemy as sa

from resources.store import tables
from resources.store.database import Database

AUTO = "auto"


class Tiers(Database):
    """A part of the store."""

    def fit_tier(self, repository: str, tier: str) -> bool:
        """Give a project the tier that its measured size needs; False where an operator fixed it, or none is there.

        Raises:
            RepositoryNotFound: it is not registered.
        """
        table = tables.projects
        with self._writing() as connection:
            mine = (table.c.repository_id == self._repository(connection, repository).id, table.c.scaling == AUTO)
            changed = connection.execute(sa.update(table).where(*mine, table.c.tier != tier).values(tier=tier))
            if changed.rowcount:
                self._tell_pages(connection, "projections")
            return changed.rowcount > 0
