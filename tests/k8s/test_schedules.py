"""What the chart's CronJobs run, run as it is rendered: backup, probe and janitor, over a PostgreSQL of our own.

Volumes are folders of the test; the cluster's API is a small server that knows Jobs.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

dg = pytest.importorskip("dagster")
from test_run_pod import KEY, KUBECONFIG, Installation, Render, pods_of, render, tiny_repository  # noqa: E402

from resources.store import open_store  # noqa: E402

__all__ = ["render"]
pytestmark = [pytest.mark.platform, pytest.mark.postgres, pytest.mark.slow]
SETS = (
    "backup.enabled=true", "backup.existingClaim=backups", "backup.passphraseSecret=elder-backup", "backup.verify=true",
    "probe.enabled=true", f"probe.repository={KEY}", "probe.withinSeconds=10",
)  # fmt: skip
ROOT = Path(__file__).parent.parent.parent
ORPHAN = {
    "metadata": {
        "name": "dagster-run-gone",
        "uid": "u-1",
        "creationTimestamp": "2020-01-01T00:00:00+00:00",
        "labels": {"dagster/run-id": "00000000-0000-0000-0000-000000000000", "elder/release": "elder"},
    },
    "status": {"active": 1},
}


@pytest.fixture
def installation(render: Render, tmp_path: Path, empty_postgres: str) -> Iterator[Installation]:
    made = Installation(render(sets=SETS), tmp_path, empty_postgres)
    made.must(pods_of(made.objects)["Job/elder-migrate"]["containers"][0]["command"])
    yield made
    (tmp_path / "dagster").chmod(0o755)


def command_of(installation: Installation, name: str) -> list[str]:
    """The command of a CronJob, with the places of its volumes as folders of the test."""
    (container,) = pods_of(installation.objects)[f"CronJob/elder-{name}"]["containers"]
    places = {
        mount["mountPath"]: installation.folder / mount["name"]
        for mount in container["volumeMounts"]
        if mount["name"] in {"backups", "passphrase"}
    }
    moved = []
    for part in container["command"]:
        place = next((place for place in places if part == place or part.startswith(f"{place}/")), None)
        moved.append(part if place is None else f"{places[place]}{part.removeprefix(place)}")
    return moved


def test_backups_are_made_verified_noted_and_let_go(installation: Installation):
    folder = installation.folder / "backups"
    folder.mkdir()
    (installation.folder / "passphrase").mkdir()
    (installation.folder / "passphrase" / "passphrase").write_text("correct horse battery\n")
    old = [f"elder-2020010{day}T000000Z.elder-backup" for day in range(1, 6)]
    for name in old:
        (folder / name).write_text("old")
    first = json.loads(installation.run(["elder", "doctor", "--format", "json"]).stdout)
    assert [one["state"] for one in first["checks"] if one["name"] == "backups"] == ["failed"]
    said = installation.must(command_of(installation, "backup"))
    assert "verified: restored into an empty place, every row compared" in said
    assert "3 old ones deleted" in said
    names = sorted(file.name for file in folder.iterdir())
    assert names[:2] == old[3:]
    assert len(names) == 3
    after = json.loads(installation.run(["elder", "doctor", "--format", "json"]).stdout)
    assert [one["state"] for one in after["checks"] if one["name"] == "backups"] == ["ok"]


def test_the_runbooks_restore_brings_the_newest_backup_back_into_an_empty_database(installation: Installation):
    (installation.folder / "backups").mkdir()
    (installation.folder / "passphrase").mkdir()
    (installation.folder / "passphrase" / "passphrase").write_text("correct horse battery\n")
    address = installation.environment["ELDER_DATABASE_URL"]
    with open_store(address) as store:
        store.add_repository(KEY, "https://example.org/shop/basket")
    installation.must(command_of(installation, "backup"))
    (installation.folder / "backups" / "elder-20200101T000000Z.elder-backup").write_text("old")
    engine = sa.create_engine(address)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA elder CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
    engine.dispose()

    page = (ROOT / "docs" / "runbooks" / "restore.md").read_text()
    (written,) = re.findall(r"containers\[0\]\.command = (\[.*\])", page)
    moved = written.replace("/backups", str(installation.folder / "backups"))
    moved = moved.replace("/etc/elder-backup", str(installation.folder / "passphrase"))
    assert "restored" in installation.must(json.loads(moved))
    with open_store(address) as store:
        assert [known.key for known in store.repositories()] == [KEY]


def test_the_probe_asks_for_an_audit_and_fails_when_nobody_answers(installation: Installation):
    repository = tiny_repository(installation.folder / "basket")
    installation.must(["elder", "repo", "add", str(repository)])
    done = installation.run(command_of(installation, "probe"))
    assert done.returncode == 1
    assert f"{KEY}  no verdict after 1" in done.stdout
    with open_store(installation.environment["ELDER_DATABASE_URL"]) as store:
        rows, _more = store.inbox_rows(states=["waiting"], limit=10)
        assert any(row.delivery_id.startswith("probe:") for row in rows)


class Jobs(ThreadingHTTPServer):
    """The part of the cluster's API that a janitor may ask: list and delete Jobs."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.asked: list[tuple[str, str]] = []


class _Answer(BaseHTTPRequestHandler):
    server: Jobs

    def _say(self, content: dict[str, Any]) -> None:
        self.server.asked.append((self.command, self.path))
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self._say({"apiVersion": "batch/v1", "kind": "JobList", "metadata": {}, "items": [ORPHAN]})

    def do_DELETE(self) -> None:
        self._say({"apiVersion": "v1", "kind": "Status", "status": "Success"})

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class names it
        pass


def test_the_janitor_deletes_the_jobs_of_this_release_that_no_run_needs(installation: Installation):
    server = Jobs()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        config = installation.folder / "cluster"
        config.write_text(KUBECONFIG.replace("https://127.0.0.1:1", f"http://127.0.0.1:{server.server_port}"))
        done = installation.run(command_of(installation, "janitor"), KUBECONFIG=str(config))
        assert done.returncode == 0, done.stderr[-2000:]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert "1 Jobs, 1 deleted" in done.stdout
    (listed, deleted) = server.asked
    assert listed[0] == "GET"
    assert "/namespaces/audits/jobs?" in listed[1]
    assert "elder%2Frelease%3Delder" in listed[1]
    assert deleted[0] == "DELETE"
    assert deleted[1].startswith("/apis/batch/v1/namespaces/audits/jobs/dagster-run-gone")
