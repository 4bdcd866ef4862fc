"""What the chart starts, started for real on this machine: the hook, the code server, and the pod of a run.

The chart is rendered, its settings and `dagster.yaml` are used as they are over a PostgreSQL of our own, and the command
that the launcher puts into a Job runs as a process. The cluster itself is not here: its API is a recorder.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

dg = pytest.importorskip("dagster")
sys.path.append(str(Path(__file__).parent.parent / "chart"))
from rendered_chart import ROOT, Render, containers_of, instance_of, named, pods_of, render  # noqa: E402

__all__ = ["render"]
pytestmark = [pytest.mark.platform, pytest.mark.postgres, pytest.mark.slow]
KEY = "local/basket"
START_SECONDS_MAX = 120
FILES = {
    "README.md": "# Basket\n\nAdds prices.\n",
    "basket.py": "def total(prices):\n    return sum(prices)\n",
}
KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: here, user: me}}]
clusters: [{name: here, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: me, user: {token: t}}]
"""


class Installation:
    """The rendered chart on this machine: one environment for all processes, as the settings' ConfigMap gives it."""

    def __init__(self, objects: list[dict[str, Any]], folder: Path, database: str):
        self.objects, self.folder = objects, folder
        home = folder / "dagster"
        home.mkdir()
        for name, text in named(objects, "ConfigMap", "-dagster")["data"].items():
            (home / name).write_text(text)
        home.chmod(0o555)  # as a mounted ConfigMap
        (folder / "kubeconfig").write_text(KUBECONFIG)
        program = folder / "bin" / "elder"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m elder_assets "$@"\n')
        program.chmod(0o755)
        moved = {
            "ELDER_HOME": str(folder / "state"),
            "DAGSTER_HOME": str(home),
            "ELDER_DATABASE_URL": database,
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "PATH": f"{program.parent}:{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
        }
        self.environment = named(objects, "ConfigMap", "-settings")["data"] | moved

    def run(self, command: list[str], **more: str) -> subprocess.CompletedProcess[str]:
        """One container to its end: nothing of this machine's environment reaches it."""
        return subprocess.run(
            command,
            env=self.environment | more,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def must(self, command: list[str]) -> str:
        done = self.run(command)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout


@pytest.fixture
def installation(
    render: Render, tmp_path: Path, empty_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    made = Installation(render(), tmp_path, empty_postgres)
    for name in [name for name in os.environ if name.startswith(("ELDER_", "DAGSTER_"))]:
        monkeypatch.delenv(name)
    for name in ("ELDER_HOME", "DAGSTER_HOME", "ELDER_DATABASE_URL", "DAGSTER_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, made.environment[name])
    hook = pods_of(made.objects)["Job/elder-migrate"]
    for container in containers_of(hook):
        made.must(container["command"])
    yield made
    (tmp_path / "dagster").chmod(0o755)


def tiny_repository(folder: Path) -> Path:
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], [*who, "commit", "-q", "-m", "feat: add prices"]):
        subprocess.run(["git", "-C", str(folder), *command], check=True)
    return folder


class Recorder:
    """The cluster's API: takes Jobs, has no pods."""

    def __init__(self):
        self.jobs: list[Any] = []

    def create_namespaced_job(self, body, namespace, **options):
        self.jobs.append(body)
        return body

    def list_namespaced_pod(self, namespace, label_selector):
        return SimpleNamespace(items=[])


def launched(installation: Installation, instance: dg.DagsterInstance) -> tuple[str, Any]:
    """A run of the audit job, launched as the daemon would; its id and the container of its Job."""
    from dagster._core.definitions.reconstruct import ReconstructableRepository
    from dagster._core.launcher import LaunchRunContext

    from elder_assets.definitions import defs
    from resources.runs.launcher import TieredRunLauncher

    recorder = Recorder()
    config = instance_of(installation.objects)["run_launcher"]["config"]
    launcher = TieredRunLauncher(
        **config,
        load_incluster_config=False,
        kubeconfig_file=str(installation.folder / "kubeconfig"),
        k8s_client_batch_api=recorder,
        k8s_client_core_api=recorder,
    )
    launcher.register_instance(instance)
    repository = ReconstructableRepository.for_module("elder_assets.definitions", "defs")
    run = instance.create_run_for_job(
        defs.resolve_job_def("audit"),
        tags={"dagster/partition": KEY},
        job_code_origin=repository.get_reconstructable_job("audit").get_python_origin(),
    )
    instance.report_engine_event("queued", run)
    launcher.launch_run(LaunchRunContext(dagster_run=run, workspace=None))
    return run.run_id, recorder.jobs[0].spec.template.spec.containers[0]


def test_the_pod_of_a_run_audits_a_repository_without_a_token_of_the_api(installation: Installation):
    repository = tiny_repository(installation.folder / "basket")
    assert installation.must(["elder", "repo", "add", str(repository)]).strip() == f"added {KEY}"
    with dg.DagsterInstance.get() as instance:
        assert instance.get_dynamic_partitions("repository") == [KEY]
        run_id, container = launched(installation, instance)
        given = {one.name: one.value for one in container.env if one.value is not None}
        assert given["ELDER_TIER"] == "small"
        done = installation.run(container.args, ELDER_TIER=given["ELDER_TIER"])
        run = instance.get_run_by_id(run_id)
        assert run.status is dg.DagsterRunStatus.SUCCESS, done.stdout[-3000:] + done.stderr[-3000:]
        assert (run.tags["elder/tier"], run.tags["elder/fits"]) == ("small", "micro")
    assert "1 caches" in installation.must(["elder", "cache", "stats"])
    assert KEY in installation.must(["elder", "repo", "list"])


def test_the_janitor_knows_the_runs_of_the_instance(installation: Installation):
    from elder_assets.cli_janitor import run_states

    with dg.DagsterInstance.get() as instance:
        run_id, _container = launched(installation, instance)
        instance.report_run_failed(instance.get_run_by_id(run_id))
    states = run_states([run_id, "00000000-0000-0000-0000-000000000000"])
    assert {key: state.status for key, state in states.items()} == {run_id: "FAILURE"}


def test_the_code_server_answers_the_probe_of_its_pod(installation: Installation):
    container = containers_of(pods_of(installation.objects)["Deployment/elder-code-server"])[0]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [part.replace("3030", port) for part in container["command"] if not part.startswith("--host")]
    probe = [part.replace("3030", port) for part in container["livenessProbe"]["exec"]["command"]]
    server = subprocess.Popen(command, env=installation.environment, cwd=installation.folder, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + START_SECONDS_MAX
        while installation.run(probe).returncode != 0:
            assert server.poll() is None, server.stderr.read()[-3000:]
            assert time.monotonic() < deadline
            time.sleep(0.5)
        assert asked(int(port), container["readinessProbe"]["grpc"]["service"]) == "SERVING"
    finally:
        server.terminate()
        server.wait(60)


def asked(port: int, service: str) -> str:
    """What the kubelet's own gRPC probe hears."""
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def test_dagster_takes_the_rendered_instance_and_workspace(installation: Installation):
    from dagster._core.instance.config import dagster_instance_config

    config, _custom = dagster_instance_config(str(installation.folder / "dagster"))
    assert config["run_monitoring"]["max_resume_run_attempts"] == 0
    workspace = yaml.safe_load((installation.folder / "dagster" / "workspace.yaml").read_text())
    assert workspace["load_from"][0]["grpc_server"]["host"] == "elder-code-server"
