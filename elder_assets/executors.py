"""Where the steps of a run work: all in the run's own process, or in a cluster, for large tiers, a pod each.

Nine steps cost 1.4 CPU seconds in one process, 28 with a process each (docs/architecture.md), so pods of their own only
pay where one step alone is long: `ELDER_STEP_PODS` turns them on, for the tiers that have them.
"""

from typing import Any

import dagster as dg

from resources.settings import load_settings
from resources.tiers import BY_NAME, pod_of

STEPS_AT_ONCE = 4


def _create(context: dg.InitExecutorContext) -> dg.Executor:
    """Run steps in this process, or as Kubernetes Jobs where the run's tier has step pods."""
    settings = load_settings()
    tier = BY_NAME.get(settings.tier)
    if not (settings.step_pods and settings.kubernetes_namespace and tier and tier.has_step_pods):
        create = dg.in_process_executor.executor_creation_fn
    else:
        from dagster_k8s import k8s_job_executor  # brings the Kubernetes client along, a second of CPU

        create = k8s_job_executor.executor_creation_fn
        context = context._replace(executor_config=step_pods_config(context.executor_config["retries"], tier.name))
    assert create is not None, "both executors are made by functions"  # noqa: S101
    return create(context)


executor_by_tier = dg.ExecutorDefinition(
    name="by_tier",
    config_schema=dg.in_process_executor.config_schema,  # type: ignore[arg-type]  # it takes what it hands out
    executor_creation_fn=_create,
)


def step_pods_config(retries: Any, tier: str) -> dict[str, Any]:
    """Configuration of dagster-k8s' step executor: pods of the tier, without a token of the API."""
    pod = pod_of(BY_NAME[tier])
    return {
        "retries": retries,
        "max_concurrent": STEPS_AT_ONCE,
        "enable_owner_references": True,  # the steps of a run that is gone are collected
        "step_k8s_config": {**pod, "pod_spec_config": {"automount_service_account_token": False}},
    }
