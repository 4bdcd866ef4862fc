"""`elder serve` for real: a process on a port of its own, asked over HTTP and a WebSocket, ended by its id."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from resources.settings import Settings
from resources.store import open_store
from resources.store.projects import ProjectTerms

pytestmark = [pytest.mark.platform, pytest.mark.slow]
ROOT = Path(__file__).parent.parent.parent
START_SECONDS_MAX = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(home: Path, *options: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "ELDER_HOME": str(home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "elder_assets", "serve", *options]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    process = start(tmp_path, "--port", str(port))
    try:
        wait_for(f"http://127.0.0.1:{port}/health/ready", process)
        yield f"127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) in {0, -signal.SIGTERM}  # uvicorn shuts down, then hands the signal on


def wait_for(url: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own process
                assert answer.status == 200
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"not served: {process.stderr.read() if process.poll() is not None else 'too slow'}")


def test_it_serves_the_api_and_live_updates_until_it_is_stopped(address: str, tmp_path: Path):
    with open_store(Settings(home=tmp_path).store_url) as store:
        project = store.add_project(
            "git.example.com/a/b", "https://git.example.com/a/b", ProjectTerms(name="b"), status="active"
        )
        with urllib.request.urlopen(f"http://{address}/api/v1/projects", timeout=10) as answer:
            assert [row["id"] for row in json.load(answer)["projects"]] == [project.id]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "server" not in answer.headers
        with connect(f"ws://{address}/ws/projects/{project.id}/audit-updates") as live:
            live.send(json.dumps({"type": "subscribe_updates"}))
            assert json.loads(live.recv(10))["type"] == "subscribed"
            waits = []
            for number in range(5):
                started = time.monotonic()
                store.put_live_event(project.id, "audit_update", {"n": number})
                assert json.loads(live.recv(10))["data"] == {"n": number}
                waits.append(time.monotonic() - started)
            assert max(waits) < 1, waits


def test_a_page_of_another_site_opens_no_connection(address: str):
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://{address}/ws/projects/1/audit-updates", origin="https://evil.example.com")  # type: ignore[arg-type]
    assert refused.value.response.status_code == 403


def test_it_does_not_listen_to_the_network_while_nobody_has_a_token(tmp_path: Path):
    process = start(tmp_path, "--host", "0.0.0.0", "--port", str(free_port()))  # noqa: S104
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "elder token create" in said
    assert "Traceback" not in said
