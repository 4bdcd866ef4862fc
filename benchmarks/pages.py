"""How fast pages are in a real browser: `python benchmarks/pages.py sqlite:////tmp/fleet.db`.

The store is that of `benchmarks/fleet.py`. For each page: first paint (the answer itself stands in the HTML), the time
until Dash has taken over and every figure is drawn, and what one more look costs (a click on a sorted column, a tab or
a link), measured in the browser until the new content is there. Goals: first paint under 1 s, interaction under 300 ms.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import uvicorn  # noqa: E402
from playwright.sync_api import Page, sync_playwright  # noqa: E402

from dash_app.app import create_app  # noqa: E402
from resources.settings import load_settings  # noqa: E402
from resources.store import open_store  # noqa: E402

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
DRAWN = "() => [...document.querySelectorAll('.plot')].every(place => place.querySelector('.main-svg'))"
PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
LOOK = """href => new Promise(done => {
  const started = performance.now();
  document.addEventListener('elder-drawn', () => requestAnimationFrame(() => done(performance.now() - started)),
    {once: true});
  const link = document.createElement('a');
  link.href = href;
  document.querySelector('#shell').appendChild(link);
  link.click();
  link.remove();
})"""
"""Clicks a link and waits until the page's content has changed and was drawn."""


def pages_of(key: str) -> dict[str, tuple[str, str]]:
    """Page to its address, and to the address of one more look at it."""
    here = f"/repositories/{key}"
    return {
        "fleet": ("/", "/?sort=open&order=desc"),
        "fleet, page 12": ("/?page=12", "/?page=11"),
        "fleet, filtered": ("/?q=1&status=passed", "/?q=2&status=passed"),
        "repository": (here, f"{here}?tab=history"),
        "findings": (f"{here}?tab=findings", f"{here}?tab=findings&sort=path&severity=high"),
        "findings, last page": (
            f"{here}?tab=findings&standing=all&page=60",
            f"{here}?tab=findings&standing=all&page=61",
        ),
        "finding": ("/findings/1000", "/findings/1001"),
        "teams": ("/teams", "/teams/team-1"),
        "magics": ("/magics", "/magics/strict"),
        "rules": ("/rules", "/rules?sort=open&order=desc"),
        "rule": ("/rules/STR013", "/rules/STR014"),
        "gates": ("/gates", "/gates?status=failed"),
    }


def measure(page: Page, site: str, address: str, other: str, runs: int) -> dict[str, Any]:
    """Medians of a few looks, in milliseconds."""
    paints, whole, looks = [], [], []
    for _ in range(runs):
        started = time.perf_counter()
        page.goto(site + address)
        page.wait_for_selector("[data-ready]")
        page.wait_for_function(DRAWN)
        whole.append((time.perf_counter() - started) * 1000)
        paints.append(page.evaluate(PAINT))
        looks.append(page.evaluate(LOOK, site + other))
    return {
        "first_paint_ms": round(statistics.median(paints)),
        "all_drawn_ms": round(statistics.median(whole)),
        "look_ms": round(statistics.median(looks)),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", help="SQLAlchemy address of a store of benchmarks/fleet.py")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, open_store(given.store) as store, socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(create_app(store, load_settings({"ELDER_HOME": home})), log_level="error")
        )
        threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True).start()
        while not server.started:
            time.sleep(0.05)
        found = measure_all(f"http://127.0.0.1:{listening.getsockname()[1]}", store.repositories()[0].key, given.runs)
        server.should_exit = True
    if given.json:
        print(json.dumps(found, indent=2))
        return
    print(f"{'page':22}{'first paint':>14}{'all drawn':>12}{'one more look':>16}   ms")
    for name, row in found.items():
        print(f"{name:22}{row['first_paint_ms']:14}{row['all_drawn_ms']:12}{row['look_ms']:16}")


def measure_all(site: str, key: str, runs: int) -> dict[str, Any]:
    """Every page, in one browser with an empty cache at first."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_context(viewport={"width": 1280, "height": 900}, bypass_csp=True).new_page()
        found = {name: measure(page, site, *addresses, runs) for name, addresses in pages_of(key).items()}
        browser.close()
    return found


if __name__ == "__main__":
    main()
