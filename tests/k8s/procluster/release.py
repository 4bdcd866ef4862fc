"""The chart as helm installs it: rendered by helm, applied in helm's order, with its hooks."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml

from .cluster import Cluster
from .controllers import is_finished
from .objects import Object

ORDER = (
    *("NetworkPolicy", "ResourceQuota", "LimitRange", "PodDisruptionBudget", "ServiceAccount", "Secret", "ConfigMap"),
    *("PersistentVolumeClaim", "Role", "RoleBinding", "Service", "Pod", "Deployment", "HorizontalPodAutoscaler"),
    *("Job", "CronJob", "Ingress"),
)
"""Helm's order of kinds, of those that are known here."""
HOOK, WEIGHT, DELETE = "helm.sh/hook", "helm.sh/hook-weight", "helm.sh/hook-delete-policy"
HOOK_SECONDS = 180


def rendered(helm: Path, chart: Path, name: str, namespace: str, values: Path) -> list[Object]:
    """The objects of a chart.

    Raises:
        AssertionError: helm refuses it.
    """
    command = [str(helm), "template", name, str(chart), "--namespace", namespace, "--values", str(values)]
    done = subprocess.run([*command, "--kube-version", "1.37"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


class Release:
    """One installed chart."""

    def __init__(self, cluster: Cluster, objects: list[Object], namespace: str) -> None:
        self.cluster, self.objects, self.namespace = cluster, objects, namespace
        self.finished: dict[str, str] = {}
        """Name of each hook that succeeded, and its log."""

    def install(self) -> None:
        """`helm install`: hooks before, everything, hooks after."""
        self.run_hooks("pre-install")
        manifests = [one for one in self.objects if not _hooks(one)]
        for one in sorted(manifests, key=lambda one: ORDER.index(one["kind"])):
            self.cluster.apply(one, self.namespace)
        self.run_hooks("post-install")

    def run_hooks(self, event: str) -> None:
        """Run the hooks of an event one after the other, as `helm install` and `helm test` do.

        Raises:
            AssertionError: one fails, or does not end.
        """
        mine = [one for one in self.objects if event in _hooks(one)]
        for one in sorted(mine, key=lambda one: (int(_annotations(one).get(WEIGHT, 0)), one["metadata"]["name"])):
            self._run_hook(one)

    def _run_hook(self, one: Object) -> None:
        made = self.cluster.apply(one, self.namespace)
        name = made["metadata"]["name"]
        ended = self.cluster.wait(f"hook {name}", lambda: self._ended(made), HOOK_SECONDS)
        if ended["kind"] == "Job":
            (pod,) = self.cluster.pods(self.namespace, f"job-name={name}")[-1:]
        else:
            pod = ended
        self.finished[name] = self.cluster.log(pod)
        is_good = pod["status"]["phase"] == "Succeeded"
        assert is_good, f"hook {name} failed\n{self.finished[name]}"
        if "hook-succeeded" in _annotations(one).get(DELETE, ""):
            self.cluster.store.delete(made["kind"], self.namespace, name)

    def _ended(self, one: Object) -> Object | None:
        stored = self.cluster.store.get(one["kind"], self.namespace, one["metadata"]["name"])
        is_over = (
            is_finished(stored) if one["kind"] == "Job" else stored["status"].get("phase") in {"Succeeded", "Failed"}
        )
        return stored if is_over else None

    def unready(self) -> list[str]:
        """Names of the Deployments that have too few ready pods."""
        return [
            one["metadata"]["name"]
            for one in self.cluster.store.list("Deployment", self.namespace)
            if one["status"].get("readyReplicas", 0) < one["spec"].get("replicas", 1)
        ]


def _annotations(one: Object) -> dict[str, str]:
    return one["metadata"].get("annotations") or {}


def _hooks(one: Object) -> set[str]:
    return {name.strip() for name in _annotations(one).get(HOOK, "").split(",")} - {""}
