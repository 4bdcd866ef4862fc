"""Asset: a team's scorecard, one partition a team. Which repositories went in is in the metadata.

A mapping from teams to repositories cannot be declared to Dagster for partitions that come and go; a sensor
(`sensors/scorecards.py`) refreshes the teams whose repositories were audited.
"""

import datetime as dt
import time
from collections.abc import Iterator

import dagster as dg

from elder_assets.audit.frames import SCORECARDS
from elder_assets.checks.inside_run import FRAME_SCHEMA, checked, schema_result
from elder_assets.partitions import OWNERS, RESULTS_GROUP, SCORECARDS_ASSET, TEAM
from elder_assets.scorecards import standing_of
from elder_assets.team_scorecard import make_scorecard, team_terms
from resources.dagster_resources import ElderResource
from resources.teams.initiatives import measure_all


@dg.asset(
    name=SCORECARDS_ASSET,
    partitions_def=TEAM,
    group_name=RESULTS_GROUP,
    owners=OWNERS,
    dagster_type=dg.Any,  # a `MaterializeResult` annotation alone would promise an output without value
    kinds={"pandas", "sql"},
    description="Score, coverage, gates, findings, level and trend of a team's repositories: one row a week, "
    "repository and magic. What cannot be audited is shown as such.",
    check_specs=[dg.AssetCheckSpec(FRAME_SCHEMA, asset=SCORECARDS_ASSET, blocking=True)],
)
def team_scorecards(
    context: dg.AssetExecutionContext, elder: ElderResource
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
    """Make and record the scorecard of one team."""
    started = time.perf_counter()
    team = context.partition_key
    with elder.store() as store:
        content = make_scorecard(store, team, dt.datetime.now(dt.UTC))
        yield from checked(SCORECARDS_ASSET, schema_result(SCORECARDS_ASSET, {SCORECARDS.name: content}))
        written = store.record_scorecard(team, content)
        measure_all(store, store.team(team).id)
        standing = standing_of(content, team_terms(store, team).share_pct)
    whole = content[(content["magic"] == "") & (content["week"] == content["week"].max())]
    yield dg.MaterializeResult(
        value={"team": team, SCORECARDS.name: content},
        metadata={
            "repositories": dg.MetadataValue.json(sorted(whole["repository"])),
            "level": standing.level,
            "next_level": standing.next_level or "none",
            "not_audited": int((whole["status"] == "error").sum()),
            "duration_s": round(time.perf_counter() - started, 3),
            "rows_written": written,
            "dagster/row_count": len(content),
            "dagster/relation_identifier": SCORECARDS.name,
        },
    )
