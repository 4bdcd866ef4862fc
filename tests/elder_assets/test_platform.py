"""`elder up` and the daemon, for real: the processes start, a queued run ends, and nothing stays behind."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner

from elder_assets.audit.errors import ConfigurationError, Conflict
from elder_assets.cli import elder
from elder_assets.platform import first_audit, start_platform
from resources.settings import load_settings
from resources.store import open_store

pytestmark = [pytest.mark.platform]
ROOT = Path(__file__).parent.parent.parent
START_SECONDS_MAX = 180


@pytest.fixture(autouse=True)
def instance_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))  # and give back what the code under test sets
    (home / "dagster").mkdir(parents=True)
    return home / "dagster"


def test_a_first_audit_says_what_came_out(repository: Path, capsys: pytest.CaptureFixture[str]):
    assert first_audit(load_settings(), str(repository))
    said = capsys.readouterr().out
    assert "auditing local/basket ..." in said
    assert "every row keeps its schema" in said
    assert "DEBUG" not in said


def test_a_first_audit_that_fails_says_why_in_one_line(
    tmp_path: Path, git: Callable[..., str], capsys: pytest.CaptureFixture[str]
):
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "-q")
    assert not first_audit(load_settings(), str(empty))
    assert capsys.readouterr().err.strip() == "elder: cannot audit local/empty: the repository has no commits yet"


def test_a_folder_of_a_known_name_is_audited_under_the_key_it_was_given(
    repository: Path, tmp_path: Path, git: Callable[..., str], capsys: pytest.CaptureFixture[str]
):
    other = tmp_path / "more" / "basket"
    other.parent.mkdir()
    git(tmp_path, "clone", "-q", str(repository), str(other))
    git(other, "remote", "remove", "origin")
    assert CliRunner().invoke(elder, ["repo", "add", str(repository)], standalone_mode=False).exception is None
    with pytest.raises(Conflict, match="local/basket is registered already"):
        first_audit(load_settings(), str(other))
    added = CliRunner().invoke(elder, ["repo", "add", str(other), "--key", "local/more-basket"], standalone_mode=False)
    assert added.exception is None
    assert first_audit(load_settings(), str(other))
    assert "auditing local/more-basket ..." in capsys.readouterr().out


@pytest.mark.parametrize("name", ["ELDER_PORT", "ELDER_DAGSTER_PORT"])
def test_a_port_that_is_taken_is_named_before_anything_starts(
    repository: Path, home: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for each in ("ELDER_PORT", "ELDER_DAGSTER_PORT"):
            monkeypatch.setenv(each, str(taken.getsockname()[1] if each == name else free_port()))
        with pytest.raises(ConfigurationError, match=f"^{name}: .*in use.*a free port"):
            start_platform(load_settings(), str(repository))
    assert not (home / "elder.db").exists()


def test_a_registered_repository_is_a_partition_until_it_is_removed(repository: Path):
    def invoke(*arguments: str) -> None:
        assert CliRunner().invoke(elder, ["repo", *arguments], standalone_mode=False).exception is None

    def partitions() -> list[str]:
        with dg.DagsterInstance.get() as instance:
            return list(instance.get_dynamic_partitions("repository"))

    invoke("add", str(repository))
    assert partitions() == ["local/basket"]
    invoke("remove", "local/basket")
    assert partitions() == []


@pytest.mark.slow
def test_up_runs_a_backfill_of_two_repositories_through_its_daemon_and_leaves_no_process(repository: Path, home: Path):
    cart = repository.with_name("cart")
    shutil.copytree(repository, cart)
    for folder in (repository, cart):
        assert CliRunner().invoke(elder, ["repo", "add", str(folder)], standalone_mode=False).exception is None
    port = free_port()
    environment = {
        **os.environ,
        "ELDER_DAGSTER_PORT": str(port),
        "ELDER_PORT": str(free_port()),
        "PYTHONPATH": str(ROOT),
    }
    started: set[int] = set()
    with (home / "up.log").open("wb") as log:
        up = subprocess.Popen([sys.executable, "-m", "elder_assets", "up"], env=environment, stdout=log, stderr=log)
    try:
        wait_for(lambda: is_served(port), "the UI answers")
        workspace = home / "dagster" / "workspace.yaml"
        command = ["job", "backfill", "-w", workspace, "-j", "audit", "--all", "y", "--noprompt"]
        subprocess.run([sys.executable, "-m", "dagster", *command], env=environment, check=True, capture_output=True)
        wait_for(lambda: scored() == {"local/basket", "local/cart"}, "the daemon ran the backfill")
        wait_for(lambda: set(run_states()) == {(dg.DagsterRunStatus.SUCCESS, True)}, "both runs ended")
        started = descendants(up.pid)
        assert len(started) >= 3  # the UI, the daemon and the control plane
    finally:
        up.send_signal(signal.SIGTERM)
        assert up.wait(60) == 0, (home / "up.log").read_text()[-2000:]
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started), "every process ended")
    with open_store(load_settings().store_url) as store:
        assert set(store.snapshots()["repository"]) == {"local/basket", "local/cart"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def scored() -> set[str]:
    with dg.DagsterInstance.get() as instance:
        return set(instance.get_materialized_partitions(dg.AssetKey("scores")))


def run_states() -> list[tuple[dg.DagsterRunStatus, bool]]:
    """Status of each run, and whether a backfill asked for it."""
    with dg.DagsterInstance.get() as instance:
        return [(run.status, "dagster/backfill" in run.tags) for run in instance.get_runs()]


def is_served(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def descendants(parent: int) -> set[int]:
    """Processes that a process started, and those that they started."""
    listing = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(pid): int(of) for pid, of in (line.split() for line in listing.splitlines())}
    found: set[int] = set()
    while more := {pid for pid, of in parents.items() if of in found | {parent}} - found:
        found |= more
    return found


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, f"not within {START_SECONDS_MAX} s: {what}"
        time.sleep(0.5)
