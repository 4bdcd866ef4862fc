"""All rows of the results store, table by table in the order of their foreign keys: read, digested, loaded elsewhere.

A row reads the same on both databases: a JSON array of its columns, times in UTC, in order of the primary key. So the
sha256 of a table's lines says whether two stores hold the same.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from elder_assets.audit.errors import StoreError
from resources.store import bulk, tables
from resources.store.database import MIGRATION_LOCK, make_engine, migrate, revision_of

CHUNK = 2_000
"""Rows in memory at a time."""


class TableCopy(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one table's rows."""

    name: str
    columns: tuple[str, ...]
    rows: int
    sha256: str


def ordered_tables() -> list[sa.Table]:
    """Every table, none before those that it refers to."""
    return list(tables.METADATA.sorted_tables)


def column_names(table: sa.Table) -> tuple[str, ...]:
    """The columns of a table, in order, as plain texts."""
    return tuple(str(column.name) for column in table.columns)


@contextmanager
def snapshot_of(engine: Engine) -> Iterator[Connection]:
    """A connection that sees the store as it is at one moment, whoever writes meanwhile.

    Raises:
        StoreError: the file of a SQLite store is damaged, or the schema is not the one of this Elder.
    """
    if engine.dialect.name == "postgresql":
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with engine.connect().execution_options(**options) as connection, connection.begin():
            _check_schema(connection)
            yield connection
        return
    with tempfile.TemporaryDirectory(prefix="elder-snapshot-") as folder:
        copy = Path(folder) / "elder.db"
        copy_sqlite(Path(str(engine.url.database)), copy)
        opened = make_engine(sa.make_url(f"sqlite:///{copy}"))
        try:
            migrate(opened)  # of the copy: the store itself stays as it is
            with opened.connect() as connection, connection.begin():
                _check_schema(connection)
                yield connection
        finally:
            opened.dispose()


def _check_schema(connection: Connection) -> None:
    """Refuse a schema with columns that this code does not know: they would be left out in silence."""
    found = revision_of(connection)
    if found != tables.REVISION:
        msg = f"the results store has schema {found}, this Elder copies {tables.REVISION}; use the Elder that made it"
        raise StoreError(msg)


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a SQLite file as it is at one moment, and read every page of the copy.

    Raises:
        StoreError: there is no such file, it is no database, or it is damaged.
    """
    if not source.is_file():
        msg = f"there is no database at {source}"
        raise StoreError(msg)
    try:
        address = f"{source.absolute().as_uri()}?mode=ro"
        with (
            closing(sqlite3.connect(address, uri=True, timeout=30)) as origin,
            closing(sqlite3.connect(target)) as copy,
        ):
            origin.backup(copy, pages=1_000)
            said = [str(row[0]) for row in copy.execute("PRAGMA integrity_check(3)")]
    except sqlite3.Error as error:
        msg = f"{source} cannot be copied: {error}"
        raise StoreError(msg) from error
    if said != ["ok"]:
        msg = f"{source} is damaged ({'; '.join(said)[:200]}); restore a backup (docs/runbooks/restore.md)"
        raise StoreError(msg)


# --- reading ---------------------------------------------------------------------------------------------


def read_lines(connection: Connection, table: sa.Table, columns: Sequence[str] = ()) -> Iterator[bytes]:
    """The rows of a table, a JSON array each, in order of the primary key."""
    chosen = [table.c[name] for name in columns] or list(table.columns)
    order = [_binary(connection, column) for column in table.primary_key.columns]
    statement = sa.select(*chosen).order_by(*order).execution_options(yield_per=CHUNK)
    encode = msgspec.json.Encoder().encode
    for row in connection.execute(statement):
        yield encode(tuple(row))


def _binary(connection: Connection, column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """A column as both databases sort it: texts by their bytes, as SQLite does."""
    is_text = isinstance(column.type, sa.Text) and connection.dialect.name == "postgresql"
    return sa.collate(column, "C") if is_text else column


class Digested:
    """Lines that are counted and digested as they pass."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = lines
        self._digest = hashlib.sha256()
        self.count = 0

    def __iter__(self) -> Iterator[bytes]:
        for line in self._lines:
            self._digest.update(line.rstrip(b"\n") + b"\n")
            self.count += 1
            yield line

    @property
    def sha256(self) -> str:
        """Of the lines so far."""
        return self._digest.hexdigest()


def describe(connection: Connection, table: sa.Table, columns: Sequence[str] = ()) -> TableCopy:
    """Count and digest a table."""
    lines = Digested(read_lines(connection, table, columns))
    for _ in lines:
        pass
    named = tuple(columns) or column_names(table)
    return TableCopy(name=str(table.name), columns=named, rows=lines.count, sha256=lines.sha256)


def filled_tables(connection: Connection) -> list[str]:
    """Names of the tables that hold a row."""
    return [table.name for table in ordered_tables() if connection.scalar(sa.select(sa.exists().select_from(table)))]


# --- writing ---------------------------------------------------------------------------------------------


def load_lines(connection: Connection, table: sa.Table, columns: Sequence[str], lines: Iterable[bytes]) -> None:
    """Insert rows that `read_lines` gave, in chunks.

    Raises:
        StoreError: a line is no such row.
    """
    kinds = [_python_type(table.c[name]) for name in columns]
    remaining = iter(lines)
    while chunk := list(islice(remaining, CHUNK)):
        try:
            rows = [_row(columns, kinds, line) for line in chunk]
        except (msgspec.MsgspecError, ValueError) as error:
            msg = f"a row of {table.name} cannot be read: {error}"
            raise StoreError(msg) from error
        bulk.insert_rows(connection, table, rows)


def _python_type(column: sa.Column[Any]) -> type:
    if isinstance(column.type, tables.UtcDateTime):
        return datetime
    return date if isinstance(column.type, sa.Date) else object


def _row(columns: Sequence[str], kinds: Sequence[type], line: bytes) -> dict[str, Any]:
    values = msgspec.json.decode(line)
    texts = zip(columns, kinds, values, strict=True)
    return {
        name: msgspec.convert(value, kind) if kind is not object and value is not None else value
        for name, kind, value in texts
    }


def reset_sequences(connection: Connection) -> None:
    """Let PostgreSQL number the next row of each table after the last one that was loaded; SQLite does by itself."""
    if connection.dialect.name != "postgresql":
        return
    for table in ordered_tables():
        for column in table.primary_key.columns:
            sequence = connection.scalar(sa.select(sa.func.pg_get_serial_sequence(table.name, column.name)))
            if sequence:
                last = sa.select(sa.func.max(column)).scalar_subquery()
                number = sa.func.setval(sequence, sa.func.coalesce(last, 1), last.is_not(None))
                connection.execute(sa.select(number))


@contextmanager
def filling(engine: Engine) -> Iterator[Connection]:
    """One transaction that fills an empty store; nobody else migrates or fills it meanwhile.

    Raises:
        StoreError: it holds rows.
    """
    with engine.connect().execution_options(elder_write=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        if filled := filled_tables(connection):
            msg = f"the target holds rows already (in {', '.join(filled[:5])}); only an empty store is filled"
            raise StoreError(msg)
        yield connection
        reset_sequences(connection)


def compare(connection: Connection, table: sa.Table, given: TableCopy) -> None:
    """See that a table that was loaded holds what was given.

    Raises:
        StoreError: it does not.
    """
    found = describe(connection, table, given.columns)
    if (found.rows, found.sha256) != (given.rows, given.sha256):
        msg = f"{table.name} holds {found.rows} rows after {given.rows} were written, or others: nothing was kept"
        raise StoreError(msg)


# --- from one database to another ------------------------------------------------------------------------


def move(source: Engine, target: Engine) -> list[TableCopy]:
    """Copy every row of a store into an empty one, in one transaction: all or nothing. What was copied, by table.

    Ids are kept; each table is counted and digested on both sides before the transaction ends.

    Raises:
        StoreError: the target holds rows, the source is damaged or newer than this Elder, or a table differs.
    """
    migrate(target)
    with snapshot_of(source) as origin, filling(target) as connection:
        moved = []
        for table in ordered_tables():
            columns = column_names(table)
            lines = Digested(read_lines(origin, table))
            load_lines(connection, table, columns, lines)
            copied = TableCopy(name=str(table.name), columns=columns, rows=lines.count, sha256=lines.sha256)
            compare(connection, table, copied)
            moved.append(copied)
        return moved
