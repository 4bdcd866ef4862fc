"""Many rows arrive as they were given, by COPY on PostgreSQL and by executemany elsewhere."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from resources.store import bulk, tables
from resources.store.database import make_engine, migrate

DAY = dt.datetime(2026, 3, 3, 12, 30, 15, 123456, tzinfo=dt.UTC)
ODD_TEXTS = ["", "\\N", "\\", "a\tb", "a\nb", "a\r\nb", "back\\slash", "\\.", "é 数 😀", "'\"", "\x01\x1f"]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path / 'elder.db'}"
    opened = make_engine(sa.make_url(url if request.param == "sqlite" else request.getfixturevalue("empty_postgres")))
    migrate(opened)
    yield opened
    opened.dispose()


def weeks(count: int) -> list[dict[str, Any]]:
    row = {
        "repository_id": 1,
        "as_of": DAY,
        "ruler": "r",
        "magic": "",
        "status": "passed",
        "reason": "",
        "state": "final",
    }
    row |= {"score_exact": None, "score": 91.25, "weight_share": "1", "eligible_files": 9, "analysed_files": 9}
    row |= {"findings": 4, "recorded_at": DAY, "week": "2026-03-02"}
    return [row | {"commit": f"{number:040x}"} for number in range(count)]


def with_repository(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.insert(tables.repositories), {"id": 1, "key": "k", "url": "x", "added_at": DAY})
        connection.execute(sa.insert(tables.rulers), {"digest": "r", "document": "{}", "recorded_at": DAY})


def test_every_text_number_time_and_document_comes_back(engine: Engine):
    with_repository(engine)
    rows = [
        {"repository_id": 1, "event": text, "document": {"text": text, "number": index}, "at": DAY}
        for index, text in enumerate(ODD_TEXTS * 10)
    ]
    table = tables.live_events
    with engine.begin() as connection:
        bulk.insert_rows(connection, table, rows)
        found = connection.execute(sa.select(table).order_by(table.c.id)).mappings()
        assert [{name: row[name] for name in rows[0]} for row in found] == rows


def test_nothing_numbers_and_truths_come_back(engine: Engine):
    with_repository(engine)
    snapshot = {"repository_id": 1, "ruler": "r", "baseline": "", "refs_digest": "", "tree": "", "as_of": DAY}
    snapshot |= {"as_of_seconds": -(2**62), "is_shallow": True, "is_partial": False, "notes": ["a"], "skipped": []}
    snapshot |= {"eligible_files": 1, "analysed_files": 1, "status": "", "reason": "", "commit": None, "score": 0.1}
    rows = [snapshot | {"revision": str(number)} for number in range(60)]
    with engine.begin() as connection:
        bulk.insert_rows(connection, tables.snapshots, rows)
        found = connection.execute(sa.select(tables.snapshots).order_by(tables.snapshots.c.id)).mappings()
        assert [{name: row[name] for name in rows[0]} for row in found] == rows


@pytest.mark.parametrize("count", [3, 200], ids=["few", "many"])
def test_ids_belong_to_the_rows_in_their_order(engine: Engine, count: int):
    with_repository(engine)
    table = tables.live_events
    rows = [{"repository_id": 1, "event": str(number), "document": {}, "at": DAY} for number in range(count)]
    with engine.begin() as connection:
        ids = bulk.insert_numbered(connection, table, rows)
        named = dict(connection.execute(sa.select(table.c.id, table.c.event)).tuples().all())
        assert [named[number] for number in ids] == [str(number) for number in range(count)]
        after = connection.scalars(sa.insert(table).returning(table.c.id), rows[0]).one()
        assert after not in ids


def test_only_rows_whose_key_is_free_are_new_and_counted(engine: Engine):
    with_repository(engine)
    with engine.begin() as connection:
        assert bulk.insert_new_rows(connection, tables.week_scores, weeks(100)) == 100
        assert bulk.insert_new_rows(connection, tables.week_scores, weeks(130)) == 30
        assert bulk.insert_new_rows(connection, tables.week_scores, weeks(130)) == 0
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.week_scores)) == 130


def test_a_refused_row_is_a_database_error_and_takes_the_others_with_it(engine: Engine):
    with_repository(engine)
    with pytest.raises(sa.exc.SQLAlchemyError), engine.begin() as connection:
        bulk.insert_rows(connection, tables.week_scores, [*weeks(60), weeks(1)[0]])
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.week_scores)) == 0


def test_no_rows_are_no_statement(engine: Engine):
    with engine.begin() as connection:
        bulk.insert_rows(connection, tables.week_scores, [])
        assert bulk.insert_numbered(connection, tables.live_events, []) == []
        assert bulk.insert_new_rows(connection, tables.week_scores, []) == 0


def test_rows_change_in_the_columns_that_they_name_and_in_no_other(engine: Engine):
    with_repository(engine)
    table = tables.live_events
    rows = [{"repository_id": 1, "event": "old", "document": {"n": n}, "at": DAY} for n in range(250)]
    with engine.begin() as connection:
        first = bulk.insert_numbered(connection, table, rows)[0]
        changed = {first + n: {"event": f"new {n}"} for n in range(0, 250, 2)}
        changed |= {first + 1: {"document": {"odd": "\\N"}}, first + 3: {"event": "both", "document": {}}}
        bulk.update_rows(connection, table, changed)
        bulk.update_rows(connection, table, {})
        found = list(connection.execute(sa.select(table).order_by(table.c.id)).mappings())
    assert [row["event"] for row in found[:6]] == ["new 0", "old", "new 2", "both", "new 4", "old"]
    assert [row["document"] for row in found[:6]] == [{"n": 0}, {"odd": "\\N"}, {"n": 2}, {}, {"n": 4}, {"n": 5}]
    assert sum(row["event"].startswith("new") for row in found) == 125
