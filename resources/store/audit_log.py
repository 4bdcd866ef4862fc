"""The audit log: every change by a person or a token, in its own transaction, each row hashed with the one before.

Whoever changes or deletes a row breaks the chain behind it. Rows cut off at the end leave a whole chain: note the
newest hash elsewhere from time to time and give it to `verify_log`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.store import tables
from resources.store.database import Database, storable

START = "0" * 64
"""What the first row stands on."""
LOG_LOCK = 0x656C6C6F67
"""PostgreSQL advisory lock: one writer at a time, or two rows would stand on the same one. SQLite has one anyway."""
VERIFIED_AT_ONCE = 5_000


class LogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One change."""

    id: int
    at: datetime
    actor: str
    action: str
    target: str
    detail: dict[str, Any]
    previous_hash: str
    hash: str


class LogCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the log is whole."""

    rows: int
    newest_hash: str
    broken_id: int | None = None
    """The first row that does not fit; None when all do."""
    reason: str = ""


class AuditLog(Database):
    """A part of the store."""

    def _log(
        self, connection: Connection, actor: str, action: str, target: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Keep a change in its own transaction; without an actor (Elder itself did it) only pages are told."""
        if not actor:
            self._tell_pages(connection, "changes")
            return
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOG_LOCK)))
        table = tables.audit_log
        last = connection.scalar(sa.select(table.c.hash).order_by(table.c.id.desc()).limit(1))
        row = {
            "at": self._clock().astimezone(UTC),
            "actor": storable(actor),
            "action": action,
            "target": storable(target),
            "detail": storable(dict(detail or {})),
            "previous_hash": last or START,
        }
        connection.execute(sa.insert(table).values(**row, hash=_hash(row)))

    def log_entries(
        self, *, before: int | None = None, limit: int = 100, actor: str = "", action: str = "", target: str = ""
    ) -> list[LogEntry]:
        """Changes, newest first; `before` is an id to go on from."""
        table = tables.audit_log
        statement = sa.select(table).order_by(table.c.id.desc()).limit(limit)
        if before is not None:
            statement = statement.where(table.c.id < before)
        for column, value in ((table.c.actor, actor), (table.c.action, action), (table.c.target, target)):
            if value:
                statement = statement.where(column == value)
        with self._reading() as connection:
            return [LogEntry(**row) for row in connection.execute(statement).mappings()]

    def verify_newest(self, most: int) -> LogCheck:
        """Compute the chain of the newest rows again; the row before the first of them is taken as it is."""
        table = tables.audit_log
        with self._reading() as connection:
            newest = sa.select(table).order_by(table.c.id.desc()).limit(most + 1)
            found = connection.execute(newest).mappings().all()[::-1]
        checked = found[1:] if len(found) > most else found
        previous = found[0]["hash"] if len(found) > most else START
        for number, row in enumerate(checked):
            if reason := _misfit(row, previous):
                return LogCheck(rows=number, newest_hash=previous, broken_id=row["id"], reason=reason)
            previous = row["hash"]
        return LogCheck(rows=len(checked), newest_hash=previous)

    def verify_log(self, known_hash: str = "") -> LogCheck:
        """Compute the whole chain again.

        Args:
            known_hash: of a row that was noted elsewhere; then the log must still hold it.
        """
        table, previous, rows, after, is_known = tables.audit_log, START, 0, 0, not known_hash
        with self._reading() as connection:
            while True:
                statement = sa.select(table).where(table.c.id > after).order_by(table.c.id).limit(VERIFIED_AT_ONCE)
                found = connection.execute(statement).mappings().all()
                for row in found:
                    if reason := _misfit(row, previous):
                        return LogCheck(rows=rows, newest_hash=previous, broken_id=row["id"], reason=reason)
                    previous, after, rows = row["hash"], row["id"], rows + 1
                    is_known = is_known or previous == known_hash
                if len(found) < VERIFIED_AT_ONCE:
                    break
        if not is_known:
            return LogCheck(rows=rows, newest_hash=previous, broken_id=after, reason="the noted hash is not in the log")
        return LogCheck(rows=rows, newest_hash=previous)


def _misfit(row: Mapping[Any, Any], previous: str) -> str:
    """Why a row does not stand on the one before it; '' when it does."""
    if row["hash"] != _hash(row):
        return "it was changed"
    return "" if row["previous_hash"] == previous else "a row before it is missing"


def _hash(row: Mapping[Any, Any]) -> str:
    content = [row["at"].isoformat(), *(row[name] for name in ("actor", "action", "target", "detail", "previous_hash"))]
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
