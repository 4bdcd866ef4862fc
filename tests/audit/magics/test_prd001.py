"""PRD001: hotspots."""

from __future__ import annotations

from factories import commit, source

from elder_assets.audit.model import Severity
from elder_assets.audit.testing import run_rule

TANGLED = "def total(prices):\n" + "".join(f"    if prices[{n}]:\n        return {n}\n" for n in range(20))
FILES = {"shop/basket.py": TANGLED, "shop/calm.py": "def one():\n    return 1\n"}


def history(authors: list[str]):
    return [
        commit(n, author=authors[n % len(authors)], days_ago=5, paths=["shop/basket.py"] if n <= 50 else ["x.py"])
        for n in range(1, 61)
    ]


def test_a_file_that_many_keep_is_a_notice():
    _, findings = run_rule("PRD001", source(history(["ann", "bob", "eve"]), FILES))
    assert [(f.path, f.severity) for f in findings] == [("shop/basket.py", Severity.INFO)]
    assert "changed 50 times" in findings[0].message
    assert "complexity 20" in findings[0].message


def test_a_file_that_one_of_many_keeps_is_a_finding():
    authors = ["ann"] * 18 + ["bob", "eve"]
    _, findings = run_rule("PRD001", source(history(authors), FILES))
    assert findings[0].severity is Severity.MEDIUM


def test_few_changes_say_nothing():
    outcome, _ = run_rule("PRD001", source(history(["ann"])[:20], FILES))
    assert outcome.reason == "20 changes in twelve months, fewer than 50"
