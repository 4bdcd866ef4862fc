"""Fills every table of the results store from its schema, so that a new table or column is in the tests by itself."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from resources.store import tables
from resources.store.database import migrate

NOON = dt.datetime(2026, 3, 3, 12, 0, 0, 1, tzinfo=dt.UTC)
TEXTS = ("plain", "tab\tand\nline", "back\\slash \\N", "é 数 😀", "Z before a")


def fill(engine: Engine, rows: int = 5) -> None:
    """Give each table that many rows, with ids that have gaps and texts that need care."""
    migrate(engine)
    keys: dict[str, list[Any]] = {}
    with engine.connect().execution_options(elder_write=True) as connection, connection.begin():
        for table in tables.METADATA.sorted_tables:
            _fill_table(connection, table, rows, keys)
        if connection.dialect.name == "postgresql":  # rows came with ids of their own
            for table in tables.METADATA.sorted_tables:
                for column in table.primary_key.columns:
                    named = sa.select(sa.func.pg_get_serial_sequence(table.name, column.name))
                    if sequence := connection.scalar(named):
                        connection.execute(sa.select(sa.func.setval(sequence, 10 * rows + 7)))


def _fill_table(connection: Connection, table: sa.Table, rows: int, keys: dict[str, list[Any]]) -> None:
    content: list[dict[str, Any]] = []
    for number in range(rows):
        row = {column.name: _value(table, column, number, keys, content) for column in table.columns}
        content.append(row)
    connection.execute(sa.insert(table), content)
    for column in table.primary_key.columns:
        keys[f"{table.name}.{column.name}"] = [row[column.name] for row in content]


def _value(
    table: sa.Table, column: sa.Column[Any], number: int, keys: dict[str, list[Any]], content: list[dict[str, Any]]
) -> Any:
    for foreign in column.foreign_keys:
        if foreign.column.table is table:
            return content[-1][foreign.column.name] if content else None
        return keys[f"{foreign.column.table.name}.{foreign.column.name}"][number]
    if column.nullable and number % 3 == 2:
        return None
    if isinstance(column.type, sa.Text):
        return f"{TEXTS[number % len(TEXTS)]} {table.name}.{column.name} {number}"
    if isinstance(column.type, sa.Boolean):
        return number % 2 == 0
    if isinstance(column.type, sa.Float):
        return number / 7
    if isinstance(column.type, sa.JSON):
        return {"numbers": [number, None, 0.1], "text": TEXTS[number % len(TEXTS)]}
    if isinstance(column.type, tables.UtcDateTime):
        return NOON + dt.timedelta(hours=number)
    if isinstance(column.type, sa.Date):
        return NOON.date() + dt.timedelta(days=number)
    return 10 * number + 7
