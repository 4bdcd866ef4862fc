"""Many rows in one call: PostgreSQL takes them by COPY, SQLite by executemany. `benchmarks/store.py` measures both."""

from __future__ import annotations

import datetime as dt
import io
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection

COPY_ROWS_MIN = 50
"""Below this the statements around a COPY cost more than they save (benchmarks/store.py)."""
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})

Row = Mapping[str, Any]


def insert_rows(connection: Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    """Insert rows that name the same columns each; none is a call that does nothing."""
    if not rows:
        return
    if connection.dialect.name == "postgresql" and len(rows) >= COPY_ROWS_MIN:
        copy_rows(connection, table, table.name, rows)
    else:
        connection.execute(sa.insert(table), rows)


def insert_numbered(connection: Connection, table: sa.Table, rows: Sequence[Row]) -> list[int]:
    """Insert rows and give their ids, in the same order."""
    if not rows:
        return []
    if connection.dialect.name != "postgresql" or len(rows) < COPY_ROWS_MIN:
        insert = sa.insert(table).returning(table.c.id, sort_by_parameter_order=True)
        return list(connection.scalars(insert, rows))
    drawn = sa.select(sa.func.nextval(sa.func.pg_get_serial_sequence(table.name, "id")))
    ids = list(connection.scalars(drawn.select_from(sa.func.generate_series(1, len(rows)))))
    copy_rows(connection, table, table.name, [{**row, "id": number} for row, number in zip(rows, ids, strict=True)])
    return ids


def insert_new_rows(connection: Connection, table: sa.Table, rows: Sequence[Row]) -> int:
    """Insert the rows whose unique key is free; how many those were."""
    if not rows:
        return 0
    if connection.dialect.name != "postgresql":
        return connection.execute(sqlite.insert(table).on_conflict_do_nothing(), rows).rowcount
    # COPY knows no conflict, so the rows pass through a table that goes with the transaction.
    staged, named = f"staged_{table.name}", ", ".join(_quoted(name) for name in rows[0])
    connection.exec_driver_sql(f"CREATE TEMP TABLE {staged} (LIKE {table.name}) ON COMMIT DROP")
    for name in (column.name for column in table.columns if column.name not in rows[0]):
        connection.exec_driver_sql(f"ALTER TABLE {staged} DROP COLUMN {_quoted(name)}")
    copy_rows(connection, table, staged, rows)
    moved = f"INSERT INTO {table.name} ({named}) SELECT {named} FROM {staged} ON CONFLICT DO NOTHING"  # noqa: S608 - names are ours
    count = connection.exec_driver_sql(moved).rowcount
    connection.exec_driver_sql(f"DROP TABLE {staged}")
    return count


def update_rows(connection: Connection, table: sa.Table, changed: Mapping[int, Row]) -> None:
    """Change rows by their ids, each in the columns that it names."""
    alike: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for number, row in changed.items():
        alike[tuple(row)].append({**row, "row_id": number})
    for rows in alike.values():
        connection.execute(sa.update(table).where(table.c.id == sa.bindparam("row_id")), rows)


def copy_rows(connection: Connection, table: sa.Table, into: str, rows: Sequence[Row]) -> None:
    """Send rows by COPY to PostgreSQL.

    Args:
        connection: in a transaction.
        table: gives the types.
        into: the name of the table that takes them.
        rows: at least one; they name the same columns each.
    """
    names = list(rows[0])
    texts = [_text_of(connection, table.c[name]) for name in names]
    lines = io.StringIO()
    for row in rows:
        lines.write("\t".join(text(row[name]) for name, text in zip(names, texts, strict=True)))
        lines.write("\n")
    lines.seek(0)
    statement = f"COPY {into} ({', '.join(_quoted(name) for name in names)}) FROM STDIN"
    driver: Any = connection.connection
    try:
        with driver.cursor() as cursor:
            cursor.copy_expert(statement, lines)
    except connection.dialect.loaded_dbapi.Error as error:
        raise sa.exc.DBAPIError(statement, None, error) from error


def _quoted(name: str) -> str:
    return f'"{name}"'


def _text_of(connection: Connection, column: sa.Column[Any]) -> Callable[[Any], str]:
    """How a value of a column reads in COPY's text format."""
    bind = column.type.dialect_impl(connection.dialect).bind_processor(connection.dialect)
    return _copy_text if bind is None else lambda value: _copy_text(bind(value))


def _copy_text(value: Any) -> str:
    if value is None:
        return r"\N"
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, dt.date):  # a datetime is one
        return value.isoformat()
    return str(value).translate(_ESCAPES)
