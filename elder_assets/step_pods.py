"""Steps as pods of their own, sized by tier; a step that was out of memory is tried again in the next larger one.

Imported only where steps are pods: it brings the Kubernetes client along, a second of CPU.
"""

from __future__ import annotations

import logging
from typing import Any

import dagster as dg
from dagster._core.execution.retries import RetryMode  # none of these three has a public home
from dagster._core.executor.step_delegating import StepDelegatingExecutor
from dagster._core.executor.step_delegating.step_handler import CheckStepHealthResult, StepHandlerContext
from dagster_k8s import K8sRunLauncher
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.executor import K8sStepHandler
from dagster_k8s.job import UserDefinedDagsterK8sConfig
from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError

from resources.runs.launcher import is_out_of_memory
from resources.runs.tiers import BY_NAME, KILLED_TAG, pod_of, raised

STEPS_AT_ONCE = 4
logger = logging.getLogger(__name__)


def step_pods_executor(context: dg.InitExecutorContext, tier: str) -> dg.Executor:
    """The executor of a run whose steps are pods of a tier."""
    launcher = context.instance.run_launcher
    in_cluster = launcher.load_incluster_config if isinstance(launcher, K8sRunLauncher) else True
    kubeconfig = launcher.kubeconfig_file if isinstance(launcher, K8sRunLauncher) else None
    retries = RetryMode.from_config(context.executor_config["retries"])  # type: ignore[arg-type]  # checked by its schema
    assert retries is not None, "the schema of the executor has a default"  # noqa: S101
    return StepDelegatingExecutor(
        TieredStepHandler(tier, load_incluster_config=in_cluster, kubeconfig_file=kubeconfig),
        retries=retries,
        max_concurrent=STEPS_AT_ONCE,
        should_verify_step=True,
    )


def container_of(tier: str) -> K8sContainerContext:
    """What dagster-k8s makes a step's pod of: the tier, and no token of the API."""
    pod = {**pod_of(BY_NAME[tier]), "pod_spec_config": {"automount_service_account_token": False}}
    config = UserDefinedDagsterK8sConfig.from_dict(pod)  # type: ignore[no-untyped-call]
    return K8sContainerContext(run_k8s_config=config)


class TieredStepHandler(K8sStepHandler):
    """dagster-k8s' handler of steps; it also looks why a pod ended.

    Args:
        tier: of the run.
        options: of dagster-k8s' handler.
    """

    def __init__(self, tier: str, **options: Any) -> None:
        # The steps of a run that is gone are collected with its pod.
        super().__init__(image=None, container_context=container_of(tier), enable_owner_references=True, **options)
        self._tier = tier
        self._too_small: set[str] = set()

    def check_step_health(self, step_handler_context: StepHandlerContext) -> CheckStepHealthResult:
        """Whether a step's Job is well; if not, and memory is why, the run is tagged for those that come after it."""
        found = super().check_step_health(step_handler_context)
        if found.is_healthy or not self._is_out_of_memory(step_handler_context):
            return found
        self._too_small.add(self._get_step_key(step_handler_context))
        run = step_handler_context.dagster_run
        step_handler_context.instance.add_run_tags(run.run_id, {KILLED_TAG: self._tier})
        reason = f"{found.unhealthy_reason} Its pod was out of memory in tier {self._tier}."
        return CheckStepHealthResult.unhealthy(reason=reason)

    def _is_out_of_memory(self, step_handler_context: StepHandlerContext) -> bool:
        name = self._get_k8s_step_job_name(step_handler_context)
        namespace = self._get_container_context(step_handler_context).namespace
        try:
            pods = self._api_client.get_pods_in_job(name, namespace)
        except (ApiException, HTTPError):  # the step has failed in any case; its tier stays
            logger.warning("cannot list the pods of %s; its tier is not raised", name, exc_info=True)
            return False
        return any(is_out_of_memory(pod) for pod in pods)

    def _get_container_context(self, step_handler_context: StepHandlerContext) -> K8sContainerContext:
        context = super()._get_container_context(step_handler_context)
        if self._get_step_key(step_handler_context) not in self._too_small:
            return context
        larger: K8sContainerContext = context.merge(container_of(raised(self._tier)))
        return larger
