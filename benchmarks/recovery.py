"""How long a backup and its restore take, on a filled store: the numbers of docs/runbooks.

    python benchmarks/recovery.py [--findings 200000] [--url postgresql://... --into postgresql://...]

Without addresses both are SQLite files in a temporary folder; `--postgres` starts a server of our own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import sqlalchemy as sa

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).parent))

import store as store_benchmark  # noqa: E402 - the path comes first

from resources.recovery import backups  # noqa: E402
from resources.settings import load_settings  # noqa: E402
from resources.store import bulk, open_store, tables  # noqa: E402
from resources.store.database import make_engine, migrate  # noqa: E402

PASSPHRASE = b"a passphrase for measuring"
CHUNK = 10_000


def main() -> None:
    """Fill, back up, verify, restore; one line each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--findings", type=int, default=200_000)
    parser.add_argument("--url")
    parser.add_argument("--into")
    parser.add_argument("--postgres", action="store_true")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url, into = addresses(stack, options, folder)
        timed("fill", lambda: fill(url, options.findings))
        here = load_settings({"ELDER_HOME": str(folder / "here"), "ELDER_DATABASE_URL": url})
        there = load_settings({"ELDER_HOME": str(folder / "there"), "ELDER_DATABASE_URL": into})
        path, manifest = timed("backup", lambda: backups.make_backup(here, folder / "backups", PASSPHRASE))
        print(f"{manifest.rows} rows, {path.stat().st_size / 1e6:.1f} MB sealed")
        timed("verify", lambda: backups.verify(path, here, PASSPHRASE))
        timed("restore", lambda: restore(path, there.store_url))
        with open_store(there.store_url) as restored:
            timed("first page", restored.latest_rows)


def addresses(stack: ExitStack, options: argparse.Namespace, folder: Path) -> tuple[str, str]:
    """Where the filled store is, and the empty one."""
    if options.postgres:
        url = store_benchmark.own_server(stack)
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql("CREATE DATABASE elder_restored")
        engine.dispose()
        return url, sa.make_url(url).set(database="elder_restored").render_as_string(hide_password=False)
    files = (f"sqlite:///{folder / name}.db" for name in ("here", "there"))
    return options.url or next(files), options.into or next(files)


def timed(what: str, call: Callable[[], Any]) -> Any:
    """Call and print the seconds."""
    started = time.perf_counter()
    result = call()
    print(f"{what:<12} {time.perf_counter() - started:8.1f} s", flush=True)
    return result


def fill(url: str, findings: int) -> None:
    """As many findings as are asked for, and an event of each."""
    engine = make_engine(sa.make_url(url))
    migrate(engine)
    known = store_benchmark.fill(engine)
    for start in range(1, findings, CHUNK):
        numbers = range(start, min(start + CHUNK, findings))
        rows = [{"snapshot_id": known["snapshot"], **store_benchmark.finding(number)} for number in numbers]
        with engine.connect().execution_options(elder_write=True) as connection, connection.begin():
            bulk.insert_rows(connection, tables.findings, rows)
            bulk.insert_rows(connection, tables.finding_events, store_benchmark.events(known, len(rows)))
    engine.dispose()


def restore(path: Path, url: str) -> None:
    """What `elder restore` does to the store."""
    engine = make_engine(sa.make_url(url))
    with backups.open_archive(path, PASSPHRASE) as archive:
        backups.restore_rows(archive, engine)
    engine.dispose()


if __name__ == "__main__":
    main()
