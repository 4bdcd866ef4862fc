"""The `dagster.yaml` of a deployment: SQLite on one machine, PostgreSQL and Kubernetes in production."""

from __future__ import annotations

from typing import Any

import yaml

from resources.runs.tiers import HOST_TAG, TEAM_TAG
from resources.settings import Settings

STORAGE_VARIABLE = "ELDER_DATABASE_URL"
TABLES_IN_PUBLIC = {"PGOPTIONS": "-c search_path=public"}
"""Dagster names no schema. A role that is called `elder` would look into our schema first, and find our `snapshots`
where Dagster means its own; our own connections say themselves where they look."""
ONE_RUN_A_REPOSITORY = {"key": "dagster/partition", "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
"""Two runs of one repository would write one facts cache (decision D21)."""


JOB_DEADLINES = {"active_deadline_seconds": 28_800, "ttl_seconds_after_finished": 86_400, "backoff_limit": 0}
"""Of every Job that a run starts; tiers set shorter deadlines. A Job never retries: Dagster does, and would meet its
own twin (dagster issue 33755). Under an hour to live, steps end before their result is seen (dagster issue 22565)."""
RUN_RETRIES = {"enabled": True, "max_retries": 2, "retry_on_asset_or_op_failure": False}
"""A worker that died is retried; an audit that failed says why, and would fail again."""
RUN_MONITORING = {
    "enabled": True,
    "start_timeout_seconds": 300,
    "poll_interval_seconds": 30,
    # With resumes, a cancelled run would leave the pods of its steps behind (dagster issue 33923).
    "max_resume_run_attempts": 0,
}


TICKS_KEPT = {"purge_after_days": {"skipped": 1, "started": 7, "success": 7, "failure": 30}}
"""Several sensors tick every few seconds; Dagster keeps most of their ticks for ever unless told otherwise."""


def tag_limits(settings: Settings) -> list[dict[str, Any]]:
    """How many runs with the same tag may be under way."""
    limits = [ONE_RUN_A_REPOSITORY]
    for tag, most in ((TEAM_TAG, settings.team_runs_max), (HOST_TAG, settings.host_runs_max)):
        if most:
            limits.append({"key": tag, "value": {"applyLimitPerUniqueValue": True}, "limit": most})
    return limits


def run_coordinator(settings: Settings) -> dict[str, Any]:
    """Dagster's queue, or ours where a forecast may raise the limit."""
    config = {"dequeue_interval_seconds": 1}
    if not settings.forecast_runs_max:
        return {"module": "dagster.core.run_coordinator", "class": "QueuedRunCoordinator", "config": config}
    config |= {"max_concurrent_runs": settings.max_concurrent_runs, "forecast_runs_max": settings.forecast_runs_max}
    return {"module": "resources.runs.queue", "class": "ForecastRunCoordinator", "config": config}


def instance_document(settings: Settings) -> dict[str, Any]:
    """The instance's configuration as a plain tree."""
    document: dict[str, Any] = {
        "telemetry": {"enabled": False},
        "concurrency": {"runs": {"tag_concurrency_limits": tag_limits(settings)}},
        "run_coordinator": run_coordinator(settings),
        # The inbox sensor watches its table for seconds; no other sensor is to wait for it.
        "sensors": {"use_threads": True, "num_workers": 4},
        "run_monitoring": RUN_MONITORING,
        "run_retries": RUN_RETRIES,
        "retention": {"schedule": TICKS_KEPT, "sensor": TICKS_KEPT},
    }
    if not settings.forecast_runs_max:  # a limit that stands here wins over the run coordinator's
        document["concurrency"]["runs"]["max_concurrent_runs"] = settings.max_concurrent_runs
    if settings.database_url.startswith("postgresql"):
        document["storage"] = {"postgres": {"postgres_url": {"env": STORAGE_VARIABLE}}}
    if not settings.kubernetes_namespace:  # a terminal; a pod's log has every event, the UI has them in both cases
        document["python_logs"] = {"python_log_level": "INFO"}
    if settings.kubernetes_namespace:
        document["run_launcher"] = {
            "module": "resources.runs.launcher",
            "class": "TieredRunLauncher",
            "config": {
                "job_namespace": settings.kubernetes_namespace,
                "job_image": settings.kubernetes_image,
                "service_account_name": "elder",
                "instance_config_map": "elder-instance",
                "dagster_home": "/opt/dagster/dagster_home",
                "env_vars": [STORAGE_VARIABLE],
                "run_k8s_config": {"job_spec_config": JOB_DEADLINES},
            },
        }
    return document


def write_instance(settings: Settings) -> None:
    """Write `dagster.yaml` into the instance's folder; it holds no secret, only names of variables."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    text = "# Written by `elder up` from the settings; changes here are overwritten.\n"
    text += yaml.safe_dump(instance_document(settings), sort_keys=True)
    (settings.dagster_home / "dagster.yaml").write_text(text)
