"""Every rule explains itself: summary, reason, remedy, source, a good and a bad case."""

from __future__ import annotations

from pathlib import Path

import pytest

from elder_assets.audit.registry import catalogue
from elder_assets.audit.testing import cases_of

FIXTURES = Path(__file__).parent / "fixtures"
HISTORY_TESTS = Path(__file__).parent / "magics"


@pytest.mark.parametrize("code", [rule.code for rule in catalogue().rules])
def test_a_rule_is_documented_and_has_a_good_and_a_bad_case(code: str):
    rule = catalogue().rule(code)
    documentation = rule.documentation
    for heading in ("Summary", "Why", "Remedy", "Source"):
        assert documentation.get(heading), f"{code} lacks {heading}"
    kinds = {case.is_bad for case in cases_of(rule)}
    kinds |= {"bad" in folder.name for folder in FIXTURES.glob(f"{code}_*")}
    has_own_test = (HISTORY_TESTS / f"test_{code.lower()}.py").exists()
    assert kinds == {True, False} or has_own_test, f"{code} needs a good and a bad case, fixture or test file"
