"""Pages in Debian's Chromium, over a server of our own; skipped where no Chromium is installed."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from fleet_samples import NOW, fill
from playwright.sync_api import Browser, Page, sync_playwright

from dash_app.app import create_app
from resources.settings import load_settings
from resources.store import Store, open_store

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DRAWN = """() => [...document.querySelectorAll('.plot')]
  .every(place => place.querySelector('.main-svg') || place.getBoundingClientRect().top > innerHeight)"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in str(item.path):
            item.add_marker(pytest.mark.slow)


class Site:
    """A server with a store that tests may write to; it can be stopped and started again at its address."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.store = store
        self._app = create_app(store, load_settings({"ELDER_HOME": str(folder)}))
        self._port = 0
        self.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self._port))
        self._port = listening.getsockname()[1]
        self._server = uvicorn.Server(uvicorn.Config(self._app, log_level="error", timeout_graceful_shutdown=1))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listening]}, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 30
        while not self._server.started and time.monotonic() < deadline:
            time.sleep(0.05)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)


@contextmanager
def served(folder: Path, fill_store: Callable[[Store], None]) -> Iterator[Site]:
    with open_store(f"sqlite:///{folder / 'elder.db'}", clock=lambda: NOW) as store:
        fill_store(store)
        site = Site(folder, store)
        yield site
        site.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ends with its module: while Playwright is there an event loop runs, and other tests of the process have none."""
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(tmp_path_factory.mktemp("filled"), fill) as site:
        yield site


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(tmp_path_factory.mktemp("empty"), lambda _store: None) as site:
        yield site


Open = Callable[..., Page]


@pytest.fixture
def look(browser: Browser) -> Iterator[Open]:
    """Opens an address and waits until Dash has taken over and every figure is drawn; nothing may be reported."""
    contexts, reported = [], []

    def opened(address: str, *, theme: str = "light", width: int = 1280, **options) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=theme,
            locale="en-US",
            timezone_id="Asia/Tokyo",
            **options,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: reported.append(f"{address}: {error}"))
        page.on("dialog", lambda dialog: (reported.append(f"{address}: {dialog.message}"), dialog.dismiss()))
        page.goto(address)
        page.wait_for_selector("[data-ready]")
        page.wait_for_function(DRAWN)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert reported == []
