"""Verdicts with many findings, cheap to make: what the fault tests record, and what must be found afterwards."""

from __future__ import annotations

import datetime as dt
import functools

import msgspec
import sqlalchemy as sa

from elder_assets.audit.engine import audit
from elder_assets.audit.facts.extraction import MemoryFactStore
from elder_assets.audit.model import Finding, Snapshot, Verdict
from elder_assets.audit.ruler import default_ruler
from elder_assets.audit.suppression import Applied, apply
from elder_assets.audit.testing import MemorySource
from resources.store import Store, tables
from resources.store.findings import Observed

KEY = "example.org/shop/basket"
RULER = default_ruler()
FINDINGS = 400
DAY = dt.date(2026, 3, 3)


@functools.lru_cache(maxsize=1)
def _judged() -> Verdict:
    marker = "<<<<<<< a\n=======\n>>>>>>> b\n"
    return audit(MemorySource({"shop/basket.py": marker, "README.md": "# Basket\n"}), MemoryFactStore(), RULER)


def verdict(number: int) -> Verdict:
    """The audit of a commit that has a number; every one has FINDINGS findings, the same but for the last."""
    judged = _judged()
    pattern = judged.findings[0]
    names = [*range(FINDINGS - 1), 1_000_000 + number]
    found = tuple(sorted((_finding(pattern, name) for name in names), key=lambda finding: finding.sort_key))
    snapshot = Snapshot(
        repository=KEY, commit=f"{number:040x}", tree="f" * 40, as_of=1_700_000_000 + number, kind="default"
    )
    return msgspec.structs.replace(judged, snapshot=snapshot, findings=found)


def _finding(pattern: Finding, number: int) -> Finding:
    values = {"path": f"shop/m{number}.py", "fingerprint": f"v1:{number:064x}", "unit": f"shop/m{number}.py:file"}
    return msgspec.structs.replace(pattern, **values)


def observed(given: Verdict) -> Observed:
    """What lets the findings' lives go on."""
    shown: Applied = apply(given, [], RULER, DAY, has_code=True)
    return Observed(applied=shown, paths=frozenset(finding.path for finding in given.findings))


def check_whole(store: Store, acknowledged: set[int], possible: set[int]) -> set[int]:
    """See that each audit is there as a whole or not at all, once, and that none that was acknowledged is lost.

    Returns:
        The numbers of the audits that are there.
    """
    with store._reading() as connection:
        snapshots = dict(connection.execute(sa.select(tables.snapshots.c.id, tables.snapshots.c.commit)).tuples().all())
        numbers = [int(commit, 16) for commit in snapshots.values()]
        found = set(numbers)
        assert len(numbers) == len(found), "a commit was recorded twice"
        assert acknowledged <= found, f"lost: {sorted(acknowledged - found)}"
        assert found <= possible
        for snapshot in snapshots:
            assert _count(connection, tables.findings, tables.findings.c.snapshot_id == snapshot) == FINDINGS
            assert _count(connection, tables.audits, tables.audits.c.snapshot_id == snapshot) >= 1
            assert _count(connection, tables.scores, tables.scores.c.snapshot_id == snapshot) == 8
        if found:
            states = tables.finding_states
            assert _count(connection, states, states.c.standing == "open") == FINDINGS
            assert _count(connection, tables.audit_counts) == _count(connection, tables.audits)
            latest = connection.scalars(sa.select(tables.latest.c.commit)).one()
            assert latest in snapshots.values()
    return found


def _count(connection: sa.Connection, table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
    return connection.scalars(sa.select(sa.func.count()).select_from(table).where(*where)).one()
