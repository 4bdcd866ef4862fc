"""A rule gets another code: what was recorded under the old one stays the same finding, in the lifecycle and the gate."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from elder_assets.audit.engine import audit, audit_judged
from elder_assets.audit.facts.extraction import MemoryFactStore
from elder_assets.audit.former_codes import FORMER_CODES
from elder_assets.audit.gate import gate
from elder_assets.audit.judgement import Judged
from elder_assets.audit.lifecycle import match
from elder_assets.audit.model import Severity, Status, Tier, Verdict
from elder_assets.audit.policy import read_policy, ruler_under
from elder_assets.audit.registry import Catalogue, catalogue
from elder_assets.audit.rows import finding_of, finding_row
from elder_assets.audit.ruler import default_ruler
from elder_assets.audit.testing import MemorySource, only

OLD, NEW = "TDD002", "TDD099"
TODAY = dt.date(2026, 3, 10)
TEST = "def test_total():\n    assert True\n"


@pytest.fixture
def renamed(monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    """The catalogue of one rule, under a code that it was not born with."""
    known = only(catalogue().rule(OLD))
    monkeypatch.setitem(FORMER_CODES, OLD, NEW)
    return Catalogue(known.magics, (msgspec.structs.replace(known.rules[0], code=NEW, birth_code=OLD),))


def verdict(rules: Catalogue, files: dict[str, str]) -> Verdict:
    ruler = default_ruler(rules)
    strict = {
        code: msgspec.structs.replace(measure, tier=Tier.GATE, severity=Severity.HIGH)
        for code, measure in ruler.rules.items()
    }
    return audit(MemorySource(files), MemoryFactStore(), msgspec.structs.replace(ruler, rules=strict), rules=rules)


@pytest.mark.parametrize(
    "later",
    [
        {"tests/test_shop.py": TEST},
        {"tests/test_store.py": "import shop\n\n\n" + TEST},
        {"tests/test_0.py": TEST, "tests/test_shop.py": TEST},
    ],
    ids=["nothing changed", "file moved", "another one came"],
)
def test_what_was_found_under_the_old_code_is_not_new_under_the_new_one(renamed: Catalogue, later: dict[str, str]):
    before = verdict(only(catalogue().rule(OLD)), {"tests/test_shop.py": TEST})
    after = verdict(renamed, later)
    assert [found.rule for found in before.findings] == [OLD]
    changes = match(before.findings, after.findings)
    assert [(pair.before.rule, pair.after.rule) for pair in changes.existing] == [(OLD, NEW)]
    assert changes.fixed == ()
    assert len(changes.new) == len(later) - 1


def test_stored_findings_of_the_old_code_meet_those_of_the_new_one(renamed: Catalogue):
    before = verdict(only(catalogue().rule(OLD)), {"tests/test_shop.py": TEST})
    stored = [finding_of(finding_row("tdd", found)) for found in before.findings]
    changes = match(stored, verdict(renamed, {"tests/test_shop.py": TEST}).findings)
    assert (len(changes.existing), changes.new, changes.fixed) == (1, (), ())


def judged(rules: Catalogue, files: dict[str, str]) -> Judged:
    return audit_judged(MemorySource(files), MemoryFactStore(), default_ruler(rules), rules=rules)


def test_the_gate_fails_nobody_because_a_rule_was_renamed(renamed: Catalogue):
    sides = judged(renamed, {"tests/test_shop.py": TEST}), judged(renamed, {"tests/test_store.py": TEST})
    result = gate(*sides, default_ruler(renamed), TODAY)
    assert result.status is Status.PASSED
    assert (len(result.changes.existing), result.changes.new) == (1, ())


def test_a_suppression_of_the_old_code_holds_under_the_new_one(renamed: Catalogue):
    comment = f'# elder: ignore {OLD} reason="shown to beginners" until={TODAY}\n'
    held = judged(renamed, {"tests/test_shop.py": TEST.replace("    assert", "    " + comment + "    assert")})
    result = gate(judged(renamed, {"README.md": "# Shop\n"}), held, default_ruler(renamed), TODAY)
    assert [item.finding.rule for item in result.suppressed] == [NEW]


def test_a_policy_may_name_the_old_code(renamed: Catalogue):
    own = default_ruler(renamed)
    policy = read_policy(f"version: 1\nrules: {{{OLD}: {{severity: low}}}}\n".encode(), own)
    assert ruler_under(own, policy).rules[NEW].severity is Severity.LOW
