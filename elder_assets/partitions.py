"""Partitions, and the names that assets, jobs, sensors and tests share."""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg

from resources.runs import tiers
from resources.store import inbox

REPOSITORY_PARTITIONS = "repository"
REPOSITORY = dg.DynamicPartitionsDefinition(name=REPOSITORY_PARTITIONS)
"""One partition a repository; the key is the repository's key, `host/owner/name`."""

TEAM_PARTITIONS = "team"
TEAM = dg.DynamicPartitionsDefinition(name=TEAM_PARTITIONS)
"""One partition a team; keys follow the registry."""

FIRST_WEEK = "2023-01-02"
"""A Monday. Weeks before it can be scored and are recorded, but have no partition: 300 repositories x 200 weeks are
60,000 partitions, and the UI lists them all."""
WEEK = dg.WeeklyPartitionsDefinition(start_date=FIRST_WEEK, day_offset=1, end_offset=1)
"""One partition a week, named by its Monday (UTC); the running week is one of them, as a provisional point."""
REPOSITORY_WEEK = dg.MultiPartitionsDefinition({"repository": REPOSITORY, "week": WEEK})

OWNERS = ["team:elder"]
FINDINGS_GROUP, RESULTS_GROUP, SOURCE_GROUP = "findings", "results", "source"
AUDIT_JOB, QUALITY_JOB, NIGHTLY = "audit", "quality", "nightly_audit"
HISTORY, HISTORY_JOB, RESCORE_JOB, WEEKLY = "history", "fill_history", "rescore", "weekly_history"
IMPORTED_ASSET = "findings_imported"
LOAD_ASSET, LOAD_JOB = "load_forecast", "forecast"
SCORECARDS_ASSET, SCORECARDS_JOB = "team_scorecards", "scorecards"
UPKEEP_JOB, UPKEEP = "upkeep", "nightly_upkeep"
JUDGE_JOB, SWEEP_JOB, NIGHTLY_SWEEP = "judge_change", "sweep", "nightly_sweep"
PRIORITY_TAG = "dagster/priority"
TIER_TAG, FITS_TAG, TEAM_TAG, HOST_TAG = tiers.TIER_TAG, tiers.FITS_TAG, tiers.TEAM_TAG, tiers.HOST_TAG
INBOX_TAG = inbox.INBOX_TAG
KIND_TAG, BRANCH_TAG, COMMIT_TAG = "elder/kind", "elder/branch", "elder/commit"
"""Run tags of the audit job: kind of the audit (default: default), and what to audit instead of the default branch."""
FROM_WEEK, TO_WEEK = "elder/from_week", "elder/to_week"
"""Run tags of the history job: first and last week, '2026-W07'; default: the last 52."""


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
