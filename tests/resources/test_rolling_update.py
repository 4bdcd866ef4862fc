"""While a new version rolls out, code of the old one works on the new schema; only another era stops it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from test_store import KEY, NOON, RULER, verdict

from elder_assets.audit.errors import StoreError
from resources.store import open_store, tables
from resources.store.database import make_engine
from resources.store.store import content_digest

VERSIONS = Path(tables.__file__).parent / "migrations" / "versions"
NEXT = f"{int(tables.REVISION) + 1:04}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'elder.db'}"
    return request.getfixturevalue("empty_postgres")


def migrate_on(url: str, revision: str) -> None:
    """What a pod of the next version does to the schema: a table, columns and an index more."""
    engine = make_engine(sa.make_url(url))
    with engine.connect().execution_options(elder_write=True) as connection, connection.begin():
        operations = Operations(MigrationContext.configure(connection))
        operations.add_column("findings", sa.Column("cwe", sa.Text, nullable=True))
        operations.add_column("snapshots", sa.Column("cpu_seconds", sa.Float, nullable=False, server_default="0"))
        operations.create_table("forecasts", sa.Column("id", sa.Integer, primary_key=True))
        operations.create_index("ix_findings_rule", "findings", ["rule"])
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :found"), {"found": revision})
    engine.dispose()


def test_a_process_that_is_open_goes_on_while_the_schema_is_migrated_under_it(url: str):
    with open_store(url, clock=lambda: NOON) as store:
        store.add_repository(KEY, "x")
        first = store.record(verdict("a"), RULER.document())
        migrate_on(url, NEXT)
        store.check_ready()
        second = store.record(verdict("b"), RULER.document())
        assert content_digest(store.verdict(first)) == content_digest(verdict("a"))
        assert content_digest(store.verdict(second)) == content_digest(verdict("b"))


def test_an_old_process_that_starts_after_the_migration_serves(url: str):
    open_store(url).close()
    migrate_on(url, NEXT)
    with open_store(url, clock=lambda: NOON) as store:
        store.check_ready()
        store.add_repository(KEY, "x")
        snapshot = store.record(verdict("a"), RULER.document())
        assert content_digest(store.verdict(snapshot)) == content_digest(verdict("a"))


def test_a_schema_of_another_era_stops_old_code(url: str):
    with open_store(url) as store:
        migrate_on(url, "1001")
        with pytest.raises(StoreError, match="has schema 1001, this Elder needs"):
            store.check_ready()
    with pytest.raises(StoreError, match="schema 1001, newer than"):
        open_store(url)


def calls(file: Path) -> list[ast.Call]:
    tree = ast.parse(file.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call) and "op" in ast.unparse(node.func).split(".")]


@pytest.mark.parametrize("file", sorted(VERSIONS.glob("0*.py")), ids=lambda file: file.stem)
def test_a_migration_of_this_era_only_adds(file: Path):
    allowed = {"op.create_table", "op.create_index", "op.add_column", "op.f"}
    for call in calls(file):
        assert ast.unparse(call.func) in allowed, f"{file.name}:{call.lineno} is not an addition (decision 0005)"
        if ast.unparse(call.func) == "op.add_column":
            column = ast.unparse(call.args[1])
            assert "nullable=False" not in column or "server_default" in column, f"{file.name}:{call.lineno}"
