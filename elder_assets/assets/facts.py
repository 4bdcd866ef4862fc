"""Asset: everything that is measured about a repository. Its output is a reference; the facts stay in their cache."""

import time
from typing import Any

import dagster as dg

from elder_assets.assets.session import Reference, facts_of
from elder_assets.audit.errors import SourceError
from elder_assets.checks.inside_run import COVERAGE, coverage_result
from elder_assets.partitions import OWNERS, REPOSITORY, SOURCE_GROUP
from resources.dagster_resources import ElderResource


@dg.asset(
    partitions_def=REPOSITORY,
    group_name=SOURCE_GROUP,
    owners=OWNERS,
    dagster_type=dg.Any,  # a `MaterializeResult` annotation alone would promise an output without value
    kinds={"git", "sqlite"},
    description="What is measured about a repository: every blob once ever, and its history. Rules only read this.",
    check_specs=[dg.AssetCheckSpec(COVERAGE, asset="facts", blocking=True)],
)
def facts(
    context: dg.AssetExecutionContext, elder: ElderResource, repositories: dict[str, Any]
) -> dg.MaterializeResult:
    """Collect the facts that the rules read."""
    started = time.perf_counter()
    try:
        collected = facts_of(Reference(**repositories), elder)
    except SourceError as error:
        msg = f"cannot audit {context.partition_key}: {error}"
        raise dg.Failure(msg, allow_retries=False) from error
    coverage = collected.coverage
    return dg.MaterializeResult(
        value=repositories,
        metadata={
            "commit": repositories["commit"],
            "eligible_files": coverage.eligible,
            "analysed_files": coverage.analysed,
            "commits": len(collected.history.commits),
            "duration_s": round(time.perf_counter() - started, 3),
        },
        check_results=[coverage_result(coverage)],
    )
