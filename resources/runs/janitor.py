"""Which Jobs of a cluster no run needs any more. The decision is pure; reading and deleting stand below it.

Dagster leaves Jobs behind: of a run that did not start in time (its pod may start later, for nothing), of a cancelled
run whose step did not hear of it, of a run that was deleted. Finished Jobs go by their own time to live.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

RUN_LABEL = "dagster/run-id"
ENDED = frozenset({"SUCCESS", "FAILURE", "CANCELED"})
GRACE_SECONDS = 120
"""Time in which the Job of a run that has just ended ends by itself."""
UNKNOWN_SECONDS = 3600
"""Age at which a Job whose run the instance does not know is an orphan; a run is stored before its Job is made."""
REMOVED_MAX = 200
"""Jobs removed in one round; more would be a mistake that somebody should see first."""


class Orphan(msgspec.Struct, frozen=True, kw_only=True):
    """A Job that is to be removed."""

    name: str
    uid: str
    """Removed only as long as it is this very Job."""
    reason: str


class RunState(msgspec.Struct, frozen=True, kw_only=True):
    """What the instance knows of a run."""

    status: str
    ended_at: dt.datetime | None = None


def orphans(jobs: Iterable[Mapping[str, Any]], runs: Mapping[str, RunState], now: dt.datetime) -> list[Orphan]:
    """The Jobs that are to be removed, oldest first, REMOVED_MAX at most.

    Args:
        jobs: as the Kubernetes API returns them.
        runs: by run id, of every run that a Job names and the instance knows.
        now: the time.
    """
    found = []
    for job in jobs:
        metadata = job["metadata"]
        run_id = (metadata.get("labels") or {}).get(RUN_LABEL, "")
        if not run_id or _is_finished(job) or metadata.get("deletionTimestamp"):
            continue
        created = dt.datetime.fromisoformat(metadata["creationTimestamp"])
        if reason := _needless(run_id, runs.get(run_id), created, now):
            found.append((created, Orphan(name=metadata["name"], uid=metadata["uid"], reason=reason)))
    found.sort(key=lambda item: (item[0], item[1].name))
    return [orphan for _created, orphan in found[:REMOVED_MAX]]


def _needless(run_id: str, run: RunState | None, created: dt.datetime, now: dt.datetime) -> str:
    if run is None:
        age = (now - created).total_seconds()
        return f"no run {run_id} is known, and the Job is {age / 60:.0f} minutes old" if age > UNKNOWN_SECONDS else ""
    if run.status not in ENDED:
        return ""
    since = (now - (run.ended_at or created)).total_seconds()
    return f"run {run_id} is {run.status} for {since:.0f} s" if since > GRACE_SECONDS else ""


def _is_finished(job: Mapping[str, Any]) -> bool:
    conditions = job.get("status", {}).get("conditions") or []
    return any(one["type"] in {"Complete", "Failed"} and one["status"] == "True" for one in conditions)


def list_jobs(api: Any, namespace: str, label: str) -> list[dict[str, Any]]:
    """The Jobs of a namespace that have a label, as plain trees; `api` is a `kubernetes.client.BatchV1Api`.

    Raises:
        ApiException: the cluster refuses.
    """
    found, following = [], None
    while True:
        page = api.list_namespaced_job(namespace, label_selector=label, limit=500, _continue=following)
        found += [api.api_client.sanitize_for_serialization(job) for job in page.items]
        following = page.metadata._continue  # noqa: SLF001 - the client's name for the field "continue"
        if not following:
            return found


def remove(api: Any, namespace: str, orphan: Orphan) -> bool:
    """Remove a Job and its pods; False when it is gone, or another one has its name.

    Raises:
        ApiException: the cluster refuses.
    """
    from kubernetes.client import ApiException, V1DeleteOptions, V1Preconditions

    options = V1DeleteOptions(propagation_policy="Background", preconditions=V1Preconditions(uid=orphan.uid))
    try:
        api.delete_namespaced_job(orphan.name, namespace, body=options)
    except ApiException as error:
        if error.status in {404, 409}:
            return False
        raise
    return True
