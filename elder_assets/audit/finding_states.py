"""What becomes of each finding from audit to audit: opened, kept, closed, put back (decision D13).

Pure: the store hands in what it knows and keeps what comes out. Every finding is counted once:

    open + suppressed + fixed + removed  =  previous + new + unveiled + reopened

    previous    findings that were open or suppressed before this audit
    new         the code brought it
    unveiled    the code was there before; a rule, a limit or Elder itself is what is new
    reopened    it was gone and is back
    fixed       it is gone, and the place is still looked at
    removed     its file or its rule left scope, so nobody can say that it was fixed
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from elder_assets.audit.former_codes import current_code
from elder_assets.audit.lifecycle import Changes, match
from elder_assets.audit.model import Finding, RuleOutcome, Severity, Status, Tier
from elder_assets.audit.suppression import Suppressed, Suppression

Standing = Literal["open", "suppressed", "fixed", "removed"]
Event = Literal[
    "new", "unveiled", "reopened", "fixed", "removed", "suppressed", "suppression ended", "moved", "weighed anew"
]
ARRIVALS: tuple[Event, ...] = ("new", "unveiled", "reopened")
ACTIVE: tuple[Standing, ...] = ("open", "suppressed")


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A finding as the store has it."""

    id: int
    finding: Finding
    standing: Standing


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What an audit can say about findings that it does not have."""

    outcomes: tuple[RuleOutcome, ...]
    """Of every rule that was asked."""
    paths: frozenset[str]
    """Files of the snapshot."""
    earlier: tuple[Finding, ...] | None = None
    """What the commit of the audit before has under the ruler of today; None when nothing but code can have changed,
    or when that commit is gone. Then a rule that was not asked before is what is new."""
    asked_before: frozenset[str] = frozenset()
    """Rules that the audit before had an answer of; empty at the first audit."""
    is_first: bool = False
    """No audit came before: whatever is there was there."""


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """What one audit means for one finding."""

    known: int | None
    """Its id; None when it was never seen."""
    finding: Finding
    """As it is now; as it was last seen when it is gone."""
    standing: Standing
    events: tuple[Event, ...]
    """In order; none when it is as before."""
    by: Suppression | None = None
    """What suppresses it."""
    is_answered: bool = True
    """False when its rule had no answer: it stays as it was, for not measured is not fixed."""


class Introduced(msgspec.Struct, frozen=True, kw_only=True):
    """The commit that wrote a finding's line, and the change that brought it to the branch."""

    commit: str
    change: str
    at: int
    """Committer time of the commit, seconds since the epoch, UTC."""


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """One audit's findings, counted: the two sides of the equation above."""

    previous: int = 0
    new: int = 0
    unveiled: int = 0
    reopened: int = 0
    open: int = 0
    suppressed: int = 0
    fixed: int = 0
    removed: int = 0
    not_answered: int = 0
    """Of those open or suppressed: kept because their rule had no answer this time."""

    @property
    def is_conserved(self) -> bool:
        """Whether nothing was lost or doubled."""
        came = self.previous + self.new + self.unveiled + self.reopened
        return came == self.open + self.suppressed + self.fixed + self.removed


def advance(
    known: Sequence[Known], found: Sequence[Finding], suppressed: Sequence[Suppressed], evidence: Evidence
) -> tuple[list[Move], Count]:
    """What an audit means for every finding.

    Args:
        known: every finding of the repository that was ever recorded, closed ones too.
        found: findings of the audit, suppressed ones too; notices and shadow findings are passed over.
        suppressed: those of them that are suppressed, and by what.
        evidence: what else the audit saw.

    Returns:
        A move for every active and every arriving finding, and their count.
    """
    now = [finding for finding in found if is_counted(finding)]
    held = {id(item.finding): item.by for item in suppressed}
    active, closed = _by_standing(known)
    changes = match([item.finding for item in active.values()], now)
    moves = [_kept(active[id(pair.before)], pair.after, held) for pair in changes.existing]
    moves += _arrivals(changes, closed, held, evidence)
    stayed = _unchanged_code(changes.fixed, evidence)
    quiet = [finding for finding in found if not is_counted(finding)]
    stayed |= {id(pair.before) for pair in match(changes.fixed, quiet).existing}
    moves += [_gone(active[id(finding)], finding, evidence, stayed) for finding in changes.fixed]
    return moves, _count(len(active), moves)


def is_counted(finding: Finding) -> bool:
    """Whether a finding has a life: notices and findings of shadow rules have none."""
    return finding.severity is not Severity.INFO and finding.tier is not Tier.SHADOW


def counted(findings: Iterable[Finding]) -> int:
    """How many findings people are told of; the same number on every page, status and event."""
    return sum(map(is_counted, findings))


def _by_standing(known: Sequence[Known]) -> tuple[dict[int, Known], dict[int, Known]]:
    """Active and closed findings, by the identity of their record."""
    active = {id(item.finding): item for item in known if item.standing in ACTIVE}
    closed = {id(item.finding): item for item in known if item.standing not in ACTIVE}
    return active, closed


def _kept(before: Known, after: Finding, held: Mapping[int, Suppression]) -> Move:
    by = held.get(id(after))
    events: list[Event] = []
    if by is not None and before.standing == "open":
        events.append("suppressed")
    if by is None and before.standing == "suppressed":
        events.append("suppression ended")
    if before.finding.path != after.path:
        events.append("moved")
    if (before.finding.severity, before.finding.tier) != (after.severity, after.tier):
        events.append("weighed anew")
    standing: Standing = "open" if by is None else "suppressed"
    return Move(known=before.id, finding=after, standing=standing, events=tuple(events), by=by)


def _arrivals(
    changes: Changes, closed: Mapping[int, Known], held: Mapping[int, Suppression], evidence: Evidence
) -> list[Move]:
    back = match([item.finding for item in closed.values()], changes.new)
    old = {id(pair.after): closed[id(pair.before)].id for pair in back.existing}
    there_before = _there_before(changes.new, evidence)
    moves = []
    for finding in changes.new:
        before = old.get(id(finding))
        arrival: Event = "new" if before is None else "reopened"
        if id(finding) in there_before:
            arrival = "unveiled"
        by = held.get(id(finding))
        events: tuple[Event, ...] = (arrival,) if by is None else (arrival, "suppressed")
        standing: Standing = "open" if by is None else "suppressed"
        moves.append(Move(known=before, finding=finding, standing=standing, events=events, by=by))
    return moves


def _there_before(arriving: Sequence[Finding], evidence: Evidence) -> set[int]:
    """Which of the arriving findings the code had before, by the identity of their record."""
    if evidence.is_first:
        return {id(finding) for finding in arriving}
    if evidence.earlier is not None:
        return {id(pair.after) for pair in match(evidence.earlier, arriving).existing}
    return {id(finding) for finding in arriving if current_code(finding.rule) not in evidence.asked_before}


def _unchanged_code(gone: Sequence[Finding], evidence: Evidence) -> set[int]:
    """Which of the findings that are gone would be gone from the earlier commit too, under the ruler of today."""
    if evidence.earlier is None:
        return set()
    return {id(finding) for finding in match(gone, evidence.earlier).fixed}


_SILENT = frozenset({Status.ERROR, Status.NOT_AVAILABLE})


def _gone(before: Known, finding: Finding, evidence: Evidence, dropped: Collection[int]) -> Move:
    outcome = next((o for o in evidence.outcomes if o.rule == current_code(finding.rule)), None)
    if outcome is not None and outcome.status in _SILENT:
        return Move(known=before.id, finding=finding, standing=before.standing, events=(), is_answered=False)
    left_scope = (
        outcome is None
        or outcome.status is Status.NOT_APPLICABLE
        or id(finding) in dropped
        or (finding.path != "" and finding.path not in evidence.paths)
    )
    if left_scope:
        return Move(known=before.id, finding=finding, standing="removed", events=("removed",))
    return Move(known=before.id, finding=finding, standing="fixed", events=("fixed",))


def _count(previous: int, moves: Sequence[Move]) -> Count:
    def having(event: Event) -> int:
        return sum(event in move.events for move in moves)

    def standing(name: Standing) -> int:
        return sum(move.standing == name for move in moves)

    return Count(
        previous=previous,
        new=having("new"),
        unveiled=having("unveiled"),
        reopened=having("reopened"),
        open=standing("open"),
        suppressed=standing("suppressed"),
        fixed=standing("fixed"),
        removed=standing("removed"),
        not_answered=sum(not move.is_answered for move in moves),
    )
