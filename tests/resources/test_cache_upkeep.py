"""`elder cache`: what is stored is compared with what the extractors say, and what nobody asks for goes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from test_same_result import Shop, basket, judged

from elder_assets.audit.facts.extraction import BlobKey
from elder_assets.cli import elder
from resources.facts.cache import SqliteFactStore
from resources.facts.upkeep import all_stats, cache_files, prune_all, verify
from resources.settings import Settings, load_settings


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = Shop(tmp_path / "shop")
    made.commit("feat: open", {"shop/basket.py": basket(1), "README.md": "# Shop\n"})
    return made


@pytest.fixture
def settings(tmp_path: Path, shop: Shop) -> Settings:
    judged(tmp_path / "home", shop.folder)
    return load_settings({"ELDER_HOME": str(tmp_path / "home")})


def open_cache(settings: Settings) -> SqliteFactStore:
    ((_, file),) = cache_files(settings)
    return SqliteFactStore(file)


def test_stats_count_blobs_and_records(settings: Settings):
    ((key, stats),) = all_stats(settings)
    assert key == "local/shop"
    assert stats.blobs == 2
    assert stats.records == {"changes.1": 1, "commits.1": 1, "judged": 1, "ruler": 1, "secrets-ledger": 1}
    assert stats.size > 0


def test_true_facts_are_verified(settings: Settings, shop: Shop):
    found = verify(settings, str(shop.folder), 100)
    assert (found.blobs, found.damaged, found.gone, found.wrong) == (2, 0, 0, ())
    assert found.facts > 5


def test_a_false_fact_with_a_right_digest_is_found_and_measured_again(settings: Settings, shop: Shop):
    oid = shop.git("rev-parse", "HEAD:shop/basket.py")
    key = BlobKey(bytes.fromhex(oid), "python")
    store = open_cache(settings)
    slot = next(slot for slot in store.get([key])[key] if slot.startswith("functions."))
    store.put({key: {slot: msgspec.msgpack.encode([[]])}})
    store.close()
    assert verify(settings, str(shop.folder), 100).wrong == (f"{oid[:12]} functions",)
    assert open_cache(settings).get([key]) == {}


def test_damaged_rows_are_counted_and_are_no_facts(settings: Settings, shop: Shop):
    ((_, file),) = cache_files(settings)
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE fact SET payload = x'00' WHERE variant = 'python'")
    found = verify(settings, str(shop.folder), 100)
    assert (found.damaged, found.wrong) == (1, ())


def test_prune_drops_facts_of_other_extractors_and_judgements_of_other_code(settings: Settings, shop: Shop):
    key = BlobKey(b"\x01" * 20, "python")
    store = open_cache(settings)
    store.put({key: {"functions.0": b"\x90"}})
    store.keep("judged", {b"other code, other key": b"{}"})
    store.close()
    before = judged(settings.home, shop.folder)
    ((name, _),) = prune_all(settings)
    store = open_cache(settings)
    assert name == "local/shop"
    assert store.get([key]) == {}
    assert len(store.records("judged")) == 1
    assert store.stats().blobs == 2
    assert judged(settings.home, shop.folder).judgements == before.judgements  # answered from what was kept


def test_the_commands_say_what_they_did(settings: Settings, shop: Shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ELDER_HOME", str(settings.home))
    runner = CliRunner()
    assert "local/shop" in runner.invoke(elder, ["cache", "stats"]).output
    verified = runner.invoke(elder, ["cache", "verify", str(shop.folder)])
    assert "of 2 blobs compared, 0 wrong" in verified.output
    assert "1 caches" in runner.invoke(elder, ["cache", "prune"]).output
