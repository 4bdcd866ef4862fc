"""From outcomes to scores: rates over eligible units, in exact fractions (decision D14; docs/scoring.md).

    pass_r  = 1 - affected_r / units_r                      share of a rule's units without a finding, 0-1
    score_m = 100 * sum(w_r * pass_r ** k_r) / sum(w_r)     over the applicable rules r of magic m, 0-100
    score   = sum(W_m * score_m) / sum(W_m)                 over the magics with a score; W from the profile

    w_r  CRITICAL 16, HIGH 8, MEDIUM 4, LOW 1, INFO 0        k_r  4 for gate rules, 1 for others

Caps: an open CRITICAL at tier gate caps its magic at 49 and fails the whole; a gate HIGH caps it at 79. Shadow
rules never score. Source: magics.md section 1; the weights and powers are chosen by us, decision 0001.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Protocol

from elder_assets.audit.model import Finding, MagicResult, RuleOutcome, Severity, Status, Tier
from elder_assets.audit.ruler import Ruler

PASSED_FROM = 80
WARNING_FROM = 60
CRITICAL_CAP = 49
HIGH_CAP = 79
INSUFFICIENT_BELOW = Fraction(1, 4)
"""Share of a magic's rule weight that must be applicable for it to count."""
GATE_POWER = 4

JUDGED = (Status.PASS, Status.FINDING)


class Open(Protocol):
    """What caps ask of an open finding."""

    @property
    def rule(self) -> str: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def tier(self) -> Tier: ...


def score_magic(
    magic: str,
    outcomes: Sequence[RuleOutcome],
    findings: Sequence[Open],
    ruler: Ruler,
    *,
    duration_ms: float = 0.0,
) -> MagicResult:
    """Score one magic from the outcomes and findings of its rules."""
    weights = {outcome.rule: _weight(outcome.rule, ruler) for outcome in outcomes}
    applicable = [outcome for outcome in outcomes if outcome.status in JUDGED and outcome.units]
    total, present = sum(weights.values()), sum(weights[outcome.rule] for outcome in applicable)
    share = Fraction(present, total) if total else Fraction(0)

    def result(status: Status, reason: str, score: Fraction | None) -> MagicResult:
        return MagicResult(
            magic=magic,
            status=status,
            reason=reason,
            score=score,
            weight_share=share,
            outcomes=tuple(outcomes),
            duration_ms=duration_ms,
        )

    broken = [outcome for outcome in outcomes if outcome.status is Status.ERROR]
    if broken:
        return result(Status.ERROR, f"{broken[0].rule}: {broken[0].reason}", None)
    if not present:
        return result(Status.NOT_APPLICABLE, _why_not_applicable(outcomes), None)
    points = sum(
        (weights[outcome.rule] * _passed_share(outcome) ** _power(outcome.rule, ruler) for outcome in applicable),
        start=Fraction(0),
    )
    score = min(100 * points / present, Fraction(_cap(findings)))
    if share < INSUFFICIENT_BELOW:
        reason = f"only {float(share):.0%} of its rule weight is applicable"
        return result(Status.INSUFFICIENT, reason, score)
    return result(status_of(score), "", score)


def _weight(code: str, ruler: Ruler) -> int:
    measure = ruler.rules[code]
    return 0 if measure.tier is Tier.SHADOW else measure.severity.weight


def _power(code: str, ruler: Ruler) -> int:
    return GATE_POWER if ruler.rules[code].tier is Tier.GATE else 1


def _passed_share(outcome: RuleOutcome) -> Fraction:
    return 1 - Fraction(min(outcome.affected, outcome.units), outcome.units)


def _cap(findings: Sequence[Open]) -> int:
    gating = {finding.severity for finding in findings if finding.tier is Tier.GATE}
    if Severity.CRITICAL in gating:
        return CRITICAL_CAP
    return HIGH_CAP if Severity.HIGH in gating else 100


def _why_not_applicable(outcomes: Sequence[RuleOutcome]) -> str:
    reasons = list(dict.fromkeys(outcome.reason for outcome in outcomes if outcome.reason))
    return "; ".join(reasons[:3]) or "no rule applies"


def status_of(score: Fraction) -> Status:
    """Passed from 80, warning from 60, failed below; judged on the unrounded score."""
    if score >= PASSED_FROM:
        return Status.PASSED
    return Status.WARNING if score >= WARNING_FROM else Status.FAILED


def score_overall(
    magics: Sequence[MagicResult], findings: Sequence[Open], weights: Mapping[str, int]
) -> tuple[Status, str, Fraction | None]:
    """Status, reason and score of the whole: the weighted mean of the magics that have enough to say."""
    broken = [magic for magic in magics if magic.status is Status.ERROR]
    if broken:
        return Status.ERROR, f"{broken[0].magic}: {broken[0].reason}", None
    counted = [
        magic
        for magic in magics
        if magic.score is not None and magic.status is not Status.INSUFFICIENT and weights[magic.magic]
    ]
    if not counted:
        return Status.NOT_APPLICABLE, "no magic has enough to say", None
    total = sum(weights[magic.magic] for magic in counted)
    score = sum((weights[m.magic] * m.score for m in counted if m.score is not None), start=Fraction(0)) / total
    critical = [f for f in findings if f.tier is Tier.GATE and f.severity is Severity.CRITICAL]
    if critical:
        return Status.FAILED, f"{critical[0].rule} is critical and open", score
    return status_of(score), "", score


def gate_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Findings that fail a check by themselves: tier gate, CRITICAL or HIGH (D15)."""
    return [f for f in findings if f.tier is Tier.GATE and f.severity in {Severity.CRITICAL, Severity.HIGH}]


def rounded(score: Fraction | None) -> float | None:
    """A score as shown: one decimal, half to even."""
    if score is None:
        return None
    exact = Decimal(score.numerator) / Decimal(score.denominator)
    return float(exact.quantize(Decimal("0.1"), rounding=ROUND_HALF_EVEN))
