"""From rows of the store to what a page shows: pure functions, no component, no store."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import msgspec

STATUS_ORDER = {
    name: place for place, name in enumerate(("passed", "warning", "failed", "error", "insufficient", "not applicable"))
}
SEVERITY_ORDER = {name: place for place, name in enumerate(("critical", "high", "medium", "low", "info"))}
JUDGED = ("finding", "pass")
"""Outcomes that enter a score; others mean that the question did not arise or could not be answered."""
RULES_NAMED = 3
SHOWN_POINTS_MIN = 0.05
"""Points that are not 0.0 when they are shown."""


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """A repository whose score moved, and why."""

    repository: str
    before: float
    after: float
    code: float
    """Points that the code moved."""
    ruler: float
    """Points that another ruler moved; 0 under the same one."""
    is_scope_changed: bool
    """Rules began or ceased to apply."""
    rules: tuple[tuple[str, int], ...]
    """Rules with most change in affected units: (code, units more or fewer)."""
    magics: tuple[tuple[str, float], ...] = ()
    """Where the earlier score is a week's: magics with most change, (magic, points of the whole)."""

    @property
    def change(self) -> float:
        """Points up or down."""
        return self.after - self.before

    @property
    def reason(self) -> str:
        """What moved it most: code, scope or ruler."""
        if abs(self.ruler) > abs(self.code):
            return "ruler"
        return "scope" if self.is_scope_changed and not self.rules and not self.magics else "code"


def move_of(
    row: Mapping[str, Any],
    before: Mapping[str, Mapping[str, Any]],
    after: Mapping[str, Mapping[str, Any]],
    same_ruler_before: float | None,
) -> Move:
    """Why a repository moved, from the outcomes of its two snapshots.

    Args:
        row: of `Pages.movers`.
        before: outcomes of the earlier snapshot, by rule.
        after: outcomes of the later one.
        same_ruler_before: the earlier score under the later ruler; None where nobody asked it then.
    """
    is_same_ruler = row["ruler_before"] == row["ruler_after"]
    start = row["before"] if is_same_ruler else same_ruler_before
    change = row["after"] - row["before"]
    code = change if start is None and is_same_ruler else (row["after"] - start if start is not None else 0.0)
    judged = [{rule for rule, outcome in side.items() if outcome["status"] in JUDGED} for side in (before, after)]
    moved = [(rule, after[rule]["affected"] - before[rule]["affected"]) for rule in sorted(judged[0] & judged[1])]
    named = sorted((item for item in moved if item[1]), key=lambda item: (-abs(item[1]), item[0]))
    return Move(
        repository=row["repository"],
        before=row["before"],
        after=row["after"],
        code=code,
        ruler=change - code,
        is_scope_changed=judged[0] != judged[1],
        rules=tuple(named[:RULES_NAMED]),
    )


def move_since_week(row: Mapping[str, Any], magics: Mapping[str, tuple[float | None, float | None]]) -> Move:
    """Why a repository moved since a week that was scored later: the magics say it, since a week keeps no rules.

    Args:
        row: of `Pages.movers`, with no snapshot before.
        magics: each one's score in that week and now.
    """
    counted = sum(1 for _, now in magics.values() if now is not None)
    moved = [
        (name, (now - then) / counted) for name, (then, now) in magics.items() if then is not None and now is not None
    ]
    named = sorted(
        (item for item in moved if abs(item[1]) >= SHOWN_POINTS_MIN), key=lambda item: (-abs(item[1]), item[0])
    )
    change = row["after"] - row["before"]
    is_same_ruler = row["ruler_before"] == row["ruler_after"]
    return Move(
        repository=row["repository"],
        before=row["before"],
        after=row["after"],
        code=change if is_same_ruler else 0.0,
        ruler=0.0 if is_same_ruler else change,
        is_scope_changed=any((then is None) != (now is None) for then, now in magics.values()),
        rules=(),
        magics=tuple(named[:RULES_NAMED]),
    )


def status_shares(statuses: Mapping[str, int]) -> list[tuple[str, int, float]]:
    """(status, repositories, share) in the order of the eye: passed, warning, failed, others."""
    total = sum(statuses.values())
    names = sorted(statuses, key=lambda name: (STATUS_ORDER.get(name, len(STATUS_ORDER)), name))
    return [(name, statuses[name], statuses[name] / total) for name in names]


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """How the overall score comes about."""

    counted: int
    """Magics that enter the mean."""
    left_out: tuple[tuple[str, str], ...]
    """(magic, status) of those that do not."""
    losses: tuple[tuple[str, float], ...]
    """(magic, points of the whole that it costs), most first."""


COUNTED = ("passed", "warning", "failed")


def explained(magics: Mapping[str, Mapping[str, Any]]) -> Explained:
    """The mean of the magics that could be judged, and what each takes away from 100 (D14)."""
    counted = {
        name: row["score"] for name, row in magics.items() if row["status"] in COUNTED and row["score"] is not None
    }
    losses = [(name, (100 - score) / len(counted)) for name, score in counted.items() if score < 100]
    return Explained(
        counted=len(counted),
        left_out=tuple((name, row["status"]) for name, row in magics.items() if name not in counted),
        losses=tuple(sorted(losses, key=lambda loss: (-loss[1], loss[0]))),
    )


def first_rules(rows: Sequence[Mapping[str, Any]], why: Explained, count: int = 3) -> list[Mapping[str, Any]]:
    """The rules to look at first, each once: what fails a check, then what costs the repository most points.

    Args:
        rows: of `RepositoryPages.rules_now`.
        why: what each magic costs.
        count: how many.
    """
    lost = dict(why.losses)

    def weight(row: Mapping[str, Any]) -> tuple[bool, float, int, int, str]:
        fails = row["tier"] == "gate" and row["severity"] in {"critical", "high"}
        return not fails, -lost.get(row["magic"], 0.0), SEVERITY_ORDER[row["severity"]], -row["open"], row["rule"]

    first: dict[str, Mapping[str, Any]] = {}
    for row in sorted((row for row in rows if row["open"]), key=weight):
        first.setdefault(row["rule"], row)
    return list(first.values())[:count]


def events_of_audits(audits: Sequence[Mapping[str, Any]]) -> list[tuple[Any, str]]:
    """(time, ruler) of audits by another ruler than the audit before; `audits` newest first."""
    default = [audit for audit in audits if audit["kind"] == "default"]
    pairs = itertools.pairwise(default)
    return [(newer["as_of"], newer["ruler"]) for newer, older in pairs if newer["ruler"] != older["ruler"]]


def share_of(text: str) -> float:
    """A fraction as the store keeps it, '5/6', as a number."""
    return float(Fraction(text))


def with_risk(files: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Files with their risk, 0-1, riskiest first: the larger of two shares of the worst file.

    One is by weight of findings, the other by changes x complexity; roots, so that one bad file does not hide the rest.
    """
    heaviest = max((file["weight"] for file in files), default=0)
    hottest = max((file["changes"] * file["cognitive"] for file in files), default=0)
    found = []
    for file in files:
        by_findings = file["weight"] / heaviest if heaviest else 0.0
        by_change = file["changes"] * file["cognitive"] / hottest if hottest else 0.0
        found.append({**file, "risk": max(by_findings, by_change) ** 0.5})
    return sorted(found, key=lambda file: (-file["risk"], -file["size_bytes"], file["path"]))
