"""The part of `elder doctor` that looks into Dagster's instance: daemons, sensors and schedules."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg
from dagster import DagsterInstance
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, TickStatus
from dagster._daemon.controller import all_daemons_healthy, get_daemon_statuses

from resources.observability.doctor import Check
from resources.settings import Settings

TOLERANCE_SECONDS = 120.0
START = "start it: `elder up`, or the daemon of the chart"


def examine_dagster(settings: Settings) -> list[Check]:
    """Look at the instance of DAGSTER_HOME, else of this machine."""
    folder = os.environ.get("DAGSTER_HOME") or str(settings.dagster_home)  # Dagster's own variable, as it reads it
    if not (Path(folder) / "dagster.yaml").is_file():
        detail = "no instance on this machine"
        return [Check(name="dagster", state="skipped", detail=detail)]
    try:
        with DagsterInstance.from_config(folder) as instance:
            return [daemons(instance), instigators(instance)]
    except (dg.DagsterError, OSError) as error:
        reason = str(error).strip().splitlines()[0][:200]
        return [Check(name="dagster", state="failed", detail=f"the instance does not open: {reason}", advice=START)]


def daemons(instance: DagsterInstance) -> Check:
    """Every daemon that the instance asks for has a fresh heartbeat."""
    if all_daemons_healthy(instance, heartbeat_tolerance_seconds=TOLERANCE_SECONDS):
        return Check(name="dagster daemons", state="ok", detail="every heartbeat is fresh")
    statuses = get_daemon_statuses(
        instance, instance.get_required_daemon_types(), heartbeat_tolerance_seconds=TOLERANCE_SECONDS
    )
    wrong = sorted(name for name, status in statuses.items() if not status.healthy)
    return Check(
        name="dagster daemons", state="failed", detail=f"no fresh heartbeat of {', '.join(wrong)}", advice=START
    )


def instigators(instance: DagsterInstance) -> Check:
    """Sensors and schedules run, and their last tick did not fail."""
    states = list(instance.all_instigator_state())
    stopped = sorted(state.name for state in states if state.status is InstigatorStatus.STOPPED)
    failed = sorted(state.name for state in states if _last_tick_failed(instance, state))
    if stopped or failed:
        said = [f"stopped: {', '.join(stopped)}"] * bool(stopped) + [f"last tick failed: {', '.join(failed)}"] * bool(
            failed
        )
        advice = "start them in the Dagster UI; a failed tick says why there"
        return Check(name="sensors and schedules", state="warning", detail="; ".join(said), advice=advice)
    return Check(
        name="sensors and schedules", state="ok", detail=f"none of {len(states)} is stopped, no last tick failed"
    )


def _last_tick_failed(instance: DagsterInstance, state: InstigatorState) -> bool:
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
    return bool(ticks) and ticks[0].status is TickStatus.FAILURE
