"""`elder up`: the platform on one machine. A first audit and its quality run in this process, then UI and daemon."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

import click
import dagster as dg

from elder_assets.partitions import AUDIT_JOB, QUALITY_JOB, REPOSITORY
from resources.dagster_instance import write_instance
from resources.git.repository import register_target
from resources.settings import Settings
from resources.store import open_store

STOP_SECONDS = 10


def start_platform(settings: Settings, target: str | None) -> int:
    """Start everything and wait until it is stopped; 1 when the first audit failed or a part ended by itself."""
    write_instance(settings)
    os.environ["DAGSTER_HOME"] = str(settings.dagster_home)  # the variable by which Dagster's own processes find it
    if target is not None and not first_audit(settings, target):
        return 1
    return _serve(settings)


def add_partition(settings: Settings, key: str) -> None:
    """Make a registered repository known to the Dagster instance of this machine."""
    write_instance(settings)
    os.environ.setdefault("DAGSTER_HOME", str(settings.dagster_home))
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions(REPOSITORY.name or "", [key])


def first_audit(settings: Settings, target: str) -> bool:
    """Register a repository, audit it, and check the results with great-expectations."""
    from elder_assets.definitions import defs

    key, url = register_target(target)
    with open_store(settings.store_url) as store:
        store.add_repository(key, url)
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        instance.add_dynamic_partitions(REPOSITORY.name or "", [key])
        click.echo(f"auditing {key} ...")
        audited = defs.resolve_job_def(AUDIT_JOB).execute_in_process(
            instance=instance, partition_key=key, raise_on_error=False
        )
        if not audited.success:
            click.echo(f"the audit of {key} failed; the run's page in the UI says why", err=True)
            return False
        click.echo("checking the results ...")
        checked = defs.resolve_job_def(QUALITY_JOB).execute_in_process(instance=instance, raise_on_error=False)
    return bool(checked.success)


def _serve(settings: Settings) -> int:
    workspace = settings.dagster_home / "workspace.yaml"
    workspace.write_text(
        "load_from:\n  - python_module:\n      module_name: elder_assets.definitions\n      location_name: elder\n"
    )
    tools = Path(sys.executable).parent
    address = ("127.0.0.1", str(settings.web_port))
    commands: tuple[list[str | Path], ...] = (
        [tools / "dagster-webserver", "-w", workspace, "-h", address[0], "-p", address[1]],
        [tools / "dagster-daemon", "run", "-w", workspace],
    )
    children = [subprocess.Popen(command, start_new_session=True) for command in commands]
    click.echo(f"Dagster UI: http://{':'.join(address)} (stop with Ctrl-C)")
    stopping: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopping.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        while not stopping and all(child.poll() is None for child in children):
            time.sleep(0.2)
    finally:
        _stop(children)
    return 0 if stopping else 1


def _stop(children: list[subprocess.Popen[bytes]]) -> None:
    """End the children and what they started; by force when they do not listen."""
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5)):
        for child in children:
            if child.poll() is None:
                os.killpg(child.pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and any(child.poll() is None for child in children):
            time.sleep(0.1)
