"""Steps share the run's process, unless the run is large and step pods are on."""

from __future__ import annotations

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster_k8s import k8s_job_executor

from elder_assets.definitions import defs
from elder_assets.executors import executor_by_tier, step_pods_config

pytestmark = [pytest.mark.platform, pytest.mark.xdist_group("dagster")]
IN_CLUSTER = {"ELDER_KUBERNETES_NAMESPACE": "elder", "ELDER_KUBERNETES_IMAGE": "elder:1"}


def made(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    chosen: list[str] = []
    for label, executor in (("process", dg.in_process_executor), ("pods", k8s_job_executor)):
        monkeypatch.setattr(executor, "_executor_creation_fn", lambda _context, label=label: chosen.append(label))
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
        ({**IN_CLUSTER, "ELDER_TIER": "large", "ELDER_STEP_PODS": "1"}, "pods"),
        ({**IN_CLUSTER, "ELDER_TIER": "xlarge", "ELDER_STEP_PODS": "1"}, "pods"),
    ],
    ids=["one-machine", "no-cluster", "step-pods-off", "medium", "large", "xlarge"],
)
def test_only_large_runs_of_a_cluster_have_step_pods(monkeypatch, environment: dict[str, str], where: str):
    assert made(monkeypatch, **environment) == where


def test_dagster_k8s_takes_the_configuration_of_step_pods():
    from dagster._config import process_config

    config = step_pods_config({"enabled": {}}, "large")
    checked = process_config({"execution": k8s_job_executor.config_schema.config_type}, {"execution": config})
    assert checked.success, checked.errors
    assert config["step_k8s_config"]["pod_spec_config"] == {"automount_service_account_token": False}


def test_jobs_of_assets_have_this_executor():
    assert defs.resolve_job_def("audit").executor_def is executor_by_tier
