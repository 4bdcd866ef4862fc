"""What makes pods out of Jobs and Deployments, counts them, and collects what nobody owns."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import secrets
import threading
import traceback

from .api_server import Api
from .network import is_ready
from .objects import ApiError, Object, Store, labels_of, stamp

ROUND_SECONDS = 0.3
BACKOFF_SECONDS = 2.0
"""Before the pod of a Job is made again; a real controller begins with ten."""


class Controllers:
    """One thread that goes round."""

    def __init__(self, store: Store, api: Api) -> None:
        self._store, self._api = store, api
        self._is_open = True
        self._thread = threading.Thread(target=self._go, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._is_open = False
        self._thread.join()

    def _go(self) -> None:
        while self._is_open:
            try:
                self._store.collect()
                for job in self._store.list("Job"):
                    self._job(job)
                for deployment in self._store.list("Deployment"):
                    self._deployment(deployment)
            except Exception:  # noqa: BLE001 - one bad object must not stop the cluster, and must be seen
                traceback.print_exc()
            with self._store.changed:
                self._store.changed.wait(ROUND_SECONDS)

    # --- jobs ---

    def _job(self, job: Object) -> None:
        if is_finished(job):
            return self._expire(job)
        pods = self._pods_of(job)
        failed = sum(pod["status"].get("phase") == "Failed" for pod in pods)
        succeeded = sum(pod["status"].get("phase") == "Succeeded" for pod in pods)
        active = [pod for pod in pods if pod["status"].get("phase") not in {"Failed", "Succeeded"}]
        began = job["status"].get("startTime") or stamp()
        deadline = job["spec"].get("activeDeadlineSeconds")
        status = {"startTime": began, "failed": failed, "succeeded": succeeded, "active": len(active)}
        if succeeded >= job["spec"].get("completions", 1):
            self._finish(job, status, "Complete", "", "")
        elif deadline and _age(began) > deadline:
            for pod in active:
                self._store.delete("Pod", pod["metadata"]["namespace"], pod["metadata"]["name"])
            status |= {"active": 0, "failed": failed + len(active)}
            self._finish(job, status, "Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
        elif failed > job["spec"].get("backoffLimit", 6):
            self._finish(job, status, "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
        else:
            if not active and (not failed or _age(_ended(pods)) > BACKOFF_SECONDS):
                self._make(job, job["spec"]["template"], {"job-name": job["metadata"]["name"]})
                status["active"] = 1
            self._set(job, status)
        return None

    def _finish(self, job: Object, status: Object, kind: str, reason: str, message: str) -> None:
        condition = {
            "type": kind,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": stamp(),
        }
        if kind == "Complete":
            status["completionTime"] = stamp()
        self._set(job, status | {"conditions": [condition], "active": 0})
        self._store.note(job, reason or "Completed", message or "Job completed", "Warning" if reason else "Normal")

    def _expire(self, job: Object) -> None:
        life = job["spec"].get("ttlSecondsAfterFinished")
        if life is not None and _age(job["status"]["conditions"][-1]["lastTransitionTime"]) > life:
            self._store.delete("Job", job["metadata"]["namespace"], job["metadata"]["name"])

    def _pods_of(self, owner: Object) -> list[Object]:
        return [one for one in self._store.dependents(owner["metadata"]["uid"]) if one["kind"] == "Pod"]

    def _set(self, one: Object, status: Object) -> None:
        self._store.update(
            one,
            lambda stored: stored["status"].update(
                {key: value for key, value in status.items() if value or key == "active"}
            ),
        )

    # --- deployments ---

    def _deployment(self, deployment: Object) -> None:
        template = deployment["spec"]["template"]
        digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:9]
        pods = [pod for pod in self._pods_of(deployment) if "deletionTimestamp" not in pod["metadata"]]
        current = [pod for pod in pods if labels_of(pod).get("pod-template-hash") == digest]
        for pod in pods:
            if pod not in current:
                self._store.delete("Pod", pod["metadata"]["namespace"], pod["metadata"]["name"])
        wanted = deployment["spec"].get("replicas", 1)
        for _ in range(wanted - len(current)):
            self._make(deployment, template, {"pod-template-hash": digest})
        for pod in current[wanted:]:
            self._store.delete("Pod", pod["metadata"]["namespace"], pod["metadata"]["name"])
        self._set(deployment, {"replicas": len(current), "readyReplicas": sum(is_ready(pod) for pod in current)})

    # --- pods ---

    def _make(self, owner: Object, template: Object, labels: dict[str, str]) -> None:
        metadata, given = owner["metadata"], template.get("metadata") or {}
        reference = {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "controller": True,
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{metadata['name'][:57]}-{secrets.token_hex(3)[:5]}",
                "namespace": metadata["namespace"],
                "labels": {**(given.get("labels") or {}), **labels},
                "annotations": given.get("annotations") or {},
                "ownerReferences": [reference],
            },
            "spec": template["spec"],
        }
        try:
            self._api.create(pod)
        except ApiError as error:
            known = {
                event["message"]
                for event in self._store.list("Event", fields=f"involvedObject.name={metadata['name']}")
            }
            if error.message not in known:
                self._store.note(owner, "FailedCreate", error.message, "Warning")


def is_finished(job: Object) -> bool:
    """Whether a Job is complete or has failed."""
    return any(one["status"] == "True" for one in job["status"].get("conditions") or [])


def _age(at: str) -> float:
    return (dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(at)).total_seconds()


def _ended(pods: list[Object]) -> str:
    states = [pod["status"]["containerStatuses"][0]["state"] for pod in pods if pod["status"].get("containerStatuses")]
    return max((state["terminated"]["finishedAt"] for state in states if "terminated" in state), default=stamp())
