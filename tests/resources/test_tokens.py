"""Tokens, sessions and the audit log in the store."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from clocks import Clock

from elder_assets.audit.errors import ConfigurationError, SignInNeeded, UnknownRecord
from elder_assets.cli import elder
from resources.settings import Settings
from resources.store import Store, open_store
from resources.store.access import TOKEN, is_token, new_token

MONDAY = dt.datetime(2026, 2, 9, 12, tzinfo=dt.UTC)


@pytest.fixture
def clock() -> Clock:
    return Clock(MONDAY)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path / 'elder.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("empty_postgres")
    with open_store(url, clock) as opened:
        yield opened


def test_a_token_has_256_bits_a_prefix_and_a_checksum():
    one, other = new_token(), new_token()
    assert TOKEN.fullmatch(one)
    assert len(one) == len("elder_") + 43 + 6  # 62^43 > 2^256
    assert one != other
    assert is_token(one)
    changed = one[:-1] + ("0" if one[-1] != "0" else "1")
    assert not is_token(changed)


def test_only_a_hash_of_the_token_is_kept(store: Store):
    _, text = store.create_token("ann", "viewer", days=30, by="root")
    with store._reading() as connection:
        rows = str(connection.execute(sa.text("SELECT * FROM tokens")).all())
    assert text not in rows
    assert text[:12] in rows


def test_a_token_holds_until_it_expires(store: Store, clock: Clock):
    made, text = store.create_token("ann", "maintainer", days=30, by="root")
    assert store.use_token(text).id == made.id
    clock.now = MONDAY + dt.timedelta(days=30)
    with pytest.raises(SignInNeeded, match="expired on 2026-03-11"):
        store.use_token(text)


def test_a_revoked_token_ends_its_sessions(store: Store):
    made, text = store.create_token("ann", "viewer", days=30, by="root")
    _, cookie = store.start_session(text)
    assert store.use_session(cookie).name == "ann"
    store.revoke_token(made.id, "root")
    with pytest.raises(SignInNeeded, match="revoked on 2026-02-09"):
        store.use_token(text)
    with pytest.raises(SignInNeeded):
        store.use_session(cookie)


def test_a_session_ends_after_twelve_hours_or_when_its_person_signs_out(store: Store, clock: Clock):
    _, text = store.create_token("ann", "viewer", days=30, by="root")
    _, cookie = store.start_session(text)
    _, another = store.start_session(text)
    store.end_session(another)
    with pytest.raises(SignInNeeded):
        store.use_session(another)
    clock.now = MONDAY + dt.timedelta(hours=12)
    with pytest.raises(SignInNeeded, match="the session is over"):
        store.use_session(cookie)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"role": "owner"}, ConfigurationError),
        ({"days": 0}, ConfigurationError),
        ({"days": 400}, ConfigurationError),
        ({"name": " "}, ConfigurationError),
        ({"name": "a\nb"}, ConfigurationError),
        ({"team": "nobody"}, UnknownRecord),
    ],
    ids=["role", "no-time", "too-long", "no-name", "control", "team"],
)
def test_a_token_with_a_value_that_is_not_allowed_is_not_made(store: Store, changed: dict, error: type[Exception]):
    with pytest.raises(error):
        store.create_token(**{"name": "ann", "role": "viewer", "days": 30, "by": "root", **changed})
    assert not store.has_tokens()


def test_every_change_is_a_row_of_the_log_in_its_own_transaction(store: Store):
    store.add_team("payments", by="root")
    made, _ = store.create_token("ann", "viewer", days=30, team="payments", by="root")
    store.revoke_token(made.id, "bob")
    entries = store.log_entries()
    assert [(entry.actor, entry.action, entry.target) for entry in entries] == [
        ("bob", "token.revoke", f"token {made.id}"),
        ("root", "token.create", f"token {made.id}"),
        ("root", "team.add", "payments"),
    ]
    assert store.verify_log().rows == 3


def test_a_change_that_fails_leaves_no_row(store: Store):
    with pytest.raises(UnknownRecord):
        store.create_token("ann", "viewer", days=30, team="nobody", by="root")
    assert store.log_entries() == []


@pytest.mark.parametrize(
    ("statement", "broken", "reason"),
    [
        ("UPDATE audit_log SET actor = 'nobody' WHERE id = 2", 2, "it was changed"),
        ("DELETE FROM audit_log WHERE id = 2", 3, "a row before it is missing"),
        ("DELETE FROM audit_log WHERE id = 1", 2, "a row before it is missing"),
    ],
    ids=["changed", "removed", "first-removed"],
)
def test_whoever_touches_the_log_breaks_its_chain(store: Store, statement: str, broken: int, reason: str):
    for key in ("a", "b", "c"):
        store.add_team(key, by="root")
    with store._writing() as connection:
        connection.execute(sa.text(statement))
    found = store.verify_log()
    assert (found.broken_id, found.reason) == (broken, reason)


def test_rows_cut_off_at_the_end_are_missed_by_a_noted_hash_only(store: Store):
    for key in ("a", "b"):
        store.add_team(key, by="root")
    noted = store.verify_log().newest_hash
    with store._writing() as connection:
        connection.execute(sa.text("DELETE FROM audit_log WHERE id = 2"))
    assert store.verify_log().broken_id is None
    assert store.verify_log(noted).reason == "the noted hash is not in the log"


def test_the_commands_make_list_and_revoke_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ELDER_HOME", str(tmp_path))

    def run(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(elder, list(arguments), standalone_mode=False)
        assert result.exception is None, result.exception
        assert (result.return_value or 0) == code
        return result.output

    text = re.search(TOKEN, run("token", "create", "ann", "--role", "admin"))
    assert text
    assert "ann  admin  all teams  until" in run("token", "list")
    assert text[0] not in run("token", "list")
    run("token", "revoke", "1")
    assert "revoked" in run("token", "list")
    run("token", "create", "bob")
    assert run("token", "revoke-all", "--yes") == "revoked 1 tokens\n"
    assert run("audit-log", "verify").startswith("4 rows are whole; newest hash ")
    actions = [line.split("  ")[3] for line in run("audit-log", "list").splitlines()]
    assert actions == ["token.revoke_all", "token.create", "token.revoke", "token.create"]
    with open_store(Settings(home=tmp_path).store_url) as opened, opened._writing() as connection:
        connection.execute(sa.text("UPDATE audit_log SET detail = :new WHERE id = 1"), {"new": json.dumps({})})
    assert "broken at row 1" in run("audit-log", "verify", code=1)
