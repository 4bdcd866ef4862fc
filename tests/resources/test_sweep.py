"""The sweep: what no webhook told is found, once a day each, without hanging on a host that fails."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from elder_assets.audit.errors import CheckoutFailed
from resources.deliveries.sweep import sweep
from resources.registry import add_known
from resources.settings import Settings
from resources.store import Store, open_store
from resources.store.inbox import AuditTarget

TODAY = dt.datetime(2026, 3, 3, 1, tzinfo=dt.UTC)
HEAD = "a" * 40


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with open_store(settings.store_url) as opened:
        yield opened


def add(store: Store, *keys: str) -> None:
    for key in keys:
        store.add_repository(key, f"https://{key}")


def test_a_head_that_was_never_audited_is_asked_for_once_a_day(store: Store, settings: Settings):
    add(store, "github.com/acme/shop")
    swept = sweep(store, settings, TODAY, lambda _s, _t: HEAD)
    sweep(store, settings, TODAY, lambda _s, _t: HEAD)
    assert (swept.asked, swept.missing) == (1, ("github.com/acme/shop",))
    (row,) = store.waiting_inbox(10)
    assert (row.source, row.action, row.document["head"], row.priority) == ("sweep", "audit", HEAD, -10)
    sweep(store, settings, TODAY + dt.timedelta(days=1), lambda _s, _t: HEAD)
    assert len(store.waiting_inbox(10)) == 2


def test_an_empty_repository_is_not_asked_for(store: Store, settings: Settings):
    add(store, "github.com/acme/empty")
    assert sweep(store, settings, TODAY, lambda _s, _t: "").missing == ()


def test_a_removed_repository_is_not_asked(store: Store, settings: Settings):
    add(store, "github.com/acme/shop")
    store.remove_repository("github.com/acme/shop")
    assert sweep(store, settings, TODAY, lambda _s, _t: HEAD).asked == 0


def test_a_repository_whose_audits_come_by_upload_is_not_asked(store: Store, settings: Settings):
    add_known(store, settings, "github.com/acme/far", "https://github.com/acme/far", uploads_only=True)
    assert sweep(store, settings, TODAY, lambda _s, _t: HEAD).asked == 0


def test_a_host_that_fails_is_left_alone_and_the_others_are_asked(store: Store, settings: Settings):
    asked: list[str] = []

    def head(_settings: Settings, target: AuditTarget) -> str:
        asked.append(target.key)
        if target.key.startswith("dead.example"):
            raise CheckoutFailed("no answer")
        return HEAD

    add(store, *(f"dead.example/acme/r{number:02}" for number in range(30)), "git.example/acme/one")
    swept = sweep(store, settings, TODAY, head)
    assert swept.missing == ("git.example/acme/one",)
    assert (len(swept.failed), len(swept.left_alone)) == (8, 22)
    assert swept.failed[0] == ("dead.example/acme/r00", "no answer")
    assert swept.line() == "9 repositories asked, 1 heads were not audited, 8 failed, 22 left alone"
    assert len(asked) == 9


def test_a_host_that_is_paused_is_not_asked(store: Store, settings: Settings):
    add(store, "github.com/acme/shop")
    store.pause_host("github.com", "maintenance", None, "ann")
    swept = sweep(store, settings, TODAY, lambda _s, _t: HEAD)
    assert (swept.asked, swept.left_alone) == (0, ("github.com/acme/shop",))
