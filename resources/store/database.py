"""The database under the results store: how it is opened, migrated, read and written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from elder_assets.audit.errors import RepositoryNotFound, StoreError
from resources.store import tables

Clock = Callable[[], datetime]
Told = Literal["changes", "inbox", "notices", "projections"]
"""Kinds of writes that pages are told of by a counter, since they change rows instead of adding them."""
TOLD = "pages:"
"""Begins the names of these counters in `watermarks`."""


def now_utc() -> datetime:
    """The time of day; tests hand in another clock."""
    return datetime.now(UTC)


class Repository(msgspec.Struct, frozen=True, kw_only=True):
    """A repository that Elder audits."""

    id: int
    key: str
    url: str
    team_id: int | None
    added_at: datetime
    removed_at: datetime | None


def without_statement(error: sa.exc.SQLAlchemyError) -> str:
    """The database's own words: no SQL, no values, no address with a password in it."""
    return str(getattr(error, "orig", None) or type(error).__name__).strip().split("\n")[0]


CONNECT_SECONDS_MAX = 10
"""A server whose node is gone answers nothing; TCP alone would wait for two minutes."""


def make_engine(url: sa.URL, schema: str = tables.POSTGRESQL_SCHEMA) -> Engine:
    """Connections to a database of one of the two kinds.

    Args:
        url: where it is.
        schema: in which the tables lie in PostgreSQL; another one is for checking a backup.

    Raises:
        StoreError: it is of another kind.
    """
    if url.get_backend_name() == "postgresql":
        waits = {} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_SECONDS_MAX}
        mode = "values_plus_batch"  # a hundred changed rows in one message
        engine = sa.create_engine(url, pool_pre_ping=True, connect_args=waits, executemany_mode=mode)
        sa.event.listen(engine, "connect", partial(_set_up_postgresql, schema), insert=True)
        return engine
    if url.get_backend_name() != "sqlite":
        msg = f"the results store lives in SQLite or PostgreSQL, not in {url.get_backend_name()}"
        raise StoreError(msg)
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, connect_args={"timeout": 30})
    sa.event.listen(engine, "connect", _set_up_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_postgresql(schema: str, connection: Any, _record: Any) -> None:
    """Look for tables in our schema alone: Dagster's may lie in the same database, some under the same names."""
    was_autocommit, connection.autocommit = connection.autocommit, True
    with connection.cursor() as cursor:
        cursor.execute(f"SET SESSION search_path = {schema}")
    connection.autocommit = was_autocommit


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # or the driver begins transactions by its own rules, and not around DDL
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes the lock at once: a read that turns into a write would fail under another writer."""
    is_write = connection.get_execution_options().get("elder_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")


MIGRATION_LOCK = 0x656C646572
"""PostgreSQL advisory lock that only one migrating process holds."""


def migrate(engine: Engine) -> None:
    """Bring the schema up to date; of several processes one does it, the others wait.

    Raises:
        StoreError: a newer Elder has changed it beyond what this one can read.
    """
    with engine.connect() as connection:
        if serves(revision_of(connection)):
            return
    with engine.connect().execution_options(elder_write=True) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            schema = connection.scalar(sa.text("SHOW search_path")) or tables.POSTGRESQL_SCHEMA
            connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
        found = revision_of(connection)
        if found and era(found) > era(tables.REVISION):
            msg = f"the results store has schema {found}, newer than {tables.REVISION}: upgrade Elder"
            raise StoreError(msg)
        if not serves(found):
            _upgrade(connection)


def era(revision: str) -> str:
    """Revisions of one era only add: code of an older one goes on working (docs/decisions/0005)."""
    return revision[:1]


def serves(found: str | None) -> bool:
    """Whether a database with this schema serves the code of today: it is as new, or newer by additions alone."""
    return found is not None and found >= tables.REVISION and era(found) == era(tables.REVISION)


def revision_of(connection: Connection) -> str | None:
    """The revision of the schema; None where there is none."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return revision


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


class Database:
    """Connections to the results store, and what every part of it does with them."""

    def __init__(self, engine: Engine, clock: Clock = now_utc) -> None:
        self._engine = engine
        self._clock = clock

    def now(self) -> datetime:
        """The time of day, as writes see it."""
        return self._clock()

    def close(self) -> None:
        """Give back every connection."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def check_ready(self) -> None:
        """See that the database answers and has this Elder's schema.

        Raises:
            StoreError: it does not, and why.
        """
        with self._reading() as connection:
            found = revision_of(connection)
        if not serves(found):
            msg = f"the results store has schema {found}, this Elder needs {tables.REVISION}"
            raise StoreError(msg)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._translated(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with (
            self._translated(),
            self._engine.connect().execution_options(elder_write=True) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            msg = f"the results store failed: {without_statement(error)}"
            raise StoreError(msg) from error

    def _insert_new(self, connection: Connection, table: sa.Table, row: Mapping[str, Any]) -> int | None:
        """Insert a row; the value of its primary key, or None when its unique key is taken."""
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        key = next(iter(table.primary_key.columns))
        statement = dialect.insert(table).values(**row).on_conflict_do_nothing().returning(key)
        inserted: int | None = connection.scalar(statement)
        return inserted

    def _tell_pages(self, connection: Connection, told: Told) -> None:
        """Move the mark of pages, in a transaction that changes what they show without a row that `newest_change` sees.

        Called last: a transaction that tells of the same kind waits for this one's end.
        """
        dialect, table = postgresql if connection.dialect.name == "postgresql" else sqlite, tables.watermarks
        row = {"name": f"{TOLD}{told}", "value": "1", "changed_at": self._clock()}
        onward = sa.cast(sa.cast(table.c.value, sa.BigInteger) + 1, sa.Text)
        counted = {"value": onward, "changed_at": row["changed_at"]}
        statement = dialect.insert(table).values(**row)
        connection.execute(statement.on_conflict_do_update(index_elements=[table.c.name], set_=counted))

    def _repository(self, connection: Connection, key: str) -> Repository:
        table, alias = tables.repositories, tables.repository_aliases
        row = connection.execute(sa.select(table).where(table.c.key == key)).mappings().one_or_none()
        if row is None:
            joined = sa.select(table).join(alias, alias.c.repository_id == table.c.id).where(alias.c.alias == key)
            row = connection.execute(joined).mappings().one_or_none()
        if row is None:
            msg = f"{key} is not registered; add it with: elder repo add <path or URL>"
            raise RepositoryNotFound(msg)
        return Repository(**row)


def storable(value: Any) -> Any:
    """A value as both databases can hold it: PostgreSQL knows no NUL, neither knows half a surrogate pair."""
    if isinstance(value, str):
        if type(value) is str and value.isascii() and "\0" not in value:  # nearly all, and hundred thousands an audit
            return value
        return value.replace("\0", "\\x00").encode("utf-8", errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {name: storable(item) for name, item in value.items()}
    return [storable(item) for item in value] if isinstance(value, list | tuple) else value
