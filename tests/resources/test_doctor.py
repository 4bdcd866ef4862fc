"""Every check of `elder doctor` finds what it is there for, and says what to do."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from filled import fill

from elder_assets.cli import elder
from resources.facts.cache import SqliteFactStore
from resources.observability import doctor
from resources.observability.doctor import Check
from resources.settings import Settings
from resources.store import Store, open_store, tables
from resources.store.database import make_engine

KEY = "example.org/shop/basket"


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with open_store(settings.store_url) as opened:
        opened.add_repository(KEY, "x")
        yield opened


def shifted(settings: Settings, by: dt.timedelta) -> Store:
    return open_store(settings.store_url, clock=lambda: dt.datetime.now(dt.UTC) + by)


def test_all_is_well_on_a_new_place_but_for_the_daemon(settings: Settings, store: Store):
    store.beat("daemon")
    found = doctor.examine(settings)
    assert {check.state for check in found} <= {"ok", "skipped"}, [c for c in found if c.advice]
    assert doctor.worst(found) == 0


def test_what_is_wrong_has_advice_and_what_is_well_has_none(settings: Settings, store: Store):
    for check in doctor.examine(settings):
        assert bool(check.advice) == (check.state in {"warning", "failed"}), check


def test_a_place_where_nothing_is_yet_stays_as_it_is(settings: Settings):
    found = doctor.examine(settings)
    assert not settings.home.exists()
    assert (found[0].state, doctor.worst(found)) == ("warning", 1)
    assert "no results store yet" in found[0].detail
    assert "elder up" in found[0].advice
    assert "heartbeat" not in {check.name for check in found}


def test_a_store_without_tables_is_not_given_any(settings: Settings):
    settings.home.mkdir()
    sqlite3.connect(settings.home / "elder.db").close()
    found = doctor.examine(settings)
    assert (found[0].state, found[0].advice) == ("warning", "elder migrate up")
    with sqlite3.connect(settings.home / "elder.db") as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


# --- this machine ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ('connection to server at "db", port 5432 failed: FATAL:  password authentication failed for user "elder"', "PGPASSWORD"),
        ('connection to server at "db", port 5432 failed: fe_sendauth: no password supplied', "PGPASSWORD"),
        ('connection to server at "db", port 5432 failed: FATAL:  database "elder" does not exist', "make the empty database"),
        ('connection to server at "db", port 5432 failed: Connection refused', "start the database"),
    ],
    ids=["wrong-password", "no-password", "no-database", "away"],
)  # fmt: skip
def test_the_advice_follows_from_what_the_server_said(words: str, advice: str):
    assert advice in doctor._unanswered(words, None).advice


def test_a_store_file_of_another_user_is_no_server_to_be_started(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
):
    def refused(_connection: sa.Connection) -> None:
        raise sa.exc.OperationalError("SELECT 1", {}, sqlite3.OperationalError("attempt to write a readonly database"))

    monkeypatch.setattr(doctor, "revision_of", refused)
    found = doctor.database(settings)
    assert found.detail == "does not answer: attempt to write a readonly database"
    assert "elder.db is this user's" in found.advice
    assert "start the database" not in found.advice


def test_a_home_that_this_user_may_not_write_is_named(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(doctor.os, "access", lambda _path, _mode: False)
    found = doctor.home(settings)
    assert found.state == "failed"
    assert "may not write there" in found.detail
    assert "ELDER_HOME" in found.advice


def test_a_database_that_does_not_answer_fails_alone(settings: Settings):
    lost = Settings(home=settings.home, database_url="postgresql://nobody:secret@127.0.0.1:1/elder")
    found = doctor.examine(lost)
    assert found[0].state == "failed"
    assert "does not answer" in found[0].detail
    assert "secret" not in str(found)
    assert "heartbeat" not in {check.name for check in found}


@pytest.mark.parametrize(
    ("revision", "state"), [("0001", "failed"), ("1001", "failed"), ("0999", "ok")], ids=["old", "new-era", "newer"]
)
def test_the_schema_is_compared(settings: Settings, store: Store, revision: str, state: str):
    with store._writing() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :found"), {"found": revision})
    assert doctor.database(settings).state == state


def test_a_page_that_was_overwritten_is_found(settings: Settings):
    engine = make_engine(sa.make_url(settings.store_url))
    fill(engine, 30)
    engine.dispose()
    file = settings.home / "elder.db"
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with file.open("r+b") as raw:
        raw.seek(4096 * (file.stat().st_size // 8192))
        raw.write(os.urandom(4096))
    found = {check.name: check for check in doctor.examine(settings)}
    assert found["damage"].state == "failed"
    assert "restore" in found["damage"].advice or "reason" in found["damage"].advice


@pytest.mark.parametrize(
    ("age", "limit", "state"),
    [(None, 0, "skipped"), (600, 0, "skipped"), (None, 60, "failed"), (59, 60, "ok"), (61, 60, "failed")],
    ids=["none-wanted", "unwatched", "never-made", "young", "old"],
)
def test_a_backup_is_missed_where_one_is_waited_for(
    store: Store, now: dt.datetime, age: int | None, limit: int, state: str
):
    if age is not None:
        store.note_backup(now - dt.timedelta(minutes=age))
    found = doctor.backups(store, now, limit)
    assert found.state == state
    assert ("restore.md" in found.advice) == (state == "failed")


@pytest.mark.parametrize(
    ("free", "state"), [(50, "ok"), (5, "warning"), (1, "failed")], ids=["half", "five-percent", "one-percent"]
)
def test_the_disk_is_looked_at(settings: Settings, monkeypatch: pytest.MonkeyPatch, free: int, state: str):
    gib = 1024**3
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 * gib, (100 - free) * gib, free * gib))
    assert doctor.disk(settings).state == state


def test_a_small_disk_fails_by_its_bytes(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 8 * 10**8, 2 * 10**8))
    assert doctor.disk(settings).state == "failed"


def test_a_home_that_everybody_may_write_fails(settings: Settings):
    assert doctor.home(settings).state == "warning"
    settings.home.mkdir()
    assert doctor.home(settings).state == "ok"
    settings.home.chmod(0o777)
    assert doctor.home(settings).state == "failed"
    settings.home.chmod(0o500)
    assert doctor.home(settings).state == "failed"
    settings.home.chmod(0o700)


def test_a_server_key_that_others_may_read_fails(settings: Settings):
    settings.home.mkdir()
    file = settings.home / "server.key"
    file.write_text("k" * 64)
    file.chmod(0o644)
    assert doctor.server_key(settings).state == "failed"
    file.chmod(0o600)
    assert doctor.server_key(settings).state == "ok"


def test_a_damaged_facts_cache_is_named(settings: Settings):
    file = settings.facts / f"{KEY}.db"
    cache = SqliteFactStore(file)
    cache.keep("commits", {b"k": b"v"})
    cache.close()
    assert doctor.caches(settings).state == "ok"
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE record SET payload = x'00'")
    found = doctor.caches(settings)
    assert (found.state, KEY in found.detail) == ("warning", True)


# --- the store -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("off", "state"), [(0, "ok"), (10, "warning"), (60, "failed")])
def test_clocks_are_compared(store: Store, off: int, state: str):
    assert doctor.clocks(store, dt.datetime.now(dt.UTC) + dt.timedelta(seconds=off)).state == state


def test_a_daemon_that_stopped_is_found(settings: Settings, store: Store, now: dt.datetime):
    assert doctor.heartbeat(store, now).state == "warning"
    store.beat("daemon")
    assert doctor.heartbeat(store, now).state == "ok"
    assert doctor.heartbeat(store, now + dt.timedelta(minutes=3)).state == "failed"


@pytest.mark.parametrize(("minutes", "state"), [(1, "ok"), (10, "warning"), (90, "failed")])
def test_an_inbox_that_is_not_worked_off_is_found(store: Store, now: dt.datetime, minutes: int, state: str):
    store.ask_audit(KEY, source="api", delivery_id="one")
    assert doctor.inbox(store, now + dt.timedelta(minutes=minutes)).state == state


def test_notices_that_are_late_or_given_up_are_found(settings: Settings, store: Store, now: dt.datetime):
    assert doctor.notices(store, now).state == "ok"
    channel = {"id": 1, "name": "c", "kind": "slack", "address": "env:A", "settings": {}, "changed_at": now}
    notice = {
        "channel_id": 1,
        "key": "k",
        "document": {},
        "attempts": 3,
        "next_at": now,
        "error": "",
        "created_at": now,
    }
    with store._writing() as connection:
        connection.execute(sa.insert(tables.channels), channel)
        connection.execute(sa.insert(tables.notices), {**notice, "state": "given up"})
    assert doctor.notices(store, now).state == "warning"
    with store._writing() as connection:
        connection.execute(sa.update(tables.notices).values(state="waiting"))
    later = dt.timedelta(minutes=20)
    with shifted(settings, later) as then:
        assert doctor.notices(then, now + later).state == "failed"


def test_a_repository_that_cannot_be_audited_is_named_with_its_reason(store: Store, now: dt.datetime):
    assert doctor.repositories(store, now).state == "ok"
    store.record_failure(KEY, "the host refused the token")
    found = doctor.repositories(store, now)
    assert found.state == "warning"
    assert f"{KEY}: the host refused the token" in found.detail


def test_repositories_that_were_not_audited_are_counted(settings: Settings, store: Store, now: dt.datetime):
    assert doctor.staleness(store, now).state == "ok"
    with shifted(settings, dt.timedelta(days=3)) as then:
        assert "1 of 1" in doctor.staleness(then, now).detail


def test_a_webhook_that_is_silent_is_named(settings: Settings, store: Store, now: dt.datetime):
    with store._writing() as connection:
        connection.execute(sa.update(tables.projects).values(webhook_id="7", is_auto_audited=True))
    assert doctor.webhooks(store, now).state == "ok"
    later = now + dt.timedelta(days=20)
    assert KEY in doctor.webhooks(store, later).detail
    repository = store.repository(KEY).id
    with shifted(settings, dt.timedelta(days=19)) as then:
        then.put_inbox(
            source="webhook", provider="github", delivery_id="d", action="push", document={}, repository_id=repository
        )
    assert doctor.webhooks(store, later).state == "ok"


def test_a_token_that_expires_soon_is_found(store: Store, now: dt.datetime):
    assert doctor.tokens(store, now).state == "ok"
    token = {"name": "ci", "hash": "h", "hint": "e", "role": "viewer", "created_by": "a", "created_at": now}
    with store._writing() as connection:
        connection.execute(sa.insert(tables.tokens), {**token, "expires_at": now + dt.timedelta(days=3)})
    assert doctor.tokens(store, now).state == "warning"


def test_a_git_host_that_rests_is_named(store: Store, now: dt.datetime):
    assert doctor.git_hosts(store, now).state == "ok"
    row = {"host": "git.example.org", "state": "open", "failures": 5, "reason": "down", "changed_at": now}
    with store._writing() as connection:
        connection.execute(sa.insert(tables.circuits), row)
    assert "git.example.org (open)" in doctor.git_hosts(store, now).detail


# --- Dagster ---------------------------------------------------------------------------------------------


@pytest.mark.platform
def test_daemons_without_heartbeat_and_stopped_sensors_are_named(tmp_path: Path):
    from dagster import DagsterInstance
    from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
    from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, InstigatorType
    from dagster._daemon.types import DaemonHeartbeat

    from elder_assets import dagster_doctor

    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        assert dagster_doctor.daemons(instance).state == "failed"
        for kind in instance.get_required_daemon_types():
            instance.add_daemon_heartbeat(DaemonHeartbeat(time.time(), kind, "d", []))
        assert dagster_doctor.daemons(instance).state == "ok"
        assert dagster_doctor.instigators(instance).state == "ok"
        origin = RemoteInstigatorOrigin(
            RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("elder"), "__repository__"), "inbox_sensor"
        )
        instance.add_instigator_state(InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.STOPPED))
        found = dagster_doctor.instigators(instance)
        assert (found.state, "inbox_sensor" in found.detail) == ("warning", True)


# --- the command -----------------------------------------------------------------------------------------


def run(home: Path, *arguments: str) -> tuple[int, str]:
    environment = {"ELDER_HOME": str(home), "ELDER_DATABASE_URL": "", "DAGSTER_HOME": ""}
    result = CliRunner().invoke(elder, ["doctor", *arguments], env=environment, standalone_mode=False)
    return result.return_value, result.output


def test_the_exit_status_is_the_worst_state(settings: Settings, store: Store):
    assert run(settings.home)[0] == 1
    store.beat("daemon")
    assert run(settings.home)[0] == 0
    settings.home.chmod(0o777)
    code, said = run(settings.home)
    assert code == 2
    assert "-> chmod o-w" in said


def test_json_has_every_check(settings: Settings, store: Store):
    _, said = run(settings.home, "--format", "json")
    document = json.loads(said)
    assert document["exit"] == 1
    assert {"database", "disk", "clocks", "inbox", "tokens"} <= {check["name"] for check in document["checks"]}


def test_a_check_that_cannot_look_says_so_and_the_others_go_on():
    def broken(_: object) -> Check:
        raise OSError(5, "Input/output error")

    assert doctor._guarded(broken, None).detail == "cannot be looked at: [Errno 5] Input/output error"
