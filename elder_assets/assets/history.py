"""Asset: scores of the past, one partition a repository and week. Many weeks are filled by one run.

A run of the job `fill_history` walks one repository once and reports a materialisation for each week that it scored.
Materialising partitions of the asset itself does the same for the weeks that were asked for.
"""

import datetime as dt
import time
import warnings
from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Any

import dagster as dg

from elder_assets.assets.session import failing_partition
from elder_assets.audit.dates import utc
from elder_assets.audit.frames import WEEKS as WEEKS_FRAME
from elder_assets.audit.frames import problems, weeks_frame
from elder_assets.audit.history import WeekScore, walk_weeks, week_scores, week_start, weeks_of
from elder_assets.audit.scoring import rounded
from elder_assets.partitions import FIRST_WEEK, HISTORY, OWNERS, REPOSITORY_WEEK, RESULTS_GROUP
from resources.audits import central_policy, open_source, terms_for
from resources.dagster_resources import ElderResource

# Backfill policies are beta; a warning at each start of a process told operators nothing that they could act on.
warnings.filterwarnings("ignore", category=dg.BetaWarning)

WEEKS = 52
WEEK_SECONDS = 7 * 86_400


def last_weeks() -> tuple[int, int]:
    """First and last of the last 52 weeks, the running one included: Mondays in seconds since the epoch."""
    newest = week_start(int(time.time()))
    return newest - (WEEKS - 1) * WEEK_SECONDS, newest


def fill_weeks(
    elder: ElderResource, key: str, span: tuple[int, int], only: Collection[str] | None = None
) -> Iterator[dg.AssetMaterialization]:
    """Score the weeks of a span, record them, and say which partition each is; oldest first.

    Args:
        elder: settings and stores.
        key: of the repository.
        span: first and last week.
        only: Mondays to score, when not all of the span.

    Raises:
        Failure: the repository cannot be read, or a row breaks its schema.
    """
    now = int(time.time())
    with failing_partition(key, elder):
        with elder.store() as store:
            known, document = store.repository(key), store.policy_for(key)
        with open_source(known.url, elder.settings(), key=known.key) as opened:
            ruler = terms_for(opened, central_policy(document, opened)).ruler
            count = (span[1] - span[0]) // WEEK_SECONDS + 1
            weeks = weeks_of(opened.source.first_parents(), count, span[1])
            if only is not None:
                weeks = [week for week in weeks if _monday(week.start) in only]
            points = list(walk_weeks(opened.source, opened.facts, ruler, weeks))
    scored = week_scores(points, ruler, now)
    if broken := problems(WEEKS_FRAME, weeks_frame(known.key, scored)):
        msg = f"{HISTORY} is not published: {'; '.join(broken)}"
        raise dg.Failure(msg, allow_retries=False)
    with elder.store() as store:  # rows that break their schema are never recorded
        store.record_weeks(known.key, scored, ruler.document())
    for row in scored:
        if row.magic == "" and row.week >= FIRST_WEEK:
            yield dg.AssetMaterialization(
                asset_key=HISTORY,
                partition=dg.MultiPartitionKey({"repository": known.key, "week": row.week}),
                metadata=_metadata(row),
            )


def _monday(seconds: int) -> str:
    return utc(seconds).strftime("%Y-%m-%d")


def _metadata(row: WeekScore) -> dict[str, Any]:
    return {
        "week": row.week,
        "commit": row.commit,
        "as_of": dg.MetadataValue.timestamp(utc(row.as_of)),
        "ruler": row.ruler,
        "score": rounded(row.score),
        "status": str(row.status),
        "findings": row.findings,
        "eligible_files": row.eligible,
        "analysed_files": row.analysed,
        "state": "provisional" if row.is_provisional else "final",
    }


@dg.asset(
    name=HISTORY,
    partitions_def=REPOSITORY_WEEK,
    group_name=RESULTS_GROUP,
    owners=OWNERS,
    kinds={"git", "sql"},
    backfill_policy=dg.BackfillPolicy.single_run(),
    description="The score of a repository at the end of a week, by the same rules and ruler for all weeks. "
    "The running week is provisional. One run of `fill_history` fills many weeks.",
)
def history(context: dg.AssetExecutionContext, elder: ElderResource) -> None:
    """Score the weeks of the partitions that are materialised, repository by repository."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for key in context.partition_keys:
        if not isinstance(key, dg.MultiPartitionKey):
            msg = f"{key!r} is no partition of a repository and a week"
            raise dg.Failure(msg, allow_retries=False)
        wanted[key.keys_by_dimension["repository"]].add(key.keys_by_dimension["week"])
    for repository, weeks in sorted(wanted.items()):
        starts = sorted(_seconds(week) for week in weeks)
        scored = set()
        for materialised in fill_weeks(elder, repository, (starts[0], starts[-1]), weeks):
            context.add_asset_metadata(materialised.metadata, partition_key=materialised.partition)
            scored.add(materialised.metadata["week"].value)
        if before := sorted(weeks - scored):
            msg = f"{repository} had no commit yet in the week of {before[0]}, and in {len(before) - 1} others"
            raise dg.Failure(msg, allow_retries=False)


def _seconds(monday: str) -> int:
    """A Monday in seconds since the epoch."""
    return int(dt.datetime.fromisoformat(monday).replace(tzinfo=dt.UTC).timestamp())
