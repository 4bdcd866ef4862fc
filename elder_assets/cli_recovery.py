"""`elder migrate`, `elder backup`, `elder restore`: moving, keeping and bringing back what Elder knows.

As in `cli.py`, whatever is not click is imported inside the command that needs it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import sqlalchemy as sa

    from resources.recovery.backups import Archive
    from resources.settings import Settings

EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(short_help="Bring the store to this schema, or into another database.")
def migrate() -> None:
    """Bring the results store to the schema of this Elder, or into another database."""


@migrate.command("up", short_help="Bring the schema up to date.")
@click.option("--with-dagster", is_flag=True, help="Dagster's own tables too, of the instance in DAGSTER_HOME.")
def migrate_up(with_dagster: bool) -> None:
    """Bring the schema up to date; of several processes one does it. What the chart's hook runs."""
    from resources.settings import load_settings
    from resources.store import open_store, tables

    with open_store(load_settings().store_url) as store:
        store.check_ready()
    click.echo(f"the results store has schema {tables.REVISION} or one that adds to it")
    if with_dagster:
        import dagster as dg

        from elder_assets.audit.errors import ConfigurationError

        if not os.environ.get("DAGSTER_HOME"):  # Dagster's own variable, as it reads it
            allowed = "the folder of the instance's dagster.yaml (`elder up` keeps it in ELDER_HOME/dagster)"
            raise ConfigurationError("DAGSTER_HOME", "nothing", allowed)

        # `dagster instance migrate` also loads the run launcher, which a pod without a token of the cluster cannot.
        with dg.DagsterInstance.get() as instance:
            instance.upgrade()
        click.echo("Dagster's tables are those of this version")


@migrate.command("from-sqlite", short_help="Move an embedded installation into another database.")
@click.argument("sqlite_file", type=EXISTING)
@click.option("--to", "url", default=None, metavar="URL", help="Default: ELDER_DATABASE_URL.")
def migrate_from_sqlite(sqlite_file: Path, url: str | None) -> None:
    """Copy every row of SQLITE_FILE into an empty database: all or nothing, counted and compared table by table.

    Stop Elder first: what is written to SQLITE_FILE afterwards stays there. The file is only read.
    """
    import sqlalchemy as sa

    from elder_assets.audit.errors import ConfigurationError, StoreError
    from resources.settings import load_settings
    from resources.store.copying import move
    from resources.store.database import make_engine, without_statement

    target = url or load_settings().database_url
    if not target:
        raise ConfigurationError("--to", "nothing", "an address, there or in ELDER_DATABASE_URL")
    source = make_engine(sa.make_url(f"sqlite:///{sqlite_file}"))
    engine = make_engine(_address(target))
    try:
        moved = move(source, engine)
    except sa.exc.SQLAlchemyError as error:
        msg = f"nothing was moved: {without_statement(error)}"
        raise StoreError(msg) from error
    finally:
        source.dispose()
        engine.dispose()
    for table in moved:
        if table.rows:
            click.echo(f"{table.rows:>9}  {table.name}  sha256 {table.sha256[:12]}")
    click.echo(f"moved {sum(table.rows for table in moved)} rows of {len(moved)} tables; both sides are equal")


@click.command(short_help="Write everything that Elder knows into one file.")
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("--passphrase-file", type=EXISTING, help="Seal the file with the passphrase in this one.")
@click.option("--verify", "is_verified", is_flag=True, help="Restore it into an empty place and compare every row.")
@click.option("--keep-hours", type=click.IntRange(0, 87_600), help="Let older ones go but for the last of each day.")
@click.option("--keep-days", type=click.IntRange(0, 36_500), help="Let the last ones of older days go too.")
def backup(
    folder: Path | None,
    passphrase_file: Path | None,
    is_verified: bool,
    keep_hours: int | None,
    keep_days: int | None,
) -> None:
    """Write results, registry, Dagster's own tables and, when sealed, the server key into one file in FOLDER.

    FOLDER is `backups` in ELDER_HOME unless it is given; each installation needs its own. Audits may run meanwhile: the
    file is one moment of the store. It is read back whole before it counts, and only then do old ones go, when they are
    told to; the three newest never do.
    """
    from resources.recovery import backups
    from resources.recovery.old_backups import Keeping, let_go
    from resources.settings import load_settings
    from resources.store import open_store

    settings, passphrase = load_settings(), _passphrase(passphrase_file)
    path, manifest = backups.make_backup(settings, folder or settings.home / "backups", passphrase)
    size = path.stat().st_size / 1e6
    click.echo(
        f"{path}  {size:.1f} MB, {manifest.rows} rows of {len(manifest.tables)} tables, schema {manifest.revision}"
    )
    if not manifest.is_sealed:
        click.echo("not sealed: the server key is not in it, and whoever has the file can read it")
    _check(path, settings, passphrase, is_verified=is_verified)
    with open_store(settings.store_url) as store:
        store.note_backup(manifest.made_at)
    if keep_hours is not None or keep_days is not None:
        gone = let_go(path, Keeping(hours=keep_hours or 0, days=keep_days or 0))
        click.echo(f"{len(gone)} old ones deleted")


def _check(path: Path, settings: Settings, passphrase: bytes | None, *, is_verified: bool) -> None:
    """Read a new backup back, or restore it on trial; one that fails takes another name: nothing counts on it."""
    from elder_assets.audit.errors import ElderError
    from resources.recovery import backups
    from resources.recovery.old_backups import FAILED

    try:
        if is_verified:
            backups.verify(path, settings, passphrase)
            click.echo("verified: restored into an empty place, every row compared")
        else:
            with backups.open_archive(path, passphrase) as archive:
                archive.check()
    except ElderError:
        path.rename(path.with_name(path.name + FAILED))
        raise


@click.command(short_help="Bring a backup back into an empty place.")
@click.argument("file", type=EXISTING)
@click.option("--into", "url", default=None, metavar="URL", help="Default: the results store of the settings.")
@click.option("--passphrase-file", type=EXISTING, help="Has the passphrase that sealed the file.")
def restore(file: Path, url: str | None, passphrase_file: Path | None) -> None:
    """Bring the backup FILE back into an empty store and ELDER_HOME; compared with its manifest before it counts."""
    from resources.recovery import backups
    from resources.settings import load_settings
    from resources.store.database import make_engine

    settings = load_settings()
    target = _address(url or settings.store_url)
    with backups.open_archive(file, _passphrase(passphrase_file)) as archive:
        backups.check_place(archive, settings)
        with_dagster = _prepare_dagster(archive, target)
        engine = make_engine(target)
        try:
            backups.restore_rows(archive, engine, with_dagster=with_dagster)
        finally:
            engine.dispose()
        written = backups.restore_files(archive, settings)
        _say_restored(archive, settings, written, with_dagster=with_dagster)


def _prepare_dagster(archive: Archive, target: sa.URL) -> bool:
    """Make Dagster's tables in the target when the backup has rows for them; False when it has none."""
    if archive.manifest.dagster != "postgresql" or target.get_backend_name() != "postgresql":
        return False
    try:
        from elder_assets.platform import make_storage
    except ModuleNotFoundError:
        return False
    make_storage(target.render_as_string(hide_password=False))
    return True


def _say_restored(archive: Archive, settings: Settings, written: list[str], *, with_dagster: bool) -> None:
    manifest = archive.manifest
    click.echo(
        f"restored {manifest.rows} rows of {len(manifest.tables)} tables, as they were at {manifest.made_at:%F %T} UTC"
    )
    if written:
        click.echo(f"and {len(written)} files in {settings.home}")
    if manifest.dagster == "postgresql" and not with_dagster:
        click.echo(
            "Dagster's own runs and ticks stay behind: they are of PostgreSQL. `elder up` makes its partitions anew"
        )
    if missing := sorted(set(manifest.settings) - set(settings.given)):
        click.echo(f"set then, and not here: {', '.join(missing)}")


def _passphrase(file: Path | None) -> bytes | None:
    from resources.recovery.sealed import checked_passphrase

    return None if file is None else checked_passphrase(file.read_bytes())


def _address(text: str) -> sa.URL:
    import sqlalchemy as sa

    from elder_assets.audit.errors import ConfigurationError

    try:
        return sa.make_url(text)
    except sa.exc.ArgumentError:
        raise ConfigurationError("URL", "another text", "sqlite:///<path> or postgresql://...") from None
