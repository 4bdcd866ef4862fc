"""From rows of the store to what a page shows: pure functions, no component, no store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

JUDGED = ("finding", "pass")
"""Outcomes that enter a score; others mean that the question did not arise or could not be answered."""
RULES_NAMED = 3


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

    @property
    def change(self) -> float:
        """Points up or down."""
        return self.after - self.before

    @property
    def reason(self) -> str:
        """What moved it most: code, scope or ruler."""
        if abs(self.ruler) > abs(self.code):
            return "ruler"
        return "scope" if self.is_scope_changed and not self.rules else "code"


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


def status_shares(statuses: Mapping[str, int]) -> list[tuple[str, int, float]]:
    """(status, repositories, share) in the order of the eye: passed, warning, failed, others."""
    order = ("passed", "warning", "failed", "error", "insufficient", "not applicable")
    total = sum(statuses.values())
    names = [name for name in order if statuses.get(name)] + sorted(set(statuses) - set(order))
    return [(name, statuses[name], statuses[name] / total) for name in names]


def change_over(weeks: Sequence[Mapping[str, Any]], back: int) -> float | None:
    """The mean now less the mean some weeks ago; None where that was not measured."""
    if len(weeks) <= back:
        return None
    difference: float = weeks[-1]["mean"] - weeks[-1 - back]["mean"]
    return difference
