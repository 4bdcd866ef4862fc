"""The rooms keep to themselves: import contracts, and a core that runs without the platform."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

BLOCKED = ("dagster", "dash", "plotly", "pandas", "great_expectations", "sqlalchemy", "alembic", "git", "kubernetes")

AUDIT_WITHOUT_PLATFORM = f"""
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED!r}:
            raise ImportError(name + " is blocked in this test")

sys.meta_path.insert(0, Block())
from elder_assets.audit.engine import audit
from elder_assets.audit.facts.extraction import MemoryFactStore
from elder_assets.audit.ruler import default_ruler
from elder_assets.audit.testing import MemorySource

source = MemorySource({{"shop/basket.py": "def total(prices):\\n    return sum(prices)\\n"}})
verdict = audit(source, MemoryFactStore(), default_ruler())
assert len(verdict.magics) == 8, verdict
assert not [o for o in verdict.outcomes if o.status.value == "error"], verdict
print("audited", verdict.coverage.analysed)
"""


def test_the_core_audits_with_every_platform_package_absent():
    result = subprocess.run(
        [sys.executable, "-c", AUDIT_WITHOUT_PLATFORM], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.stdout.strip() == "audited 1", result.stderr


@pytest.mark.slow
def test_the_import_contracts_hold():
    result = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout


def test_the_help_costs_no_heavy_import():
    script = "import sys\nimport elder_assets.cli\nprint(*sorted(sys.modules))"
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(result.stdout.split())
    heavy = {"dagster", "pandas", "sqlalchemy", "great_expectations", "dash", "git", "tree_sitter", "alembic"}
    assert not loaded & heavy


def test_no_two_files_of_tests_have_the_same_name():
    """pytest imports them by their name alone: the second one would be an error, and its tests never run."""
    names = Counter(path.name for path in Path(__file__).parent.rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
