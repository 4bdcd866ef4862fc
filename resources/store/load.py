"""How much Elder had to do, in the results store: what the forecast learns from."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from resources.store import tables
from resources.store.database import Database


class Load(Database):
    """A part of the store."""

    def load_seen(self, since: dt.datetime) -> tuple[list[dt.datetime], float | None]:
        """When audits were made since a moment, and the mean seconds that their runs took from decision to end.

        The seconds are None when no run was measured: only what came through the inbox has both times.
        """
        audits, inbox = tables.audits, tables.inbox
        with self._reading() as connection:
            moments = list(connection.scalars(sa.select(audits.c.audited_at).where(audits.c.audited_at >= since)))
            spans = connection.execute(
                sa.select(inbox.c.decided_at, inbox.c.finished_at).where(
                    inbox.c.state == "done", inbox.c.decided_at.is_not(None), inbox.c.finished_at >= since
                )
            )
            seconds = [(finished - decided).total_seconds() for decided, finished in spans]
        return moments, sum(seconds) / len(seconds) if seconds else None
