"""Asset: a registered repository at its newest commit."""

import dagster as dg

from elder_assets.assets.session import refer
from elder_assets.audit.errors import SourceError
from elder_assets.partitions import OWNERS, REPOSITORY, SOURCE_GROUP
from resources.dagster_resources import ElderResource


@dg.asset(
    partitions_def=REPOSITORY,
    group_name=SOURCE_GROUP,
    owners=OWNERS,
    dagster_type=dg.Any,  # a `MaterializeResult` annotation alone would promise an output without value
    kinds={"git"},
    description="The newest commit of a registered repository: its mirror is brought up to date. One row of metadata.",
)
def repositories(context: dg.AssetExecutionContext, elder: ElderResource) -> dg.MaterializeResult:
    """Resolve the commit that this run audits; a repository that cannot be read fails its partition with the reason."""
    try:
        reference, metadata = refer(elder, context.partition_key)
    except SourceError as error:
        msg = f"cannot audit {context.partition_key}: {error}"
        raise dg.Failure(msg, allow_retries=False) from error
    return dg.MaterializeResult(value=reference.plain(), metadata=metadata)
