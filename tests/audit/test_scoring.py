"""Scores, worked out by hand from the formulas in the module docstring."""

from __future__ import annotations

from fractions import Fraction

import pytest

from elder_assets.audit.model import Finding, MagicResult, RuleOutcome, Severity, Status, Tier
from elder_assets.audit.ruler import RuleMeasure, Ruler
from elder_assets.audit.scoring import rounded, score_magic, score_overall, status_of


def ruler(**rules: tuple[Severity, Tier]) -> Ruler:
    measures = {code: RuleMeasure(version=1, severity=severity, tier=tier) for code, (severity, tier) in rules.items()}
    return Ruler(weights={"strict": 1, "tdd": 1, "git": 1}, rules=measures, extractors={})


def outcome(code: str, units: int, affected: int, status: Status | None = None) -> RuleOutcome:
    judged = Status.FINDING if affected else Status.PASS
    return RuleOutcome(rule=code, status=status or judged, units=units, affected=affected, reason="")


def finding(code: str, severity: Severity, tier: Tier) -> Finding:
    return Finding(
        rule=code,
        severity=severity,
        tier=tier,
        path="a.py",
        line=1,
        symbol="",
        message="",
        remedy="",
        fingerprint="v1:0",
    )


def test_a_rule_without_findings_scores_a_hundred():
    result = score_magic("strict", [outcome("A", 10, 0)], [], ruler(A=(Severity.HIGH, Tier.ADVISE)))
    assert (result.score, result.status) == (100, Status.PASSED)


def test_five_percent_affected_cost_a_gate_rule_about_nineteen_points():
    # 0.95 ** 4 = 0.81450625
    result = score_magic("strict", [outcome("A", 100, 5)], [], ruler(A=(Severity.MEDIUM, Tier.GATE)))
    assert result.score == Fraction(81450625, 1000000)


def test_rules_are_weighed_by_severity():
    # (8 * 1/2 + 1 * 1) / 9 = 5/9
    measured = ruler(A=(Severity.HIGH, Tier.ADVISE), B=(Severity.LOW, Tier.ADVISE))
    result = score_magic("strict", [outcome("A", 2, 1), outcome("B", 7, 0)], [], measured)
    assert result.score == Fraction(500, 9)
    assert result.status is Status.FAILED


def test_a_rule_that_does_not_apply_leaves_the_mean():
    measured = ruler(A=(Severity.HIGH, Tier.ADVISE), B=(Severity.HIGH, Tier.ADVISE))
    outcomes = [outcome("A", 4, 1), outcome("B", 0, 0, Status.NOT_APPLICABLE)]
    result = score_magic("strict", outcomes, [], measured)
    assert result.score == 75
    assert result.weight_share == Fraction(1, 2)


def test_shadow_and_info_rules_weigh_nothing():
    measured = ruler(A=(Severity.HIGH, Tier.ADVISE), B=(Severity.CRITICAL, Tier.SHADOW), C=(Severity.INFO, Tier.ADVISE))
    outcomes = [outcome("A", 1, 0), outcome("B", 1, 1), outcome("C", 1, 1)]
    assert score_magic("strict", outcomes, [], measured).score == 100


def test_a_magic_with_too_little_to_say_is_insufficient():
    measured = ruler(A=(Severity.LOW, Tier.ADVISE), B=(Severity.HIGH, Tier.ADVISE))
    outcomes = [outcome("A", 5, 0), outcome("B", 0, 0, Status.NOT_APPLICABLE)]
    result = score_magic("strict", outcomes, [], measured)  # 1 of 9 is below a quarter
    assert result.status is Status.INSUFFICIENT
    assert result.score == 100


def test_a_magic_without_applicable_rules_has_no_score():
    outcomes = [RuleOutcome(rule="A", status=Status.NOT_APPLICABLE, reason="no tests")]
    result = score_magic("tdd", outcomes, [], ruler(A=(Severity.HIGH, Tier.GATE)))
    assert (result.score, result.status, result.reason) == (None, Status.NOT_APPLICABLE, "no tests")


@pytest.mark.parametrize(
    ("severity", "tier", "expected"),
    [
        pytest.param(Severity.CRITICAL, Tier.GATE, 49, id="critical gate"),
        pytest.param(Severity.HIGH, Tier.GATE, 79, id="high gate"),
        pytest.param(Severity.CRITICAL, Tier.ADVISE, Fraction(999, 10), id="critical advise is no cap"),
        pytest.param(Severity.MEDIUM, Tier.GATE, Fraction(999, 10), id="medium gate is no cap"),
    ],
)
def test_open_gate_findings_cap_the_magic(severity: Severity, tier: Tier, expected: Fraction | int):
    measured = ruler(A=(Severity.MEDIUM, Tier.ADVISE))
    result = score_magic("strict", [outcome("A", 1000, 1)], [finding("A", severity, tier)], measured)
    assert result.score == expected


def test_a_rule_in_error_makes_the_magic_and_the_whole_an_error():
    broken = RuleOutcome(rule="A", status=Status.ERROR, reason="ValueError: no")
    result = score_magic("strict", [broken], [], ruler(A=(Severity.HIGH, Tier.GATE)))
    assert result.status is Status.ERROR
    status, reason, score = score_overall([result], [], {"strict": 1})
    assert (status, score) == (Status.ERROR, None)
    assert "ValueError" in reason


def magic(name: str, score: int | None, status: Status = Status.PASSED) -> MagicResult:
    exact = None if score is None else Fraction(score)
    return MagicResult(magic=name, status=status, reason="", score=exact, weight_share=Fraction(1), outcomes=())


def test_the_whole_is_the_weighted_mean_of_magics_that_have_enough_to_say():
    results = [
        magic("strict", 90),
        magic("tdd", 40),
        magic("git", 0, Status.INSUFFICIENT),
        magic("flow", None, Status.NOT_APPLICABLE),
    ]
    weights = {"strict": 3, "tdd": 1, "git": 1, "flow": 1}
    status, _, score = score_overall(results, [], weights)
    assert score == Fraction(3 * 90 + 40, 4)  # 77.5
    assert status is Status.WARNING


def test_an_open_critical_gate_finding_fails_the_whole():
    critical = finding("A", Severity.CRITICAL, Tier.GATE)
    status, reason, score = score_overall([magic("strict", 95)], [critical], {"strict": 1})
    assert (status, score) == (Status.FAILED, 95)
    assert reason.startswith("A ")


@pytest.mark.parametrize(
    ("score", "expected"),
    [(80, Status.PASSED), (Fraction(7999, 100), Status.WARNING), (60, Status.WARNING), (59, Status.FAILED)],
)
def test_the_status_is_judged_on_the_unrounded_score(score: Fraction | int, expected: Status):
    assert status_of(Fraction(score)) is expected


@pytest.mark.parametrize(
    ("exact", "shown"),
    [(Fraction(1, 3), 0.3), (Fraction(8125, 100), 81.2), (Fraction(8135, 100), 81.4), (None, None), (100, 100.0)],
    ids=str,
)
def test_scores_are_shown_half_even_to_one_decimal(exact: Fraction | None, shown: float | None):
    assert rounded(None if exact is None else Fraction(exact)) == shown
