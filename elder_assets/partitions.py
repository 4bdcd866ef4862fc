"""Partitions, and the names that assets, jobs, sensors and tests share."""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg

REPOSITORY_PARTITIONS = "repository"
REPOSITORY = dg.DynamicPartitionsDefinition(name=REPOSITORY_PARTITIONS)
"""One partition a repository; the key is the repository's key, `host/owner/name`."""

OWNERS = ["team:elder"]
FINDINGS_GROUP, RESULTS_GROUP, SOURCE_GROUP = "findings", "results", "source"
AUDIT_JOB, QUALITY_JOB, NIGHTLY = "audit", "quality", "nightly_audit"


def findings_asset(magic: str) -> str:
    """Name of the asset that holds a magic's findings."""
    return f"findings_{magic}"


def match_partitions(instance: dg.DagsterInstance, repositories: Iterable[str]) -> None:
    """Give the instance one partition for each registered repository, and take away those of the others.

    What was materialised for a partition that is taken away stays, and shows again when it comes back.
    """
    wanted, known = set(repositories), set(instance.get_dynamic_partitions(REPOSITORY_PARTITIONS))
    instance.add_dynamic_partitions(REPOSITORY_PARTITIONS, sorted(wanted - known))
    for key in sorted(known - wanted):
        instance.delete_dynamic_partition(REPOSITORY_PARTITIONS, key)
