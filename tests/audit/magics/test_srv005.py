"""SRV005: a component that one person alone keeps."""

from __future__ import annotations

from factories import commit, source

from elder_assets.audit.model import Severity, Status
from elder_assets.audit.testing import run_rule

LONG = "def total(prices):\n" + "    prices.sort()\n" * 600
FILES = {"shop/basket.py": LONG, "cart/cart.py": LONG}


def history(shares: dict[str, int], path: str = "shop/basket.py"):
    names = [name for name, count in shares.items() for _ in range(count)]
    return [commit(n, author=name, days_ago=30, paths=[path]) for n, name in enumerate(names, start=1)]


def test_eighty_percent_by_one_of_three_is_found():
    outcome, findings = run_rule("SRV005", source(history({"ann": 8, "bob": 1, "eve": 1}), FILES))
    assert [f.path for f in findings] == ["shop"]
    assert outcome.units == 1  # nobody changed cart ten times
    assert "ann" not in findings[0].message


def test_less_than_eighty_percent_passes():
    outcome, _ = run_rule("SRV005", source(history({"ann": 7, "bob": 2, "eve": 1}), FILES))
    assert outcome.status is Status.PASS


def test_a_project_of_two_is_told_once():
    _, findings = run_rule("SRV005", source(history({"ann": 9, "bob": 1}), FILES))
    assert [(f.path, f.severity) for f in findings] == [("", Severity.INFO)]
