"""How fast pages are in a real browser: `python benchmarks/pages.py sqlite:////tmp/fleet.db`.

The store is that of `benchmarks/fleet.py`. Of each page: first paint (the answer itself stands in the HTML), the time
until Dash is ready and every figure in sight is drawn, and what people do there (sort, filter, type, turn a page, open
a tab, go back), from the key or the click until the browser has painted the new content, then until the figures in
sight are drawn too. Goals: first paint and all drawn under 1 s, interaction under 300 ms, figures included. A missed
goal, or a page that does not answer 200, ends it with 1. Other work on the machine counts: see the load that it prints.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import uvicorn  # noqa: E402
from playwright.sync_api import Page, sync_playwright  # noqa: E402

from dash_app.app import create_app  # noqa: E402
from dash_app.server import at_rest  # noqa: E402
from resources.settings import load_settings  # noqa: E402
from resources.store import Store, open_store  # noqa: E402
from resources.store.pages import RepositoryFilter  # noqa: E402

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
PAINT_GOAL_MS, DRAWN_GOAL_MS, LOOK_GOAL_MS = 1_000, 1_000, 300
DRAWN = """() => [...document.querySelectorAll('.plot')]
  .every(place => place.querySelector('.main-svg') || place.getBoundingClientRect().top > innerHeight)"""
AT_REST = "() => window.Plotly"
"""A person reads before the first click; the page gets its script for figures ready meanwhile."""
PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
DO = """([kind, what, value]) => new Promise(done => {
  const started = performance.now();
  const painted = then => requestAnimationFrame(() => setTimeout(then));
  const figures = () => [...document.querySelectorAll('.plot')]
    .every(place => place.getBoundingClientRect().top > innerHeight || place.dataset.drawn === place.dataset.figure);
  document.addEventListener('elder-drawn', () => painted(() => {
    const answer = performance.now() - started;
    const wait = () => figures() ? done([answer, performance.now() - started]) : painted(wait);
    wait();
  }), {once: true});
  const doing = {
    go() {
      const link = document.createElement('a');
      link.href = what;
      document.querySelector('#shell').appendChild(link);
      link.click();
      link.remove();
    },
    click() { document.querySelector(what).click(); },
    choose() {
      const select = document.querySelector(what);
      select.value = value;
      select.dispatchEvent(new Event('change', {bubbles: true}));
    },
    type() {
      const box = document.querySelector(what);
      box.focus();
      box.value = value;
      box.dispatchEvent(new Event('input', {bubbles: true}));
    },
    back() { history.back(); },
  };
  doing[kind]();
})"""
"""Does one thing and waits until the answer was painted, and until the figures in sight are drawn."""
Act = tuple[str, str, str, str]
"""What it is called, how it is done, on which element or address, and the value."""


def _go(name: str, address: str) -> Act:
    return name, "go", address, ""


BACK: Act = ("back", "back", "", "")


def pages_of(key: str, public: str) -> dict[str, tuple[str, list[Act]]]:
    """Page to its address and to what people do there, one after the other."""
    here = f"/repositories/{key}"
    return {
        "fleet": (
            "/",
            [
                ("sort", "click", "#repositories th a[href*='sort=open']", ""),
                ("type", "type", "#repositories input[name=q]", "core"),
                ("filter", "choose", "#repositories select[name=status]", "warning"),
                BACK,
            ],
        ),
        "fleet, page 11": ("/?page=11", [("turn", "click", "#repositories .pager a[rel=next]", "")]),
        "repository": (
            here,
            [_go("tab findings", f"{here}?tab=findings"), BACK, _go("history", f"{here}?tab=history")],
        ),
        "findings": (
            f"{here}?tab=findings",
            [
                ("sort", "click", "th a[href*='sort=rule']", ""),
                ("filter", "choose", "select[name=severity]", "high"),
                ("type", "type", "input[name=path]", "core"),
            ],
        ),
        "findings, page 60": (
            f"{here}?tab=findings&standing=all&page=60",
            [("turn", "click", ".pager a[rel=next]", ""), BACK],
        ),
        "finding": ("/findings/1000", [_go("another", "/findings/1001"), BACK]),
        "teams": ("/teams", [("open", "click", "main tbody a", ""), BACK]),
        "team": ("/teams/team-02", [_go("its list", "/?team=team-02"), BACK]),
        "magics": ("/magics", [_go("open", "/magics/strict"), BACK]),
        "magic": (
            "/magics/strict",
            [("sort", "click", "th a[href*='sort=score']", ""), ("turn", "click", ".pager a[rel=next]", "")],
        ),
        "rules": (
            "/rules",
            [
                ("sort", "click", "th a[href*='sort=open']", ""),
                ("type", "type", "input[name=q]", "secret"),
                ("filter", "choose", "select[name=tier]", "gate"),
            ],
        ),
        "rule": ("/rules/STR013", [_go("another", "/rules/STR014")]),
        "gates": (
            "/gates",
            [
                ("filter", "choose", "#gates select[name=status]", "failed"),
                ("turn", "click", "#gates .pager a[rel=next]", ""),
                ("type", "type", "#gates input[name=q]", "change 7"),
            ],
        ),
        "gate": ("/gates/4", [_go("another", "/gates/8")]),
        "live": ("/live", [_go("filter", "/live?q=core"), BACK]),
        "alerts": (
            "/alerts",
            [("filter", "choose", "select[name=action]", "drop"), _go("rules", "/alerts?tab=rules"), BACK],
        ),
        "compare": (
            f"/compare?repository={key}&first={{first}}&second={{second}}",
            [("first", "choose", "select[name=first]", "{other}")],
        ),
        "admin": (
            "/admin",
            [
                _go("deliveries", "/admin?tab=deliveries"),
                ("type", "type", "input[name=q]", "service-007"),
                _go("log", "/admin?tab=log"),
                _go("server", "/admin?tab=server"),
            ],
        ),
        "sign-in": ("/sign-in", []),
        "public": (f"/public/{public}", []),
    }


def measure(page: Page, site: str, address: str, acts: list[Act], runs: int) -> dict[str, Any]:
    """Medians of a few looks, in milliseconds, and the bytes of the page."""
    paints, whole, sizes = [], [], []
    looks: dict[str, list[tuple[float, float]]] = {act[0]: [] for act in acts}
    for _ in range(runs):
        started = time.perf_counter()
        answer = page.goto(site + address)
        if answer is None or answer.status != 200:
            msg = f"{address} answered {answer and answer.status}"
            raise SystemExit(msg)
        if acts:
            page.wait_for_selector("[data-ready]", state="attached")
            page.wait_for_function(DRAWN)
        whole.append((time.perf_counter() - started) * 1000)
        paints.append(page.evaluate(PAINT))
        if acts:
            page.wait_for_function(AT_REST)
        sizes.append(len(answer.body()))
        for name, *act in acts:
            looks[name].append(page.evaluate(DO, act))
            if page.locator("main .state.bad").count():
                msg = f"{address}: {name} led to an error: {page.locator('main .state.bad').inner_text()}"
                raise SystemExit(msg)
    return {
        "first_paint_ms": round(statistics.median(paints)),
        "all_drawn_ms": round(statistics.median(whole)),
        "html_bytes": sizes[-1],
        "looks_ms": {
            name: [round(statistics.median(times)) for times in zip(*taken, strict=True)]
            for name, taken in looks.items()
        },
    }


def missed(found: dict[str, Any]) -> list[str]:
    """Which goals were not met, in words."""
    said = []
    for name, row in found.items():
        for what, goal in (("first_paint_ms", PAINT_GOAL_MS), ("all_drawn_ms", DRAWN_GOAL_MS)):
            if row[what] >= goal:
                said.append(f"{name}: {what} {row[what]}, goal {goal}")
        for look, (_, drawn) in row["looks_ms"].items():
            if drawn >= LOOK_GOAL_MS:
                said.append(f"{name}: {look} {drawn} ms, goal {LOOK_GOAL_MS}")
    return said


@contextlib.contextmanager
def served(store: Store) -> Iterator[str]:
    """The address of a server over a store."""
    with tempfile.TemporaryDirectory() as home, socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        app = create_app(store, load_settings({"ELDER_HOME": home}))
        at_rest()  # as `elder serve` does
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True).start()
        while not server.started:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True


def addresses(store: Store) -> dict[str, tuple[str, list[Act]]]:
    """The pages of a store: of the repository with most open findings, and of a public one."""
    rows, _ = store.fleet_page(RepositoryFilter(sort="open", is_descending=True, limit=1), before="2000-01-01")
    audits = [audit["id"] for audit in store.audits_of(rows[0]["id"])]
    public = next((one.key for one in store.projects() if one.is_public), "")
    numbers = {"{first}": str(audits[8]), "{second}": str(audits[0]), "{other}": str(audits[4])}
    found = {}
    for name, (address, acts) in pages_of(rows[0]["repository"], public).items():
        for mark, number in numbers.items():
            address = address.replace(mark, number)  # noqa: PLW2901 - filled in step by step
            acts = [(*act[:3], act[3].replace(mark, number)) for act in acts]  # noqa: PLW2901
        found[name] = (address, acts)
    return found


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", help="SQLAlchemy address of a store of benchmarks/fleet.py")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="", help="names of pages, with commas between")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    before = os.getloadavg()[0]
    with open_store(given.store) as store, served(store) as site:
        wanted = addresses(store)
        if given.only:
            wanted = {name: wanted[name] for name in given.only.split(",")}
        found = measure_all(site, wanted, given.runs)
    failed = missed(found)
    if given.json:
        print(json.dumps({"pages": found, "missed": failed, "load": [before, os.getloadavg()[0]]}, indent=2))
        return bool(failed)
    print(f"{'page':20}{'paint':>7}{'drawn':>7}{'KB':>6}   further looks: answer painted / figures in sight drawn, ms")
    for name, row in found.items():
        looks = ", ".join(f"{look} {answer}/{drawn}" for look, (answer, drawn) in row["looks_ms"].items())
        size = round(row["html_bytes"] / 1024)
        print(f"{name:20}{row['first_paint_ms']:7}{row['all_drawn_ms']:7}{size:6}   {looks}")
    print(f"load {before:.1f} before, {os.getloadavg()[0]:.1f} after; medians of {given.runs}")
    print("\n".join(["goals missed:", *failed]) if failed else "every goal met")
    return bool(failed)


def measure_all(site: str, wanted: dict[str, tuple[str, list[Act]]], runs: int) -> dict[str, Any]:
    """Every page, in one browser with an empty cache at first."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_context(viewport={"width": 1280, "height": 900}, bypass_csp=True).new_page()
        found = {name: measure(page, site, *asked, runs) for name, asked in wanted.items()}
        browser.close()
    return found


if __name__ == "__main__":
    sys.exit(main())
