"""One conformance suite of the results store, on SQLite and on a PostgreSQL that the tests start themselves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pandas.testing import assert_frame_equal

from elder_assets.audit.engine import audit
from elder_assets.audit.errors import RepositoryNotFound, StoreError
from elder_assets.audit.facts.extraction import MemoryFactStore
from elder_assets.audit.frames import verdict_frames
from elder_assets.audit.history import WeekScore
from elder_assets.audit.model import Snapshot, Status, Verdict
from elder_assets.audit.ruler import default_ruler
from elder_assets.audit.testing import MemorySource
from resources.dagster_instance import write_instance
from resources.settings import load_settings
from resources.store import Store, open_store, tables
from resources.store.database import make_engine
from resources.store.store import content_digest

KEY = "example.org/shop/basket"
RULER = default_ruler()
NOON = dt.datetime(2026, 3, 3, 12, tzinfo=dt.UTC)


def verdict(commit: str, body: str = "<<<<<<< a\n=======\n>>>>>>> b\n", kind: str = "default") -> Verdict:
    found = audit(MemorySource({"shop/basket.py": body, "README.md": "# Basket\n"}), MemoryFactStore(), RULER)
    snapshot = Snapshot(repository=KEY, commit=commit * 40, tree="f" * 40, as_of=1_700_000_000, kind=kind)
    return msgspec.structs.replace(found, snapshot=snapshot)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'elder.db'}"
    return request.getfixturevalue("empty_postgres")


@pytest.fixture
def store(url: str) -> Iterator[Store]:
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


def test_the_migrations_make_the_tables_that_the_code_knows(url: str):
    open_store(url).close()
    engine = make_engine(sa.make_url(url))
    with engine.connect() as connection:
        migrations = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(migrations, tables.METADATA) == []
        assert migrations.get_current_revision() == tables.REVISION
    engine.dispose()


def test_the_newest_migration_is_the_one_that_the_code_expects():
    folder = Path(tables.__file__).parent / "migrations"
    assert ScriptDirectory(folder).get_current_head() == tables.REVISION


def test_a_schema_of_a_newer_elder_is_refused(url: str):
    open_store(url).close()
    engine = make_engine(sa.make_url(url))
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreError, match="schema 9999, newer than"):
        open_store(url)


def test_processes_that_open_a_new_database_together_migrate_it_once(url: str):
    with ThreadPoolExecutor(4) as pool:
        for opened in pool.map(lambda _: open_store(url), range(4)):
            assert opened.repositories() == []
            opened.close()


def test_audits_that_end_together_record_one_snapshot(store: Store):
    store.add_repository(KEY, "x")
    given = verdict("a")
    with ThreadPoolExecutor(4) as pool:
        ids = set(pool.map(lambda _: store.record(given, RULER.document()), range(8)))
    assert len(ids) == 1
    assert len(store.audit_events(ids.pop())) == 8
    assert len(store.findings()) == len(given.findings)


def test_a_write_that_fails_leaves_nothing_behind(store: Store):
    store.add_repository(KEY, "x")
    given = verdict("a")
    twice = msgspec.structs.replace(given, findings=(*given.findings, given.findings[0]))
    with pytest.raises(StoreError, match="the results store failed"):
        store.record(twice, RULER.document())
    assert store.newest_snapshot_id() == 0
    assert len(store.outcomes()) == 0


@pytest.mark.platform
def test_the_frames_of_the_store_are_those_of_the_verdict(store: Store):
    store.add_repository(KEY, "x")
    given = verdict("a")
    store.record(given, RULER.document(), run_id="one")
    expected = verdict_frames(given, run_id="one", audited_at=NOON)
    for name, frame in expected.items():
        assert_frame_equal(getattr(store, name)(), frame)


def test_text_that_no_database_can_hold_is_kept_readable(store: Store):
    store.add_repository(KEY, "x")
    given = verdict("a")
    hostile = msgspec.structs.replace(given.findings[0], message="a\0b\ud800", path="\udcff.py")
    noted = msgspec.structs.replace(given.snapshot, notes=("\0",), as_of=2**62)
    kept = store.verdict(
        store.record(msgspec.structs.replace(given, findings=(hostile,), snapshot=noted), RULER.document())
    )
    assert (kept.findings[0].message, kept.findings[0].path) == ("a\\x00b\\ud800", "\\udcff.py")
    assert (kept.snapshot.notes, kept.snapshot.as_of) == (("\\x00",), 2**62)
    assert store.snapshots()["as_of_utc"][0].year == 9999


def test_a_change_request_becomes_default_when_it_is_audited_as_such(store: Store):
    store.add_repository(KEY, "x")
    store.record(verdict("a", kind="change_request"), RULER.document())
    assert list(store.snapshots()["kind"]) == ["change_request"]
    store.record(verdict("a"), RULER.document())
    assert list(store.snapshots()["kind"]) == ["default"]


def test_a_repository_that_was_removed_can_come_back(store: Store):
    before = store.add_repository(KEY, "x")
    store.remove_repository(KEY)
    with pytest.raises(RepositoryNotFound, match="was removed on 2026-03-03"):
        store.remove_repository(KEY)
    after = store.add_repository(KEY, "y")
    assert (after.id, after.url, after.removed_at) == (before.id, "y", None)


def test_a_folder_that_cannot_be_written_is_a_store_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be opened"):
        open_store(f"sqlite:///{tmp_path}")


@pytest.mark.postgres
@pytest.mark.platform
def test_dagster_and_the_results_share_one_postgresql(
    empty_postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import dagster as dg

    monkeypatch.setenv("ELDER_DATABASE_URL", empty_postgres)
    settings = load_settings({"ELDER_HOME": str(tmp_path), "ELDER_DATABASE_URL": empty_postgres})
    write_instance(settings)
    with open_store(settings.store_url) as store:
        store.add_repository(KEY, "x")
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        instance.add_dynamic_partitions("repository", [KEY])
        assert instance.get_dynamic_partitions("repository") == [KEY]
        assert type(instance.run_storage).__name__ == "PostgresRunStorage"
    with open_store(settings.store_url) as store:
        assert [known.key for known in store.repositories()] == [KEY]


def scored(week: str, commit: str, score: int, *, is_provisional: bool = False, magic: str = "") -> WeekScore:
    return WeekScore(
        week=week, commit=commit * 40, as_of=1_700_000_000, ruler=RULER.digest, magic=magic, status=Status.WARNING,
        reason="", score=Fraction(score), weight_share=Fraction(1, 3), eligible=4, analysed=3, findings=2,
        is_provisional=is_provisional,
    )  # fmt: skip


def test_weeks_are_kept_once_and_the_last_of_a_week_counts(store: Store):
    store.add_repository(KEY, "x")
    first = [scored("2026-02-23", "a", 70), scored("2026-03-02", "b", 60, is_provisional=True)]
    assert store.record_weeks(KEY, first, RULER.document()) == 2
    assert store.record_weeks(KEY, first, RULER.document()) == 0
    assert store.record_weeks(KEY, [scored("2026-03-02", "c", 65)], RULER.document()) == 1
    frame = store.weeks(repository=KEY)
    assert list(zip(frame["week"], frame["score"], frame["state"], strict=True)) == [
        ("2026-02-23", 70.0, "final"),
        ("2026-03-02", 65.0, "final"),
    ]
    assert list(frame["weight_share"]) == ["1/3", "1/3"]


def test_weeks_of_a_foreign_ruler_are_refused(store: Store):
    store.add_repository(KEY, "x")
    with pytest.raises(StoreError, match="is not the ruler"):
        store.record_weeks(KEY, [scored("2026-02-23", "a", 70)], b"{}")
    assert len(store.weeks()) == 0


def test_weeks_under_another_ruler_stand_beside_the_earlier_ones(store: Store):
    store.add_repository(KEY, "x")
    store.record_weeks(KEY, [scored("2026-02-23", "a", 70)], RULER.document())
    other = msgspec.structs.replace(RULER, weights={**RULER.weights, "git": 3})
    row = msgspec.structs.replace(scored("2026-02-23", "a", 50), ruler=other.digest)
    store.record_weeks(KEY, [row], other.document())
    assert list(store.weeks()["score"]) == [50.0]
    assert list(store.weeks(ruler=RULER.digest)["score"]) == [70.0]
