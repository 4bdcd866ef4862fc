"""What the code location holds, as a snapshot: an asset, check or owner that is lost or renamed shows in review."""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path

import dagster as dg
import pytest
from dagster_postgres import DagsterPostgresStorage

from elder_assets.definitions import defs
from elder_assets.jobs import nightly_audit
from elder_assets.partitions import match_partitions
from resources.dagster_instance import instance_document, write_instance
from resources.dagster_resources import ElderResource
from resources.registry import add_known
from resources.runs.launcher import TieredRunLauncher
from resources.settings import load_settings
from resources.store import open_store

pytestmark = [pytest.mark.platform]
NIGHT = dt.datetime(2026, 3, 3, 2, tzinfo=dt.UTC)
SNAPSHOT = Path(__file__).parent / "__snapshots__" / "definitions.json"


def partitions_of(partitions: dg.PartitionsDefinition | None) -> str | None:
    """'repository', or 'repository x week'."""
    if isinstance(partitions, dg.MultiPartitionsDefinition):
        return " x ".join(dimension.name for dimension in partitions.partitions_defs)
    return partitions.name if partitions else None


def described() -> dict:
    graph = defs.resolve_asset_graph()
    assets = {
        node.key.to_user_string(): {
            "partitions": partitions_of(node.partitions_def),
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
    assert (launcher["module"], launcher["class"]) == (TieredRunLauncher.__module__, TieredRunLauncher.__name__)
    assert set(launcher["config"]) <= set(TieredRunLauncher.config_type())
    assert set(document["storage"]["postgres"]) <= set(DagsterPostgresStorage.config_type())


def test_two_runs_of_one_repository_never_run_together_and_a_failed_audit_is_not_retried():
    document = instance_document(load_settings({"ELDER_HOME": "/h", "ELDER_MAX_CONCURRENT_RUNS": "3"}))
    runs = document["concurrency"]["runs"]
    assert runs["max_concurrent_runs"] == 3
    assert runs["tag_concurrency_limits"] == [
        {"key": "dagster/partition", "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
    ]
    assert document["run_retries"]["retry_on_asset_or_op_failure"] is False


def test_runs_of_a_team_and_of_a_git_host_can_be_limited():
    limits = {"ELDER_HOME": "/h", "ELDER_TEAM_RUNS_MAX": "5", "ELDER_HOST_RUNS_MAX": "20"}
    runs = instance_document(load_settings(limits))["concurrency"]["runs"]["tag_concurrency_limits"]
    assert {row["key"]: row["limit"] for row in runs} == {"dagster/partition": 1, "elder/team": 5, "elder/git_host": 20}
    assert all(row["value"] == {"applyLimitPerUniqueValue": True} for row in runs)


def test_dagster_takes_the_embedded_instance(home: Path, monkeypatch: pytest.MonkeyPatch):
    settings = load_settings()
    write_instance(settings)
    monkeypatch.setenv("DAGSTER_HOME", str(settings.dagster_home))
    with dg.DagsterInstance.get() as instance:
        assert type(instance.run_storage).__name__ == "SqliteRunStorage"
        assert instance.telemetry_enabled is False
        assert instance.get_concurrency_config().run_queue_config.tag_concurrency_limits


def test_partitions_follow_the_registered_repositories():
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("repository", ["local/gone", "local/stays"])
        match_partitions(instance, ["local/stays", "local/new"])
        assert set(instance.get_dynamic_partitions("repository")) == {"local/stays", "local/new"}


def test_every_night_each_registered_repository_that_can_be_read_is_audited(home: Path):
    with open_store(load_settings().store_url) as store:
        store.add_repository("local/basket", "/basket")
        add_known(store, load_settings(), "local/far", "/far", uploads_only=True)
    (home / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(home / "dagster")) as instance:
        context = dg.build_schedule_context(
            instance=instance, scheduled_execution_time=NIGHT, resources={"elder": ElderResource()}
        )
        (request,) = nightly_audit(context)
        assert instance.get_dynamic_partitions("repository") == ["local/basket", "local/far"]
    assert (request.partition_key, request.run_key) == ("local/basket", "2026-03-03T02:00:00+00:00:local/basket")
    assert request.tags == {"dagster/priority": "-10", "elder/git_host": "local"}
