"""What is let go of after a while: old runs of Dagster with their events, and what the store lets go of."""

import datetime as dt
from collections.abc import Iterator

import dagster as dg
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable as CheckExecutions
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

from elder_assets.partitions import UPKEEP, UPKEEP_JOB
from resources.dagster_resources import ElderResource
from resources.observability.run_lines import CONFIGURED

ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
RUNS_A_PAGE = 1_000
RUNS_AT_ONCE = 20_000
"""Runs that one night lets go of; the first night after an upgrade may have years to go through."""


def let_go_of_runs(instance: dg.DagsterInstance, before: dt.datetime) -> int:
    """Delete ended runs from before a time, with their events; how many.

    The last success of each partition stays: with it its materialisation would go, and the partition would look as if
    it had never been made.
    """
    gone = 0
    for run in _ended_before(instance, before):
        if not _is_last_success(instance, run):
            instance.delete_run(run.run_id)
            _forget_checks(instance, run.run_id)
            gone += 1
    return gone


def _forget_checks(instance: dg.DagsterInstance, run_id: str) -> None:
    """Evaluations of checks, which `delete_run` of Dagster 1.13 leaves behind: 48 of 349 KB of an audit's run."""
    storage = instance.event_log_storage
    if isinstance(storage, SqlEventLogStorage):
        with storage.index_connection() as connection:
            connection.execute(CheckExecutions.delete().where(CheckExecutions.c.run_id == run_id))


def _ended_before(instance: dg.DagsterInstance, before: dt.datetime) -> list[dg.DagsterRun]:
    """Oldest first; all are read before one goes, because a page begins where the last one's run stands."""
    return list(_pages(instance, dg.RunsFilter(statuses=ENDED, created_before=before)))


def _pages(instance: dg.DagsterInstance, wanted: dg.RunsFilter) -> Iterator[dg.DagsterRun]:
    cursor, read = None, 0
    while read < RUNS_AT_ONCE:
        page = [found.dagster_run for found in instance.get_run_records(wanted, RUNS_A_PAGE, None, True, cursor)]
        yield from page
        if len(page) < RUNS_A_PAGE:
            return
        cursor, read = page[-1].run_id, read + len(page)


def _is_last_success(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    partition = run.tags.get("dagster/partition")
    if run.status is not dg.DagsterRunStatus.SUCCESS or partition is None:
        return False
    same = dg.RunsFilter(
        job_name=run.job_name, statuses=[dg.DagsterRunStatus.SUCCESS], tags={"dagster/partition": partition}
    )
    return [found.run_id for found in instance.get_runs(same, limit=1)] == [run.run_id]


@dg.op(out=dg.Out(dg.Nothing))
def let_go_of_old(context: dg.OpExecutionContext, elder: ElderResource) -> None:
    """Let go of what is older than ELDER_KEEP_DAYS; nothing where that is 0."""
    days = elder.settings().keep_days
    if not days:
        context.log.info("ELDER_KEEP_DAYS is 0: everything is kept")
        return
    before = dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
    with elder.store() as store:
        gone = store.let_go(before)
    runs = let_go_of_runs(context.instance, before)
    context.add_output_metadata(
        {
            "before": before.isoformat(timespec="seconds"),
            "snapshots": gone.snapshots,
            "copies_of_findings": gone.findings,
            "live_events": gone.live_events,
            "dagster_runs": runs,
        }
    )


@dg.job(
    name=UPKEEP_JOB,
    executor_def=dg.in_process_executor,
    description="Let go of old runs, of copies of findings and of live events; audits, scores and lives stay for good.",
    config=CONFIGURED,
)
def upkeep() -> None:
    """Let go of what is old."""
    let_go_of_old()


nightly_upkeep = dg.ScheduleDefinition(
    name=UPKEEP, job=upkeep, cron_schedule="0 5 * * *", default_status=dg.DefaultScheduleStatus.RUNNING
)
