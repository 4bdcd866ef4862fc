"""The `dagster.yaml` of a deployment: SQLite on one machine, PostgreSQL and Kubernetes in production."""

from __future__ import annotations

from typing import Any

import yaml

from resources.settings import Settings

STORAGE_VARIABLE = "ELDER_DATABASE_URL"
ONE_RUN_A_REPOSITORY = {"key": "dagster/partition", "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
"""Two runs of one repository would write one facts cache (decision D21)."""


def instance_document(settings: Settings) -> dict[str, Any]:
    """The instance's configuration as a plain tree."""
    document: dict[str, Any] = {
        "telemetry": {"enabled": False},
        "concurrency": {
            "runs": {
                "max_concurrent_runs": settings.max_concurrent_runs,
                "tag_concurrency_limits": [ONE_RUN_A_REPOSITORY],
            }
        },
        "run_coordinator": {
            "module": "dagster.core.run_coordinator",
            "class": "QueuedRunCoordinator",
            "config": {"dequeue_interval_seconds": 1},
        },
        # The inbox sensor watches its table for seconds; no other sensor is to wait for it.
        "sensors": {"use_threads": True, "num_workers": 4},
        "run_monitoring": {"enabled": True, "start_timeout_seconds": 300, "poll_interval_seconds": 30},
        # A worker that died is retried; an audit that failed says why, and would fail again.
        "run_retries": {"enabled": True, "max_retries": 2, "retry_on_asset_or_op_failure": False},
    }
    if settings.database_url.startswith("postgresql"):
        document["storage"] = {"postgres": {"postgres_url": {"env": STORAGE_VARIABLE}}}
    if settings.kubernetes_namespace:
        document["run_launcher"] = {
            "module": "dagster_k8s",
            "class": "K8sRunLauncher",
            "config": {
                "job_namespace": settings.kubernetes_namespace,
                "job_image": settings.kubernetes_image,
                "service_account_name": "elder",
                "instance_config_map": "elder-instance",
                "dagster_home": "/opt/dagster/dagster_home",
                "env_vars": [STORAGE_VARIABLE],
            },
        }
    return document


def write_instance(settings: Settings) -> None:
    """Write `dagster.yaml` into the instance's folder; it holds no secret, only names of variables."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    text = "# Written by `elder up` from the settings; changes here are overwritten.\n"
    text += yaml.safe_dump(instance_document(settings), sort_keys=True)
    (settings.dagster_home / "dagster.yaml").write_text(text)
