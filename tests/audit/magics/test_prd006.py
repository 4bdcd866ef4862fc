"""PRD006: churn far outside of a component's own year."""

from __future__ import annotations

from factories import change, commit, source

from elder_assets.audit.model import Severity, Status
from elder_assets.audit.testing import run_rule


def weeks(last: int):
    older = [commit(n, days_ago=7 * (41 - n) + 3, paths=[change("shop/basket.py", 10 + n % 3)]) for n in range(1, 41)]
    return [*older, commit(41, days_ago=1, paths=[change("shop/basket.py", last)])]


def test_a_burst_is_a_notice():
    _, findings = run_rule("PRD006", source(weeks(900)))
    assert [(f.path, f.severity) for f in findings] == [("shop", Severity.INFO)]


def test_an_ordinary_week_is_none():
    outcome, _ = run_rule("PRD006", source(weeks(14)))
    assert outcome.status is Status.PASS
