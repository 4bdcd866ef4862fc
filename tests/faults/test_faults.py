"""Things break in the middle of work; no result is lost, none is doubled, and what is damaged is found."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import queue
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from breaking import Proxy, Server, free_port
from click.testing import CliRunner
from shared_audits import KEY, RULER, check_whole, observed, verdict

from elder_assets.audit.errors import StoreError
from elder_assets.cli import elder
from resources.observability import doctor
from resources.recovery import backups
from resources.settings import Settings
from resources.store import Store, open_store, tables

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PG = [pytest.mark.postgres]


class Recorder:
    """The process of recorder.py."""

    def __init__(self, url: str, first: int = 1, last: int = 1_000) -> None:
        command = [sys.executable, str(HERE / "recorder.py"), url, str(first), str(last)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._said: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.done: set[int] = set()

    def _read(self) -> None:
        for line in self._process.stdout:
            self._said.put(line.strip())

    def wait_for(self, count: int, seconds: float = 60) -> None:
        """Until so many more audits were acknowledged."""
        deadline = time.monotonic() + seconds
        wanted = len(self.done) + count
        while len(self.done) < wanted and time.monotonic() < deadline and self._process.poll() is None:
            self._take(0.1)
        assert len(self.done) >= wanted, self._process.stderr.read() if self._process.poll() is not None else "slow"

    def _take(self, seconds: float) -> None:
        try:
            word, *rest = self._said.get(timeout=seconds).split()
        except queue.Empty:
            return
        if word == "done":
            self.done.add(int(rest[0]))

    def kill(self) -> None:
        """SIGKILL, and what it still had said."""
        self._process.send_signal(signal.SIGKILL)
        self.end()

    def end(self) -> int:
        """Wait for it; its exit status."""
        status = self._process.wait(60)
        time.sleep(0.1)
        while not self._said.empty():
            self._take(0.1)
        return status


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'elder.db'}"


def repeat(url: str, number: int) -> None:
    """What happens after a loss: the audit is asked again."""
    with open_store(url) as store:
        given = verdict(number)
        store.record(given, RULER.document(), run_id="again", observed=observed(given))


def killed_while_recording(url: str, kills: int) -> None:
    """Kill a recorder at a moment by chance, ask for the lost audit again, and go on."""
    chance, done, first = random.Random(7), set(), 1  # noqa: S311 - moments, no secrets
    for _ in range(kills):
        recorder = Recorder(url, first)
        recorder.wait_for(2)
        time.sleep(chance.uniform(0, 0.25))
        recorder.kill()
        done |= recorder.done
        following = max(done) + 1
        with open_store(url) as store:
            found = check_whole(store, done, done | {following})
        if following not in found:
            repeat(url, following)
            done.add(following)
        done |= found
        first = max(done) + 1
    with open_store(url) as store:
        assert check_whole(store, done, done) == set(range(1, first))


def test_a_kill_while_recording_loses_and_doubles_nothing(sqlite_url: str):
    killed_while_recording(sqlite_url, kills=2)


@pytest.mark.fault
@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgres", marks=PG)])
def test_kills_at_many_moments_lose_and_double_nothing(database: str, sqlite_url: str, request: pytest.FixtureRequest):
    url = sqlite_url if database == "sqlite" else request.getfixturevalue("server").url
    killed_while_recording(url, kills=8)


class ControlPlane:
    """`elder serve` in a process of its own."""

    def __init__(self, home: Path) -> None:
        self.port = free_port()
        self._environment = {
            **os.environ,
            "ELDER_HOME": str(home),
            "ELDER_DATABASE_URL": "",
            "ELDER_WEBHOOK_SECRETS": "github=env:HOOK",
            "HOOK": SECRET,
        }
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "elder_assets", "serve", "--port", str(self.port)]
        process = subprocess.Popen(
            command, cwd=ROOT, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/health/ready").status_code == 200:
                    return process
            except httpx.TransportError:
                time.sleep(0.1)
        process.kill()
        pytest.fail("the control plane did not start")

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(30)

    def restart(self) -> None:
        self._process = self._start()

    def deliver(self, number: int) -> bool:
        """Send a push as GitHub does; whether it was acknowledged."""
        payload = {**PUSH, "after": f"{number:040x}"}
        body = json.dumps(payload).encode()
        signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": "push",
            "X-GitHub-Delivery": f"delivery-{number}",
            "X-Hub-Signature-256": signature,
        }
        try:
            answer = httpx.post(
                f"http://127.0.0.1:{self.port}/webhooks/github", content=body, headers=headers, timeout=10
            )
        except httpx.TransportError:
            return False
        assert answer.status_code in {200, 202}, answer.text
        return True


SECRET = "correct horse battery staple"
PUSH = {
    "ref": "refs/heads/main",
    "before": "a" * 40,
    "deleted": False,
    "forced": False,
    "commits": [],
    "repository": {
        "full_name": "shop/basket",
        "html_url": "https://github.com/shop/basket",
        "clone_url": "https://github.com/shop/basket.git",
        "default_branch": "main",
    },
    "sender": {"login": "ann"},
}


@pytest.mark.fault
def test_a_control_plane_that_is_killed_while_webhooks_arrive_keeps_each_once(tmp_path: Path):
    home = tmp_path / "home"
    plane = ControlPlane(home)
    acknowledged: set[int] = set()
    sent = range(1, 121)

    def send(numbers: range) -> None:
        for number in numbers:
            if plane.deliver(number):
                acknowledged.add(number)

    senders = [threading.Thread(target=send, args=(sent[start::4],)) for start in range(4)]
    for sender in senders:
        sender.start()
    while len(acknowledged) < 20:
        time.sleep(0.01)
    plane.kill()
    for sender in senders:
        sender.join()
    assert 20 <= len(acknowledged) < len(sent)
    with open_store(Settings(home=home).store_url) as store:
        kept = deliveries(store)
        assert {f"delivery-{number}" for number in acknowledged} <= set(kept)
    plane.restart()
    for number in sent:  # the host sends again what was not answered, and some that were
        if number not in acknowledged or number % 5 == 0:
            assert plane.deliver(number)
    plane.kill()
    with open_store(Settings(home=home).store_url) as store:
        assert sorted(deliveries(store)) == sorted(f"delivery-{number}" for number in sent)


def deliveries(store: Store) -> list[str]:
    with store._reading() as connection:
        return list(connection.scalars(sa.select(tables.inbox.c.delivery_id)))


# --- the database ----------------------------------------------------------------------------------------


@pytest.mark.fault
@pytest.mark.postgres
def test_a_database_that_is_killed_in_the_middle_of_a_write_loses_nothing_that_was_acknowledged(server: Server):
    recorder = Recorder(server.url)
    recorder.wait_for(3)
    server.kill()
    assert recorder.end() != 0
    server.start()
    following = max(recorder.done) + 1
    with open_store(server.url) as store:
        found = check_whole(store, recorder.done, recorder.done | {following})
    if following not in found:
        repeat(server.url, following)
    with open_store(server.url) as store:
        assert following in check_whole(store, recorder.done, recorder.done | {following})


@pytest.mark.fault
@pytest.mark.postgres
def test_an_open_store_goes_on_after_the_database_was_restarted(server: Server):
    with open_store(server.url) as store:
        store.add_repository(KEY, "x")
        server.kill()
        with pytest.raises(StoreError):
            store.add_repository("example.org/lost/one", "x")
        server.start()
        given = verdict(1)
        store.record(given, RULER.document(), observed=observed(given))
        assert check_whole(store, {1}, {1}) == {1}
        assert [known.key for known in store.repositories()] == [KEY]


@pytest.mark.fault
@pytest.mark.postgres
def test_a_network_that_is_cut_in_the_middle_of_a_write_loses_and_doubles_nothing(server: Server, proxy: Proxy):
    url = f"postgresql://elder@127.0.0.1:{proxy.port}/postgres"
    recorder = Recorder(url)
    recorder.wait_for(3)
    proxy.cut()
    time.sleep(1)
    proxy.mend()
    time.sleep(1)
    recorder.kill()  # it ended by itself, unless the cut met the question whether the connection still lives
    following = max(recorder.done) + 1
    with open_store(url) as store:
        found = check_whole(store, recorder.done, recorder.done | {following})
        if following not in found:
            given = verdict(following)
            store.record(given, RULER.document(), observed=observed(given))
        assert following in check_whole(store, recorder.done, recorder.done | {following})


def test_a_corrupt_page_is_found_and_the_backup_brings_everything_back(tmp_path: Path):
    settings = Settings(home=tmp_path / "home")
    for number in (1, 2):
        with open_store(settings.store_url) as store:
            store.add_repository(KEY, "x")
        repeat(settings.store_url, number)
    path, _ = backups.make_backup(settings, tmp_path / "backups")
    file = settings.home / "elder.db"
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with file.open("r+b") as raw:
        for page in range(40, 60):
            raw.seek(4096 * page)
            raw.write(os.urandom(4096))
    assert "failed" in {check.state for check in doctor.examine(settings)}
    with pytest.raises(StoreError):
        backups.make_backup(settings, tmp_path / "worse")
    for part in settings.home.glob("elder.db*"):
        part.rename(tmp_path / part.name)
    engine = backups.make_engine(sa.make_url(settings.store_url))
    with backups.open_archive(path) as archive:
        backups.restore_rows(archive, engine)
    engine.dispose()
    with open_store(settings.store_url) as store:
        assert check_whole(store, {1, 2}, {1, 2}) == {1, 2}


# --- the disk --------------------------------------------------------------------------------------------


FULL = """
import resource, signal, sys
sys.path[:0] = [{root!r}, {here!r}]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from click.testing import CliRunner
from shared_audits import RULER, observed, verdict
from resources.store import open_store
from elder_assets.audit.errors import StoreError
with open_store({url!r}) as store:
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
    for number in range(2, 200):
        given = verdict(number)
        try:
            store.record(given, RULER.document(), observed=observed(given))
        except StoreError as error:
            print("refused", number, error)
            break
        print("done", number)
"""


def test_a_full_disk_undoes_the_write_and_the_next_one_succeeds(tmp_path: Path, sqlite_url: str):
    with open_store(sqlite_url) as store:
        store.add_repository(KEY, "x")
    repeat(sqlite_url, 1)
    limit = (tmp_path / "elder.db").stat().st_size + 1_500_000
    script = FULL.format(root=str(ROOT), here=str(HERE), url=sqlite_url, limit=limit)
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    done = {1} | {int(line.split()[1]) for line in said if line.startswith("done")}
    assert said[-1].startswith("refused"), said[-1:]
    refused = int(said[-1].split()[1])
    with open_store(sqlite_url) as store:
        assert check_whole(store, done, done) == done
    repeat(sqlite_url, refused)
    with open_store(sqlite_url) as store:
        assert check_whole(store, done, done | {refused}) == done | {refused}


def test_a_backup_that_finds_no_room_leaves_no_file(tmp_path: Path):
    settings = Settings(home=tmp_path / "home")
    with open_store(settings.store_url) as store:
        store.add_repository(KEY, "x")
    repeat(settings.store_url, 1)
    script = (
        f"import resource, signal, sys; sys.path.insert(0, {str(ROOT)!r}); signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "from elder_assets.cli import main\nsys.argv = ['elder', 'backup', sys.argv[1]]\nmain()\n"
    )
    environment = {**os.environ, "ELDER_HOME": str(settings.home), "ELDER_DATABASE_URL": ""}
    folder = tmp_path / "backups"
    result = subprocess.run(
        [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=False, env=environment
    )
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert list(folder.iterdir()) == []


# --- what can be made again ------------------------------------------------------------------------------


def test_lost_caches_and_a_lost_mirror_change_no_result(tmp_path: Path):
    origin = tmp_path / "origin"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "-q", "-b", "main", str(origin)], check=True)
    (origin / "basket.py").write_text(
        "def total(prices):\n    try:\n        return sum(prices)\n    except:\n        pass\n"
    )
    subprocess.run([*git, "-C", str(origin), "add", "."], check=True)
    subprocess.run([*git, "-C", str(origin), "commit", "-qm", "feat: basket"], check=True)
    home = tmp_path / "home"

    def audited() -> bytes:
        command = [sys.executable, "-m", "elder_assets", "audit", str(origin), "--format", "json"]
        environment = {**os.environ, "ELDER_HOME": str(home), "ELDER_DATABASE_URL": ""}
        said = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment).stdout
        document = json.loads(said)
        return json.dumps([[f["fingerprint"] for f in document["findings"]], document["score"]]).encode()

    before = audited()
    assert list((home / "facts").rglob("*.db"))
    for folder in ("facts", "mirrors"):
        shutil.rmtree(home / folder, ignore_errors=True)
    assert audited() == before


def test_a_leaked_token_is_refused_after_all_were_revoked(tmp_path: Path):
    from fastapi.testclient import TestClient

    from dash_app.app import create_app

    settings = Settings(home=tmp_path / "home")
    with open_store(settings.store_url) as store:
        environment = {"ELDER_HOME": str(settings.home), "ELDER_DATABASE_URL": ""}
        made = CliRunner().invoke(elder, ["token", "create", "ci", "--role", "admin"], env=environment)
        token = made.output.split()[0]
        client = TestClient(create_app(store, settings), base_url="http://127.0.0.1:8321", client=("127.0.0.1", 50000))
        headers = {"Authorization": f"Bearer {token}"}
        assert client.get("/metrics", headers=headers).status_code == 200
        revoked = CliRunner().invoke(elder, ["token", "revoke-all"], env=environment, input="y\n")
        assert revoked.exit_code == 0, revoked.output
        assert client.get("/metrics", headers=headers).status_code == 401
