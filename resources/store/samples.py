"""What Elder measures of itself, in the results store, and what it counts there."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from elder_assets.audit.dates import utc
from resources.store import tables
from resources.store.database import Database

KEPT_SECONDS = 86_400


class Samples(Database):
    """A part of the store."""

    def put_sample(self, source: str, name: str, value: float, now: int) -> None:
        """Keep a measured value, and drop what is older than a day."""
        table = tables.samples
        with self._writing() as connection:
            connection.execute(sa.delete(table).where(table.c.name == name, table.c.at < utc(now - KEPT_SECONDS)))
            connection.execute(sa.insert(table).values(source=source, name=name, value=value, at=utc(now)))

    def put_samples(self, name: str, values: Mapping[str, float], now: int) -> None:
        """Keep values of several sources that were measured together, and drop what is older than a day."""
        table = tables.samples
        rows = [{"source": source, "name": name, "value": value, "at": utc(now)} for source, value in values.items()]
        with self._writing() as connection:
            connection.execute(sa.delete(table).where(table.c.name == name, table.c.at < utc(now - KEPT_SECONDS)))
            if rows:
                connection.execute(sa.insert(table), rows)

    def newest_samples(self, name: str, since: int) -> dict[str, float]:
        """The last value of each source since a time."""
        table = tables.samples
        wanted = (table.c.name == name, table.c.at >= utc(since))
        with self._reading() as connection:
            rows = connection.execute(sa.select(table.c.source, table.c.value).where(*wanted).order_by(table.c.at))
            return {row.source: row.value for row in rows}

    def samples(self, name: str, source: str, since: int) -> list[tuple[int, float]]:
        """(seconds since the epoch, value) of one process since a time, oldest first."""
        table = tables.samples
        wanted = (table.c.name == name, table.c.source == source, table.c.at >= utc(since))
        with self._reading() as connection:
            rows = connection.execute(sa.select(table.c.at, table.c.value).where(*wanted).order_by(table.c.at))
            return [(int(row.at.timestamp()), row.value) for row in rows]

    def last_attempts(self, limit: int) -> list[bool]:
        """Whether each of the last attempts at an audit failed, oldest first."""
        audits, failures = tables.audits, tables.audit_failures
        with self._reading() as connection:
            done = connection.execute(sa.select(audits.c.audited_at).order_by(audits.c.id.desc()).limit(limit))
            failed = connection.execute(sa.select(failures.c.failed_at).order_by(failures.c.id.desc()).limit(limit))
            found = [*((row[0], False) for row in done), *((row[0], True) for row in failed)]
        return [is_failed for _, is_failed in sorted(found)][-limit:]

    def oldest_due_notice(self, now: int) -> int | None:
        """When the oldest notice that may leave could have left first (seconds since the epoch); None without one."""
        table = tables.notices
        due = (table.c.state == "waiting", table.c.next_at <= utc(now))
        with self._reading() as connection:
            documents = list(
                connection.scalars(sa.select(table.c.document).where(*due).order_by(table.c.id).limit(100))
            )
        return min((document["leaves_at"] for document in documents), default=None)
