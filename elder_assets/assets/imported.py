"""Asset: findings of other tools (SARIF) on a repository's last audited commit, each defect counted once."""

import time

import dagster as dg

from elder_assets.assets.session import failing_partition
from elder_assets.audit.frames import FINDINGS, frame
from elder_assets.audit.rows import finding_row, identity
from elder_assets.partitions import FINDINGS_GROUP, IMPORTED_ASSET, OWNERS, REPOSITORY
from resources.dagster_resources import ElderResource
from resources.imports import carry_on
from resources.store.imports import IMPORTED


@dg.asset(
    name=IMPORTED_ASSET,
    deps=["scores"],
    partitions_def=REPOSITORY,
    group_name=FINDINGS_GROUP,
    owners=OWNERS,
    dagster_type=dg.Any,  # a `MaterializeResult` annotation alone would promise an output without value
    kinds={"pandas", "sql"},
    description="Findings that were imported from other tools for the last audited commit, as EXT:<tool>:<rule>. "
    "What a rule of ours reports too is left out. They have a life like ours and never change a score.",
)
def findings_imported(context: dg.AssetExecutionContext, elder: ElderResource) -> dg.MaterializeResult:
    """Carry on the lives of imported findings; a commit that nothing was imported for changes nothing."""
    started = time.perf_counter()
    with elder.store() as store, failing_partition(context.partition_key, elder, context.run.run_id):
        beside = carry_on(store, elder.settings(), context.partition_key)
        latest = store.latest(context.partition_key)
        same = {} if latest is None else identity(store.verdict(latest.snapshot_id))
    kept = () if beside is None else beside.kept
    content = frame(FINDINGS, ({**same, **finding_row(IMPORTED, finding)} for finding in kept))
    counts = {} if beside is None else {tool: f"{count.open} open" for tool, count in beside.counts.items()}
    return dg.MaterializeResult(
        value={FINDINGS.name: content},
        metadata={
            "commit": beside.commit if beside else "none",
            "tools": dg.MetadataValue.json(counts),
            "counted_as_ours": 0 if beside is None else len(beside.merged),
            "duration_s": round(time.perf_counter() - started, 3),
            "dagster/row_count": len(content),
            "dagster/relation_identifier": FINDINGS.name,
        },
    )
