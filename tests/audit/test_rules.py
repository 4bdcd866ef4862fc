"""Every case in every rule's docstring, and every fixture folder, judged by the rule it belongs to.

A fixture is `fixtures/<CODE>_<case>/`: a small tree, and `expected.json` beside its files with the findings as
`[["path", line], ...]` in order of place ([] for a good case).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from elder_assets.audit.model import Status
from elder_assets.audit.registry import catalogue
from elder_assets.audit.testing import Case, MemorySource, cases_of, run_rule

FIXTURES = Path(__file__).parent / "fixtures"
DOCSTRING_CASES = [
    pytest.param(rule.code, case, id=f"{rule.code}-{'bad' if case.is_bad else 'okay'}-{index}")
    for rule in catalogue().rules
    for index, case in enumerate(cases_of(rule))
]


@pytest.mark.parametrize(("code", "case"), DOCSTRING_CASES)
def test_a_docstring_case_is_judged_as_it_says(code: str, case: Case):
    outcome, findings = run_rule(code, MemorySource(case.files))
    assert outcome.status is not Status.ERROR, outcome.reason
    assert bool(findings) == case.is_bad, [(f.path, f.line, f.message) for f in findings] or outcome
    if case.places:
        assert [(f.path, f.line) for f in findings] == sorted(case.places)


@pytest.mark.parametrize("folder", sorted(p.name for p in FIXTURES.iterdir() if p.is_dir()))
def test_a_fixture_is_judged_as_expected(folder: str):
    root = FIXTURES / folder
    files = {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != "expected.json"
    }
    outcome, findings = run_rule(folder.partition("_")[0], MemorySource(files))
    expected = json.loads((root / "expected.json").read_text())
    assert outcome.status is not Status.ERROR, outcome.reason
    assert [[f.path, f.line] for f in findings] == expected, outcome
