"""A backup comes back as it was made, from and into either database; a damaged one says so."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from filled import fill

from elder_assets.audit.errors import ConfigurationError, ElderError, StoreError
from elder_assets.cli import elder
from resources.recovery import backups, sealed
from resources.settings import Settings, load_settings
from resources.store import copying, open_store, tables
from resources.store.database import make_engine, migrate

ROWS = 5
PASSPHRASE = b"correct horse battery"
POSTGRES = pytest.param("postgres", marks=pytest.mark.postgres)


@pytest.fixture(autouse=True)
def _quick_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real cost of a guess is for attackers; one test keeps it."""
    monkeypatch.setitem(sealed.SCRYPT, "n", 2**10)


@pytest.fixture
def other_postgres(_postgres: str) -> str:
    """A second database in the same server, empty."""
    engine = sa.create_engine(_postgres, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE IF EXISTS elder_other WITH (FORCE)")
        connection.exec_driver_sql("CREATE DATABASE elder_other")
    engine.dispose()
    return sa.make_url(_postgres).set(database="elder_other").render_as_string(hide_password=False)


def place(home: Path, url: str = "") -> Settings:
    return load_settings({"ELDER_HOME": str(home)} | ({"ELDER_DATABASE_URL": url} if url else {}))


@pytest.fixture(params=["sqlite", POSTGRES])
def filled_place(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    url = "" if request.param == "sqlite" else request.getfixturevalue("empty_postgres")
    settings = place(tmp_path / "home", url)
    engine = make_engine(sa.make_url(settings.store_url))
    fill(engine, ROWS)
    engine.dispose()
    return settings


@pytest.fixture(params=["sqlite", POSTGRES])
def empty_place(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    return place(tmp_path / "new", "" if request.param == "sqlite" else request.getfixturevalue("other_postgres"))


@pytest.fixture
def small(tmp_path: Path) -> Settings:
    """A filled place in SQLite."""
    settings = place(tmp_path / "home")
    engine = make_engine(sa.make_url(settings.store_url))
    fill(engine, ROWS)
    engine.dispose()
    (settings.home / "server.key").write_text("k" * 64)
    return settings


def rows_of(settings: Settings) -> dict[str, list[str]]:
    engine = make_engine(sa.make_url(settings.store_url))
    migrate(engine)
    with engine.connect() as connection:
        found = {
            table.name: sorted(repr(tuple(row)) for row in connection.execute(sa.select(table)))
            for table in copying.ordered_tables()
        }
    engine.dispose()
    return found


def restore(path: Path, settings: Settings, passphrase: bytes | None = None) -> None:
    engine = make_engine(sa.make_url(settings.store_url))
    try:
        with backups.open_archive(path, passphrase) as archive:
            backups.check_place(archive, settings)
            backups.restore_rows(archive, engine)
            backups.restore_files(archive, settings)
    finally:
        engine.dispose()


def test_every_row_comes_back_from_and_into_either_database(
    filled_place: Settings, empty_place: Settings, tmp_path: Path
):
    path, manifest = backups.make_backup(filled_place, tmp_path / "backups", PASSPHRASE)
    assert {table.name: table.rows for table in manifest.tables} == dict.fromkeys(tables.METADATA.tables, ROWS)
    restore(path, empty_place, PASSPHRASE)
    assert rows_of(empty_place) == rows_of(filled_place)
    with open_store(empty_place.store_url) as store:
        known = {repository.id for repository in store.repositories(with_removed=True)}
        assert store.add_repository("example.org/new/one", "x").id not in known


def test_verifying_leaves_no_trace(filled_place: Settings, tmp_path: Path):
    path, _ = backups.make_backup(filled_place, tmp_path / "backups")
    before = rows_of(filled_place)
    assert backups.verify(path, filled_place).rows == ROWS * len(tables.METADATA.tables)
    assert rows_of(filled_place) == before
    if filled_place.database_url:
        engine = sa.create_engine(filled_place.database_url)
        assert not [name for name in sa.inspect(engine).get_schema_names() if name.startswith("elder_verify")]
        engine.dispose()


def test_a_backup_is_one_moment_while_others_write(filled_place: Settings, tmp_path: Path):
    """The writer registers a repository and its alias together; a backup never has one without the other."""
    stop = threading.Event()

    def write() -> None:
        with open_store(filled_place.store_url) as store:
            for number in range(10_000):
                if stop.is_set():
                    return
                store.add_repository(f"example.org/w/{number}", "x")
                store.rename_repository(f"example.org/w/{number}", f"example.org/r/{number}")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            path, manifest = backups.make_backup(filled_place, tmp_path / "backups")
            backups.verify(path, filled_place)
            counts = {table.name: table.rows for table in manifest.tables}
            assert counts["repositories"] - counts["repository_aliases"] in {0, 1}
            path.unlink()
    finally:
        stop.set()
        writer.join()


def test_a_place_with_rows_is_refused_and_stays_as_it_was(small: Settings, tmp_path: Path):
    path, _ = backups.make_backup(small, tmp_path)
    before = rows_of(small)
    with pytest.raises(StoreError, match="only an empty store is filled"):
        restore(path, small)
    assert rows_of(small) == before


def test_the_server_key_travels_in_sealed_files_only(small: Settings, tmp_path: Path):
    plain, manifest = backups.make_backup(small, tmp_path / "plain")
    assert [file.name for file in manifest.files] == []
    assert b"k" * 64 not in plain.read_bytes()
    path, _ = backups.make_backup(small, tmp_path / "sealed", PASSPHRASE)
    new = place(tmp_path / "new")
    restore(path, new, PASSPHRASE)
    assert (new.home / "server.key").read_text() == "k" * 64
    assert (new.home / "server.key").stat().st_mode & 0o777 == 0o600


def test_another_server_key_is_not_replaced(small: Settings, tmp_path: Path):
    path, _ = backups.make_backup(small, tmp_path, PASSPHRASE)
    new = place(tmp_path / "new")
    new.home.mkdir()
    (new.home / "server.key").write_text("m" * 64)
    with pytest.raises(StoreError, match="another key than the backup's"):
        restore(path, new, PASSPHRASE)
    assert not any(rows_of(new).values())


def test_files_of_a_dagster_instance_come_back(small: Settings, tmp_path: Path):
    file = small.dagster_home / "history" / "runs.db"
    file.parent.mkdir(parents=True)
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE runs (id INTEGER)")
        connection.execute("INSERT INTO runs VALUES (42)")
    path, manifest = backups.make_backup(small, tmp_path / "backups")
    assert manifest.dagster == "files"
    new = place(tmp_path / "new")
    restore(path, new)
    with sqlite3.connect(new.dagster_home / "history" / "runs.db") as connection:
        assert connection.execute("SELECT id FROM runs").fetchall() == [(42,)]
    with pytest.raises(StoreError, match="holds a Dagster instance already"), backups.open_archive(path) as archive:
        backups.check_place(archive, new)


def test_settings_are_named_and_their_values_left_out(tmp_path: Path):
    secret = "s" * 40
    settings = load_settings({"ELDER_HOME": str(tmp_path / "home"), "ELDER_SECRET_KEY": secret})
    open_store(settings.store_url).close()
    path, manifest = backups.make_backup(settings, tmp_path)
    assert manifest.settings == ("ELDER_HOME", "ELDER_SECRET_KEY")
    with zipfile.ZipFile(path) as content:
        assert not any(secret.encode() in content.read(name) for name in content.namelist())


def test_a_backup_is_readable_by_its_owner_alone(small: Settings, tmp_path: Path):
    path, _ = backups.make_backup(small, tmp_path / "backups")
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_backup_that_fails_leaves_no_file(small: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backups, "_write_dagster", fail)
    with pytest.raises(StoreError, match=r"cannot be written to .*: No space left on device"):
        backups.make_backup(small, tmp_path / "backups", PASSPHRASE)
    assert list((tmp_path / "backups").iterdir()) == []


# --- what is wrong with a file ---------------------------------------------------------------------------


def flip(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE], ids=["plain", "sealed"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: content[:20],
        lambda _: b"",
        lambda content: flip(content, len(content) // 3),
        lambda content: flip(content, len(content) - 30),
    ],
    ids=["half", "last-byte", "head", "empty", "bit-in-a-table", "bit-at-the-end"],
)
def test_a_damaged_file_is_refused_before_anything_is_written(
    small: Settings, tmp_path: Path, damage: Callable[[bytes], bytes], passphrase: bytes | None
):
    path, _ = backups.make_backup(small, tmp_path / "backups", passphrase)
    path.write_bytes(damage(path.read_bytes()))
    new = place(tmp_path / "new")
    with pytest.raises(StoreError):
        restore(path, new, passphrase)
    assert not any(rows_of(new).values())


def test_a_wrong_passphrase_says_so(small: Settings, tmp_path: Path):
    path, _ = backups.make_backup(small, tmp_path, PASSPHRASE)
    with pytest.raises(StoreError, match="the passphrase is wrong"):
        restore(path, place(tmp_path / "new"), b"another passphrase")


def test_a_sealed_file_asks_for_its_passphrase(small: Settings, tmp_path: Path):
    path, _ = backups.make_backup(small, tmp_path, PASSPHRASE)
    with pytest.raises(ConfigurationError, match="passphrase-file"):
        restore(path, place(tmp_path / "new"))


def rewritten(path: Path, change: Callable[[dict[str, object]], None]) -> Path:
    """The same archive with another manifest."""
    other = path.with_name("other" + backups.SUFFIX)
    with zipfile.ZipFile(path) as content, zipfile.ZipFile(other, "w") as out:
        for name in content.namelist():
            data = content.read(name)
            if name == backups.MANIFEST:
                manifest = json.loads(data)
                change(manifest)
                data = json.dumps(manifest).encode()
            out.writestr(name, data)
    return other


def test_a_backup_of_a_newer_elder_is_refused(small: Settings, tmp_path: Path):
    path, _ = backups.make_backup(small, tmp_path)
    newer = rewritten(path, lambda manifest: manifest.update(revision="0999", elder="9.9"))
    with pytest.raises(StoreError, match=r"Elder 9\.9 made this backup, with schema 0999"):
        restore(newer, place(tmp_path / "new"))


def test_a_table_that_is_not_what_the_manifest_says_is_named(small: Settings, tmp_path: Path):
    path, _ = backups.make_backup(small, tmp_path)

    def change(manifest: dict[str, object]) -> None:
        findings = next(table for table in manifest["tables"] if table["name"] == "findings")
        findings["rows"] += 1

    with pytest.raises(StoreError, match="table findings is not what its manifest says"):
        restore(rewritten(path, change), place(tmp_path / "new"))


def test_a_file_name_cannot_lead_outside(small: Settings, tmp_path: Path):
    path, _ = backups.make_backup(small, tmp_path)
    other = path.with_name("evil" + backups.SUFFIX)
    name = "dagster/../../../../escaped"
    digest = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"  # of the letter a
    with zipfile.ZipFile(path) as content, zipfile.ZipFile(other, "w") as out:
        for entry in content.namelist():
            data = content.read(entry)
            if entry == backups.MANIFEST:
                manifest = json.loads(data)
                manifest["files"] = [{"name": name, "bytes": 1, "sha256": digest}]
                data = json.dumps(manifest).encode()
            out.writestr(entry, data)
        out.writestr(name, b"a")
    with pytest.raises(StoreError, match="outside its folder"):
        restore(other, place(tmp_path / "deep" / "new"))
    assert not list(tmp_path.rglob("escaped"))


def test_a_damaged_store_is_not_backed_up(small: Settings, tmp_path: Path):
    file = small.home / "elder.db"
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = file.stat().st_size
    with file.open("r+b") as raw:
        raw.seek(4096 * (size // 4096 // 2))
        raw.write(os.urandom(4096))
    with pytest.raises(StoreError, match=r"damaged|malformed"):
        backups.make_backup(small, tmp_path / "backups")
    assert not list((tmp_path / "backups").iterdir())


# --- the seal --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 200_000])
def test_sealed_bytes_are_read_back_from_anywhere(size: int):
    content = os.urandom(size)
    file = io.BytesIO()
    writer = sealed.SealingWriter(file, PASSPHRASE)
    writer.write(content[: size // 3])
    writer.write(content[size // 3 :])
    writer.finish()
    reader = io.BufferedReader(sealed.SealedReader(file, PASSPHRASE))
    assert reader.read() == content
    reader.seek(size // 2)
    assert reader.read(10) == content[size // 2 : size // 2 + 10]
    assert size < 20 or content[:20] not in file.getvalue()


def test_chunks_that_change_places_do_not_open():
    file = io.BytesIO()
    writer = sealed.SealingWriter(file, PASSPHRASE)
    writer.write(os.urandom(4 * sealed.CHUNK_BYTES))
    writer.finish()
    whole, head = sealed.CHUNK_BYTES + sealed.TAG_BYTES, sealed.HEAD_BYTES
    content = file.getvalue()
    chunks = [content[head + index * whole : head + (index + 1) * whole] for index in range(4)]
    swapped = content[:head] + chunks[0] + chunks[2] + chunks[1] + chunks[3]
    with pytest.raises(StoreError, match="damaged or cut off"):
        io.BufferedReader(sealed.SealedReader(io.BytesIO(swapped), PASSPHRASE)).read()


def test_a_file_cut_between_two_chunks_does_not_open():
    file = io.BytesIO()
    writer = sealed.SealingWriter(file, PASSPHRASE)
    writer.write(os.urandom(3 * sealed.CHUNK_BYTES))
    writer.finish()
    cut = file.getvalue()[: sealed.HEAD_BYTES + 2 * (sealed.CHUNK_BYTES + sealed.TAG_BYTES)]
    with pytest.raises(StoreError, match="cut off"):
        sealed.SealedReader(io.BytesIO(cut), PASSPHRASE)


def test_a_guess_costs_128_mebibytes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    assert 128 * sealed.SCRYPT["n"] * sealed.SCRYPT["r"] == 128 * 1024 * 1024


def test_a_short_passphrase_is_refused_without_being_repeated():
    with pytest.raises(ConfigurationError) as caught:
        sealed.checked_passphrase(b"short\n")
    assert "short\n" not in str(caught.value)


# --- the commands ----------------------------------------------------------------------------------------


def run(*arguments: str, home: Path) -> str:
    result = CliRunner().invoke(elder, list(arguments), env={"ELDER_HOME": str(home), "ELDER_DATABASE_URL": ""})
    if isinstance(result.exception, ElderError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_the_commands_make_verify_and_restore(small: Settings, tmp_path: Path):
    passphrase = tmp_path / "passphrase"
    passphrase.write_bytes(PASSPHRASE + b"\n")
    before = rows_of(small)
    said = run("backup", "--passphrase-file", str(passphrase), "--verify", home=small.home)
    assert "verified: restored into an empty place, every row compared" in said
    (path,) = (small.home / "backups").iterdir()
    said = run("restore", str(path), "--passphrase-file", str(passphrase), home=tmp_path / "new")
    assert f"restored {ROWS * len(tables.METADATA.tables)} rows" in said
    assert rows_of(place(tmp_path / "new")) == before
    with pytest.raises(StoreError, match="only an empty store"):
        run("restore", str(path), "--passphrase-file", str(passphrase), home=small.home)


def test_a_good_backup_is_noted_with_the_moment_that_it_holds(small: Settings):
    with open_store(small.store_url) as store:
        assert store.last_backup() is None
        run("backup", home=small.home)
        (path,) = (small.home / "backups").iterdir()
        with backups.open_archive(path) as archive:
            assert store.last_backup() == archive.manifest.made_at


def test_a_backup_that_fails_its_check_counts_for_nothing_and_nothing_goes(
    small: Settings, monkeypatch: pytest.MonkeyPatch
):
    folder = small.home / "backups"
    folder.mkdir()
    names = {f"elder-2020010{day}T000000Z.elder-backup" for day in range(1, 8)}
    for name in names:
        (folder / name).write_text("old")

    def damaged(_self: backups.Archive) -> None:
        raise StoreError("the backup is damaged: table teams is not what its manifest says")

    monkeypatch.setattr(backups.Archive, "check", damaged)
    with pytest.raises(StoreError, match="is damaged"):
        run("backup", "--keep-hours", "1", "--keep-days", "1", home=small.home)
    (new,) = {file.name for file in folder.iterdir()} - names
    assert new.endswith(".elder-backup.failed")
    with open_store(small.store_url) as store:
        assert store.last_backup() is None


def test_old_backups_go_once_a_new_one_stands_and_only_when_told_to(small: Settings):
    folder = small.home / "backups"
    folder.mkdir()
    names = [f"elder-2020010{day}T000000Z.elder-backup" for day in range(1, 8)]
    for name in names:
        (folder / name).write_text("old")
    run("backup", home=small.home)
    assert {file.name for file in folder.iterdir()} > set(names)
    (new,) = {file.name for file in folder.iterdir()} - set(names)
    (folder / new).rename(folder / "elder-20200108T000000Z.elder-backup")
    assert "6 old ones deleted" in run("backup", "--keep-days", "3", home=small.home)
    left = sorted(file.name for file in folder.iterdir())
    assert left[:2] == ["elder-20200107T000000Z.elder-backup", "elder-20200108T000000Z.elder-backup"]
    assert len(left) == 3


def test_a_plain_backup_says_that_it_is(small: Settings):
    assert "not sealed: the server key is not in it" in run("backup", home=small.home)


@pytest.mark.platform
@pytest.mark.postgres
def test_dagsters_own_tables_come_back_in_postgresql(
    empty_postgres: str, other_postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from dagster import DagsterInstance
    from dagster._core.test_utils import create_run_for_test

    from elder_assets.platform import make_storage

    monkeypatch.setenv("ELDER_DATABASE_URL", "")
    make_storage(empty_postgres)
    folder = tmp_path / "dagster"
    folder.mkdir()
    config = {"storage": {"postgres": {"postgres_url": {"env": "ELDER_DATABASE_URL"}}}}
    (folder / "dagster.yaml").write_text(json.dumps(config))
    with DagsterInstance.from_config(str(folder)) as instance:
        run_id = create_run_for_test(instance, job_name="audit", tags={"dagster/partition": "k"}).run_id
        instance.add_dynamic_partitions("repository", ["example.org/a/b"])
    settings = place(tmp_path / "home", empty_postgres)
    open_store(empty_postgres).close()
    path, manifest = backups.make_backup(settings, tmp_path)
    assert manifest.dagster == "postgresql"

    result = CliRunner().invoke(
        elder, ["restore", str(path), "--into", other_postgres], env={"ELDER_HOME": str(tmp_path / "new")}
    )
    assert result.exit_code == 0, (result.output, result.exception)
    monkeypatch.setenv("ELDER_DATABASE_URL", other_postgres)
    with DagsterInstance.from_config(str(folder)) as instance:
        assert [run.run_id for run in instance.get_runs()] == [run_id]
        assert instance.get_dynamic_partitions("repository") == ["example.org/a/b"]
        create_run_for_test(instance, job_name="audit")
        assert instance.get_runs_count() == 2


def test_the_manifest_reads_back(small: Settings, tmp_path: Path):
    path, manifest = backups.make_backup(small, tmp_path)
    with backups.open_archive(path) as archive:
        assert msgspec.structs.asdict(archive.manifest) == msgspec.structs.asdict(manifest)
