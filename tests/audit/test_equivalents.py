"""A defect that two tools see is counted once, and only then."""

from __future__ import annotations

from typing import Any

import pytest
import sarif_samples as samples
from sarif_samples import log, result, run

from elder_assets.audit.equivalents import EQUIVALENTS, counted_once, equivalent
from elder_assets.audit.model import Finding, Severity, Tier
from elder_assets.audit.registry import catalogue
from elder_assets.audit.sarif_import import read_sarif


def own(rule: str, path: str, line: int) -> Finding:
    return Finding(
        rule=rule, severity=Severity.HIGH, tier=Tier.GATE, path=path, line=line, symbol="", message="m", remedy="r",
        fingerprint=f"v1:{line:064}",
    )  # fmt: skip


def reasons(content: bytes, *findings: Finding) -> list[str]:
    imported = read_sarif(content, "scan.sarif")
    kept, merged = counted_once(imported, findings)
    assert len(kept) + len(merged) == len(imported.findings)
    return [pair.reason for pair in merged]


def test_a_leak_that_gitleaks_and_a_rule_of_ours_see_is_counted_once():
    secret = own("STR010", "deploy/env.py", 4)
    kept, (pair,) = counted_once(read_sarif(samples.GITLEAKS, "s"), [own("TDD001", "deploy/env.py", 4), secret])
    assert (kept, pair.own, pair.imported.rule) == ((), secret, "EXT:gitleaks:aws-access-token")


@pytest.mark.parametrize(
    ("rule", "path", "line", "is_same"),
    [
        ("STR010", "deploy/env.py", 5, True),
        ("STR010", "deploy/env.py", 3, True),
        ("STR010", "deploy/env.py", 6, False),
        ("STR010", "deploy/other.py", 4, False),
        ("STR001", "deploy/env.py", 4, False),
        ("GIT006", "deploy/env.py", 0, True),
    ],
    ids=["line-after", "line-before", "two-lines", "file", "rule", "whole-file"],
)
def test_it_must_be_the_same_place_and_the_same_question(rule: str, path: str, line: int, is_same: bool):
    assert bool(reasons(samples.GITLEAKS, own(rule, path, line))) is is_same


@pytest.mark.parametrize(
    ("tag", "rule", "is_same"),
    [("cwe-798", "STR010", True), ("CWE-259: password", "STR010", True), ("cwe-079", "STR010", False),
     ("cwe-829", "FLW010", True), ("cwe-000", "STR001", False)],
)  # fmt: skip
def test_an_unknown_tool_merges_by_the_weakness_that_it_names(tag: str, rule: str, is_same: bool):
    content = log(run("new-tool", result(), rules=[{"id": "R1", "properties": {"tags": [tag]}}]))
    assert bool(reasons(content, own(rule, "shop/basket.py", 3))) is is_same


def test_our_own_report_read_back_counts_nothing_twice():
    assert reasons(log(run("Elder", result("STR003"))), own("STR003", "shop/basket.py", 3))
    assert not reasons(log(run("Elder", result("STR003"))), own("STR001", "shop/basket.py", 3))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("EXT:ruff:F632", "STR003"), ("EXT:ruff:invalid-syntax", "STR001"), ("EXT:zizmor:zizmor/unpinned-uses", "FLW010"),
        ("EXT:CodeQL:actions/untrusted-checkout/critical", "FLW011"), ("EXT:Scorecard:TokenPermissionsID", "FLW012"),
        ("EXT:ESLint:jest/no-focused-tests", "TDD004"), ("EXT:Semgrep-OSS:generic.secrets.aws", "STR010"),
    ],
)  # fmt: skip
def test_names_are_compared_without_case(rule: str, expected: str):
    assert expected in [row.code for row in catalogue().rules if equivalent(rule, row.code)]


@pytest.mark.parametrize("rule", ["EXT:ruff:F401", "EXT:ruff:C901", "EXT:Semgrep-OSS:python.x", "EXT:ruff:F821"])
def test_similar_subjects_are_not_the_same_question(rule: str):
    assert not [row.code for row in catalogue().rules if equivalent(rule, row.code)]


def test_every_row_names_rules_that_exist_and_a_reason():
    known = {rule.code for rule in catalogue().rules}
    rows: list[Any] = [(row.tool, row.rule) for row in EQUIVALENTS]
    assert len(rows) == len(set(rows))
    for row in EQUIVALENTS:
        assert set(row.own) <= known
        assert (row.tool, row.rule) == (row.tool.lower(), row.rule.lower())
        assert len(row.reason) > 10
