"""The facts cache: SQLite in WAL mode, one file a repository, binary keys (decisions D1, D21).

A cache and nothing else: deleting it changes no result. Every row carries a digest of its key and payload; a row that
does not fit its digest is taken for absent, so a damaged file costs time, never truth.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from elder_assets.audit.errors import StoreError
from elder_assets.audit.facts.extraction import FactKey
from resources.settings import Settings

SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (
    key BLOB NOT NULL PRIMARY KEY, digest BLOB NOT NULL, payload BLOB NOT NULL
) WITHOUT ROWID
"""
KEYS_A_QUERY = 500
"""SQLite's oldest limit on variables is 999."""
BUSY_SECONDS = 60


class SqliteFactStore:
    """A FactStore in one SQLite file; safe under parallel audits and a kill in the middle: one transaction a put."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        try:
            return _connect(self._path)
        except sqlite3.DatabaseError:
            # Not a database any more: facts can be made again, so the file is started anew.
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        try:
            return _connect(self._path)
        except sqlite3.DatabaseError as error:
            msg = f"the facts cache {self._path} cannot be opened: {error}"
            raise StoreError(msg) from error

    def get(self, keys: Sequence[FactKey]) -> dict[FactKey, bytes]:
        """See FactStore."""
        by_row = {row_key(key): key for key in keys}
        rows = list(by_row)
        found: dict[FactKey, bytes] = {}
        for start in range(0, len(rows), KEYS_A_QUERY):
            part = rows[start : start + KEYS_A_QUERY]
            query = f"SELECT key, digest, payload FROM fact WHERE key IN ({','.join('?' * len(part))})"  # noqa: S608 - only marks
            try:
                answer = self._connection.execute(query, part).fetchall()
            except sqlite3.DatabaseError:
                continue  # a damaged page: what it held is made again
            for row, digest, payload in answer:
                if digest == row_digest(row, payload):
                    found[by_row[row]] = payload
        return found

    def put(self, rows: Sequence[tuple[FactKey, bytes]]) -> None:
        """See FactStore; a damaged row is replaced."""
        if not rows:
            return
        prepared = [(key := row_key(fact), row_digest(key, payload), payload) for fact, payload in rows]
        try:
            with self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO fact VALUES (?, ?, ?)", prepared)
        except sqlite3.OperationalError as error:
            msg = f"the facts cache {self._path} cannot be written: {error}"
            raise StoreError(msg) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def row_key(key: FactKey) -> bytes:
    """16 bytes that stand for a fact's key."""
    hashed = hashlib.blake2b(key.oid, digest_size=16)
    hashed.update(f"\0{key.variant}\0{key.extractor}\0{key.version}".encode())
    return hashed.digest()


def row_digest(key: bytes, payload: bytes) -> bytes:
    """8 bytes that a row's key and payload must fit."""
    return hashlib.blake2b(payload, digest_size=8, key=key).digest()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(SCHEMA)
    return connection


@contextlib.contextmanager
def open_facts(settings: Settings, repository: str) -> Iterator[SqliteFactStore]:
    """The facts cache of one repository."""
    store = SqliteFactStore(settings.facts / f"{repository}.db")
    try:
        yield store
    finally:
        store.close()
