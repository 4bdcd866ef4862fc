"""What happened between two audits of one repository, as events that alert rules look at.

What belongs here: the summary of an audit that alerts need, and pure functions from summaries to events. What does
not: thresholds, channels and who is told (alerts.py), wording (resources/notifiers/messages.py), any store or clock.

Most events say how things stand, not that they changed: an event is made at every audit, and `alerts.decide` compares
it with what people were told last. So an alert that a cool-down held back is not lost, and no event is needed to clear.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any, Literal

import msgspec

from elder_assets.audit.model import Finding, Severity, Status, Verdict
from elder_assets.audit.scoring import gate_findings, rounded

Kind = Literal[
    "status_changed",
    "gate_failed",
    "score_dropped",
    "violation_rate",
    "critical_finding",
    "cannot_audit",
    "prediction_warning",
    "suppression_expiring",
    "elder_unwell",
    "outside_alert",
    "initiative_reached",
    "initiative_missed",
]
Unit = Literal["", "points", "share", "findings", "days", "ms", "seconds", "MB/h", "messages", "/5 min"]
ELDER = "elder"
"""The project of events about Elder itself."""

JUDGED = (Status.PASSED, Status.WARNING, Status.FAILED)
TOP_FINDINGS = 3
"""How many findings a message shows; chosen by us: what a phone shows without scrolling."""
DAY_SECONDS = 86_400


class TopFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding as a message shows it. Its texts come from a repository: hostile."""

    finding_id: str
    """Stable over moves (the store's id, or the fingerprint)."""
    rule: str
    place: str
    """Path and line, `src/basket.py:12`; '' for the repository as a whole."""
    message: str
    remedy: str = ""


class MagicSummary(msgspec.Struct, frozen=True, kw_only=True):
    """How one magic came out: its score (0-100) and how many of its units have a finding."""

    magic: str
    status: Status
    score: float | None
    units: int
    affected: int


class AuditSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What alerts need to know of one audit of a default branch."""

    repository: str
    team: str
    commit: str
    as_of: int
    """Seconds since the epoch: date of the commit."""
    audited_at: int
    """Seconds since the epoch: when it was audited. Windows and time ranges are measured on this clock."""
    status: Status
    score: float | None
    magics: tuple[MagicSummary, ...] = ()
    criticals: tuple[TopFinding, ...] = ()
    """Open findings of tier gate and severity critical, worst first."""
    predictions: tuple[TopFinding, ...] = ()
    """Open findings of the predictive magic that warn of what comes."""
    reason: str = ""
    """Why it could not be audited."""
    gate: Literal["", "passed", "failed", "error"] = ""
    """'' where no gate was judged."""
    gate_findings: tuple[TopFinding, ...] = ()
    """What fails the gate, worst first."""
    link: str = ""
    """Path of the page that shows the audit, from the root of the control plane."""


class ScorePoint(msgspec.Struct, frozen=True):
    """The score of an earlier audit, and when it was audited (seconds since the epoch)."""

    at: int
    score: float


class Suppression(msgspec.Struct, frozen=True, kw_only=True):
    """A suppression that ends at `until` (seconds since the epoch)."""

    suppression_id: str
    rule: str
    place: str
    reason: str
    until: int


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """How one thing stands in one project at one moment, with what it was before."""

    kind: Kind
    project: str
    team: str
    at: int
    """Seconds since the epoch."""
    commit: str = ""
    what: str = ""
    """Which one of its kind: a magic, '7d' for a window, a digest of the findings; '' where there is only one."""
    before: str | float | None = None
    after: str | float | None = None
    unit: Unit = ""
    """Of `before` and `after` where they are numbers; a share is 0-1."""
    affected: int = 0
    units: int = 0
    found: int = 0
    """How many findings it is about; `findings` holds the first of them."""
    findings: tuple[TopFinding, ...] = ()
    from_at: int = 0
    """Start of the time range that `before` and `after` stand for; 0 for none."""
    reason: str = ""
    link: str = ""
    limit: float | None = None
    """What `after` is held against, for kinds whose rules have no threshold."""


def summary_of(
    verdict: Verdict, *, team: str, audited_at: int, gate: Literal["", "passed", "failed", "error"] = "", link: str = ""
) -> AuditSummary:
    """The summary of a verdict; findings are named by their fingerprint."""
    open_gate = gate_findings(verdict.findings)
    return AuditSummary(
        repository=verdict.snapshot.repository,
        team=team,
        commit=verdict.snapshot.commit or verdict.snapshot.tree,
        as_of=verdict.snapshot.as_of,
        audited_at=audited_at,
        status=verdict.status,
        score=rounded(verdict.score),
        magics=tuple(
            MagicSummary(
                magic=magic.magic,
                status=magic.status,
                score=rounded(magic.score),
                units=sum(outcome.units for outcome in magic.outcomes),
                affected=sum(outcome.affected for outcome in magic.outcomes),
            )
            for magic in verdict.magics
        ),
        criticals=_top(finding for finding in open_gate if finding.severity is Severity.CRITICAL),
        predictions=_top(f for f in verdict.findings if f.rule.startswith("PRD") and f.severity is not Severity.INFO),
        reason=verdict.reason if verdict.status is Status.ERROR else "",
        gate=gate,
        gate_findings=_top(open_gate) if gate == "failed" else (),
        link=link,
    )


def _top(findings: Iterable[Finding]) -> tuple[TopFinding, ...]:
    ordered = sorted(findings, key=lambda finding: (finding.severity.rank, finding.sort_key))
    return tuple(
        TopFinding(
            finding_id=finding.fingerprint,
            rule=finding.rule,
            place=f"{finding.path}:{finding.line}" if finding.line else finding.path,
            message=finding.message,
            remedy=finding.remedy,
        )
        for finding in ordered
    )


def derive_events(
    before: AuditSummary | None,
    after: AuditSummary,
    *,
    judged: AuditSummary | None = None,
    points: Sequence[ScorePoint] = (),
    windows_days: Sequence[int] = (7,),
) -> list[Event]:
    """How a repository stands after an audit, one event a thing that rules may look at.

    Args:
        before: the audit before this one; None for the first.
        after: the audit that just ended.
        judged: the last audit before this one that was not an error, where `before` is one.
        points: scores of earlier audits, in any order, at least as far back as the longest window.
        windows_days: the windows over which rules measure a drop of the score.

    Raises:
        ValueError: the two audits are of different repositories.
    """
    if before is not None and before.repository != after.repository:
        msg = f"audits of {before.repository!r} and {after.repository!r} are no pair"
        raise ValueError(msg)
    events = [_cannot_audit(before, after)]
    if after.status is Status.ERROR:
        return events  # not measured is not clean: nothing else can be said, nor cleared
    earlier = judged or (before if before is not None and before.status is not Status.ERROR else None)
    if after.status in JUDGED:
        events.append(_status(earlier, after))
    if after.gate in {"passed", "failed"}:
        events.append(_gate(earlier, after))
    known = [
        *points,
        *([ScorePoint(earlier.audited_at, earlier.score)] if earlier and earlier.score is not None else []),
    ]
    events += [event for days in sorted(set(windows_days)) for event in _score(after, known, days)]
    events += _rates(earlier, after)
    events += _new_findings("critical_finding", earlier.criticals if earlier else (), after.criticals, after)
    events += _new_findings("prediction_warning", earlier.predictions if earlier else (), after.predictions, after)
    return events


def expiring_events(
    project: str, team: str, suppressions: Iterable[Suppression], now: int, *, link: str = ""
) -> list[Event]:
    """One event for each day on which suppressions of a project end, soonest first; what ended already is left out."""
    by_day: dict[int, list[Suppression]] = {}
    for suppression in suppressions:
        if suppression.until > now:
            by_day.setdefault(suppression.until // DAY_SECONDS, []).append(suppression)
    return [
        Event(
            kind="suppression_expiring",
            project=project,
            team=team,
            at=now,
            what=_digest(s.suppression_id + str(s.until) for s in ending),
            after=float((min(s.until for s in ending) - now) // DAY_SECONDS),
            unit="days",
            found=len(ending),
            findings=tuple(
                TopFinding(finding_id=s.suppression_id, rule=s.rule, place=s.place, message=s.reason)
                for s in sorted(ending, key=lambda s: (s.until, s.suppression_id))[:TOP_FINDINGS]
            ),
            from_at=now,
            link=link,
        )
        for _, ending in sorted(by_day.items())
    ]


def _event(summary: AuditSummary, kind: Kind, /, **fields: Any) -> Event:
    event = Event(
        kind=kind,
        project=summary.repository,
        team=summary.team,
        at=summary.audited_at,
        commit=summary.commit,
        link=summary.link,
    )
    return msgspec.structs.replace(event, **fields)


def _cannot_audit(before: AuditSummary | None, after: AuditSummary) -> Event:
    def said(summary: AuditSummary | None) -> str | None:
        return None if summary is None else ("error" if summary.status is Status.ERROR else "audited")

    return _event(after, "cannot_audit", before=said(before), after=said(after), reason=after.reason)


def _status(earlier: AuditSummary | None, after: AuditSummary) -> Event:
    told = earlier.status.value if earlier is not None and earlier.status in JUDGED else None
    return _event(
        after,
        "status_changed",
        before=told,
        after=after.status.value,
        from_at=earlier.audited_at if earlier else 0,
        found=len(after.criticals),
        findings=after.criticals[:TOP_FINDINGS],
    )


def _gate(earlier: AuditSummary | None, after: AuditSummary) -> Event:
    return _event(
        after,
        "gate_failed",
        before=(earlier.gate or None) if earlier else None,
        after=after.gate,
        found=len(after.gate_findings),
        findings=after.gate_findings[:TOP_FINDINGS],
    )


def _score(after: AuditSummary, points: Iterable[ScorePoint], days: int) -> list[Event]:
    since = after.audited_at - days * DAY_SECONDS
    inside = [point for point in points if since <= point.at <= after.audited_at]
    if after.score is None or not inside:
        return []
    best = max(inside, key=lambda point: (point.score, point.at))
    return [
        _event(
            after,
            "score_dropped",
            what=f"{days}d",
            before=best.score,
            after=after.score,
            unit="points",
            from_at=best.at,
            found=len(after.criticals),
            findings=after.criticals[:TOP_FINDINGS],
        )
    ]


def _rates(earlier: AuditSummary | None, after: AuditSummary) -> list[Event]:
    before = _counts(earlier) if earlier else {}
    return [
        _event(
            after,
            "violation_rate",
            what=what,
            before=_share(*before[what]) if what in before else None,
            after=_share(affected, units),
            unit="share",
            affected=affected,
            units=units,
            from_at=earlier.audited_at if earlier else 0,
        )
        for what, (affected, units) in _counts(after).items()
    ]


def _counts(summary: AuditSummary) -> dict[str, tuple[int, int]]:
    """(affected, units) a magic, and under '' for all of them; what has no units is left out."""
    counts = {magic.magic: (magic.affected, magic.units) for magic in summary.magics if magic.units}
    whole = (sum(affected for affected, _ in counts.values()), sum(units for _, units in counts.values()))
    return {"": whole, **counts} if counts else {}


def _share(affected: int, units: int) -> float:
    return float(Fraction(affected, units))


def _new_findings(
    kind: Kind, earlier: Sequence[TopFinding], now: Sequence[TopFinding], after: AuditSummary
) -> list[Event]:
    """One event for all findings that are new, or one that says that none is left."""
    known = {finding.finding_id for finding in earlier}
    new = [finding for finding in now if finding.finding_id not in known]
    if not new and (now or not earlier):
        return []
    return [
        _event(
            after,
            kind,
            what=_digest(finding.finding_id for finding in new) if new else "",
            before=float(len(earlier)),
            after=float(len(now)),
            unit="findings",
            found=len(new),
            findings=tuple(new[:TOP_FINDINGS]),
        )
    ]


def _digest(names: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:12]
