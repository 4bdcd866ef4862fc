"""Every package that the user named stands in production code, for the feature that it is there for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
USES = {
    "dagster": "elder_assets/definitions.py",
    "pandas": "elder_assets/audit/frames.py",
    "git": "resources/git/mirror.py",
    "great_expectations": "elder_assets/checks/suites.py",
    "plotly": "dash_app/report_figures.py",
}
NOT_YET = {"dash": "pages are issue 6"}
"""Named by the user; their feature is not built yet, so nothing pretends to use them."""


@pytest.mark.parametrize(("package", "path"), USES.items(), ids=list(USES))
def test_a_package_is_imported_where_its_feature_is(package: str, path: str):
    assert re.search(rf"(?:import {package}\b|import_module\(\"{package}[.\"])", (ROOT / path).read_text())


@pytest.mark.parametrize("module", ["dagster_k8s", "postgres"])
def test_production_launches_on_kubernetes_and_keeps_state_in_postgresql(module: str):
    assert module in (ROOT / "resources" / "dagster_instance.py").read_text()


@pytest.mark.parametrize("package", NOT_YET)
def test_a_package_without_its_feature_is_not_imported(package: str):
    sources = [p.read_text() for room in ("dash_app", "elder_assets", "resources") for p in (ROOT / room).rglob("*.py")]
    assert not any(re.search(rf"^\s*import {package}\b", text, re.MULTILINE) for text in sources)
