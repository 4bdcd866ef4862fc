"""Backups: one file with every row of the results store, Dagster's own tables and a manifest; made, checked, restored.

The file is a zip archive, sealed by a passphrase or plain: `manifest.json`, `tables/<name>.jsonl` (rows as
`resources/store/copying.py` writes them, so a backup of either database restores into either), `dagster/...` (files
of a Dagster instance on this machine) or `dagster-postgresql/<table>.copy`, and `server.key` when the file is sealed.
No setting's value is in it, only the names of those that were set.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, Literal, cast

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from elder_assets.audit.errors import ConfigurationError, StoreError
from elder_assets.version import elder_version
from resources.recovery.sealed import SealedReader, SealingWriter, is_sealed
from resources.settings import Settings
from resources.store import copying, tables
from resources.store.copying import Digested, TableCopy
from resources.store.database import make_engine, migrate, now_utc, without_statement

FORMAT = 1
MANIFEST = "manifest.json"
MANIFEST_BYTES_MAX = 16 * 1024 * 1024
SUFFIX = ".elder-backup"
PIECE = 1024 * 1024
SERVER_KEY = "server.key"
DAGSTER_TABLES = frozenset({"runs", "event_logs"})
"""What tells Dagster's tables from another program's."""


class FileCopy(msgspec.Struct, frozen=True, kw_only=True):
    """A file in the archive, beside the tables."""

    name: str
    bytes: int
    sha256: str
    columns: tuple[str, ...] = ()
    """Of one of Dagster's tables."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds."""

    format: int
    elder: str
    revision: str
    made_at: datetime
    database: str
    dagster: Literal["", "files", "postgresql"]
    dagster_version: str
    is_sealed: bool
    settings: tuple[str, ...]
    """Names of the settings that were set."""
    tables: tuple[TableCopy, ...]
    files: tuple[FileCopy, ...]

    @property
    def rows(self) -> int:
        """Of the results store."""
        return sum(table.rows for table in self.tables)


# --- making ----------------------------------------------------------------------------------------------


def make_backup(settings: Settings, folder: Path, passphrase: bytes | None = None) -> tuple[Path, Manifest]:
    """Write a backup into a folder; it appears there when it is whole, or not at all.

    Raises:
        StoreError: the store cannot be read, is damaged, or has another Elder's schema; or the disk is full.
    """
    made_at = now_utc()
    target = folder / f"elder-{made_at:%Y%m%dT%H%M%SZ}{SUFFIX}"
    engine = make_engine(sa.make_url(settings.store_url))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _appearing(target) as file, copying.snapshot_of(engine) as connection:
            manifest = _write(file, connection, settings, made_at, passphrase)
    except OSError as error:
        msg = f"the backup cannot be written to {folder}: {error.strerror}"
        raise StoreError(msg) from error
    except sa.exc.SQLAlchemyError as error:
        msg = f"the results store cannot be read: {without_statement(error)}"
        raise StoreError(msg) from error
    finally:
        engine.dispose()
    return target, manifest


@contextmanager
def _appearing(target: Path) -> Iterator[BinaryIO]:
    """A file that takes its name when it is whole and on the disk; readable by its owner alone."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}-", suffix=".part", dir=target.parent)
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    entry = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(entry)
    finally:
        os.close(entry)


def _write(
    file: BinaryIO, connection: Connection, settings: Settings, made_at: datetime, passphrase: bytes | None
) -> Manifest:
    sealing = SealingWriter(file, passphrase) if passphrase else None
    with zipfile.ZipFile(cast("IO[bytes]", sealing or file), "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        copied = tuple(_write_table(archive, connection, table) for table in copying.ordered_tables())
        kind, files = _write_dagster(archive, connection, settings)
        key = settings.home / SERVER_KEY
        if passphrase and key.is_file():
            files.append(_write_file(archive, SERVER_KEY, io.BytesIO(key.read_bytes())))
        manifest = Manifest(
            format=FORMAT,
            elder=elder_version(),
            revision=tables.REVISION,
            made_at=made_at,
            database=connection.dialect.name if connection.dialect.name == "postgresql" else "sqlite",
            dagster=kind,
            dagster_version=_dagster_version(),
            is_sealed=passphrase is not None,
            settings=settings.given,
            tables=copied,
            files=tuple(files),
        )
        archive.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    if sealing:
        sealing.finish()
    return manifest


def _dagster_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("dagster")
    except PackageNotFoundError:
        return ""


def _write_table(archive: zipfile.ZipFile, connection: Connection, table: sa.Table) -> TableCopy:
    lines = Digested(copying.read_lines(connection, table))
    with archive.open(f"tables/{table.name}.jsonl", "w", force_zip64=True) as entry:
        for line in lines:
            entry.write(line + b"\n")
    return TableCopy(name=str(table.name), columns=copying.column_names(table), rows=lines.count, sha256=lines.sha256)


def _write_file(archive: zipfile.ZipFile, name: str, source: IO[bytes]) -> FileCopy:
    digest, size = hashlib.sha256(), 0
    with archive.open(name, "w", force_zip64=True) as entry:
        while piece := source.read(PIECE):
            entry.write(piece)
            digest.update(piece)
            size += len(piece)
    return FileCopy(name=name, bytes=size, sha256=digest.hexdigest())


def _write_dagster(
    archive: zipfile.ZipFile, connection: Connection, settings: Settings
) -> tuple[Literal["", "files", "postgresql"], list[FileCopy]]:
    if connection.dialect.name == "postgresql":
        found = [_write_dagster_table(archive, connection, name) for name in dagster_tables(connection)]
        return ("postgresql" if found else ""), found
    files = []
    for file in sorted(settings.dagster_home.rglob("*.db")):
        with tempfile.TemporaryDirectory(prefix="elder-snapshot-") as folder:
            copy = Path(folder) / "copy.db"
            copying.copy_sqlite(file, copy)
            name = f"dagster/{file.relative_to(settings.dagster_home).as_posix()}"
            with copy.open("rb") as source:
                files.append(_write_file(archive, name, source))
    return ("files" if files else ""), files


def dagster_tables(connection: Connection) -> list[str]:
    """Names of Dagster's tables in the same PostgreSQL database; none where it keeps none there."""
    names = sa.inspect(connection).get_table_names(schema="public")
    return sorted(set(names) - {"alembic_version"}) if set(names) >= DAGSTER_TABLES else []


def _write_dagster_table(archive: zipfile.ZipFile, connection: Connection, name: str) -> FileCopy:
    columns = tuple(str(column["name"]) for column in sa.inspect(connection).get_columns(name, schema="public"))
    driver: Any = connection.connection
    entry_name = f"dagster-postgresql/{name}.copy"
    # Straight into the archive: Dagster's log of events outgrows a pod's /tmp.
    with archive.open(entry_name, "w", force_zip64=True) as entry, driver.cursor() as cursor:
        sink = _Digesting(entry)
        cursor.copy_expert(f"COPY (SELECT {_listed(columns)} FROM public.{_quoted(name)}) TO STDOUT", sink)  # noqa: S608
    return FileCopy(name=entry_name, bytes=sink.bytes, sha256=sink.digest.hexdigest(), columns=columns)


class _Digesting:
    """Counts and hashes what is written through it."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target, self.digest, self.bytes = target, hashlib.sha256(), 0

    def write(self, piece: bytes) -> int:
        self.digest.update(piece)
        self.bytes += len(piece)
        return self._target.write(piece)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _listed(columns: tuple[str, ...]) -> str:
    return ", ".join(map(_quoted, columns))


# --- reading ---------------------------------------------------------------------------------------------


class Archive:
    """A backup that is open for reading; use `open_archive`."""

    def __init__(self, content: zipfile.ZipFile, manifest: Manifest) -> None:
        self._content = content
        self.manifest = manifest

    def lines(self, table: TableCopy) -> Iterator[bytes]:
        """The rows of a table."""
        with self._content.open(f"tables/{table.name}.jsonl") as entry:
            yield from entry

    def file(self, name: str) -> IO[bytes]:
        """A file beside the tables."""
        return self._content.open(name)

    def check(self) -> None:
        """Read everything and compare it with the manifest.

        Raises:
            StoreError: something differs.
        """
        for table in self.manifest.tables:
            lines = Digested(self.lines(table))
            for _ in lines:
                pass
            if (lines.count, lines.sha256) != (table.rows, table.sha256):
                msg = f"the backup is damaged: table {table.name} is not what its manifest says"
                raise StoreError(msg)
        for file in self.manifest.files:
            digest = hashlib.sha256()
            with self.file(file.name) as entry:
                while piece := entry.read(PIECE):
                    digest.update(piece)
            if digest.hexdigest() != file.sha256:
                msg = f"the backup is damaged: {file.name} is not what its manifest says"
                raise StoreError(msg)


@contextmanager
def open_archive(path: Path, passphrase: bytes | None = None) -> Iterator[Archive]:
    """Open a backup and read its manifest.

    Raises:
        ConfigurationError: a passphrase is needed.
        StoreError: it is no backup, the passphrase is wrong, it is damaged, or a newer Elder made it.
    """
    try:
        with path.open("rb") as file, zipfile.ZipFile(_plain(file, passphrase)) as content:
            yield Archive(content, _manifest(content))
    except (zipfile.BadZipFile, EOFError, KeyError, zlib.error) as error:
        msg = f"{path.name} is no backup of Elder, or it is damaged or cut off"
        raise StoreError(msg) from error
    except OSError as error:
        msg = f"the backup {path} cannot be read: {error.strerror or error}"
        raise StoreError(msg) from error


def _plain(file: BinaryIO, passphrase: bytes | None) -> BinaryIO:
    if not is_sealed(file):
        return file
    if passphrase is None:
        raise ConfigurationError("--passphrase-file", "none", "a file with the passphrase: this backup is sealed")
    return cast("BinaryIO", io.BufferedReader(SealedReader(file, passphrase), PIECE))


def _manifest(content: zipfile.ZipFile) -> Manifest:
    if content.getinfo(MANIFEST).file_size > MANIFEST_BYTES_MAX:
        msg = "the backup's manifest is too large"
        raise StoreError(msg)
    try:
        manifest = msgspec.json.decode(content.read(MANIFEST), type=Manifest)
    except msgspec.MsgspecError as error:
        msg = f"the backup's manifest cannot be read: {error}"
        raise StoreError(msg) from error
    unknown = {table.name for table in manifest.tables} - set(tables.METADATA.tables)
    if manifest.format > FORMAT or manifest.revision > tables.REVISION or unknown:
        msg = f"Elder {manifest.elder} made this backup, with schema {manifest.revision}: restore it with that Elder"
        raise StoreError(msg)
    return manifest


# --- restoring -------------------------------------------------------------------------------------------


def restore_rows(archive: Archive, engine: Engine, *, with_dagster: bool = False) -> None:
    """Fill an empty store with the rows of a backup, in one transaction, and compare every table afterwards.

    Args:
        archive: is read twice, the first time before anything is written.
        engine: the target.
        with_dagster: fill Dagster's tables in the same transaction; they exist and hold no run.

    Raises:
        StoreError: the target holds rows, the backup is damaged, or a table differs afterwards.
    """
    archive.check()
    try:
        migrate(engine)
        with copying.filling(engine) as connection:
            for given in archive.manifest.tables:
                table = tables.METADATA.tables[given.name]
                copying.load_lines(connection, table, given.columns, archive.lines(given))
                copying.compare(connection, table, given)
            if with_dagster:
                _restore_dagster_tables(archive, connection)
    except sa.exc.SQLAlchemyError as error:
        msg = f"the backup cannot be restored: {without_statement(error)}"
        raise StoreError(msg) from error


def _restore_dagster_tables(archive: Archive, connection: Connection) -> None:
    known = set(dagster_tables(connection))
    files = [file for file in archive.manifest.files if file.name.startswith("dagster-postgresql/")]
    names = {PurePosixPath(file.name).stem: file for file in files}
    if missing := names.keys() - known:
        version = archive.manifest.dagster_version
        msg = f"Dagster here has no table {', '.join(sorted(missing))}; the backup is of Dagster {version}"
        raise StoreError(msg)
    if connection.scalar(sa.text("SELECT EXISTS (SELECT 1 FROM public.runs)")):
        msg = "the target's Dagster instance holds runs already; only an empty one is filled"
        raise StoreError(msg)
    connection.exec_driver_sql(f"TRUNCATE {', '.join(f'public.{_quoted(name)}' for name in sorted(names))} CASCADE")
    driver: Any = connection.connection
    for name in _in_order(connection, names):
        with driver.cursor() as cursor, archive.file(names[name].name) as entry:
            cursor.copy_expert(f"COPY public.{_quoted(name)} ({_listed(names[name].columns)}) FROM STDIN", entry)
    for name in sorted(names):
        if "id" in names[name].columns:
            _number_after_the_last(connection, name)


def _in_order(connection: Connection, names: Iterable[str]) -> list[str]:
    """Dagster's tables, none before those that it refers to."""
    ordered = [name for name, _ in sa.inspect(connection).get_sorted_table_and_fkc_names(schema="public") if name]
    return sorted(names, key=ordered.index)


def _number_after_the_last(connection: Connection, table: str) -> None:
    sequence = connection.scalar(sa.select(sa.func.pg_get_serial_sequence(f"public.{_quoted(table)}", "id")))
    if sequence:
        last = f"SELECT setval(%s, coalesce((SELECT max(id) FROM public.{_quoted(table)}), 1))"  # noqa: S608
        connection.exec_driver_sql(last, (sequence,))


def check_place(archive: Archive, settings: Settings) -> None:
    """See that the folder can take the files of a backup: it has none of them yet.

    Raises:
        StoreError: it has.
    """
    if archive.manifest.dagster == "files" and any(settings.dagster_home.rglob("*.db")):
        msg = f"{settings.dagster_home} holds a Dagster instance already; only an empty place is filled"
        raise StoreError(msg)
    key = settings.home / SERVER_KEY
    if any(file.name == SERVER_KEY for file in archive.manifest.files) and key.is_file():
        with archive.file(SERVER_KEY) as entry:
            if entry.read(PIECE) != key.read_bytes():
                msg = f"{key} is another key than the backup's; move it away first"
                raise StoreError(msg)


def restore_files(archive: Archive, settings: Settings) -> list[str]:
    """Write the server key and, of an instance on one machine, Dagster's files; their names."""
    written = []
    for file in archive.manifest.files:
        if file.name != SERVER_KEY and not file.name.startswith("dagster/"):
            continue
        target = _inside(settings, file.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.file(file.name) as entry, _appearing(target) as out:
            while piece := entry.read(PIECE):
                out.write(piece)
        written.append(file.name)
    return written


def _inside(settings: Settings, name: str) -> Path:
    """Where a file of the archive goes; never outside its folder, whatever its name says."""
    root = settings.home if name == SERVER_KEY else settings.dagster_home
    target = (root / name.removeprefix("dagster/")).resolve()
    if not target.is_relative_to(root.resolve()):
        msg = f"the backup names a file outside its folder: {name[:100]!r}"
        raise StoreError(msg)
    return target


# --- verifying -------------------------------------------------------------------------------------------


def verify(path: Path, settings: Settings, passphrase: bytes | None = None) -> Manifest:
    """Restore a backup into an empty place of the store's own kind, compare every row, and take the place away.

    Raises:
        StoreError: it cannot be restored, and why.
    """
    with open_archive(path, passphrase) as archive, _scratch(settings) as engine:
        restore_rows(archive, engine)
        return archive.manifest


@contextmanager
def _scratch(settings: Settings) -> Iterator[Engine]:
    url = sa.make_url(settings.store_url)
    if url.get_backend_name() != "postgresql":
        with tempfile.TemporaryDirectory(prefix="elder-verify-") as folder:
            engine = make_engine(sa.make_url(f"sqlite:///{Path(folder) / 'elder.db'}"))
            try:
                yield engine
            finally:
                engine.dispose()
        return
    schema = f"elder_verify_{secrets.token_hex(6)}"
    engine = make_engine(url, schema)
    try:
        yield engine
    finally:
        with engine.begin() as connection:
            connection.execute(sa.schema.DropSchema(schema, cascade=True, if_exists=True))
        engine.dispose()
