"""How fast the API answers in a large organisation: p50 and p95 of every read, against the made-up fleet.

    python benchmarks/fleet.py sqlite:////tmp/fleet.db            # once, some minutes
    python benchmarks/api.py sqlite:////tmp/fleet.db [--requests 60] [--json]

Without an address the store of ELDER_DATABASE_URL is measured. Each request runs through the whole app (guard, routing,
query, JSON) without a network; requests of one endpoint change project, finding or page each time. What is measured:
wall time of one request after the other, beside whatever else the machine does (the load is printed), and CPU time of
the process, which other work hardly changes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from fastapi.testclient import TestClient  # noqa: E402

from dash_app.app import create_app  # noqa: E402
from resources.settings import Settings, load_settings  # noqa: E402
from resources.store import Store, open_store  # noqa: E402

GOAL_MS, PAGES_GOAL_MS = 200, 50
Address = Callable[[random.Random], str]


def endpoints(store: Store) -> dict[str, Address]:
    """Every read endpoint: its template, and what makes an address of it."""
    rows = store.latest_rows()
    largest = [row["repository_id"] for row in sorted(rows, key=lambda row: -row["open"])[:20]]
    projects = [row["repository_id"] for row in rows]
    audits = {number: [row["id"] for row in store.audits_page(number, limit=104)] for number in largest}
    teams = [team.key for team in store.teams()]
    newest = store.newest_finding()

    def compared(choose: random.Random) -> str:
        number = choose.choice(largest)
        second, first = sorted(choose.sample(range(len(audits[number])), 2))
        return f"/projects/{number}/compare?first={audits[number][first]}&second={audits[number][second]}"

    return {
        "/projects": lambda choose: f"/projects?limit=50&q={choose.choice(['', 'service-1', 'billing'])}",
        "/projects?tag&status": lambda choose: f"/projects?tag=pci&status=active&team_id={choose.choice(teams)}",
        "/projects/{id}": lambda choose: f"/projects/{choose.choice(projects)}",
        "/projects/{id}/audit-status": lambda choose: f"/projects/{choose.choice(largest)}/audit-status",
        "/projects/{id}/audit-results": lambda choose: f"/projects/{choose.choice(largest)}/audit-results",
        "/projects/{id}/audit-results?offset": lambda choose: (
            f"/projects/{choose.choice(largest)}/audit-results?offset=90"
        ),
        "/projects/{id}/compare": compared,
        "/projects/{id}/findings": lambda choose: f"/projects/{choose.choice(largest)}/findings",
        "/projects/{id}/findings?severity": lambda choose: (
            f"/projects/{choose.choice(largest)}/findings?severity=critical"
        ),
        "/projects/{id}/findings?rule&standing": (
            lambda choose: f"/projects/{choose.choice(largest)}/findings?rule=PRD007&standing=fixed"
        ),
        "/projects/{id}/findings?path": lambda choose: f"/projects/{choose.choice(largest)}/findings?path=src/none",
        "/findings/{id}": lambda choose: f"/findings/{choose.randint(1, newest)}",
        "/suppressions": lambda _choose: "/suppressions",
        "/teams": lambda _choose: "/teams",
        "/teams/{id}/configuration": lambda choose: f"/teams/{choose.choice(teams)}/configuration",
        "/teams/{id}/scorecard": lambda choose: f"/teams/{choose.choice(teams)}/scorecard",
        "/rules": lambda _choose: "/rules",
        "/webhook-deliveries": lambda _choose: "/webhook-deliveries",
        "/webhook-deliveries?project_id": lambda choose: f"/webhook-deliveries?project_id={choose.choice(projects)}",
        "/audit-log": lambda _choose: "/audit-log",
    }


def measure(client: TestClient, address: Address, requests: int) -> list[tuple[float, float]]:
    """Wall and CPU milliseconds of each request, after two that warm caches up."""
    choose, times = random.Random(7), []  # noqa: S311 - which rows are asked for
    for number in range(requests + 2):
        path = f"/api/v1{address(choose)}"
        started, cpu = time.perf_counter(), time.process_time()
        answer = client.get(path)
        spent = (1000 * (time.perf_counter() - started), 1000 * (time.process_time() - cpu))
        if answer.status_code != 200:
            sys.exit(f"{path} answered {answer.status_code}: {answer.text[:300]}")
        if number >= 2:
            times.append(spent)
    return times


def main() -> None:
    """Measure every endpoint and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store_url", nargs="?", default="")
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    url = given.store_url or load_settings().store_url
    found = {}
    with tempfile.TemporaryDirectory() as home, open_store(url) as store:
        app = create_app(store, Settings(home=Path(home), database_url=url))
        with TestClient(app, base_url="http://127.0.0.1:8321") as client:
            for name, address in endpoints(store).items():
                walls, cpus = zip(*measure(client, address, given.requests), strict=True)
                p95, cpu_p95 = (statistics.quantiles(times, n=20)[-1] for times in (walls, cpus))
                figures = {"p50_ms": statistics.median(walls), "p95_ms": p95, "cpu_p95_ms": cpu_p95}
                found[name] = {name: round(figure, 1) for name, figure in figures.items()}
    if given.json:
        print(json.dumps(found, indent=2))
        return
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    print("| endpoint | p50 ms | p95 ms | p95 CPU ms |\n|---|---|---|---|")
    for name, row in found.items():
        print(f"| `{name}` | {row['p50_ms']} | {row['p95_ms']} | {row['cpu_p95_ms']} |")
    slow = [name for name, row in found.items() if row["p95_ms"] >= PAGES_GOAL_MS]
    print(f"over {PAGES_GOAL_MS} ms: {', '.join(slow) or 'none'} (goals: {PAGES_GOAL_MS} for pages, {GOAL_MS} else)")


if __name__ == "__main__":
    main()
