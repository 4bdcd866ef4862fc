"""Audits that are uploaded: kept as those that the platform makes itself, by a server of its own process."""

from __future__ import annotations

import contextlib
import datetime as dt
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from elder_assets.assets import session
from elder_assets.audit.errors import ConfigurationError
from elder_assets.audit.ruler import default_ruler
from elder_assets.cli import elder
from elder_assets.definitions import defs
from elder_assets.version import elder_version
from resources import upload_site
from resources.audits import today
from resources.settings import Settings
from resources.store import Store, open_store, tables
from resources.store.scorecards import NO_MARKS
from tests.elder_assets.conftest import Git

pytestmark = [pytest.mark.platform]
KEY = "local/basket"
POLICY = "version: 1\nprofile: startup\n"
SUPPRESSED = f"""
  - rule: INT001
    path: shop/cart.py
    reason: both sides are kept on purpose
    until: {today() + dt.timedelta(days=100)}
"""


class Server:
    """`elder serve` in a process of its own, over a home of its own."""

    def __init__(self, home: Path, port: int, **more: str) -> None:
        self.settings = Settings(home=home)
        self.url = f"http://127.0.0.1:{port}"
        environment = {**os.environ, "ELDER_HOME": str(home), "ELDER_PORT": str(port), **more}
        command = [sys.executable, "-m", "elder_assets", "serve"]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while not self._is_up():
            assert time.monotonic() < until, "the server did not start"
            assert self.process.poll() is None, "the server ended"
            time.sleep(0.1)

    def _is_up(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health/live", timeout=5) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except OSError:
            return False

    def store(self) -> Store:
        return open_store(self.settings.store_url)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def server(tmp_path: Path, repository: Path) -> Iterator[Server]:
    made = Server(tmp_path / "server", free_port())
    with made.store() as store:
        store.add_repository(KEY, str(repository))
    yield made
    made.stop()


@pytest.fixture
def platform(home: Path, repository: Path) -> Iterator[Store]:
    """A platform that audits the repository itself: its store."""
    with open_store(Settings(home=home).store_url) as store:
        store.add_repository(KEY, str(repository))
        yield store


def audit_here() -> None:
    session.facts_of.cache_clear()
    session.terms_of.cache_clear()
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("repository", [KEY])
        assert defs.resolve_job_def("audit").execute_in_process(instance=instance, partition_key=KEY).success


def upload(repository: Path, url: str, *more: str, environment: dict[str, str] | None = None) -> Result:
    arguments = ["audit", str(repository), "--upload", url, *more]
    return CliRunner(env=environment).invoke(elder, arguments, standalone_mode=False)


@contextlib.contextmanager
def answering(status: int, headers: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    """A server that answers everything alike, and the credentials that it was sent."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers.get("Authorization", ""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"<html>\xff</html>")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}", asked
        made.shutdown()
        thread.join()


DIFFERENT = {"run_id", "uploaded_by", "audited_at", "recorded_at", "duration_ms"}
"""What may differ: who made it, when, and how long it took."""
COMPARED = (
    "snapshots", "audits", "findings", "outcomes", "scores", "finding_states", "finding_events", "audit_counts",
    "audit_failures", "latest", "latest_magics", "latest_rules", "latest_files", "rulers",
    "releases",
)  # fmt: skip


def rows(store: Store) -> dict[str, list[dict[str, Any]]]:
    found = {}
    with store._reading() as connection:
        for name in COMPARED:
            table = tables.METADATA.tables[name]
            order = sa.select(table).order_by(*table.primary_key.columns)
            kept = [dict(row) for row in connection.execute(order).mappings()]
            found[name] = [{key: value for key, value in row.items() if key not in DIFFERENT} for row in kept]
    return found


def differences(one: Store, other: Store) -> list[Any]:
    """Table, column and both values of everything that is not the same in two stores."""
    ours, theirs = rows(one), rows(other)
    counts = [(name, len(ours[name]), len(theirs[name])) for name in COMPARED if len(ours[name]) != len(theirs[name])]
    if counts:
        return [*counts, *((name, ours[name], theirs[name]) for name, *_ in counts)]
    return [
        (name, column, left[column], right[column])
        for name in COMPARED
        for left, right in zip(ours[name], theirs[name], strict=True)
        for column in left
        if left[column] != right[column]
    ]


def grow(repository: Path, git: Git, message: str, files: dict[str, str | None]) -> str:
    for name, text in files.items():
        path = repository / name
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", message)
    return git(repository, "rev-parse", "HEAD")


def test_an_upload_is_kept_as_an_audit_that_the_platform_made(
    server: Server, platform: Store, repository: Path, git: Git
):
    with server.store() as theirs:
        for store in (platform, theirs):
            store.add_team("payments")
            store.assign(KEY, "payments", "registry")
        for message, files in (
            ("", {}),
            ("feat: add a second conflict", {"shop/more.py": "<<<<<<< ours\ny = 1\n=======\ny = 2\n>>>>>>> theirs\n"}),
            ("chore: live with one", {"elder.yaml": f"{POLICY}suppressions:{SUPPRESSED}"}),
            ("fix: resolve", {"shop/more.py": "y = 1\n"}),
            ("refactor: drop the cart", {"shop/cart.py": None}),
        ):
            if message:
                grow(repository, git, message, files)
                git(repository, "tag", "-a", f"v1-{message.partition(':')[0]}", "-m", "a release")
            audit_here()
            sent_in = upload(repository, server.url)
            assert "uploaded to 127.0.0.1" in sent_in.stderr, sent_in.output
            assert differences(platform, theirs) == [], message
        ours = rows(platform)
        assert [row["standing"] for row in ours["finding_states"] if row["rule"] == "INT001"] == ["removed", "fixed"]
        assert {"suppressed", "removed", "fixed", "new"} <= {event["event"] for event in ours["finding_events"]}
        for store in (platform, theirs):
            store.set_policy("payments", "version: 1\nprofile: enterprise\n", author="ann", comment="")
        audit_here()
        upload(repository, server.url)
        assert differences(platform, theirs) == []
        tags = ["v1-chore", "v1-feat", "v1-fix", "v1-refactor"]
        assert [row["tag"] for row in rows(theirs)["releases"]] == tags
        assert len(rows(platform)["rulers"]) == 3  # built in, startup, enterprise
        assert all(row["kin"] for row in ours["finding_states"])


def test_an_upload_again_adds_nothing_and_who_sent_it_is_known(server: Server, repository: Path):
    with server.store() as store:
        token = store.create_token("edge of Osaka", "maintainer", days=1, by="root")[1]
        sent = [upload(repository, server.url, environment={"ELDER_TOKEN": token}) for _ in range(2)]
        (first,), (again,) = ([line for line in one.stderr.splitlines() if "uploaded" in line] for one in sent)
        assert again == f"{first}; it was there already"
        (audit,) = store.audits_page(1)
        assert (audit["uploaded_by"], audit["run_id"], audit["kind"]) == ("edge of Osaka", None, "default")
        assert store.audits_of(1)[0]["uploaded_by"] == "edge of Osaka"
        (logged,) = [one for one in store.log_entries() if one.action == "audit.upload"]
        assert (logged.actor, logged.target, logged.detail["commit"]) == ("edge of Osaka", KEY, audit["commit"])
        assert store.teams_moved(NO_MARKS)[1].count(0) < len(NO_MARKS)  # scorecards follow: they ask for new audits


def test_another_branch_is_kept_beside_and_moves_nothing(server: Server, repository: Path, git: Git):
    with server.store() as store:
        store.settle_project(1, default_branch="main")
        upload(repository, server.url)
        before = store.latest(KEY)
        git(repository, "checkout", "-q", "-b", "try")
        grow(repository, git, "feat: try", {"shop/try.py": "x = 1\n"})
        assert "(adhoc)" in upload(repository, server.url).stderr
        assert [audit["kind"] for audit in store.audits_page(1)] == ["adhoc", "default"]
        assert store.latest(KEY) == before
        git(repository, "checkout", "-q", "--detach", "main")
        assert "it was there already" in upload(repository, server.url).stderr  # detached, but on the default branch


# --- when it does not work -------------------------------------------------------------------------------------


def refused(sent: Result, repository: Path, *words: str) -> None:
    """The report was written all the same, the status is 2, and one line says why."""
    assert sent.return_value == 2, sent.output
    assert json.loads(sent.stdout)["findings"], "the local report is lost"
    (line,) = [line for line in sent.stderr.splitlines() if "not uploaded" in line]
    for word in words:
        assert word in line
    assert len(line) < 700


def test_a_server_that_is_down_or_is_something_else_costs_no_report(repository: Path, tmp_path: Path):
    port = free_port()
    refused(upload(repository, f"http://127.0.0.1:{port}", "--format", "json"), repository, f"127.0.0.1:{port} cannot")
    for status, headers, words in (
        (200, {}, "does not answer as this Elder's control plane"),
        (404, {}, "no control plane of Elder"),
        (302, {"Location": "https://elsewhere.example.org/"}, "sends elsewhere (HTTP 302)"),
    ):
        with answering(status, headers) as (url, asked):
            sent = upload(repository, url, "--format", "json", environment={"ELDER_TOKEN": "elder_secret"})
        refused(sent, repository, words)
        assert asked == ["Bearer elder_secret"]
        assert "elder_secret" not in sent.output


def test_a_refused_token_and_an_unknown_project_are_named(server: Server, repository: Path):
    with server.store() as store:
        viewer = store.create_token("reader", "viewer", days=1, by="root")[1]
        store.add_team("other")
        other = store.create_token("other", "maintainer", days=1, team="other", by="root")[1]
    said = ("--format", "json")
    refused(upload(repository, server.url, *said), repository, "asks who you are: set ELDER_TOKEN")
    for token, words in (
        ("elder_" + "x" * 49, "refuses the token in ELDER_TOKEN"),
        (viewer, "this needs the role maintainer"),
        (other, "no project local/basket that this token may see; register it there"),
    ):
        sent = upload(repository, server.url, *said, environment={"ELDER_TOKEN": token})
        refused(sent, repository, words)
        assert token not in sent.output
    sent = upload(repository, server.url, *said, "--key", "git.example.org/a/b", environment={"ELDER_TOKEN": viewer})
    refused(sent, repository, "no project git.example.org/a/b")


def test_a_site_of_another_version_is_refused_and_both_versions_are_named(
    server: Server, repository: Path, monkeypatch: pytest.MonkeyPatch
):
    own = default_ruler()
    newer = msgspec.structs.replace(own.rules["INT001"], version=own.rules["INT001"].version + 1)
    theirs = msgspec.structs.replace(own, rules={**own.rules, "INT001": newer})
    monkeypatch.setattr(upload_site, "ruler_for", lambda _facts: theirs)
    monkeypatch.setattr(upload_site, "elder_version", lambda: "9.8.7")
    sent = upload(repository, server.url, "--format", "json")
    words = (f"this Elder (9.8.7) cannot judge as the server does (Elder {elder_version()})", "version of INT001")
    refused(sent, repository, *words)
    monkeypatch.setattr(upload_site, "ruler_for", lambda _facts: own)
    monkeypatch.setattr(upload_site, "UPLOAD_SCHEMA", 2)
    refused(upload(repository, server.url, "--format", "json"), repository, "takes uploads of version 1, not 2")


@pytest.mark.parametrize(
    "address", ["http://elder.example.org", "ftp://x", "https://ann:pw@elder.example.org", "https://h/?a=b", "elder"]
)
def test_an_address_of_another_form_is_refused_before_anything_is_read(repository: Path, address: str):
    with pytest.raises(ConfigurationError, match="--upload") as refusal:
        CliRunner().invoke(
            elder, ["audit", str(repository), "--upload", address], standalone_mode=False, catch_exceptions=False
        )
    assert "pw" not in str(refusal.value)


@pytest.mark.parametrize("more", [["--staged"], ["--baseline", "HEAD"], ["--magic", "tdd"], ["--ruler", __file__]])
def test_what_would_be_another_audit_does_not_go_with_it(repository: Path, more: list[str]):
    result = CliRunner().invoke(elder, ["audit", str(repository), "--upload", "http://localhost", *more])
    assert (result.exit_code, "--upload judges as the server does" in result.output) == (2, True)
