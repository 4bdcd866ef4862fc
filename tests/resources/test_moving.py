"""An installation moves from one database into another: every row, or none."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from filled import fill
from sqlalchemy.engine import Engine

from elder_assets.audit.errors import ElderError, StoreError
from elder_assets.cli import elder
from resources.store import copying, open_store, tables
from resources.store.database import make_engine, migrate

ROWS = 5


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Engine]:
    engine = make_engine(sa.make_url(f"sqlite:///{tmp_path / 'embedded.db'}"))
    fill(engine, ROWS)
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def target_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'target.db'}"
    return request.getfixturevalue("empty_postgres")


@pytest.fixture
def target(target_url: str) -> Iterator[Engine]:
    engine = make_engine(sa.make_url(target_url))
    yield engine
    engine.dispose()


def rows_of(engine: Engine) -> dict[str, list[dict[str, object]]]:
    with engine.connect() as connection:
        return {
            table.name: [dict(row) for row in connection.execute(sa.select(table)).mappings()]
            for table in copying.ordered_tables()
        }


def sorted_rows(engine: Engine) -> dict[str, list[str]]:
    return {name: sorted(map(repr, rows)) for name, rows in rows_of(engine).items()}


def test_every_row_of_every_table_moves_with_its_id(source: Engine, target: Engine):
    moved = copying.move(source, target)
    assert {table.name: table.rows for table in moved} == dict.fromkeys(tables.METADATA.tables, ROWS)
    assert sorted_rows(target) == sorted_rows(source)


def test_the_next_row_gets_a_number_that_is_free(source: Engine, target: Engine, target_url: str):
    copying.move(source, target)
    with open_store(target_url) as store:
        before = max(repository.id for repository in store.repositories(with_removed=True))
        assert store.add_repository("example.org/new/one", "x").id > before


def test_a_target_with_rows_is_refused_and_stays_as_it_was(source: Engine, target: Engine, target_url: str):
    with open_store(target_url) as store:
        store.add_repository("example.org/shop/basket", "x")
    before = sorted_rows(target)
    with pytest.raises(StoreError, match="holds rows already \\(in repositories, watermarks, projects\\)"):
        copying.move(source, target)
    assert sorted_rows(target) == before


def test_a_move_that_fails_at_the_last_table_leaves_nothing(
    source: Engine, target: Engine, monkeypatch: pytest.MonkeyPatch
):
    last, compare = copying.ordered_tables()[-1], copying.compare

    def refuse_the_last(connection: sa.Connection, table: sa.Table, given: copying.TableCopy) -> None:
        compare(connection, table, given)
        if table is last:
            raise StoreError("the connection went")

    monkeypatch.setattr(copying, "compare", refuse_the_last)
    with pytest.raises(StoreError, match="the connection went"):
        copying.move(source, target)
    assert not any(rows_of(target).values())


def test_a_row_that_arrives_changed_undoes_the_move(source: Engine, target: Engine, monkeypatch: pytest.MonkeyPatch):
    load = copying.load_lines

    def change(connection: sa.Connection, table: sa.Table, columns: tuple[str, ...], lines: Iterator[bytes]) -> None:
        load(connection, table, columns, lines)
        if table is tables.findings:
            connection.execute(sa.update(table).where(table.c.line == 7).values(line=8))

    monkeypatch.setattr(copying, "load_lines", change)
    with pytest.raises(StoreError, match="findings holds 5 rows after 5 were written, or others"):
        copying.move(source, target)
    assert not any(rows_of(target).values())


def test_the_source_is_only_read(source: Engine, target: Engine):
    file = Path(str(source.url.database))
    before = sorted_rows(source)
    copying.move(source, target)
    assert sorted_rows(source) == before
    with sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (tables.REVISION,)


def test_a_source_with_columns_of_a_newer_elder_is_refused(source: Engine, target: Engine):
    with source.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0999'"))
    with pytest.raises(StoreError, match="has schema 0999, this Elder copies"):
        copying.move(source, target)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path, target: Engine):
    wrong = tmp_path / "notes.db"
    wrong.write_text("not a database " * 100)
    with pytest.raises(StoreError, match="cannot be copied: file is not a database"):
        copying.move(make_engine(sa.make_url(f"sqlite:///{wrong}")), target)


def test_a_chunk_is_no_limit(source: Engine, target: Engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(copying, "CHUNK", 2)
    assert all(table.rows == ROWS for table in copying.move(source, target))


def test_the_command_moves_and_says_what(source: Engine, target_url: str):
    result = CliRunner().invoke(elder, ["migrate", "from-sqlite", str(source.url.database), "--to", target_url])
    assert result.exit_code == 0, result.output
    assert f"moved {ROWS * len(tables.METADATA.tables)} rows of {len(tables.METADATA.tables)} tables" in result.output


def test_the_command_needs_a_target(source: Engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ELDER_DATABASE_URL", raising=False)
    result = CliRunner().invoke(elder, ["migrate", "from-sqlite", str(source.url.database)])
    assert isinstance(result.exception, ElderError)


def test_migrate_up_makes_the_schema(target: Engine, target_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ELDER_DATABASE_URL", target_url)
    result = CliRunner().invoke(elder, ["migrate", "up"])
    assert tables.REVISION in result.output
    migrate(target)
    assert not any(rows_of(target).values())
