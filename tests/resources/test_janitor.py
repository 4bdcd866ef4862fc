"""Jobs that no run needs are found, and nothing else is touched. The objects are shaped as a cluster's API gives them."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from elder_assets import cli_janitor
from elder_assets.audit.errors import ConfigurationError, ProviderError
from elder_assets.cli import elder
from resources.runs.janitor import REMOVED_MAX, RunState, orphans

NOW = dt.datetime(2026, 3, 2, 12, 0, tzinfo=dt.UTC)
RUN = "5f0e1a52-8f0e-4a53-9a6e-0d3c1a2b4c5d"


def job(name: str = "dagster-run-1", run_id: str = RUN, minutes: float = 30, **status: Any) -> dict[str, Any]:
    """A Job as `kubectl get job -o json` prints it, less what nobody reads."""
    created = (NOW - dt.timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
    labels = {
        "app.kubernetes.io/component": "run_worker",
        "app.kubernetes.io/name": "dagster",
        "dagster/job": "audit",
        "dagster/run-id": run_id,
        "elder/release": "elder",
    }
    metadata = {
        "name": name,
        "namespace": "elder",
        "uid": f"uid-{name}",
        "creationTimestamp": created,
        "labels": labels,
    }
    spec = {"backoffLimit": 0, "activeDeadlineSeconds": 3600, "ttlSecondsAfterFinished": 86400}
    found = {"active": 1, "ready": 1, "startTime": created, "terminating": 0} | status
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec, "status": found}


def condition(kind: str) -> list[dict[str, str]]:
    return [{"type": kind, "status": "True", "lastTransitionTime": "2026-03-02T11:40:00Z"}]


def ended(status: str, seconds: float = 600) -> RunState:
    return RunState(status=status, ended_at=NOW - dt.timedelta(seconds=seconds))


@pytest.mark.parametrize("status", ["SUCCESS", "FAILURE", "CANCELED"])
def test_a_job_that_outlives_its_run_goes(status: str):
    (orphan,) = orphans([job()], {RUN: ended(status)}, NOW)
    assert (orphan.name, orphan.uid) == ("dagster-run-1", "uid-dagster-run-1")
    assert orphan.reason == f"run {RUN} is {status} for 600 s"


@pytest.mark.parametrize("status", ["QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING", "MANAGED"])
def test_a_run_that_goes_on_keeps_its_jobs(status: str):
    assert orphans([job(minutes=600)], {RUN: RunState(status=status)}, NOW) == []


def test_a_run_that_has_just_ended_has_two_minutes():
    assert orphans([job()], {RUN: ended("CANCELED", 120)}, NOW) == []
    assert len(orphans([job()], {RUN: ended("CANCELED", 121)}, NOW)) == 1


def test_the_job_of_an_unknown_run_goes_after_an_hour():
    assert orphans([job(minutes=60)], {}, NOW) == []
    (orphan,) = orphans([job(minutes=61)], {}, NOW)
    assert orphan.reason == f"no run {RUN} is known, and the Job is 61 minutes old"


@pytest.mark.parametrize(
    "kept",
    [
        job(active=0, succeeded=1, conditions=condition("Complete")),
        job(active=0, failed=1, conditions=condition("Failed")),
        {**job(), "metadata": {**job()["metadata"], "labels": None}},
        {**job(), "metadata": {**job()["metadata"], "deletionTimestamp": "2026-03-02T11:59:00Z"}},
    ],
    ids=["complete", "failed", "not-of-a-run", "being-deleted"],
)
def test_finished_foreign_and_vanishing_jobs_are_left_alone(kept: dict[str, Any]):
    assert orphans([kept], {RUN: ended("SUCCESS")}, NOW) == []


def test_the_oldest_go_first_and_a_round_is_bounded():
    many = [job(name=f"dagster-run-{number}", minutes=100 + number) for number in range(REMOVED_MAX + 5)]
    found = orphans(many, {RUN: ended("SUCCESS")}, NOW)
    assert len(found) == REMOVED_MAX
    assert found[0].name == f"dagster-run-{REMOVED_MAX + 4}"


class FakeBatch:
    """Two pages of Jobs, as the API pages them."""

    def __init__(self, jobs: list[dict[str, Any]], error: int = 0):
        self.jobs, self.error, self.deleted, self.selector = jobs, error, [], ""
        self.api_client = SimpleNamespace(sanitize_for_serialization=lambda one: one)

    def list_namespaced_job(self, namespace, label_selector, limit, _continue):
        self.selector = label_selector
        page = self.jobs[1:] if _continue else self.jobs[:1]
        return SimpleNamespace(items=page, metadata=SimpleNamespace(_continue="" if _continue else "next"))

    def delete_namespaced_job(self, name, namespace, body):
        from kubernetes.client import ApiException

        if self.error:
            raise ApiException(status=self.error, reason="no")
        self.deleted.append((namespace, name, body.preconditions.uid, body.propagation_policy))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("kubernetes")
    monkeypatch.setenv("ELDER_KUBERNETES_NAMESPACE", "elder")
    monkeypatch.setenv("ELDER_KUBERNETES_IMAGE", "elder:1")
    monkeypatch.setattr(cli_janitor, "run_states", lambda ids: {RUN: ended("CANCELED")} if ids == [RUN] else {})

    def invoke(batch: FakeBatch, *options: str):
        monkeypatch.setattr(cli_janitor, "batch_api", lambda: batch)
        return CliRunner().invoke(elder, ["janitor", *options], standalone_mode=False)

    return invoke


def test_the_command_deletes_jobs_with_their_pods_and_says_why(run):
    batch = FakeBatch([job(), job(name="dagster-step-2")])
    result = run(batch, "--label", "elder/release=elder")
    assert batch.selector == "elder/release=elder"
    assert [entry[1:] for entry in batch.deleted] == [
        ("dagster-run-1", "uid-dagster-run-1", "Background"),
        ("dagster-step-2", "uid-dagster-step-2", "Background"),
    ]
    assert f"dagster-run-1  run {RUN} is CANCELED for " in result.output
    assert result.output.endswith("2 Jobs, 2 deleted\n")


def test_a_dry_run_deletes_nothing(run):
    batch = FakeBatch([job(), job(name="dagster-step-2")])
    assert run(batch, "--dry-run").output.endswith("2 Jobs, 2 would go\n")
    assert batch.deleted == []


def test_a_job_that_went_meanwhile_is_no_error_and_a_refusal_is(run):
    assert "dagster-run-1  gone already" in run(FakeBatch([job()], error=404)).output
    refused = run(FakeBatch([job()], error=403)).exception
    assert isinstance(refused, ProviderError)
    assert "needs list and delete on jobs" in str(refused)


def test_outside_a_cluster_it_asks_for_the_namespace(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ELDER_KUBERNETES_NAMESPACE", raising=False)
    result = CliRunner().invoke(elder, ["janitor"], standalone_mode=False)
    assert isinstance(result.exception, ConfigurationError)
