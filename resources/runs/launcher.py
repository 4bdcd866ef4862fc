"""Starts each run as a Kubernetes Job whose size follows from the repository (`tiers.py`).

Used by the daemon and the Dagster webserver of a cluster, through `dagster.yaml`; nothing else imports it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import dagster as dg
from dagster._core.launcher import LaunchRunContext  # LaunchRunContext has no public home
from dagster_k8s import K8sRunLauncher
from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError

from resources.runs.tiers import CONFIG_TAG, FITS_TAG, KILLED_TAG, TIER_TAG, chosen_tier, run_tags

PARTITION_TAG, RUN_LABEL = "dagster/partition", "dagster/run-id"
RETRY_WHOLE = {"dagster/retry_strategy": "ALL_STEPS"}
"""Steps hand each other files in ELDER_HOME, which may have gone with the pod; facts come from the cache again."""
RUNS_LOOKED_AT = 10
"""Earlier runs of a repository that say what it needs; an operator who shrinks it waits this many runs at most."""
OUT_OF_MEMORY = "OOMKilled"
logger = logging.getLogger(__name__)


class TieredRunLauncher(K8sRunLauncher):
    """dagster-k8s' launcher, with a tier for each run."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Choose the run's tier, tag the run with it, and start its Job."""
        run = context.dagster_run
        earlier = self._earlier(run)
        if earlier:
            self._note_killed(earlier[0])
        killed = [past.tags[KILLED_TAG] for past in self._earlier(run) if KILLED_TAG in past.tags]
        fits = next((past.tags[FITS_TAG] for past in earlier if FITS_TAG in past.tags), "")
        tier, reason = chosen_tier(run.tags.get(TIER_TAG, ""), fits, killed)
        tags = {**RETRY_WHOLE, **run_tags(tier)}
        if _is_custom(run.tags):
            del tags[CONFIG_TAG]
        self._instance.add_run_tags(run.run_id, tags)
        self._instance.report_engine_event(f"tier {tier}: {reason}", run, cls=type(self))
        tagged = run.with_tags({**run.tags, **tags})
        super().launch_run(LaunchRunContext(dagster_run=tagged, workspace=context.workspace))

    def _earlier(self, run: dg.DagsterRun) -> Sequence[dg.DagsterRun]:
        """The last runs of the same repository, newest first."""
        partition = run.tags.get(PARTITION_TAG)
        if not partition:
            return []
        wanted = dg.RunsFilter(tags={PARTITION_TAG: partition})
        return [past for past in self._instance.get_runs(wanted, limit=RUNS_LOOKED_AT) if past.run_id != run.run_id]

    def _note_killed(self, past: dg.DagsterRun) -> None:
        """Tag a failed run whose worker, or a step's pod, was out of memory; its pods stay for a while after it."""
        tier = past.tags.get(TIER_TAG)
        if past.status is not dg.DagsterRunStatus.FAILURE or tier is None or past.tags.get(KILLED_TAG) == tier:
            return
        try:
            label = f"{RUN_LABEL}={past.run_id}"
            pods = self._api_client.core_api.list_namespaced_pod(self.job_namespace, label_selector=label).items
        except (ApiException, HTTPError):  # the run must start; the same tier is the worst that follows
            logger.warning("cannot list the pods of run %s; its tier is not raised", past.run_id, exc_info=True)
            return
        if any(is_out_of_memory(pod) for pod in pods):
            self._instance.add_run_tags(past.run_id, {KILLED_TAG: tier})


def is_out_of_memory(pod: Any) -> bool:
    """Whether a container of a pod (V1Pod) was killed because it went over its memory limit."""
    statuses = (pod.status.container_statuses if pod.status else None) or []
    states = [state for status in statuses for state in (status.state, status.last_state) if state]
    return any(state.terminated is not None and state.terminated.reason == OUT_OF_MEMORY for state in states)


def _is_custom(tags: Any) -> bool:
    """Whether somebody gave the run a pod of its own; a retry carries the tags of the run before, which are ours."""
    given = tags.get(CONFIG_TAG)
    return given is not None and (tags.get(TIER_TAG, "") == "" or given != _ours(tags[TIER_TAG]))


def _ours(tier: str) -> str | None:
    try:
        return run_tags(tier)[CONFIG_TAG]
    except KeyError:
        return None
