"""Records as plain rows and back: what frames, the results store and exports have in common.

A row is a dictionary of texts, numbers and None; exact fractions are kept as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from elder_assets.audit.dates import utc
from elder_assets.audit.model import Finding, MagicResult, RuleOutcome, Severity, Status, Tier, Verdict
from elder_assets.audit.scoring import rounded

if TYPE_CHECKING:
    from elder_assets.audit.history import WeekScore

Row = dict[str, Any]


def identity(verdict: Verdict) -> dict[str, str]:
    """The columns that every row of one audit shares: audit_key, repository, revision."""
    key = verdict.key
    return {"audit_key": key.digest, "repository": key.repository, "revision": key.revision}


def score_columns(score: Fraction | None) -> Row:
    """A score as shown and as it is."""
    return {"score": rounded(score), "score_exact": None if score is None else str(score)}


def finding_rows(verdict: Verdict) -> list[Row]:
    """Every finding of a verdict, in its order."""
    magic_of = {outcome.rule: magic.magic for magic in verdict.magics for outcome in magic.outcomes}
    return [finding_row(magic_of[finding.rule], finding) for finding in verdict.findings]


def finding_row(magic: str, finding: Finding) -> Row:
    """One finding of a magic."""
    return {
        "magic": magic,
        "rule": finding.rule,
        "severity": finding.severity.value,
        "tier": finding.tier.value,
        "path": finding.path,
        "line": finding.line,
        "symbol": finding.symbol,
        "message": finding.message,
        "remedy": finding.remedy,
        "fingerprint": finding.fingerprint,
        "unit": finding.unit,
    }


def finding_of(row: Mapping[Any, Any]) -> Finding:
    """The finding that a row came from."""
    return Finding(
        rule=row["rule"],
        severity=Severity(row["severity"]),
        tier=Tier(row["tier"]),
        path=row["path"],
        line=int(row["line"]),
        symbol=row["symbol"],
        message=row["message"],
        remedy=row["remedy"],
        fingerprint=row["fingerprint"],
        unit=row["unit"],
    )


def outcome_rows(verdict: Verdict) -> list[Row]:
    """Every outcome of a verdict, in catalogue order."""
    return [outcome_row(magic.magic, outcome) for magic in verdict.magics for outcome in magic.outcomes]


def outcome_row(magic: str, outcome: RuleOutcome) -> Row:
    """One outcome of a rule of a magic."""
    return {
        "magic": magic,
        "rule": outcome.rule,
        "status": outcome.status.value,
        "reason": outcome.reason,
        "units": outcome.units,
        "affected": outcome.affected,
        "duration_ms": outcome.duration_ms,
    }


def outcome_of(row: Mapping[Any, Any]) -> RuleOutcome:
    """The outcome that a row came from."""
    return RuleOutcome(
        rule=row["rule"],
        status=Status(row["status"]),
        reason=row["reason"],
        units=int(row["units"]),
        affected=int(row["affected"]),
        duration_ms=float(row["duration_ms"]),
    )


def score_rows(verdict: Verdict) -> list[Row]:
    """Every magic's score of a verdict, in catalogue order."""
    return [score_row(magic, verdict.findings) for magic in verdict.magics]


def score_row(magic: MagicResult, findings: Iterable[Finding]) -> Row:
    """One magic's score; findings of other magics are left out of its counts."""
    rules = {outcome.rule for outcome in magic.outcomes}
    own = [finding for finding in findings if finding.rule in rules]
    return {
        "magic": magic.magic,
        "status": magic.status.value,
        "reason": magic.reason,
        **score_columns(magic.score),
        "weight_share": str(magic.weight_share),
        "findings": len(own),
        "suggestions": sum(1 for finding in own if finding.remedy),
        "duration_ms": magic.duration_ms,
    }


def week_row(scored: WeekScore) -> Row:
    """One magic, or the whole, in one week."""
    return {
        "week": scored.week,
        "commit": scored.commit,
        "as_of_utc": utc(scored.as_of),
        "ruler": scored.ruler,
        "magic": scored.magic,
        "status": scored.status.value,
        "reason": scored.reason,
        **score_columns(scored.score),
        "weight_share": str(scored.weight_share),
        "eligible_files": scored.eligible,
        "analysed_files": scored.analysed,
        "findings": scored.findings,
        "state": "provisional" if scored.is_provisional else "final",
    }


def magic_result_of(row: Mapping[Any, Any], outcomes: Sequence[RuleOutcome]) -> MagicResult:
    """The magic's result that a row and its outcomes came from."""
    return MagicResult(
        magic=row["magic"],
        status=Status(row["status"]),
        reason=row["reason"],
        score=fraction(row["score_exact"]),
        weight_share=Fraction(row["weight_share"]),
        outcomes=tuple(outcomes),
        duration_ms=row["duration_ms"],
    )


def fraction(text: str | None) -> Fraction | None:
    """An exact fraction from its text."""
    return None if text is None else Fraction(text)
