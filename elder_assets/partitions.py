"""Partitions, and the names that assets, jobs, sensors and tests share."""

from __future__ import annotations

import dagster as dg

REPOSITORY = dg.DynamicPartitionsDefinition(name="repository")
"""One partition a repository; the key is the repository's key, `host/owner/name`."""

OWNERS = ["team:elder"]
FINDINGS_GROUP, RESULTS_GROUP, SOURCE_GROUP = "findings", "results", "source"
AUDIT_JOB, QUALITY_JOB, NIGHTLY = "audit", "quality", "nightly_audit"


def findings_asset(magic: str) -> str:
    """Name of the asset that holds a magic's findings."""
    return f"findings_{magic}"
