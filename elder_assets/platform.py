"""`elder up`: the platform on one machine. The first audit runs in this process, then the rest starts."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

import click
import dagster as dg
import yaml

from elder_assets.audit.errors import ConfigurationError
from elder_assets.partitions import AUDIT_JOB, HISTORY_JOB, QUALITY_JOB, REPOSITORY_PARTITIONS, match_partitions
from resources.dagster_instance import STORAGE_VARIABLE, TABLES_IN_PUBLIC, write_instance
from resources.git.repository import register_target
from resources.observability.tracing import check_installed
from resources.registry import add_known
from resources.settings import Settings
from resources.store import open_store

STOP_SECONDS = 10


def start_platform(settings: Settings, target: str | None) -> int:
    """Start everything and wait until it is stopped; 1 when a part ended by itself.

    A first audit that fails does not keep the platform down: the reason is printed, and the UI shows the failed
    partition.

    Raises:
        SourceError: no repository is at the target, or its address is unsafe.
        ConfigurationError: a port is taken.
    """
    check_installed(settings)
    check_ports(settings)
    write_instance(settings)
    os.environ["DAGSTER_HOME"] = str(settings.dagster_home)  # the variable by which Dagster's own processes find it
    os.environ.update(TABLES_IN_PUBLIC)
    if target is not None:
        first_audit(settings, target)
    with open_store(settings.store_url) as store, dg.DagsterInstance.get() as instance:
        match_partitions(instance, [repository.key for repository in store.repositories()])
    return _serve(settings)


def check_ports(settings: Settings) -> None:
    """See that both servers can listen, before anything is audited or started.

    Raises:
        ConfigurationError: a port is taken, or this user may not have it.
    """
    for name, host, port in (
        ("ELDER_PORT", settings.host, settings.port),
        ("ELDER_DAGSTER_PORT", "127.0.0.1", settings.web_port),
    ):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # of a server that ended just now
            try:
                probe.bind((host, port))
            except OSError as error:
                got = f"{port}, {error.strerror}"
                raise ConfigurationError(name, got, "a free port; does another `elder up` or `serve` run?") from error


def add_partitions(settings: Settings, keys: Sequence[str]) -> None:
    """Make registered repositories known to the Dagster instance: DAGSTER_HOME's, else that of this machine."""
    with _instance(settings) as instance:
        instance.add_dynamic_partitions(REPOSITORY_PARTITIONS, list(keys))


def remove_partition(settings: Settings, key: str) -> None:
    """Take a repository's partition away; what was materialised for it stays."""
    with _instance(settings) as instance:
        instance.delete_dynamic_partition(REPOSITORY_PARTITIONS, key)


@contextlib.contextmanager
def _instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    write_instance(settings)
    os.environ.setdefault("DAGSTER_HOME", str(settings.dagster_home))
    os.environ.update(TABLES_IN_PUBLIC)
    with dg.DagsterInstance.get() as instance:
        yield instance


def make_storage(url: str) -> None:
    """Make the tables of a Dagster instance in a PostgreSQL database; those that are there stay as they are."""
    os.environ[STORAGE_VARIABLE] = url
    os.environ.update(TABLES_IN_PUBLIC)
    with tempfile.TemporaryDirectory() as folder:
        storage = {
            "storage": {"postgres": {"postgres_url": {"env": STORAGE_VARIABLE}}},
            "telemetry": {"enabled": False},
        }
        (Path(folder) / "dagster.yaml").write_text(yaml.safe_dump(storage))
        with dg.DagsterInstance.from_config(folder) as instance:
            instance.get_runs_count()


def first_audit(settings: Settings, target: str) -> bool:
    """Register a repository, audit it, check the results, score its last year; True when all succeeded."""
    key, url = register_target(target)
    with open_store(settings.store_url) as store:
        key = next((known.key for known in store.repositories() if known.url == url), key)
        add_known(store, settings, key, url)
    click.echo(f"auditing {key} ...")
    with _instance(settings) as instance:
        instance.add_dynamic_partitions(REPOSITORY_PARTITIONS, [key])
        audited = _run(instance, AUDIT_JOB, key)
        if not audited.success:
            click.echo(f"elder: {_why(audited)}", err=True)
            return False
        said = audited.asset_materializations_for_node("scores")[0].metadata
        click.echo(f"{said['status'].value}, score {said['score'].value}, {said['findings'].value} findings")
        click.echo("checking the results with great-expectations ...")
        checked = _run(instance, QUALITY_JOB)
        click.echo("scoring the last 52 weeks ...")
        past = _run(instance, HISTORY_JOB, key)
        if not past.success:
            click.echo(f"elder: {_why(past)}", err=True)
    failed = [check.asset_key.to_user_string() for check in checked.get_asset_check_evaluations() if not check.passed]
    click.echo(f"rows that break their schema: {', '.join(failed)}" if failed else "every row keeps its schema")
    return checked.success and past.success and not failed


def _run(instance: dg.DagsterInstance, job: str, key: str | None = None) -> dg.ExecuteInProcessResult:
    from elder_assets.definitions import defs

    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    return defs.resolve_job_def(job).execute_in_process(
        run_config=quiet, instance=instance, raise_on_error=False, partition_key=key
    )


def _why(result: dg.ExecuteInProcessResult) -> str:
    """The first failure of a run in one line, as the asset put it."""
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            if data.user_failure_data and data.user_failure_data.description:
                return data.user_failure_data.description
            return data.error.message.strip().splitlines()[0] if data.error else f"{event.step_key} failed"
    return "the run failed; its page in the UI says why"


def _serve(settings: Settings) -> int:
    workspace = settings.dagster_home / "workspace.yaml"
    workspace.write_text(
        "load_from:\n  - python_module:\n      module_name: elder_assets.definitions\n      location_name: elder\n"
    )
    tools = Path(sys.executable).parent
    address = ("127.0.0.1", str(settings.web_port))
    # To a person a line every few seconds hides the addresses and what fails; who collects logs wants them all.
    form = ["--log-format", "json"] if settings.log == "json" else ["--log-level", "warning"]
    servers = form if settings.log == "json" else [*form, "--code-server-log-level", "warning"]
    commands: tuple[list[str | Path], ...] = (
        [tools / "dagster-webserver", "-w", workspace, "-h", address[0], "-p", address[1], *servers],
        [tools / "dagster-daemon", "run", "-w", workspace, *form],
        [sys.executable, "-m", "elder_assets", "serve", "--port", str(settings.port)],
    )
    stopping: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopping.append(number)

    # Before the children start: a shell's background job ignores SIGINT, they would inherit that, and Dagster lets
    # SIGTERM do what SIGINT does.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    children = [subprocess.Popen(command, start_new_session=True) for command in commands]
    click.echo(f"Dagster UI: http://{':'.join(address)} (stop with Ctrl-C)")
    try:
        while not stopping and all(child.poll() is None for child in children):
            time.sleep(0.2)
    finally:
        _stop(children)
    return 0 if stopping else 1


def _stop(children: list[subprocess.Popen[bytes]]) -> None:
    """End the children and what they started (a child leads its own group); by force those that do not listen."""
    _signal(children, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline and any(child.poll() is None for child in children):
        time.sleep(0.1)
    _signal(children, signal.SIGKILL)  # a code server may outlive the process that started it
    for child in children:
        child.wait()


def _signal(children: list[subprocess.Popen[bytes]], number: signal.Signals) -> None:
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
