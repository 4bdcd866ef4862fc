"""Asset: a registered repository at its newest commit."""

import time

import dagster as dg

from elder_assets.assets.progress import begin, wanted_by
from elder_assets.assets.session import failing_partition, refer, step_span
from elder_assets.partitions import OWNERS, REPOSITORY, SOURCE_GROUP
from resources.dagster_resources import ElderResource


@dg.asset(
    partitions_def=REPOSITORY,
    group_name=SOURCE_GROUP,
    owners=OWNERS,
    dagster_type=dg.Any,  # a `MaterializeResult` annotation alone would promise an output without value
    kinds={"git"},
    description="The commit of a registered repository that is audited, and the audit to compare it with.",
)
def repositories(context: dg.AssetExecutionContext, elder: ElderResource) -> dg.MaterializeResult:
    """Resolve the commit that this run audits; a repository that cannot be read fails its partition with the reason."""
    started = time.perf_counter()
    with failing_partition(context.partition_key, elder, context.run.run_id):
        with elder.store() as store:
            begin(store, context.run, context.partition_key)
            wanted = wanted_by(store, context.run.tags)
        with step_span(elder, context.run, "checkout") as traced:
            reference, url = refer(elder, context.partition_key, wanted.ref, wanted.kind, wanted.head)
            traced.set(commit=reference.commit, kind=reference.kind)
    return dg.MaterializeResult(
        value=reference.plain(),
        metadata={
            "commit": reference.commit,
            "ruler": reference.ruler,
            "baseline": reference.baseline or "none",
            "url": url,
            "duration_s": round(time.perf_counter() - started, 3),
        },
    )
