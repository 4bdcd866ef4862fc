"""What rules said about one snapshot, before anything is weighed; and the verdict that a ruler makes of it.

A judgement depends on facts, on the rule's code and on its limits. Severity, tier and weight come from the ruler when
the verdict is made, so changing one of these re-scores a judgement without asking a rule again. Light on purpose:
nothing here imports a rule or a parser, so that a verdict can be made again from what was kept.
"""

from __future__ import annotations

import functools
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import msgspec

from elder_assets.audit.model import (
    Coverage,
    Finding,
    MagicResult,
    RuleOutcome,
    Severity,
    Snapshot,
    Status,
    Tier,
    Verdict,
)
from elder_assets.audit.ruler import RuleMeasure, Ruler
from elder_assets.audit.scoring import score_magic, score_overall

JUDGED = "judged"
"""Kind of record that holds judgements, by `judged_key`."""


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """One finding of a judgement: all of it but what the ruler decides."""

    message: str
    path: str
    line: int
    symbol: str
    severity: Severity | None
    """When it differs from the rule's."""
    remedy: str
    """When it says more than the rule's; else ''."""
    fingerprint: str
    unit: str
    kin: str


class Judgement(msgspec.Struct, frozen=True, array_like=True):
    """How one rule came out on one snapshot."""

    rule: str
    name: str
    magic: str
    severity: Severity
    """As the rule declares it; the ruler may move it."""
    remedy: str
    limits: dict[str, int]
    """The limits by which it judged."""
    status: Status
    reason: str
    units: int
    answers: tuple[Answer, ...]
    duration_ms: float


class Tally(msgspec.Struct, frozen=True, array_like=True):
    """A judgement in numbers: enough to score it under any ruler with the same limits."""

    rule: str
    magic: str
    severity: Severity
    limits: dict[str, int]
    status: Status
    reason: str
    units: int
    affected: dict[str, int]
    """Severities of a unit's findings, joined by ',' ('' for the rule's own), to how many units have these."""
    findings: dict[str, int]
    """Severity of a finding ('' for the rule's own) to how many there are."""


class Directed(msgspec.Struct, frozen=True, array_like=True):
    """An `elder:` comment of a snapshot; see `facts/directives.py`."""

    path: str
    line: int
    first: int
    last: int
    text: str


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that rules said about one snapshot."""

    snapshot: Snapshot
    baseline: str | None
    coverage: Coverage
    has_code: bool
    magics: tuple[str, ...]
    """Names of the magics that were asked, in the order of reports."""
    judgements: tuple[Judgement, ...]
    directed: tuple[Directed, ...] = ()
    """What people told Elder in comments, in order of path and line."""

    def of(self, magic: str) -> tuple[Judgement, ...]:
        """The judgements of one magic."""
        return tuple(judgement for judgement in self.judgements if judgement.magic == magic)


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One snapshot in numbers: what a week of history keeps."""

    commit: str
    as_of: int
    """Seconds since the epoch, UTC."""
    eligible: int
    analysed: int
    has_code: bool
    magics: tuple[str, ...]
    tallies: tuple[Tally, ...]

    def of(self, magic: str) -> tuple[Tally, ...]:
        """The tallies of one magic."""
        return tuple(tally for tally in self.tallies if tally.magic == magic)


def severity_under(declared: Severity, measure: RuleMeasure, own: Severity | None) -> Severity:
    """A finding's severity under a ruler: its own one moves along when the ruler moves the rule's."""
    if own is None:
        return measure.severity
    if own is Severity.INFO:
        return Severity.INFO
    moved = own.rank + measure.severity.rank - declared.rank
    return list(Severity)[min(max(moved, 0), Severity.INFO.rank)]


# --- from judgements to a verdict ------------------------------------------------------------------------


def findings_of(judgement: Judgement, ruler: Ruler) -> list[Finding]:
    """The findings of a judgement as a ruler sees them."""
    measure = ruler.rules[judgement.rule]
    return [
        Finding(
            rule=judgement.rule,
            severity=severity_under(judgement.severity, measure, answer.severity),
            tier=measure.tier,
            path=answer.path,
            line=answer.line,
            symbol=answer.symbol,
            message=answer.message,
            remedy=answer.remedy or judgement.remedy,
            fingerprint=answer.fingerprint,
            unit=answer.unit,
            kin=answer.kin,
        )
        for answer in judgement.answers
    ]


def outcome_of(judgement: Judgement, findings: Iterable[Finding]) -> RuleOutcome:
    """The outcome of a judgement; INFO findings affect no unit."""
    return RuleOutcome(
        rule=judgement.rule,
        status=judgement.status,
        reason=judgement.reason,
        units=judgement.units,
        affected=len({finding.unit for finding in findings if finding.severity is not Severity.INFO}),
        duration_ms=judgement.duration_ms,
        name=judgement.name,
    )


def magic_result(judged: Judged, magic: str, ruler: Ruler) -> tuple[MagicResult, list[Finding]]:
    """Result and findings of one magic; shadow findings are among those returned."""
    outcomes: list[RuleOutcome] = []
    findings: list[Finding] = []
    for judgement in judged.of(magic):
        found = findings_of(judgement, ruler)
        outcomes.append(outcome_of(judgement, found))
        findings.extend(found)
    duration_ms = sum(outcome.duration_ms for outcome in outcomes)
    return score_magic(magic, outcomes, findings, ruler, duration_ms=duration_ms), findings


def verdict_of(judged: Judged, ruler: Ruler) -> Verdict:
    """The verdict that a ruler makes of judgements."""
    results: list[MagicResult] = []
    findings: list[Finding] = []
    for magic in judged.magics:
        result, found = magic_result(judged, magic, ruler)
        results.append(result)
        findings.extend(found)
    return assemble(judged, ruler, results, findings)


def assemble(judged: Judged, ruler: Ruler, results: Sequence[MagicResult], findings: Iterable[Finding]) -> Verdict:
    """The verdict from the results and findings of the magics."""
    ordered = tuple(sorted(findings, key=lambda finding: finding.sort_key))
    if judged.has_code:
        status, reason, score = score_overall(results, ordered, ruler.weights)
    else:
        status, reason, score = Status.NOT_APPLICABLE, "no code", None
    return Verdict(
        snapshot=judged.snapshot,
        ruler=ruler.digest,
        baseline=judged.baseline,
        coverage=judged.coverage,
        status=status,
        reason=reason,
        score=score,
        magics=tuple(results),
        findings=ordered,
    )


# --- in numbers ------------------------------------------------------------------------------------------


def point_of(judged: Judged) -> Point:
    """A snapshot in numbers.

    Raises:
        ValueError: it is of a staged tree, which no week of history can hold.
    """
    if judged.snapshot.commit is None:
        raise ValueError("a staged tree is no point of a history")
    return Point(
        commit=judged.snapshot.commit,
        as_of=judged.snapshot.as_of,
        eligible=judged.coverage.eligible,
        analysed=judged.coverage.analysed,
        has_code=judged.has_code,
        magics=judged.magics,
        tallies=tuple(map(_tally, judged.judgements)),
    )


def _tally(judgement: Judgement) -> Tally:
    units: dict[str, set[str]] = {}
    for answer in judgement.answers:
        units.setdefault(answer.unit, set()).add("" if answer.severity is None else str(answer.severity))
    affected: dict[str, int] = {}
    for severities in units.values():
        name = ",".join(sorted(severities))
        affected[name] = affected.get(name, 0) + 1
    return Tally(
        rule=judgement.rule,
        magic=judgement.magic,
        severity=judgement.severity,
        limits=judgement.limits,
        status=judgement.status,
        reason=judgement.reason,
        units=judgement.units,
        affected=dict(sorted(affected.items())),
        findings=dict(sorted(Counter(str(answer.severity or "") for answer in judgement.answers).items())),
    )


def open_findings(tally: Tally, ruler: Ruler) -> int:
    """How many findings of a tally a ruler shows, notices left out."""
    measure = ruler.rules[tally.rule]
    if measure.tier is Tier.SHADOW:
        return 0
    return sum(
        number
        for own, number in tally.findings.items()
        if severity_under(tally.severity, measure, Severity(own) if own else None) is not Severity.INFO
    )


class Weighed(msgspec.Struct, frozen=True):
    """One severity that open findings of a rule have, and the rule's tier: all that caps ask for."""

    rule: str
    severity: Severity
    tier: Tier


def weigh(tally: Tally, ruler: Ruler) -> tuple[RuleOutcome, list[Weighed]]:
    """The outcome that a tally has under a ruler, and the severities of its findings."""
    measure = ruler.rules[tally.rule]
    affected = 0
    present: set[Severity] = set()
    for name, units in tally.affected.items():
        severities = {
            severity_under(tally.severity, measure, Severity(own) if own else None) for own in name.split(",")
        }
        present |= severities
        if severities != {Severity.INFO}:
            affected += units
    outcome = RuleOutcome(
        rule=tally.rule, status=tally.status, reason=tally.reason, units=tally.units, affected=affected
    )
    return outcome, [Weighed(tally.rule, severity, measure.tier) for severity in sorted(present)]


class PointScore(msgspec.Struct, frozen=True, kw_only=True):
    """A point under a ruler."""

    point: Point
    status: Status
    reason: str
    score: Fraction | None
    magics: tuple[MagicResult, ...]


def score_point(point: Point, ruler: Ruler) -> PointScore:
    """Score a point: the same arithmetic as a verdict's, on tallies."""
    results: list[MagicResult] = []
    present: list[Weighed] = []
    for magic in point.magics:
        weighed = [weigh(tally, ruler) for tally in point.of(magic)]
        severities = [item for _, items in weighed for item in items]
        results.append(score_magic(magic, [outcome for outcome, _ in weighed], severities, ruler))
        present.extend(severities)
    if point.has_code:
        status, reason, score = score_overall(results, present, ruler.weights)
    else:
        status, reason, score = Status.NOT_APPLICABLE, "no code", None
    return PointScore(point=point, status=status, reason=reason, score=score, magics=tuple(results))


# --- what judged -----------------------------------------------------------------------------------------


@functools.cache
def code_digest() -> str:
    """sha256 over every file of the core: what was judged by other code is judged again."""
    root = Path(__file__).parent
    hashed = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.suffix in {".py", ".json"}):
        content = path.read_bytes()
        hashed.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode())
        hashed.update(content)
    return hashed.hexdigest()


def judged_key(revision: str, baseline: str | None, limits: Mapping[str, Mapping[str, int]]) -> bytes:
    """What two audits must have in common to say the same before they are weighed: code, commit, baseline, limits.

    It begins with `code_prefix`, so that what other code judged can be told apart.
    """
    document = msgspec.json.encode([revision, baseline or "", limits], order="sorted")
    return code_prefix() + hashlib.sha256(document).digest()


def code_prefix() -> bytes:
    """The first 8 bytes of the code's digest."""
    return bytes.fromhex(code_digest()[:16])


def limits_of(ruler: Ruler) -> dict[str, dict[str, int]]:
    """The limits of every rule of a ruler."""
    return {code: measure.limits for code, measure in ruler.rules.items()}
