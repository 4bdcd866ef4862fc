"""Sensors on runs that ended: what a run could not say itself is said for it.

A run ends its own row and writes its own live events, within the second. These sensors are behind it: a run that died
says nothing, and a client that follows the repository is to hear of that too.
"""

from __future__ import annotations

import dagster as dg

from elder_assets.assets.progress import COMPLETED, say
from elder_assets.audit.errors import RepositoryNotFound
from elder_assets.jobs import audit_job, judge_change
from elder_assets.partitions import INBOX_TAG
from resources.dagster_resources import ElderResource
from resources.observability.tracing import TRACE_TAG, Attribute, record_run
from sensors.reconciling import reconcile, why_failed

RUNS_FAILED, RUNS_SUCCEEDED = "run_failed", "run_succeeded"
SECONDS = 5
KNOWN_FAILURE = "cannot audit "
"""How a run says that a repository cannot be read; it has kept that itself."""


@dg.run_failure_sensor(
    name=RUNS_FAILED,
    monitored_jobs=[audit_job, judge_change],
    minimum_interval_seconds=SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Keeps why a run failed, ends its row of the inbox or lets it wait again, tells clients.",
)
def run_failed(context: dg.RunFailureSensorContext, elder: ElderResource) -> None:
    """Keep the failure of one run."""
    run = context.dagster_run
    _trace(context, elder, "failed")
    reason = why_failed(context.instance, run) or "its process died"
    with elder.store() as store:
        key = run.tags.get("dagster/partition", "")
        reconcile(context.instance, store, elder.settings())
        try:
            if INBOX_TAG not in run.tags and not reason.startswith(KNOWN_FAILURE):
                store.record_failure(key, reason, run.run_id)
            say(store, run, key, COMPLETED, {"status": "error", "reason": reason})
        except RepositoryNotFound:
            return  # deleted meanwhile: nobody follows it


@dg.run_status_sensor(
    name=RUNS_SUCCEEDED,
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=[audit_job, judge_change],
    minimum_interval_seconds=SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends the inbox row of a run that succeeded without doing so, as a run by hand in the UI does.",
)
def run_succeeded(context: dg.RunStatusSensorContext, elder: ElderResource) -> None:
    """See that the row of a run that succeeded has ended."""
    _trace(context, elder)
    with elder.store() as store:
        if store.row_of_run(context.dagster_run.run_id) is not None:
            reconcile(context.instance, store, elder.settings())


def _trace(context: dg.RunStatusSensorContext, elder: ElderResource, error: str = "") -> None:
    """The span of a run that has ended; nothing where traces are off."""
    settings, run = elder.settings(), context.dagster_run
    record = context.instance.get_run_record_by_id(run.run_id) if settings.traces else None
    if record is None or record.start_time is None or record.end_time is None:
        return
    carried = run.tags.get(TRACE_TAG, "")
    said: dict[str, Attribute] = {
        "run": run.run_id,
        "job": run.job_name,
        "repository": run.tags.get("dagster/partition", ""),
        "delivery": run.tags.get(INBOX_TAG, ""),
    }
    record_run(settings, run.run_id, carried, record.start_time, record.end_time, error, **said)
