"""PRD005: files that change together."""

from __future__ import annotations

from factories import commit, source

from elder_assets.audit.model import Status
from elder_assets.audit.testing import run_rule

FILES = {"shop/basket.py": "import os\n", "stock/store.py": "import sys\n", "stock/far.py": "x = 1\n"}


def together(times: int, alone: int = 10):
    pairs = [commit(n, days_ago=5, paths=["shop/basket.py", "stock/store.py"]) for n in range(1, times + 1)]
    return pairs + [commit(times + n, days_ago=4, paths=["stock/far.py"]) for n in range(1, alone + 1)]


def test_ten_common_changes_without_an_import_are_found():
    _, findings = run_rule("PRD005", source(together(10), FILES))
    assert [f.path for f in findings] == ["shop/basket.py"]


def test_nine_are_not():
    outcome, _ = run_rule("PRD005", source(together(9, 12), FILES))
    assert outcome.status is Status.PASS


def test_an_import_explains_it():
    outcome, _ = run_rule("PRD005", source(together(10), {**FILES, "shop/basket.py": "from stock import store\n"}))
    assert outcome.status is Status.PASS
