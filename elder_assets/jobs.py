"""Named selections of assets and checks, and when they run by themselves."""

from collections.abc import Iterator

import dagster as dg

from elder_assets.audit.registry import catalogue
from elder_assets.checks.asset_checks import EXPECTATIONS
from elder_assets.partitions import AUDIT_JOB, NIGHTLY, QUALITY_JOB, findings_asset, match_partitions
from resources.dagster_resources import ElderResource

CHECKED = [*(findings_asset(magic.name) for magic in catalogue().magics), "scores"]

audit_job = dg.define_asset_job(
    AUDIT_JOB,
    selection=dg.AssetSelection.all()
    - dg.AssetSelection.checks(*(dg.AssetCheckKey(dg.AssetKey(asset), EXPECTATIONS) for asset in CHECKED)),
    description="Audit one repository: one run, one process.",
)

quality_job = dg.define_asset_job(
    QUALITY_JOB,
    selection=dg.AssetSelection.checks(*(dg.AssetCheckKey(dg.AssetKey(asset), EXPECTATIONS) for asset in CHECKED)),
    description="Check every row recorded since the last time with great-expectations.",
)


@dg.schedule(name=NIGHTLY, job=audit_job, cron_schedule="0 2 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def nightly_audit(
    context: dg.ScheduleEvaluationContext, elder: ElderResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Audit every registered repository, at two in the morning UTC."""
    with elder.store() as store:
        keys = [repository.key for repository in store.repositories()]
    if not keys:
        yield dg.SkipReason("no repository is registered; add one with: elder repo add <path or URL>")
        return
    match_partitions(context.instance, keys)
    for key in keys:
        yield dg.RunRequest(run_key=f"{context.scheduled_execution_time.isoformat()}:{key}", partition_key=key)


hourly_quality = dg.ScheduleDefinition(
    name="hourly_quality",
    job=quality_job,
    cron_schedule="30 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
