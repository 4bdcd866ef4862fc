"""What the store lets go of after a while, and what it never does.

Kept for good: every audit with its key, outcomes, scores and digest; the lives of findings and their events; gates, the
audit log, weekly scores, deliveries. Let go: the copy of its findings that an old snapshot has beside their lives, and
events of the live feed. An audit key gives the same findings again, and the kept digest proves it.
"""

from __future__ import annotations

import datetime as dt

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.store import tables
from resources.store.database import Database

EVENTS_AT_ONCE = 10_000
"""Rows of one transaction: nobody else waits long."""


class LetGo(msgspec.Struct, frozen=True, kw_only=True):
    """How much went."""

    snapshots: int
    """Whose findings were let go."""
    findings: int
    live_events: int


class Retention(Database):
    """A part of the store."""

    def let_go(self, before: dt.datetime) -> LetGo:
        """Drop copies of findings and live events from before a time; each repository in a transaction of its own.

        A snapshot keeps its copy while it is the latest of its repository, or the last one of its ISO week: a curve
        over years can still be split into its causes, week by week.
        """
        snapshots = findings = 0
        with self._reading() as connection:
            numbers = list(connection.scalars(sa.select(tables.repositories.c.id).order_by(tables.repositories.c.id)))
        for number in numbers:
            with self._writing() as connection:
                gone = [_drop_copy(connection, snapshot) for snapshot in _spare(connection, number, before)]
            snapshots += len(gone)
            findings += sum(gone)
        return LetGo(snapshots=snapshots, findings=findings, live_events=self._drop_live_events(before))

    def _drop_live_events(self, before: dt.datetime) -> int:
        """The newest stays: a client goes on from its id, and ids must not begin again."""
        table, dropped = tables.live_events, 0
        newest = sa.select(sa.func.max(table.c.id)).scalar_subquery()
        old = sa.select(table.c.id).where(table.c.at < before, table.c.id < newest).limit(EVENTS_AT_ONCE)
        while True:
            with self._writing() as connection:
                count = connection.execute(sa.delete(table).where(table.c.id.in_(old))).rowcount
            dropped += count
            if count < EVENTS_AT_ONCE:
                return dropped


def _spare(connection: Connection, repository_id: int, before: dt.datetime) -> list[int]:
    """Snapshots of a repository that need no copy any more."""
    snapshots, audits, latest = tables.snapshots, tables.audits, tables.latest
    last = sa.func.max(audits.c.audited_at).label("last")
    statement = (
        sa.select(snapshots.c.id, last)
        .join(audits, audits.c.snapshot_id == snapshots.c.id)
        .where(snapshots.c.repository_id == repository_id, snapshots.c.findings_let_go.is_(None))
        .group_by(snapshots.c.id)
        .having(last < before)
        .order_by(last, snapshots.c.id)
    )
    shown = sa.select(latest.c.snapshot_id).where(latest.c.repository_id == repository_id)
    kept = set(connection.scalars(shown))
    found = list(connection.execute(statement).tuples())
    kept |= set({moment.isocalendar()[:2]: snapshot for snapshot, moment in found}.values())
    return [snapshot for snapshot, _ in found if snapshot not in kept]


def _drop_copy(connection: Connection, snapshot_id: int) -> int:
    copies, snapshots = tables.findings, tables.snapshots
    count = connection.execute(sa.delete(copies).where(copies.c.snapshot_id == snapshot_id)).rowcount
    mark = sa.update(snapshots).where(snapshots.c.id == snapshot_id).values(findings_let_go=count)
    connection.execute(mark)
    return count
