"""From the record of an audit to the message at its receiver, on real processes.

    python benchmarks/alerts.py [--times 10] [--seconds-max 30]

Starts the Dagster daemon with Elder's sensors in a home of its own, and a receiver on loopback that a webhook channel
names. Then the status of a repository changes with each audit, at any moment of the sensor's interval, and the clock
runs from the end of the audit's transaction until the receiver has the whole message. Exits 1 when one took longer.
"""

from __future__ import annotations

import argparse
import base64
import http.server
import json
import os
import queue
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.deliveries import ROOT, Platform
from elder_assets.audit.alerts import AlertRule
from resources.audits import open_source
from resources.dagster_instance import write_instance
from resources.settings import load_settings
from resources.store import open_store
from resources.upload_site import audit_for
from resources.uploads import accept, terms_of_project

if TYPE_CHECKING:
    from resources.settings import Settings
    from resources.store import Store

KEY = "local/basket"
CONFLICT = "<<<<<<< ours\nx = 1\n=======\nx = 2\n>>>>>>> theirs\n"
START_SECONDS_MAX = 120.0
LOST_SECONDS = 180.0

Arrived = queue.Queue[tuple[float, str]]


def receiver(arrived: Arrived) -> http.server.ThreadingHTTPServer:
    """Takes every message, and says when it came and on which commit it speaks."""

    class Taker(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            at = time.time()
            self.send_response(204)
            self.end_headers()
            for notice in json.loads(body)["data"]["notices"]:
                arrived.put((at, notice["event"]["commit"]))

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def record(store: Store, settings: Settings, work: Path, *, is_broken: bool) -> tuple[float, str]:
    """Commit, audit and keep it; when it was kept, and its commit."""
    (work / "cart.py").write_text(CONFLICT if is_broken else "x = 3\n")
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    for command in (["add", "-A"], [*who, "commit", "-q", "-m", "feat: change the cart"]):
        subprocess.run(["git", "-C", work, *command], check=True)
    (project,) = store.projects()
    with open_source(str(work), settings, key=KEY) as opened:
        terms = terms_of_project(store, settings, project, opened.source.commit)
        upload = audit_for(opened, terms, settings, ref="HEAD", progress=lambda *_: None).upload
        accept(store, settings, project, upload, "benchmark")
        return time.time(), opened.source.commit


def wait_for(arrived: Arrived, commit: str, seconds: float) -> float | None:
    """When the message about a commit came; None when it did not."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        try:
            at, told = arrived.get(timeout=left)
        except queue.Empty:
            return None
        if told == commit:
            return at
    return None


def measure(store: Store, settings: Settings, work: Path, arrived: Arrived, times: int) -> list[float]:
    """Seconds from record to message, so many times."""
    chance = random.Random(1)  # noqa: S311 - moments, no secrets
    record(store, settings, work, is_broken=False)
    found: list[float] = []
    for number in range(times + 1):
        time.sleep(chance.uniform(0, 6))
        kept, commit = record(store, settings, work, is_broken=number % 2 == 0)
        came = wait_for(arrived, commit, LOST_SECONDS)
        assert came is not None, f"nothing was told of {commit[:12]} within {LOST_SECONDS:.0f} s"
        if number:  # at the first the daemon starts
            found.append(came - kept)
            print(f"{came - kept:6.2f} s", flush=True)
    return found


def main() -> int:
    """Measure, print median and largest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--seconds-max", type=float, default=30.0)
    options = parser.parse_args()
    arrived: Arrived = queue.Queue()
    taker = receiver(arrived)
    with tempfile.TemporaryDirectory(prefix="elder-alerts-") as folder:
        home, work = Path(folder) / "home", Path(folder) / "basket"
        subprocess.run(["git", "init", "-q", "-b", "main", work], check=True)
        os.environ.update(
            ELDER_HOME=str(home), DAGSTER_HOME=str(home / "dagster"), DAGSTER_DISABLE_TELEMETRY="1",
            ELDER_ALERT_HOSTS=f"127.0.0.1:{taker.server_port}", PYTHONPATH=str(ROOT),
            TOLD_AT=f"http://127.0.0.1:{taker.server_port}/", TOLD_KEY="whsec_" + base64.b64encode(b"k" * 32).decode(),
        )  # fmt: skip
        settings = load_settings()
        write_instance(settings)
        platform = Platform(settings, dict(os.environ), home)
        with open_store(settings.store_url) as store:
            store.add_repository(KEY, str(work))
            store.put_channel("here", "webhook", "env:TOLD_AT env:TOLD_KEY")
            rule = AlertRule(name="status", kind="status_changed", channels=("here",), cooldown_seconds=0)
            store.put_rule(rule, "benchmark")
            try:
                platform.start_daemon()
                found = measure(store, settings, work, arrived, options.times)
            finally:
                platform.stop()
    print(f"{len(found)} messages: median {statistics.median(found):.1f} s, largest {max(found):.1f} s")
    return 0 if max(found) <= options.seconds_max else 1


if __name__ == "__main__":
    sys.exit(main())
