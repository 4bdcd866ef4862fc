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
    "dash": "dash_app/pages_app.py",
}


@pytest.mark.parametrize(("package", "path"), USES.items(), ids=list(USES))
def test_a_package_is_imported_where_its_feature_is(package: str, path: str):
    assert re.search(
        rf"(?:import {package}\b|from {package} import|import_module\(\"{package}[.\"])", (ROOT / path).read_text()
    )


@pytest.mark.parametrize(
    ("module", "path"), [("dagster_k8s", "resources/runs/launcher.py"), ("postgres", "resources/dagster_instance.py")]
)
def test_production_launches_on_kubernetes_and_keeps_state_in_postgresql(module: str, path: str):
    assert module in (ROOT / path).read_text()
