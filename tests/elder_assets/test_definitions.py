"""What the code location holds, as a snapshot: an asset, check or owner that is lost or renamed shows in review."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from dagster_k8s import K8sRunLauncher
from dagster_postgres import DagsterPostgresStorage

from elder_assets.definitions import defs
from resources.dagster_instance import instance_document
from resources.settings import load_settings

pytestmark = [pytest.mark.platform, pytest.mark.xdist_group("dagster")]
SNAPSHOT = Path(__file__).parent / "__snapshots__" / "definitions.json"


def described() -> dict:
    graph = defs.resolve_asset_graph()
    assets = {
        node.key.to_user_string(): {
            "partitions": node.partitions_def.name if node.partitions_def else None,
            "dependencies": sorted(key.to_user_string() for key in node.parent_keys),
            "group": node.group_name,
            "owners": sorted(node.owners),
            "kinds": sorted(node.kinds),
            "has_description": bool(node.description),
            "checks": sorted(key.name for key in node.check_keys),
        }
        for node in graph.asset_nodes
    }
    return {
        "assets": dict(sorted(assets.items())),
        "blocking_checks": sorted(
            f"{key.asset_key.to_user_string()}:{key.name}"
            for key in graph.asset_check_keys
            if graph.get_check_spec(key).blocking
        ),
        "jobs": sorted(job.name for job in defs.jobs or ()),
        "schedules": sorted(schedule.name for schedule in defs.schedules or ()),
    }


def test_the_definitions_are_those_of_the_snapshot():
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOT.parent.mkdir(exist_ok=True)
        SNAPSHOT.write_text(json.dumps(described(), indent=2) + "\n")
    assert described() == json.loads(SNAPSHOT.read_text()), "UPDATE_SNAPSHOTS=1 writes it anew; read the diff"


def test_every_definition_loads_and_binds():
    defs.validate_loadable(defs)


def test_the_embedded_instance_uses_sqlite_and_sends_no_telemetry():
    document = instance_document(load_settings({"ELDER_HOME": "/h"}))
    assert document["telemetry"] == {"enabled": False}
    assert "storage" not in document


def test_production_runs_are_kubernetes_jobs_and_state_lives_in_postgresql():
    environment = {
        "ELDER_HOME": "/h",
        "ELDER_DATABASE_URL": "postgresql://db/elder",
        "ELDER_KUBERNETES_NAMESPACE": "audits",
        "ELDER_KUBERNETES_IMAGE": "elder:1",
    }
    document = instance_document(load_settings(environment))
    launcher = document["run_launcher"]
    assert launcher["class"] == K8sRunLauncher.__name__
    assert set(launcher["config"]) <= set(K8sRunLauncher.config_type())
    assert set(document["storage"]["postgres"]) <= set(DagsterPostgresStorage.config_type())
