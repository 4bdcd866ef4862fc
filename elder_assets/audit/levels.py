"""Levels of a repository: how it stands, which level that is, and what the next one still asks for.

Pure. What a level asks for is in `policy.py`; how a team's level follows from its repositories' is here too.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence

import msgspec

from elder_assets.audit.model import Status
from elder_assets.audit.policy import LEVELS, Level, LevelPolicy

COUNTED = (Status.PASSED.value, Status.WARNING.value, Status.FAILED.value)
NONE = "none"
RANKS = (NONE, *LEVELS)


class Current(msgspec.Struct, frozen=True, kw_only=True):
    """How one repository stands now."""

    repository: str
    status: str
    reason: str
    score: float | None
    magics: Mapping[str, tuple[str, str, float | None, int]]
    """Magic to status, reason, score and open findings."""
    coverage_pct: float | None
    open: int
    critical: int
    high: int
    audited_at: dt.datetime | None
    """None when it was never audited."""
    failing_since: dt.datetime | None = None
    failure: str = ""


def level_of(
    item: Current, score: float | None, levels: Mapping[Level, LevelPolicy], now: dt.datetime
) -> tuple[str, str]:
    """The level that a repository has, and what the next one still asks for, in words; '' at the highest.

    Levels build on each other: without bronze there is no silver.
    """
    reached = NONE
    for level in LEVELS:
        lacking = lacks(item, score, levels[level], now)
        if lacking:
            return reached, f"{level}: {'; '.join(lacking)}"
        reached = level
    return reached, ""


def lacks(item: Current, score: float | None, asked: LevelPolicy, now: dt.datetime) -> list[str]:
    """What a repository lacks for a level, one reason a rule; [] when it has it."""
    if item.failing_since is not None or item.audited_at is None:
        return [f"it cannot be audited: {item.failure}" if item.failure else "it was never audited"]
    lacking = []
    if asked.score is not None and (score is None or score < asked.score):
        lacking.append(f"score {_shown(score)}, needs {asked.score:g}")
    if asked.coverage is not None and (item.coverage_pct is None or item.coverage_pct < asked.coverage):
        lacking.append(f"coverage {_shown(item.coverage_pct)} %, needs {asked.coverage:g} %")
    for name, number, most in (("critical", item.critical, asked.critical), ("high", item.high, asked.high)):
        if most is not None and number > most:
            lacking.append(f"{number} open {name} gate findings, at most {most}")
    for magic, needed in asked.magics.items():
        status, _, value, _ = item.magics.get(magic, ("", "", None, 0))
        if status in COUNTED and value is not None and value < needed:
            lacking.append(f"{magic} {value:g}, needs {needed:g}")
    if asked.audited_days is not None and (now - item.audited_at).days > asked.audited_days:
        lacking.append(f"audited {(now - item.audited_at).days} days ago, at most {asked.audited_days}")
    return lacking


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"


def weighted_score(
    magics: Mapping[str, tuple[str, str, float | None, int]], weights: Mapping[str, int]
) -> float | None:
    """The overall score by a team's weights over the magics that count, 0-100, to 0.1; None where none does.

    Args:
        magics: as in `Current`.
        weights: magic to weight.
    """
    known = [
        (score, weights.get(magic, 0))
        for magic, (status, _, score, _) in magics.items()
        if status in COUNTED and score is not None
    ]
    total = sum(weight for _, weight in known)
    return round(sum(score * weight for score, weight in known) / total, 1) if total else None


def team_level(levels: Sequence[str], share_pct: float) -> str:
    """The level that enough of a team's repositories have.

    Args:
        levels: of its repositories; '' counts as none.
        share_pct: per cent of them that must have a level for the team to have it.
    """
    ranks = [RANKS.index(level or NONE) for level in levels]
    needed = needed_of(len(ranks), share_pct)
    reached = NONE
    for rank, level in enumerate(LEVELS, 1):
        if sum(has >= rank for has in ranks) < needed:
            break
        reached = level
    return reached


def needed_of(repositories: int, share_pct: float) -> int:
    """How many of a team's repositories must have a level for the team to have it."""
    return max(1, math.ceil(repositories * share_pct / 100))
