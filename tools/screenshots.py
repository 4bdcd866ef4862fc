"""Pictures of the pages for README and docs, from the store of `make demo`: `python tools/screenshots.py`."""

from __future__ import annotations

import argparse
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode

import uvicorn
from playwright.sync_api import Browser, sync_playwright

from dash_app.app import create_app
from elder_assets.audit.ruler import default_ruler
from elder_assets.audit.team_settings import form_of
from resources.settings import load_settings
from resources.store import Store, open_store
from resources.store.pages import RepositoryFilter
from resources.store.teams import Team
from resources.teams.settings import held_settings

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
DRAWN = """() => [...document.querySelectorAll('.plot')]
  .every(place => place.querySelector('.main-svg') || place.getBoundingClientRect().top > innerHeight)"""
Theme = Literal["light", "dark"]


def take(
    browser: Browser, address: str, file: Path, *, theme: Theme = "light", size: tuple[int, int] = (1280, 900)
) -> None:
    """One picture of what a person sees without scrolling."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=theme, locale="en-US", bypass_csp=True
    )
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("[data-ready]")
    page.wait_for_function(DRAWN)
    page.wait_for_timeout(400)
    page.screenshot(path=file)
    context.close()
    print(file)


def tried(store: Store, team: Team) -> str:
    """The address of the settings of a team with a stricter profile filled in."""
    held = held_settings(store, team.key)
    form = form_of(held.policy, default_ruler()) | {"profile": "enterprise", "weights.tdd": "4"}
    return urlencode({"tab": "settings", "preview": "1", "base": str(held.version), **form})


def main() -> int:
    """Take them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "pictures")
    parser.add_argument("--repository", help="key of the repository to show; default: the one with most findings")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    settings = load_settings()
    with open_store(settings.store_url) as store, socket.socket() as listening:
        wanted = RepositoryFilter(sort="open", is_descending=True, limit=1)
        rows, _ = store.fleet_page(wanted, before="2000-01-01")
        if not rows:
            print("the store is empty; fill it with: make demo", file=sys.stderr)
            return 1
        key = given.repository or rows[0]["repository"]
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create_app(store, settings), log_level="error"))
        threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True).start()
        while not server.started:
            time.sleep(0.05)
        site, here = f"http://127.0.0.1:{listening.getsockname()[1]}", f"/repositories/{key}"
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            take(browser, f"{site}/?weeks=52", given.folder / "fleet.png")
            take(browser, site, given.folder / "fleet-phone.png", theme="dark", size=(375, 760))
            take(browser, site + here, given.folder / "repository.png")
            take(browser, site + here, given.folder / "repository-dark.png", theme="dark")
            take(browser, f"{site}{here}?tab=findings", given.folder / "findings.png")
            take(browser, f"{site}/magics", given.folder / "magics.png", size=(1280, 1120))
            if teams := store.teams():
                team = f"{site}/teams/{teams[-1].key}"
                take(browser, f"{team}?{tried(store, teams[-1])}", given.folder / "team-settings.png")
                take(browser, f"{team}?tab=initiatives", given.folder / "team-initiatives.png", theme="dark")
            browser.close()
        server.should_exit = True
    return 0


if __name__ == "__main__":
    sys.exit(main())
