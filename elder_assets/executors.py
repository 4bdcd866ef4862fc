"""Where the steps of a run work: all in the run's own process, or in a cluster, for large tiers, a pod each.

Nine steps cost 1.4 CPU seconds in one process, 28 with a process each (docs/architecture.md), so pods of their own only
pay where one step alone is long: `ELDER_STEP_PODS` turns them on, for the tiers that have them.
"""

import dagster as dg

from resources.runs.tiers import BY_NAME
from resources.settings import load_settings


def _create(context: dg.InitExecutorContext) -> dg.Executor:
    """Run steps in this process, or as Kubernetes Jobs where the run's tier has step pods."""
    settings = load_settings()
    tier = BY_NAME.get(settings.tier)
    if not (settings.step_pods and settings.kubernetes_namespace and tier and tier.has_step_pods):
        create = dg.in_process_executor.executor_creation_fn
    else:
        from elder_assets.step_pods import step_pods_executor

        return step_pods_executor(context, tier.name)
    assert create is not None, "both executors are made by functions"  # noqa: S101
    return create(context)


executor_by_tier = dg.ExecutorDefinition(
    name="by_tier",
    config_schema=dg.in_process_executor.config_schema,  # type: ignore[arg-type]  # it takes what it hands out
    executor_creation_fn=_create,
)
