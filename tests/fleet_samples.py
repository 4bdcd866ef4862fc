"""A small fleet in a store, with everything that pages show and names that try to break out."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction

import msgspec

from elder_assets.audit.engine import audit
from elder_assets.audit.facts.extraction import MemoryFactStore
from elder_assets.audit.history import WeekScore
from elder_assets.audit.model import Finding, Severity, Snapshot, Status, Tier, Verdict
from elder_assets.audit.ruler import default_ruler
from elder_assets.audit.suppression import Applied
from elder_assets.audit.testing import MemorySource
from elder_assets.team_scorecard import make_scorecard
from resources.store import Store
from resources.store.findings import FileNow, Observed

NOW = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)
"""A Wednesday."""
BASKET, TILL, BROKEN, NEW = "example.org/shop/basket", "example.org/shop/till", "example.org/shop/gone", "local/new"
HOSTILE = "example.org/x/<img src=x onerror=alert(1)>=1+1\u202egnp"
RULER = default_ruler()
MESSAGE = "=HYPERLINK(1) <script>alert(1)</script> \u202etxt"
TORN = "<<<<<<< a\n=======\n>>>>>>> b\n"


def verdict(repository: str, commit: str, day: dt.datetime, body: str = TORN) -> Verdict:
    """A verdict on one small file; `commit` is one hexadecimal digit."""
    files = {"shop/basket.py": body, "README.md": "# Basket\n", "shop/sum.py": "def total():\n    return 1\n"}
    found = audit(MemorySource(files), MemoryFactStore(), RULER)
    snapshot = Snapshot(repository=repository, commit=commit * 40, tree="f" * 40, as_of=int(day.timestamp()))
    hostile = Finding(
        rule="STR013",
        severity=Severity.MEDIUM,
        tier=Tier.ADVISE,
        path='a/"><b>x</b>.py',
        line=3,
        symbol="f",
        message=MESSAGE,
        remedy="Cut it.",
        fingerprint="v1:" + commit * 8,
    )
    return msgspec.structs.replace(found, snapshot=snapshot, findings=(*found.findings, hostile))


def record(store: Store, given: Verdict) -> None:
    """Keep a verdict as an audit of kind default does."""
    observed = Observed(
        applied=Applied(verdict=given, evaluated_on=NOW.date()),
        paths=frozenset({"shop/basket.py", "README.md", "shop/sum.py", 'a/"><b>x</b>.py'}),
        files=(
            FileNow(path="shop/basket.py", size_bytes=900),
            FileNow(path="shop/sum.py", size_bytes=300, changes=12, cognitive=30, authors=2),
            FileNow(path='a/"><b>x</b>.py', size_bytes=100),
        ),
    )
    store.record(given, RULER.document(), observed=observed)


def weeks(scores: list[int], commit: str = "a", findings: int = 3) -> list[WeekScore]:
    """One row a week of the whole, the last of them in the week of NOW."""
    newest = dt.date(2026, 3, 2)
    return [
        WeekScore(
            week=(newest - dt.timedelta(weeks=len(scores) - 1 - index)).isoformat(),
            commit=commit * 40,
            as_of=1_700_000_000 + index,
            ruler=RULER.digest,
            magic="",
            status=Status.PASSED,
            reason="",
            score=Fraction(score),
            weight_share=Fraction(1),
            eligible=2,
            analysed=2,
            findings=findings,
            is_provisional=False,
        )
        for index, score in enumerate(scores)
    ]


def fill(store: Store) -> None:
    """Two audited repositories in teams, a hostile one, one that cannot be audited, one that never was."""
    for team in ("payments", "growth"):
        store.add_team(team, team.title())
    for key in (BASKET, TILL, HOSTILE, BROKEN, NEW):
        store.add_repository(key, f"https://{key}")
    store.assign(BASKET, "payments")
    store.assign(TILL, "growth")
    month_ago = NOW - dt.timedelta(days=40)
    record(store, verdict(BASKET, "a", month_ago))
    record(store, verdict(BASKET, "b", NOW - dt.timedelta(days=2), "x = 1\n"))
    record(store, verdict(TILL, "c", NOW - dt.timedelta(days=3)))
    record(store, verdict(HOSTILE, "d", NOW - dt.timedelta(days=3)))
    store.record_failure(BROKEN, "the host said 404 <b>no</b>")
    store.record_weeks(BASKET, weeks([60, 62, 64, 70, 72, 80]), RULER.document())
    store.record_weeks(TILL, weeks([90, 90, 90, 90, 90, 85]), RULER.document())
    for team in ("payments", "growth"):
        store.record_scorecard(team, make_scorecard(store, team, NOW))
