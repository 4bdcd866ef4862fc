"""From a push to its verdict, on real processes: how long it takes, and that nothing is lost or done twice.

    python benchmarks/deliveries.py latency --pushes 20
    python benchmarks/deliveries.py storm --deliveries 1000 --repositories 10 --seconds 240 --kill-every 10

Both start the control plane (`elder serve`) and the Dagster daemon in a home of their own, with bare repositories in
the place of a git host's, and send signed GitHub pushes over HTTP. `storm` sends every delivery twice, some
seconds late each, so that they overtake each other, drops 5 %, and kills -9 the receiver, the daemon and runs at random
moments; both are started again. When all is quiet it pushes once more to some repositories without a delivery, runs the
sweep, waits, and exits 1 unless the sweep found just these, every head was audited and no commit was audited twice.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import datetime as dt
import hashlib
import hmac
import http.client
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from resources.dagster_instance import write_instance
from resources.deliveries.sweep import sweep
from resources.settings import Settings, load_settings
from resources.store import Store, open_store, tables
from resources.store.inbox import ENDED

ROOT = Path(__file__).parent.parent
SECRET = "correct horse battery staple"
DROPPED_SHARE = 0.05
LATE_SECONDS = 5.0
"""Mean of how late a delivery comes; pushes of a repository overtake each other by this."""
QUIET_SECONDS_MAX = 900


@dataclass
class Platform:
    """The receiver and the daemon, each in a session of its own."""

    settings: Settings
    environment: dict[str, str]
    logs: Path
    receiver: subprocess.Popen[bytes] | None = None
    daemon: subprocess.Popen[bytes] | None = None
    sessions: list[int] = field(default_factory=list)

    def start_receiver(self) -> None:
        """`elder serve`."""
        command = [sys.executable, "-m", "elder_assets", "serve"]
        self.receiver = self._start(command, "receiver.log")

    def start_daemon(self) -> None:
        """The Dagster daemon with its code server."""
        workspace = self.settings.dagster_home / "workspace.yaml"
        module = "{python_module: {module_name: elder_assets.definitions, location_name: elder}}"
        workspace.write_text(f"load_from: [{module}]\n")
        command = [str(Path(sys.executable).parent / "dagster-daemon"), "run", "-w", str(workspace)]
        self.daemon = self._start(command, "daemon.log")
        self.sessions.append(self.daemon.pid)

    def _start(self, command: list[str], log: str) -> subprocess.Popen[bytes]:
        with (self.logs / log).open("ab") as file:
            return subprocess.Popen(
                command, env=self.environment, stdout=file, stderr=file, start_new_session=True, cwd=ROOT
            )

    def runs(self) -> list[int]:
        """Processes that work on runs."""
        listing = subprocess.run(["ps", "-eo", "pid=,sid=,args="], capture_output=True, text=True, check=True).stdout
        rows = [line.split(None, 2) for line in listing.splitlines()]
        return [int(pid) for pid, sid, args in rows if int(sid) in self.sessions and "spawn_main" in args]

    def wait_until_ready(self) -> None:
        """Until the receiver answers."""
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                if request(self.settings.port, "GET", "/health/live", b"", {}) == 200:
                    return
            assert time.monotonic() < deadline, (self.logs / "receiver.log").read_text()[-2000:]
            time.sleep(0.1)

    def stop(self) -> None:
        """End everything that was started."""
        for process in (self.receiver, self.daemon):
            if process is not None:
                process.terminate()
        time.sleep(2)
        for session in [*self.sessions, *([self.receiver.pid] if self.receiver else [])]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(session, signal.SIGKILL)


@dataclass
class Shop:
    """A repository on the made-up host, and a clone to push from."""

    name: str
    bare: Path
    work: Path
    heads: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Our key of it."""
        return f"github.com/acme/{self.name}"

    def git(self, *arguments: str) -> str:
        """Run git in the clone."""
        who = {
            f"GIT_{role}_{what}": "ann@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", **who}
        command = ["git", "-C", str(self.work), *arguments]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()

    def push(self) -> tuple[str, str]:
        """Push a commit; the heads before and after."""
        number = len(self.heads)
        (self.work / f"module_{number % 9}.py").write_text(
            f"def price_{number}(amount):\n    return amount * {number}\n"
        )
        self.git("add", "-A")
        self.git("commit", "-q", "-m", f"feat: price {number}")
        self.git("push", "-q", "origin", "HEAD:refs/heads/main")
        before = self.heads[-1] if self.heads else "0" * 40
        self.heads.append(self.git("rev-parse", "HEAD"))
        return before, self.heads[-1]


def make_shop(folder: Path, name: str, store: Store) -> Shop:
    """A registered repository with one commit."""
    shop = Shop(name, folder / f"{name}.git", folder / name)
    shop.work.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(shop.bare)], check=True)
    shop.git("init", "-q", "-b", "main")
    shop.git("remote", "add", "origin", str(shop.bare))
    shop.push()
    store.add_repository(shop.key, str(shop.bare))
    return shop


def delivery(shop: Shop, before: str, after: str) -> tuple[str, bytes, dict[str, str]]:
    """A signed push of GitHub's shape: its id, body and headers."""
    body = json.dumps(
        {
            "ref": "refs/heads/main", "before": before, "after": after, "forced": False, "commits": [],
            "repository": {"clone_url": f"https://{shop.key}.git", "default_branch": "main"},
        }
    ).encode()  # fmt: skip
    number = hashlib.sha256(f"{shop.key}:{before}:{after}".encode()).hexdigest()[:32]
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": number,
        "X-Hub-Signature-256": "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest(),
    }
    return number, body, headers


def request(port: int, method: str, path: str, body: bytes, headers: dict[str, str]) -> int:
    """Ask the receiver; the status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def wait_for_quiet(store: Store, seconds_max: float = QUIET_SECONDS_MAX) -> float:
    """Until no row waits or is queued; the seconds that took."""
    started = time.monotonic()
    while any(number for state, number in store.inbox_counts().items() if state not in ENDED):
        assert time.monotonic() - started < seconds_max, f"not quiet: {store.inbox_counts()}"
        time.sleep(0.5)
    return time.monotonic() - started


def audits_of(store: Store) -> collections.Counter[tuple[str, str]]:
    """How often each commit of each repository was audited."""
    joined = tables.audits.join(tables.snapshots, tables.snapshots.c.id == tables.audits.c.snapshot_id)
    joined = joined.join(tables.repositories, tables.repositories.c.id == tables.snapshots.c.repository_id)
    columns = (tables.repositories.c.key, tables.snapshots.c.commit)
    with store._reading() as connection:  # noqa: SLF001 - a benchmark looks behind the store's own questions
        return collections.Counter(
            (row[0], row[1]) for row in connection.execute(sa.select(*columns).select_from(joined))
        )


# --- latency ---------------------------------------------------------------------------------------------


def latency(platform: Platform, store: Store, folder: Path, pushes: int, pause: float) -> bool:
    """Push, wait for the verdict, and so on; prints where the time went."""
    import dagster as dg

    shop = make_shop(folder, "shop", store)
    platform.start_receiver()
    platform.start_daemon()
    platform.wait_until_ready()
    time.sleep(15)
    measured: list[dict[str, float]] = []
    chance = random.Random(1)  # noqa: S311 - moments, no secrets
    for _ in range(pushes + 1):
        number, body, headers = delivery(shop, *shop.push())
        started = time.time()
        assert request(platform.settings.port, "POST", "/webhooks/github", body, headers) == 202
        answered = time.time() - started
        row = next(row for row in store.inbox_rows(limit=5)[0] if row.delivery_id == number)
        while row.state not in ENDED:
            assert time.time() - started < 300, row
            time.sleep(0.02)
            row = store.inbox_row(row.id)
        finished = time.time() - started
        with dg.DagsterInstance.get() as instance:
            (record,) = instance.get_run_records(dg.RunsFilter(run_ids=[row.run_id or ""]))
        assert row.decided_at is not None
        began = record.start_time or started
        measured.append(
            {
                "answered": answered,
                "decided": row.decided_at.timestamp() - started,
                "run began": began - started,
                "verdict": finished,
            }
        )
        time.sleep(pause + 5 * chance.random())
    rows = measured[1:]  # the first reads every file and warms the caches
    for name in rows[0]:
        values = sorted(row[name] for row in rows)
        print(f"{name:>10}: p50 {statistics.median(values):6.2f} s, p95 {values[int(0.95 * (len(values) - 1))]:6.2f} s")
    return statistics.median(row["verdict"] for row in rows) < 10


# --- storm -----------------------------------------------------------------------------------------------


def storm(platform: Platform, store: Store, folder: Path, options: argparse.Namespace) -> bool:
    """Send everything twice, in disorder and with losses, while parts are killed; then compare."""
    chance = random.Random(options.seed)  # noqa: S311 - moments, no secrets
    shops = [make_shop(folder, f"shop-{number}", store) for number in range(options.repositories)]
    platform.start_receiver()
    platform.start_daemon()
    platform.wait_until_ready()
    events, dropped = _plan(options, chance)
    killed: collections.Counter[str] = collections.Counter()
    answers: collections.Counter[str] = collections.Counter()
    pushed: dict[int, tuple[str, bytes, dict[str, str]]] = {}
    started = time.monotonic()
    next_kill = started + options.kill_every
    for event in events:
        time.sleep(max(0.0, started + event.at - time.monotonic()))
        if event.is_push:
            shop = shops[event.number % len(shops)]
            pushed[event.number] = delivery(shop, *shop.push())
        else:
            answers[_send(platform, pushed[event.number])] += 1
        if time.monotonic() >= next_kill:
            killed[_kill(platform, chance)] += 1
            next_kill = time.monotonic() + options.kill_every * chance.uniform(0.5, 1.5)
        _revive(platform)
    sending = [event for event in events if not event.is_push]
    print(f"sent {len(sending)} requests ({options.deliveries} pushes, twice), never sent {dropped} pushes")
    print("answers:", dict(answers))
    print("killed:", dict(killed))
    _calm(platform, store)
    print("rows:", store.inbox_counts())
    for shop in shops[: max(1, len(shops) // 5)]:
        shop.push()  # and nobody tells: no later delivery leads to it either
    late = [shop.key for shop in shops if (store.latest(shop.key) or _NONE).commit != shop.heads[-1]]
    print("heads that no delivery told:", len(late))
    swept = sweep(store, platform.settings, dt.datetime.now(dt.UTC))
    print("sweep:", swept.line())
    _calm(platform, store)
    return _compare(store, shops, set(late) == set(swept.missing))


@dataclass(frozen=True)
class Event:
    """A push, or the delivery of one, in seconds from the start."""

    at: float
    number: int
    is_push: bool


class _NONE:
    commit = ""


def _plan(options: argparse.Namespace, chance: random.Random) -> tuple[list[Event], int]:
    """What happens when, and how many pushes no delivery tells."""
    count = options.deliveries
    unlucky = set(chance.sample(range(count), int(count * DROPPED_SHARE)))
    pause = options.seconds / count
    events = [Event(number * pause, number, is_push=True) for number in range(count)]
    for number in set(range(count)) - unlucky:
        for _ in range(2):
            late = chance.expovariate(1 / LATE_SECONDS)
            events.append(Event(number * pause + late, number, is_push=False))
    return sorted(events, key=lambda event: (event.at, not event.is_push)), len(unlucky)


def _send(platform: Platform, given: tuple[str, bytes, dict[str, str]]) -> str:
    try:
        return str(request(platform.settings.port, "POST", "/webhooks/github", given[1], given[2]))
    except (OSError, http.client.HTTPException):
        return "no answer"


def _kill(platform: Platform, chance: random.Random) -> str:
    """Kill -9 something."""
    kind = chance.choice(["receiver", "daemon", "run", "run", "daemon with its runs"])
    if kind == "receiver" and platform.receiver:
        platform.receiver.kill()
    elif kind == "daemon" and platform.daemon:
        platform.daemon.kill()
    elif kind == "run":
        if not (runs := platform.runs()):
            return "no run was there"
        with contextlib.suppress(ProcessLookupError):
            os.kill(chance.choice(runs), signal.SIGKILL)
    elif platform.daemon:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(platform.daemon.pid, signal.SIGKILL)
    return kind


def _revive(platform: Platform) -> None:
    """Start again what is dead, as a supervisor does."""
    if platform.receiver is None or platform.receiver.poll() is not None:
        platform.start_receiver()
    if platform.daemon is None or platform.daemon.poll() is not None:
        platform.start_daemon()


def _calm(platform: Platform, store: Store) -> None:
    """Let everything run until nothing is left to do."""
    _revive(platform)
    print(f"quiet after {wait_for_quiet(store):.0f} s")


def _compare(store: Store, shops: list[Shop], is_swept: bool) -> bool:
    counted = audits_of(store)
    twice = {key: times for key, times in counted.items() if times > 1}
    missing = [shop.key for shop in shops if not counted[shop.key, shop.heads[-1]]]
    stale = [shop.key for shop in shops if (store.latest(shop.key) or _NONE).commit != shop.heads[-1]]
    failed = store.inbox_counts()["failed"]
    print(f"{len(shops)} heads, {sum(counted.values())} audits of {len(counted)} commits")
    print(
        f"audited twice: {len(twice)}; heads without audit: {len(missing)}; stale: {len(stale)}; failed rows: {failed}"
    )
    if not is_swept:
        print("the sweep did not find exactly what was missing")
    return not twice and not missing and not stale and is_swept and not failed


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["latency", "storm"])
    parser.add_argument("--pushes", type=int, default=20)
    parser.add_argument(
        "--pause", type=float, default=2.0, help="seconds between a verdict and the next push, at least"
    )
    parser.add_argument("--deliveries", type=int, default=1000)
    parser.add_argument("--repositories", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=240)
    parser.add_argument("--kill-every", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep the home there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="elder-deliveries-") as temporary:
        folder = options.keep or Path(temporary)
        home = folder / "home"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        os.environ.update(
            ELDER_HOME=str(home), DAGSTER_HOME=str(home / "dagster"), DAGSTER_DISABLE_TELEMETRY="1",
            ELDER_PORT=str(port), ELDER_WEBHOOK_SECRETS="github=env:HOOK", HOOK=SECRET, PYTHONPATH=str(ROOT),
        )  # fmt: skip
        settings = load_settings()
        write_instance(settings)
        platform = Platform(settings, dict(os.environ), home)
        with open_store(settings.store_url) as store:
            try:
                if options.what == "latency":
                    is_good = latency(platform, store, folder, options.pushes, options.pause)
                else:
                    is_good = storm(platform, store, folder, options)
            finally:
                platform.stop()
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
