"""The facts cache: SQLite in WAL mode, one file a repository, one row a blob (decisions D1, D21).

A cache and nothing else: deleting it changes no result. Every row carries a digest of its key and payload; a row that
does not fit its digest is taken for absent, so a damaged file costs time, never truth.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from elder_assets.audit.errors import StoreError
from elder_assets.audit.facts.extraction import BlobKey, Payloads
from resources.settings import Settings

T = TypeVar("T")
SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (
    oid BLOB NOT NULL, variant TEXT NOT NULL, digest BLOB NOT NULL, payload BLOB NOT NULL, PRIMARY KEY (oid, variant)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS record (
    kind TEXT NOT NULL, key BLOB NOT NULL, digest BLOB NOT NULL, payload BLOB NOT NULL, PRIMARY KEY (kind, key)
) WITHOUT ROWID;
"""
KEYS_A_QUERY = 400
"""SQLite's oldest limit on variables is 999; a blob's key takes two."""
BUSY_SECONDS = 60

_DECODER = msgspec.msgpack.Decoder(dict[str, bytes])
_ENCODER = msgspec.msgpack.Encoder()


class CacheStats(msgspec.Struct, frozen=True):
    """What one cache file holds."""

    blobs: int
    records: dict[str, int]
    """Kind to how many."""
    size: int
    """Bytes on disk."""


class SqliteFactStore:
    """A FactStore in one SQLite file; safe under parallel audits and a kill in the middle: one transaction a put."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self.blobs_known = self.blobs_measured = 0
        """How many blobs were found, and how many came new, since this was opened: what an audit was spared."""
        self.is_changed = False
        """Whether something was written since."""
        self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        try:
            try:
                return _connect(self._path)
            except sqlite3.OperationalError:
                raise  # locked, or no such folder: nothing is wrong with the file
            except sqlite3.DatabaseError:
                # Not a database any more, or of another schema: facts can be made again, so the file is started anew.
                _remove(self._path)
                return _connect(self._path)
        except sqlite3.DatabaseError as error:
            msg = f"the facts cache {self._path} cannot be opened: {error}"
            raise StoreError(msg) from error

    def get(self, keys: Iterable[BlobKey]) -> dict[BlobKey, Payloads]:
        """See FactStore."""
        found: dict[BlobKey, Payloads] = {}
        for part in _parts(keys):
            # A join in this order looks each key up; `(oid, variant) IN (VALUES ...)` would scan the table.
            marks = ",".join(["(?,?)"] * len(part))
            query = (
                f"WITH wanted(oid, variant) AS (VALUES {marks}) SELECT oid, variant, digest, payload "  # noqa: S608 - only marks
                "FROM wanted CROSS JOIN fact USING (oid, variant)"
            )
            values = [value for key in part for value in key]
            for oid, variant, digest, payload in self._read(query, values):
                if digest == _digest(oid, variant, payload):
                    found[BlobKey(oid, variant)] = _DECODER.decode(payload)
        self.blobs_known += len(found)
        return found

    def put(self, rows: Mapping[BlobKey, Payloads]) -> None:
        """See FactStore; a damaged row is replaced."""
        if not rows:
            return
        known = self.get(rows)
        self.blobs_known -= len(known)
        self.blobs_measured += len(rows)
        prepared = []
        for key in sorted(rows):
            payload = _ENCODER.encode({**known.get(key, {}), **rows[key]})
            prepared.append((*key, _digest(*key, payload), payload))
        self._write("INSERT OR REPLACE INTO fact VALUES (?, ?, ?, ?)", prepared)

    def records(self, kind: str, keys: Iterable[bytes] | None = None) -> dict[bytes, bytes]:
        """See FactStore."""
        query = "SELECT key, digest, payload FROM record WHERE kind = ?"
        rows: list[tuple[bytes, bytes, bytes]] = []
        if keys is None:
            rows = self._read(query, [kind])
        else:
            for part in _parts(keys):
                rows += self._read(f"{query} AND key IN ({','.join('?' * len(part))})", [kind, *part])
        return {key: payload for key, digest, payload in rows if digest == _digest(key, kind, payload)}

    def keep(self, kind: str, records: Mapping[bytes, bytes], *, only: bool = False) -> None:
        """See FactStore."""
        prepared = [(kind, key, _digest(key, kind, records[key]), records[key]) for key in sorted(records)]
        before = [("DELETE FROM record WHERE kind = ?", (kind,))] if only else []
        self._write("INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?)", prepared, before=before)

    def _read(self, query: str, values: Sequence[bytes | str | int]) -> list[Any]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.DatabaseError:
            return []  # a damaged page: what it held is made again

    def _write(
        self,
        statement: str,
        rows: Sequence[tuple[bytes | str, ...]],
        *,
        before: Iterable[tuple[str, tuple[str, ...]]] = (),
    ) -> None:
        self.is_changed = True
        try:
            with self._connection:
                for first in before:
                    self._connection.execute(*first)
                self._connection.executemany(statement, rows)
        except sqlite3.OperationalError as error:
            msg = f"the facts cache {self._path} cannot be written: {error}"
            raise StoreError(msg) from error
        except sqlite3.DatabaseError:
            # A page that cannot be read cannot be changed either: the file is started anew.
            self._connection.close()
            _remove(self._path)
            self._connection = self._open()

    # --- upkeep ------------------------------------------------------------------------------------------

    def stats(self) -> CacheStats:
        """What the file holds."""
        (blobs,) = self._connection.execute("SELECT count(*) FROM fact").fetchone()
        kinds = self._connection.execute("SELECT kind, count(*) FROM record GROUP BY kind ORDER BY kind").fetchall()
        size = sum(file.stat().st_size for file in self._path.parent.glob(self._path.name + "*"))
        return CacheStats(blobs=blobs, records=dict(kinds), size=size)

    def sample(self, count: int) -> list[BlobKey]:
        """Keys of blobs, chosen at random."""
        rows = self._read("SELECT oid, variant FROM fact ORDER BY random() LIMIT ?", [count])
        return [BlobKey(*row) for row in rows]

    def damaged(self) -> int:
        """Rows that do not fit their digests; they are taken for absent and replaced by the next audit."""
        facts = self._connection.execute("SELECT oid, variant, digest, payload FROM fact")
        records = self._connection.execute("SELECT key, kind, digest, payload FROM record")
        return sum(
            digest != _digest(key, name, payload) for rows in (facts, records) for key, name, digest, payload in rows
        )

    def forget(self, keys: Iterable[BlobKey]) -> None:
        """Drop everything that is known about blobs."""
        with self._connection:
            self._connection.executemany("DELETE FROM fact WHERE oid = ? AND variant = ?", list(keys))

    def prune(self, slots: Collection[str], code: bytes) -> int:
        """Drop facts in other slots, judgements of other code and damaged rows; how many bytes the file lost."""
        before = self.stats().size
        changed: list[tuple[bytes, bytes, bytes, str]] = []
        gone: list[tuple[bytes, str]] = []
        for oid, variant, digest, payload in self._connection.execute("SELECT oid, variant, digest, payload FROM fact"):
            known = _DECODER.decode(payload) if digest == _digest(oid, variant, payload) else {}
            kept = {slot: value for slot, value in known.items() if slot in slots}
            if not kept:
                gone.append((oid, variant))
            elif len(kept) < len(known):
                fresh = _ENCODER.encode(kept)
                changed.append((_digest(oid, variant, fresh), fresh, oid, variant))
        with self._connection:
            self._connection.executemany("DELETE FROM fact WHERE oid = ? AND variant = ?", gone)
            self._connection.executemany(
                "UPDATE fact SET digest = ?, payload = ? WHERE oid = ? AND variant = ?", changed
            )
            self._connection.execute(
                "DELETE FROM record WHERE kind IN ('judged', 'point') AND substr(key, 1, ?) != ?", (len(code), code)
            )
        self._connection.execute("VACUUM")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return before - self.stats().size

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _parts(keys: Iterable[T]) -> Iterator[list[T]]:
    wanted = list(keys)
    for start in range(0, len(wanted), KEYS_A_QUERY):
        yield wanted[start : start + KEYS_A_QUERY]


def _digest(key: bytes, name: str, payload: bytes) -> bytes:
    """8 bytes that a row's key and payload must fit."""
    hashed = hashlib.blake2b(key, digest_size=8, person=name.encode()[:16])
    hashed.update(payload)
    return hashed.digest()


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    # One statement, one snapshot: another process may be making the tables right now.
    version, tables = connection.execute(
        "SELECT user_version, (SELECT count(*) FROM sqlite_master) FROM pragma_user_version"
    ).fetchone()
    if version != SCHEMA_VERSION and tables:
        connection.close()
        msg = f"schema {version}"
        raise sqlite3.DatabaseError(msg)
    if version == 0:
        connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    return connection


@contextlib.contextmanager
def open_facts(settings: Settings, repository: str) -> Iterator[SqliteFactStore]:
    """The facts cache of one repository; with a depot, pulled from there first and pushed back when it was changed."""
    path = settings.facts / f"{repository}.db"
    if settings.facts_depot and not path.exists():
        from resources.facts.depot import pulled

        pulled(settings, repository, path)
    store = SqliteFactStore(path)
    try:
        yield store
    finally:
        store.close()
        if settings.facts_depot and store.is_changed:
            from resources.facts.depot import pushed

            pushed(settings, repository, path)
