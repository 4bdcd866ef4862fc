"""How much a run gets in a cluster: six tiers, chosen from what was measured of the repository. Pure.

Nothing here knows Kubernetes' client or Dagster; `run_tags` writes what dagster-k8s reads from a run's tags.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

TIER_TAG, FITS_TAG, KILLED_TAG = "elder/tier", "elder/fits", "elder/out_of_memory"
"""Run tags: the tier that was asked for, then that of the pod; what the run's repository needs by its measured size;
the tier at which the run was out of memory."""
TEAM_TAG, HOST_TAG = "elder/team", "elder/git_host"
"""Run tags that say whose a run is and what it reads; runs with the same value can be limited."""
TIER_VARIABLE = "ELDER_TIER"
CONFIG_TAG, DEADLINE_TAG = "dagster-k8s/config", "dagster/max_runtime"

WORKER_MIB = 160
"""What a Dagster run worker holds before it audits anything, measured (docs/kubernetes.md)."""
HEADROOM = 1.3
"""Memory of a tier over the estimate: the next audit is larger, and page cache of packs counts until it is dropped."""
AUDIT_MIB = 25
MIB_A_COMMIT, MIB_A_FILE, MIB_A_MEGABYTE = 0.013, 0.020, 1.0
"""An upper bound of our process and its git children, over nine repositories measured (docs/kubernetes.md)."""
DEADLINE_MARGIN_SECONDS = 300
"""Dagster ends a run this long before Kubernetes kills its pod, so that the run says why."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Size of a repository at the audited commit."""

    content_bytes: int
    """Of all files of the tree."""
    files: int
    commits: int
    """In the history of the commit."""


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """What the pod of a run asks for."""

    name: str
    cpu_millis: int
    """Requested; there is no limit, so a lone run uses what is free."""
    memory_mib: int
    """Requested, and the limit: what is over is killed, and nothing else on the node is."""
    deadline_seconds: int
    """From the Job's creation, waiting for a node included."""
    gpus: int = 0
    has_step_pods: bool = False
    """Whether its steps may run in pods of their own."""


TIERS: tuple[Tier, ...] = (
    Tier(name="micro", cpu_millis=250, memory_mib=384, deadline_seconds=1800),
    Tier(name="small", cpu_millis=500, memory_mib=640, deadline_seconds=3600),
    Tier(name="medium", cpu_millis=1000, memory_mib=1024, deadline_seconds=7200),
    Tier(name="large", cpu_millis=2000, memory_mib=4096, deadline_seconds=14_400, has_step_pods=True),
    Tier(name="xlarge", cpu_millis=4000, memory_mib=8192, deadline_seconds=28_800, has_step_pods=True),
    Tier(name="gpu", cpu_millis=4000, memory_mib=8192, deadline_seconds=28_800, gpus=1),
)
BY_NAME: Mapping[str, Tier] = {tier.name: tier for tier in TIERS}
BY_SIZE = tuple(tier for tier in TIERS if not tier.gpus)
"""Smallest first. GPU is asked for by name: no rule of today uses one."""
DEFAULT_TIER = "small"
"""Before anything was measured; a repository that needs more is killed once and raised."""


def needed_mib(size: Measured) -> int:
    """Most memory that a run on a repository was seen to need, in MiB, worker included."""
    audit = (
        AUDIT_MIB + size.commits * MIB_A_COMMIT + size.files * MIB_A_FILE + size.content_bytes / 2**20 * MIB_A_MEGABYTE
    )
    return round(WORKER_MIB + audit)


def fitting_tier(size: Measured) -> tuple[str, str]:
    """The smallest tier that holds a repository with headroom, and why; the largest when none does."""
    needed = needed_mib(size)
    fits = next((tier for tier in BY_SIZE if tier.memory_mib >= needed * HEADROOM), BY_SIZE[-1])
    measured = f"{size.files} files, {size.content_bytes / 2**20:.0f} MiB, {size.commits} commits"
    return fits.name, f"{measured}: up to {needed} MiB and a third of that spare fit into {fits.memory_mib} MiB"


def raised(name: str) -> str:
    """The next larger tier by memory; the largest, and GPU, stay."""
    if name not in (sizes := [tier.name for tier in BY_SIZE]):
        return name
    return sizes[min(sizes.index(name) + 1, len(sizes) - 1)]


def chosen_tier(asked: str, fits: str = "", killed: Iterable[str] = ()) -> tuple[str, str]:
    """The tier of a run, and why.

    Args:
        asked: tier of the project or of the run; '' when nobody asked.
        fits: what the last run measured; '' before the first.
        killed: tiers at which earlier runs on the repository were out of memory.
    """
    start = next((name for name in (asked, fits) if name in BY_NAME), DEFAULT_TIER)
    reason = "asked for" if start == asked else "measured" if start == fits else "nothing was measured yet"
    largest = max((BY_NAME[name].memory_mib for name in killed if name in BY_NAME), default=0)
    if BY_NAME[start].memory_mib > largest:
        return start, reason
    at = next(tier.name for tier in BY_SIZE if tier.memory_mib >= largest)
    above = raised(at)
    if above == at or start == "gpu":
        return start, f"out of memory at {at}, and there is no larger tier"
    return above, f"out of memory at {at}"


def run_tags(name: str) -> dict[str, str]:
    """Tags that give a run's worker the pod of a tier; dagster-k8s merges them into the launcher's configuration."""
    tier = BY_NAME[name]
    return {
        TIER_TAG: name,
        CONFIG_TAG: json.dumps(pod_of(tier), sort_keys=True),
        DEADLINE_TAG: str(tier.deadline_seconds - DEADLINE_MARGIN_SECONDS),
    }


def pod_of(tier: Tier) -> dict[str, Any]:
    """The dagster-k8s configuration of a pod, of a run or of a step."""
    limits = {"memory": f"{tier.memory_mib}Mi"} | ({"nvidia.com/gpu": str(tier.gpus)} if tier.gpus else {})
    return {
        "container_config": {
            "resources": {"requests": {"cpu": f"{tier.cpu_millis}m", "memory": limits["memory"]}, "limits": limits},
            "env": [{"name": TIER_VARIABLE, "value": tier.name}],
        },
        "job_metadata": {"labels": {TIER_TAG: tier.name}},
        "pod_template_spec_metadata": {"labels": {TIER_TAG: tier.name}},
        "job_spec_config": {"active_deadline_seconds": tier.deadline_seconds},
    }
