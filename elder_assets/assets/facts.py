"""Asset: everything that is measured about a repository. Its output is a reference; the facts stay in their cache."""

import time
from collections.abc import Iterator
from typing import Any

import dagster as dg

from elder_assets.assets.progress import impact_on, tell_impact
from elder_assets.assets.session import Reference, common_metadata, facts_of, failing_partition, step_span
from elder_assets.audit.dates import utc
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.registry import catalogue
from elder_assets.checks.inside_run import COVERAGE, checked, coverage_result
from elder_assets.partitions import FITS_TAG, OWNERS, REPOSITORY, SOURCE_GROUP
from resources.dagster_resources import ElderResource
from resources.runs.tiers import Measured, fitting_tier

VERSIONS = ",".join(f"{e.name}.{e.version}" for e in catalogue().extractors())


@dg.asset(
    partitions_def=REPOSITORY,
    group_name=SOURCE_GROUP,
    owners=OWNERS,
    dagster_type=dg.Any,  # a `MaterializeResult` annotation alone would promise an output without value
    kinds={"git", "sqlite"},
    code_version=VERSIONS,
    description="What is measured about a repository: every blob once ever, and its history. Rules only read this.",
    check_specs=[dg.AssetCheckSpec(COVERAGE, asset="facts", blocking=True)],
)
def facts(
    context: dg.AssetExecutionContext, elder: ElderResource, repositories: dict[str, Any]
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
    """Collect the facts that the rules read."""
    started = time.perf_counter()
    reference = Reference(**repositories)
    with failing_partition(context.partition_key, elder, context.run.run_id):
        with step_span(elder, context.run, "facts", commit=reference.commit) as traced:
            collected = facts_of(reference, elder)
            traced.set(files=len(collected.files), commits=len(collected.history.commits))
        with elder.store() as store:
            said = impact_on(store, elder.settings(), reference, collected)
            tell_impact(store, context.run, reference.repository, said)
            fits, why = fitting_tier(_measured(collected))
            store.fit_tier(reference.repository, fits)
    context.instance.add_run_tags(context.run.run_id, {FITS_TAG: fits})
    yield from checked("facts", coverage_result(collected.coverage))
    yield dg.MaterializeResult(
        value=repositories,
        metadata={
            **common_metadata(collected, reference),
            "as_of": dg.MetadataValue.timestamp(utc(collected.snapshot.as_of)),
            "impact": said,
            "files": len(collected.files),
            "commits": len(collected.history.commits),
            "tier": f"{fits}: {why}",
            "duration_s": round(time.perf_counter() - started, 3),
        },
    )


def _measured(collected: RepositoryFacts) -> Measured:
    """What the size of the next run's pod follows from."""
    return Measured(
        content_bytes=sum(max(entry.size, 0) for entry in collected.entries),
        files=len(collected.entries),
        commits=len(collected.history.commits),
    )
