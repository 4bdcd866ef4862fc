"""A team's scorecard from the results store: what the asset, the command and nobody else call."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import msgspec
import pandas as pd

from elder_assets.audit.frames import WEEKS, empty_frame
from elder_assets.audit.policy import NO_POLICY, Level, LevelPolicy, levels_of, read_policy, ruler_under
from elder_assets.audit.ruler import default_ruler
from elder_assets.scorecards import Past, scorecard, week_of
from resources.store import Store
from resources.teams.standings import standings

WEEKS_SHOWN = 52


class TeamTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How a team's scorecard is made, by its central policy."""

    levels: Mapping[Level, LevelPolicy]
    share_pct: float
    """Per cent of the repositories that must have a level for the team to have it."""
    weights: Mapping[str, int] | None
    """Magic to weight; None without a central policy: each repository's own score is shown."""


def team_terms(store: Store, team: str) -> TeamTerms:
    """The terms of a team.

    Raises:
        StoreError: there is no such team.
        ConfigurationError: its policy names what this Elder no longer has.
    """
    versions = store.policies(team)
    document = versions[0].document if versions else ""
    if not document:
        return TeamTerms(levels=levels_of(NO_POLICY), share_pct=NO_POLICY.scorecard.repositories, weights=None)
    own = default_ruler()
    policy = read_policy(document.encode(), own, f"policy of {team}")
    return TeamTerms(
        levels=levels_of(policy), share_pct=policy.scorecard.repositories, weights=ruler_under(own, policy).weights
    )


def make_scorecard(store: Store, team: str, now: dt.datetime) -> pd.DataFrame:
    """The scorecard of a team as of now, the running week and those of the year before: a frame of SCORECARDS.

    Raises:
        StoreError: there is no such team.
        ConfigurationError: its policy names what this Elder no longer has.
    """
    terms = team_terms(store, team)
    since = now - dt.timedelta(weeks=WEEKS_SHOWN)
    current = standings(store, team)
    weeks = [store.weeks(repository=item.repository) for item in current]
    filled = [content[content["week"] >= week_of(since)] for content in weeks if len(content)]
    past = Past(
        weeks=pd.concat(filled, ignore_index=True) if filled else empty_frame(WEEKS),
        counts=_frame(store.moved(team, since), "as_of", ["new", "fixed"]),
        gates=_frame(store.judged(team, since), "judged_at", ["status"]),
    )
    return scorecard(team, now, current, past, terms.levels, weights=terms.weights)


def _frame(rows: list[dict[str, object]], moment: str, values: list[str]) -> pd.DataFrame:
    content = [
        {"repository": row["repository"], "week": week_of(row[moment]), **{name: row[name] for name in values}}  # type: ignore[arg-type]
        for row in rows
    ]
    return pd.DataFrame(content, columns=["repository", "week", *values])
