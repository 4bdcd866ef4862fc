"""Steps share the run's process, unless the run is large and step pods are on."""

from __future__ import annotations

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob

from elder_assets import step_pods
from elder_assets.definitions import defs
from elder_assets.executors import executor_by_tier

pytestmark = [pytest.mark.platform]
IN_CLUSTER = {"ELDER_KUBERNETES_NAMESPACE": "elder", "ELDER_KUBERNETES_IMAGE": "elder:1"}


def made(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    chosen: list[str] = []
    monkeypatch.setattr(dg.in_process_executor, "_executor_creation_fn", lambda _context: chosen.append("process"))
    monkeypatch.setattr(step_pods, "step_pods_executor", lambda _context, tier: chosen.append(f"pods of {tier}"))
    context = dg.InitExecutorContext(
        job=InMemoryJob(defs.resolve_job_def("audit")),
        executor_def=executor_by_tier,
        executor_config={"retries": {"enabled": {}}},
        instance=dg.DagsterInstance.ephemeral(),
    )
    executor_by_tier.executor_creation_fn(context)
    return chosen[0]


@pytest.mark.parametrize(
    ("environment", "where"),
    [
        ({}, "process"),
        ({"ELDER_TIER": "large", "ELDER_STEP_PODS": "1"}, "process"),
        ({**IN_CLUSTER, "ELDER_TIER": "large"}, "process"),
        ({**IN_CLUSTER, "ELDER_TIER": "medium", "ELDER_STEP_PODS": "1"}, "process"),
        ({**IN_CLUSTER, "ELDER_TIER": "large", "ELDER_STEP_PODS": "1"}, "pods of large"),
        ({**IN_CLUSTER, "ELDER_TIER": "xlarge", "ELDER_STEP_PODS": "1"}, "pods of xlarge"),
    ],
    ids=["one-machine", "no-cluster", "step-pods-off", "medium", "large", "xlarge"],
)
def test_only_large_runs_of_a_cluster_have_step_pods(monkeypatch, environment: dict[str, str], where: str):
    assert made(monkeypatch, **environment) == where


@pytest.mark.parametrize(("tier", "memory"), [("large", "4096Mi"), ("xlarge", "8192Mi")])
def test_a_steps_pod_has_the_tiers_memory_and_no_token(tier: str, memory: str):
    config = step_pods.container_of(tier).run_k8s_config
    assert config.container_config["resources"]["limits"]["memory"] == memory
    assert config.pod_spec_config == {"automount_service_account_token": False}


def test_jobs_of_assets_have_this_executor():
    assert defs.resolve_job_def("audit").executor_def is executor_by_tier
