"""A team's scorecard: what its repositories were worth week by week, which level they have, and what they lack.

Pure but for pandas: frames and records in, a frame of SCORECARDS out. Scores are compared fairly: the overall score of
every repository is weighted by the team's own profile, whatever profile the repository's file asks for. A repository
that could not be audited has a row that says so and no score; it is averaged into nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from elder_assets.audit.frames import SCORECARDS, frame, validate
from elder_assets.audit.levels import COUNTED, NONE, RANKS, Current, level_of, needed_of, team_level
from elder_assets.audit.model import Status
from elder_assets.audit.policy import LEVELS, Level, LevelPolicy

TREND_WEEKS = 8
TREND_POINTS_MIN = 4
"""Weeks with a score that a trend needs; chosen by us."""


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the team's repositories over time."""

    weeks: pd.DataFrame
    """Scores of past weeks, a frame of WEEKS."""
    counts: pd.DataFrame
    """One row a default audit: repository, week, new (with reopened), fixed (int64)."""
    gates: pd.DataFrame
    """One row a gate: repository, week, status."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The level of a team, and why it is not the next one."""

    level: str
    """none, bronze, silver or gold."""
    having: int
    """Repositories that have the next level."""
    needed: int
    """Repositories that must have it."""
    repositories: int
    next_level: str
    """'' at the highest."""


def week_of(moment: dt.datetime | pd.Timestamp) -> str:
    """The Monday of a moment's week, UTC."""
    day = moment.astimezone(dt.UTC).date()
    return (day - dt.timedelta(days=day.weekday())).isoformat()


def scorecard(
    team: str,
    now: dt.datetime,
    current: Sequence[Current],
    past: Past,
    levels: Mapping[Level, LevelPolicy],
    *,
    weights: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """One row a week, repository and magic, in that order; a frame of SCORECARDS.

    Args:
        team: key of the team.
        now: the running week is that of this moment.
        current: the team's repositories as they stand now.
        past: of the same repositories.
        levels: what each level asks for.
        weights: magic to weight, by the team's profile; None = each repository's own overall score.
    """
    weeks = past.weeks
    rows = _past_rows(team, weeks[weeks["week"] < week_of(now)]) if len(weeks) else []
    for repository in current:
        rows += _current_rows(team, week_of(now), repository)
    table = pd.DataFrame(
        rows, columns=["team", "week", "repository", "magic", "status", "reason", "score", "coverage_pct", "open"]
    )
    if weights is not None:
        table = _weighted(table, weights)
    table = _with_counts(table, past.counts, past.gates)
    table = table.sort_values(["repository", "magic", "week"], kind="stable")
    table["trend"] = _trends(table)
    newest = {item.repository: item for item in current}
    judged = [_level(row, newest, levels, now) for row in table.to_dict("records")]
    table["level"] = [level for level, _ in judged]
    table["missing"] = [missing for _, missing in judged]
    ordered = table.sort_values(["week", "repository", "magic"], kind="stable")
    plain = ordered.astype(object).where(ordered.notna(), None)
    return validate(SCORECARDS, frame(SCORECARDS, _records(plain)))


def _past_rows(team: str, weeks: pd.DataFrame) -> list[dict[str, Any]]:
    eligible = weeks["eligible_files"].where(weeks["eligible_files"] > 0)
    coverage = (100 * weeks["analysed_files"] / eligible).round(1)
    kept = weeks.assign(team=team, coverage_pct=coverage, open=weeks["findings"])
    names = ["team", "week", "repository", "magic", "status", "reason", "score", "coverage_pct", "open"]
    return _records(kept[names])


def _records(content: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in content.to_dict("records")]


def _current_rows(team: str, week: str, item: Current) -> list[dict[str, Any]]:
    same = {"team": team, "week": week, "repository": item.repository}
    if item.failing_since is not None or item.audited_at is None:
        since = f" since {item.failing_since:%Y-%m-%d}" if item.failing_since else ""
        reason = f"cannot be audited{since}: {item.failure}" if item.failure else "never audited"
        empty = {"status": Status.ERROR.value, "reason": reason, "score": None, "coverage_pct": None, "open": None}
        return [{**same, "magic": "", **empty}]
    whole = {
        "status": item.status,
        "reason": item.reason,
        "score": item.score,
        "coverage_pct": item.coverage_pct,
        "open": item.open,
    }
    rows = [{**same, "magic": "", **whole}]
    for magic, (status, reason, score, findings) in item.magics.items():
        part = {"status": status, "reason": reason, "score": score, "open": findings}
        rows.append({**same, "magic": magic, "coverage_pct": item.coverage_pct, **part})
    return rows


def _weighted(table: pd.DataFrame, weights: Mapping[str, int]) -> pd.DataFrame:
    """The overall score of every repository and week, by the team's weights over the magics that count."""
    magics = table[(table["magic"] != "") & table["status"].isin(COUNTED) & table["score"].notna()]
    weight = magics["magic"].map(dict(weights)).fillna(0).astype(float)
    sums = (
        pd.DataFrame({"week": magics["week"], "repository": magics["repository"], "weight": weight})
        .assign(points=magics["score"].astype(float) * weight)
        .groupby(["week", "repository"])[["points", "weight"]]
        .sum()
    )
    mean = (sums["points"] / sums["weight"].where(sums["weight"] > 0)).round(1)
    keys = pd.MultiIndex.from_frame(table[["week", "repository"]])
    is_whole = (table["magic"] == "") & table["score"].notna()
    table = table.copy()
    table.loc[is_whole, "score"] = mean.reindex(keys).to_numpy()[is_whole.to_numpy()]
    return table


def _with_counts(table: pd.DataFrame, counts: pd.DataFrame, gates: pd.DataFrame) -> pd.DataFrame:
    """Findings that came and went, and gates, beside the rows of the whole."""
    keys = ["repository", "week"]
    moved = counts.groupby(keys)[["new", "fixed"]].sum() if len(counts) else None
    table = table.copy()
    index = pd.MultiIndex.from_frame(table[keys])
    is_whole = (table["magic"] == "").to_numpy()
    for name in ("new", "fixed"):
        values = np.full(len(table), np.nan) if moved is None else moved[name].reindex(index).to_numpy(dtype=float)
        table[name] = pd.Series(np.where(is_whole, values, np.nan), index=table.index).astype("Int64")
    table["open"] = pd.to_numeric(table["open"]).astype("Int64")
    for status, name in ((Status.PASSED, "gates_passed"), (Status.FAILED, "gates_failed")):
        having = gates[gates["status"] == status.value] if len(gates) else gates
        number = (
            having.groupby(keys).size().reindex(index).fillna(0).to_numpy() if len(having) else np.zeros(len(table))
        )
        table[name] = np.where(is_whole, number, 0).astype("int64")
    return table


def _trends(table: pd.DataFrame) -> list[float | None]:
    """Slope of the least-squares line through the last eight weeks up to each row, points a week."""
    found: list[float | None] = []
    for _, group in table.groupby(["repository", "magic"], sort=False):
        scores, mondays = group["score"].astype(float).to_numpy(), pd.to_datetime(group["week"]).to_numpy()
        number = (mondays - mondays[0]) / np.timedelta64(7, "D")
        found += [_slope(number, scores, place) for place in range(len(group))]
    return found


def _slope(weeks: np.ndarray[Any, Any], scores: np.ndarray[Any, Any], place: int) -> float | None:
    recent = (weeks <= weeks[place]) & (weeks > weeks[place] - TREND_WEEKS) & ~np.isnan(scores)
    x, y = weeks[recent], scores[recent]
    if len(x) < TREND_POINTS_MIN or np.isnan(scores[place]):
        return None
    x = x - x.mean()
    return round(float((x * (y - y.mean())).sum() / (x * x).sum()), 2)


# --- levels ----------------------------------------------------------------------------------------------


def _level(
    row: Mapping[Any, Any],
    newest: Mapping[str, Current],
    levels: Mapping[Level, LevelPolicy],
    now: dt.datetime,
) -> tuple[str, str]:
    """Level and what the next one lacks, of a repository's row of the running week; ('', '') for any other row."""
    item = newest.get(row["repository"])
    if row["magic"] or row["week"] != week_of(now) or item is None:
        return "", ""
    return level_of(item, None if pd.isna(row["score"]) else float(row["score"]), levels, now)


def standing_of(content: pd.DataFrame, share_pct: float) -> Standing:
    """The level of the team in the newest week of its scorecard.

    Args:
        content: a frame of SCORECARDS of one team.
        share_pct: per cent of the repositories that must have a level for the team to have it.
    """
    whole = content[content["magic"] == ""]
    newest = whole[whole["week"] == whole["week"].max()] if len(whole) else whole
    has = [RANKS.index(level or NONE) for level in newest["level"]]
    level = team_level([str(one or "") for one in newest["level"]], share_pct)
    reached = RANKS.index(level)
    following = "" if reached == len(LEVELS) else LEVELS[reached]
    return Standing(
        level=level,
        having=sum(rank > reached for rank in has),
        needed=needed_of(len(has), share_pct),
        repositories=len(has),
        next_level=following,
    )
