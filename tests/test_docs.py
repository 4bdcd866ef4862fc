"""Derived pages are up to date, links lead somewhere, and the README's commands exist."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from elder_assets.audit.registry import catalogue

ROOT = Path(__file__).parent.parent
spec = importlib.util.spec_from_file_location("docs_tool", ROOT / "tools" / "docs.py")
docs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(docs)


def test_the_rules_page_is_what_the_registry_says():
    assert (ROOT / "docs" / "rules.md").read_text() == docs.rules_page(catalogue()), "run make docs"


def test_the_calibration_table_is_what_the_verdicts_say():
    current = (ROOT / "README.md").read_text()
    assert current == docs.readme(current, catalogue()), "run make docs"


def test_every_make_command_that_the_pages_name_is_a_target():
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        named = set(re.findall(r"(?:^|`)\s*make ([a-z][\w-]*)", page.read_text(), re.MULTILINE))
        assert named <= targets, (page.name, named - targets)


def test_the_page_on_scale_is_what_the_unit_costs_give():
    spec = importlib.util.spec_from_file_location("scale", ROOT / "tools" / "scale.py")
    scale = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scale)
    assert scale.table() in (ROOT / "docs" / "scale.md").read_text(), "run python tools/scale.py"
    # by hand: 300 x 9 audits a day, 3 x 2,700 / 8 in the busiest hour, 1,012.5 x 3.9 s / 3,600 / 0.7 = 1.6 slots
    assert scale.needs(300)["audits a working day"] == "2,700"
    assert scale.needs(300)["runs at once (one CPU each)"] == "2"
