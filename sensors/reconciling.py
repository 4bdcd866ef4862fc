"""Rows whose run ended without saying so: a killed worker, a daemon that stopped between a decision and its run.

`ending_of` is pure. `reconcile` asks Dagster what became of the runs of queued rows and does what was decided.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

import dagster as dg
import msgspec

from elder_assets.partitions import INBOX_TAG
from resources.runs.locks import forget, is_gone
from resources.settings import Settings
from resources.store import Store
from resources.store.inbox import InboxRow

ATTEMPTS_MAX = 3
"""A run that dies so often is not tried again: what it audits may be what kills it."""
UNSTARTED_SECONDS_MAX = 60
"""After so long without a run, its sensor tick is over (Dagster gives a tick 60 s)."""
UNCLAIMED_SECONDS_MAX = 120
"""A worker takes its lock with its first step; a run that has begun and took none for so long has no worker."""
RUNS_LOOKED_AT = 200
ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
WORKING = (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)


class RunSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What Dagster knows of a row's run."""

    run_id: str
    status: dg.DagsterRunStatus
    failure: str = ""
    """What its step said; '' where no step failed: then its worker died."""


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """What is to become of a queued row."""

    state: Literal["queued", "waiting", "done", "failed"]
    reason: str = ""
    is_attempt: bool = True


STILL = Ending(state="queued")


def ending_of(row: InboxRow, run: RunSeen | None, now: dt.datetime) -> Ending:
    """Decide about a queued row by its last run."""
    if run is None or run.status is dg.DagsterRunStatus.NOT_STARTED:
        waited = (now - (row.decided_at or row.received_at)).total_seconds()
        if waited < UNSTARTED_SECONDS_MAX:
            return STILL
        return Ending(state="waiting", reason="its run was never started; it is asked for again", is_attempt=False)
    if run.status is dg.DagsterRunStatus.SUCCESS:
        return Ending(state="done")
    if run.status is dg.DagsterRunStatus.CANCELED:
        return Ending(state="failed", reason="its run was cancelled")
    if run.status is not dg.DagsterRunStatus.FAILURE:
        return STILL
    if run.failure:
        return Ending(state="failed", reason=run.failure)
    attempts = int(row.result.get("attempts", 0)) + 1
    if attempts < ATTEMPTS_MAX:
        return Ending(state="waiting", reason=f"run {run.run_id[:8]} was lost; it is tried again")
    return Ending(state="failed", reason=f"its run was lost {attempts} times; the last was {run.run_id[:8]}")


def reconcile(instance: dg.DagsterInstance, store: Store, settings: Settings) -> list[str]:
    """End or release queued rows whose runs ended; what was done, in words."""
    said = reap(instance, settings)
    rows = store.queued_inbox()
    if not rows:
        return said
    now = dt.datetime.now(dt.UTC)
    runs = _runs_of(instance, rows)
    for row in rows:
        record = runs.get(str(row.id))
        run = None if record is None else _seen(instance, record)
        ending = ending_of(row, run, now)
        if ending.state == "queued":
            continue
        if ending.state == "waiting":
            store.release_inbox(row.id, ending.reason, is_attempt=ending.is_attempt)
        else:
            store.finish_inbox(row.id, state=ending.state, decision=ending.reason, result={})
        if ending.state == "failed" and row.repository:
            store.record_failure(row.repository, ending.reason, run.run_id if run else None)
        said.append(f"delivery {row.id} is {ending.state}: {ending.reason}")
    return said


def _runs_of(instance: dg.DagsterInstance, rows: list[InboxRow]) -> dict[str, dg.DagsterRun]:
    """The newest run of each row that has one, by the row's number."""
    found: dict[str, dg.DagsterRun] = {}
    numbers = [str(row.id) for row in rows]
    for start in range(0, len(numbers), 100):
        wanted = dg.RunsFilter(tags={INBOX_TAG: numbers[start : start + 100]})
        for run in instance.get_runs(filters=wanted):  # newest first
            found.setdefault(run.tags[INBOX_TAG], run)
    keys = {str(row.id): row.run_key for row in rows}
    return {number: run for number, run in found.items() if run.tags.get("dagster/run_key") == keys[number]}


def _seen(instance: dg.DagsterInstance, run: dg.DagsterRun) -> RunSeen:
    failure = why_failed(instance, run) if run.status is dg.DagsterRunStatus.FAILURE else ""
    return RunSeen(run_id=run.run_id, status=run.status, failure=failure)


def why_failed(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """What the first step of a run that failed said; '' where none failed: then its process died."""
    events = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    return next((_said(event.dagster_event) for event in events if event.dagster_event), "")


def _said(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return data.user_failure_data.description[:500]
    said = data.error.message.strip().splitlines() if data.error is not None else []
    return (said[0] if said else f"{event.step_key} failed")[:500]


def reap(instance: dg.DagsterInstance, settings: Settings) -> list[str]:
    """Report runs as failed whose worker is gone, which a default launcher notices only while its server lives.

    In Kubernetes the jobs themselves say so, to Dagster's run monitoring.
    """
    if settings.kubernetes_namespace:
        return []
    said = []
    now = dt.datetime.now(dt.UTC)
    records = instance.get_run_records(filters=dg.RunsFilter(statuses=list(WORKING)), limit=RUNS_LOOKED_AT)
    for record in records:
        run = record.dagster_run
        begun = record.start_time or record.create_timestamp.timestamp()
        is_unclaimed = now.timestamp() - begun > UNCLAIMED_SECONDS_MAX
        if is_gone(settings, run.run_id, when_unclaimed=is_unclaimed):
            instance.report_run_failed(run, "the process of this run is gone")
            forget(settings, run.run_id)
            said.append(f"run {run.run_id[:8]} is gone")
    return said
