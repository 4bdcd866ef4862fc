"""Named selections of assets and checks, and when they run by themselves."""

import datetime as dt
import time
from collections.abc import Iterator, Mapping

import dagster as dg

from elder_assets.assets.history import WEEKS, fill_weeks, last_weeks
from elder_assets.assets.progress import COMPLETED, LOG, about_run, begin, change_result, row_of, say
from elder_assets.assets.session import failing_partition, step_span
from elder_assets.audit.dates import NIGHTLY_HOUR_UTC
from elder_assets.audit.history import week_named
from elder_assets.audit.registry import catalogue
from elder_assets.checks.asset_checks import EXPECTATIONS
from elder_assets.partitions import (
    AUDIT_JOB,
    FROM_WEEK,
    HISTORY,
    HISTORY_JOB,
    HOST_TAG,
    INBOX_TAG,
    JUDGE_JOB,
    LOAD_ASSET,
    LOAD_JOB,
    NIGHTLY,
    NIGHTLY_SWEEP,
    PRIORITY_TAG,
    QUALITY_JOB,
    REPOSITORY,
    RESCORE_JOB,
    SCORECARDS_ASSET,
    SCORECARDS_JOB,
    SWEEP_JOB,
    TEAM_TAG,
    TO_WEEK,
    WEEKLY,
    findings_asset,
    match_partitions,
)
from resources.dagster_resources import ElderResource
from resources.deliveries.change_requests import judge
from resources.deliveries.sweep import sweep as sweep_heads
from resources.fleet import rescore_all
from resources.git.circuit import guarded, host_of
from resources.observability.run_lines import CONFIGURED
from resources.store.inbox import LOW

CHECKED = [*(findings_asset(magic.name) for magic in catalogue().magics), "scores", SCORECARDS_ASSET]

audit_job = dg.define_asset_job(
    AUDIT_JOB,
    selection=dg.AssetSelection.all()
    - dg.AssetSelection.assets(HISTORY, SCORECARDS_ASSET, LOAD_ASSET)
    - dg.AssetSelection.checks(*(dg.AssetCheckKey(dg.AssetKey(asset), EXPECTATIONS) for asset in CHECKED)),
    description="Audit one repository: one run, one process.",
    config=CONFIGURED,
    # A step's pod may be lost with its node; what an audit fails for by itself says that it is not to be repeated.
    op_retry_policy=dg.RetryPolicy(max_retries=1),
)

scorecards_job = dg.define_asset_job(
    SCORECARDS_JOB,
    selection=dg.AssetSelection.assets(SCORECARDS_ASSET)
    - dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey(SCORECARDS_ASSET), EXPECTATIONS)),
    description="Make the scorecard of one team.",
    config=CONFIGURED,
)


# --- change requests -------------------------------------------------------------------------------------


@dg.op(out=dg.Out(dg.Nothing), tags={"kind": "git"})
def judge_one(context: dg.OpExecutionContext, elder: ElderResource) -> None:
    """Judge the change request of the run's inbox row, keep the gate, and tell the git host."""
    key = context.partition_key
    with elder.store() as store, failing_partition(key, elder, context.run.run_id):
        begin(store, context.run, key)
        row = row_of(store, context.run.tags)
        if row is None:
            msg = f"a run of {JUDGE_JOB} belongs to a row of the inbox: its tag {INBOX_TAG} names one"
            raise dg.Failure(msg, allow_retries=False)
        with (
            guarded(store, host_of(store.repository(key).url), time.time),
            step_span(elder, context.run, "change request"),
        ):
            judged = judge(store, elder.settings(), row, context.run.run_id)
        result = change_result(judged)
        say(store, context.run, key, COMPLETED, result)
        with about_run(context.run, key):
            LOG.info("change request at %s: %s, %d failing", judged.sides.head[:12], judged.status, judged.failing)
        store.finish_inbox(row.id, state="done", result=result)
    context.add_output_metadata({name: str(value) for name, value in result.items()})


@dg.job(
    name=JUDGE_JOB,
    partitions_def=REPOSITORY,
    executor_def=dg.in_process_executor,
    description="Judge one change request or merge queue by what it brings; asked for by a row of the inbox.",
    config=CONFIGURED,
)
def judge_change() -> None:
    """Judge one change request."""
    judge_one()


@dg.op(out=dg.Out(dg.Nothing), tags={"kind": "git"})
def ask_heads(context: dg.OpExecutionContext, elder: ElderResource) -> None:
    """Compare the head of every registered repository with its last audit; what is missing goes into the inbox."""
    with elder.store() as store:
        swept = sweep_heads(store, elder.settings(), dt.datetime.now(dt.UTC))
        for key, reason in swept.failed:
            store.record_failure(key, reason, context.run.run_id)
    context.log.info(swept.line())
    context.add_output_metadata(
        {
            "asked": swept.asked,
            "missing": "; ".join(swept.missing) or "none",
            "failed": "; ".join(f"{key}: {reason}" for key, reason in swept.failed)[:10_000] or "none",
            "left_alone": "; ".join(swept.left_alone) or "none",
        }
    )


@dg.job(
    name=SWEEP_JOB,
    executor_def=dg.in_process_executor,
    description="Find heads that no webhook told: compares every registered repository with its last audit.",
    config=CONFIGURED,
)
def sweep() -> None:
    """Find what was missed."""
    ask_heads()


nightly_sweep = dg.ScheduleDefinition(
    name=NIGHTLY_SWEEP,
    job=sweep,
    cron_schedule="0 1 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night at one, UTC, an hour before the nightly audits.",
)

forecast_job = dg.define_asset_job(
    LOAD_JOB,
    selection=dg.AssetSelection.assets(LOAD_ASSET),
    description="Forecast the load of the coming week.",
    config=CONFIGURED,
)
daily_forecast = dg.ScheduleDefinition(
    name="daily_forecast",
    job=forecast_job,
    cron_schedule="15 3 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)

quality_job = dg.define_asset_job(
    QUALITY_JOB,
    selection=dg.AssetSelection.checks(*(dg.AssetCheckKey(dg.AssetKey(asset), EXPECTATIONS) for asset in CHECKED)),
    description="Check every row recorded since the last time with great-expectations.",
    config=CONFIGURED,
)


def _audits_of_all(
    context: dg.ScheduleEvaluationContext, elder: ElderResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """One run for each registered repository, tagged for the limits of teams and git hosts."""
    with elder.store() as store:
        elsewhere = {number for number, target in store.audit_targets().items() if target.is_audited_elsewhere}
        registered = store.repositories()
        teams = {team.id: team.key for team in store.teams()}
    if not registered:
        yield dg.SkipReason("no repository is registered; add one with: elder repo add <path or URL>")
        return
    match_partitions(context.instance, [repository.key for repository in registered])
    for repository in registered:
        if repository.id in elsewhere:
            continue
        key, team = repository.key, teams.get(repository.team_id or 0, "")
        tags = {PRIORITY_TAG: str(LOW), HOST_TAG: key.partition("/")[0]} | ({TEAM_TAG: team} if team else {})
        yield dg.RunRequest(
            run_key=f"{context.scheduled_execution_time.isoformat()}:{key}", partition_key=key, tags=tags
        )


@dg.schedule(
    name=NIGHTLY,
    job=audit_job,
    cron_schedule=f"0 {NIGHTLY_HOUR_UTC} * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def nightly_audit(
    context: dg.ScheduleEvaluationContext, elder: ElderResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Audit every registered repository, at two in the morning UTC."""
    yield from _audits_of_all(context, elder)


hourly_quality = dg.ScheduleDefinition(
    name="hourly_quality",
    job=quality_job,
    cron_schedule="30 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


# --- the past --------------------------------------------------------------------------------------------


@dg.op(out=dg.Out(dg.Nothing), tags={"kind": "git"})
def score_weeks(context: dg.OpExecutionContext, elder: ElderResource) -> None:
    """Score many weeks of one repository in one walk; each becomes a materialisation of its partition."""
    wanted = _tagged_weeks(context.run.tags)
    for materialised in fill_weeks(elder, context.partition_key, wanted):
        context.log_event(materialised)


def _tagged_weeks(tags: Mapping[str, str]) -> tuple[int, int]:
    """First and last week of a run, by its tags: Mondays in seconds since the epoch."""
    first, last = last_weeks()
    start = week_named(tags[FROM_WEEK]) if FROM_WEEK in tags else first
    end = week_named(tags[TO_WEEK]) if TO_WEEK in tags else last
    if start > end:
        msg = f"{FROM_WEEK} {tags.get(FROM_WEEK)} is later than {TO_WEEK} {tags.get(TO_WEEK)}"
        raise dg.Failure(msg, allow_retries=False)
    return start, end


@dg.job(
    name=HISTORY_JOB,
    partitions_def=REPOSITORY,
    executor_def=dg.in_process_executor,
    description=f"Score the weeks of one repository in one run: the last 52, or those that the tags {FROM_WEEK} and "
    f"{TO_WEEK} name. Fills partitions of the asset `{HISTORY}`.",
    config=CONFIGURED,
)
def fill_history() -> None:
    """Score the past of one repository."""
    score_weeks()


@dg.op(out=dg.Out(dg.Nothing))
def rescore_repositories(context: dg.OpExecutionContext, elder: ElderResource) -> None:
    """Score every week of every registered repository again, from stored judgements and facts."""
    results = rescore_all(elder.settings(), weeks=WEEKS)
    for result in results:
        context.log.info(result.line())
    context.add_output_metadata(
        {
            "repositories": len(results),
            "weeks": sum(result.weeks for result in results),
            "judged_anew": sum(result.judged for result in results),
        }
    )
    if failed := [result for result in results if result.failure]:
        msg = "; ".join(result.line() for result in failed)
        raise dg.Failure(msg, allow_retries=False)


@dg.job(
    name=RESCORE_JOB,
    executor_def=dg.in_process_executor,
    description="Score every week of every repository again under the server's ruler; nothing is parsed.",
    config=CONFIGURED,
)
def rescore() -> None:
    """Score the past of the fleet under the ruler of today."""
    rescore_repositories()


@dg.schedule(name=WEEKLY, job=fill_history, cron_schedule="0 4 * * 1", default_status=dg.DefaultScheduleStatus.RUNNING)
def weekly_history(
    context: dg.ScheduleEvaluationContext, elder: ElderResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Score the last 52 weeks of every registered repository, on Mondays at four in the morning UTC.

    Weeks that were scored before come from the facts cache; the one that has ended becomes final.
    """
    yield from _audits_of_all(context, elder)
