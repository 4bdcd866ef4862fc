"""A list of repositories is registered in waves, whole lines or none, and asks no host."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from elder_assets.audit.errors import ConfigurationError
from elder_assets.cli import elder
from resources.repository_list import import_list, read_list
from resources.settings import Settings
from resources.store import Store, open_store

LINES = [
    "# the shop", "https://GitHub.com/acme/basket.git shop", "", "git@gitlab.example.org:acme/pay.git   # no team",
    "https://github.com/acme/basket", "ssh://git@git.example.org/acme/deep/mail",
]  # fmt: skip
KEYS = ["github.com/acme/basket", "gitlab.example.org/acme/pay", "git.example.org/acme/deep/mail"]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def store(settings: Settings):
    with open_store(settings.store_url) as opened:
        opened.add_team("shop")
        yield opened


def test_comments_teams_and_twins_are_read():
    found = read_list(LINES, ["shop"])
    assert [(one.key, one.team) for one in found] == [(KEYS[0], "shop"), (KEYS[1], None), (KEYS[2], None)]
    assert found[0].url == "https://github.com/acme/basket.git"


def test_every_bad_line_is_named_and_no_secret_is_repeated():
    bad = ["https://github.com/a/b ghosts", "../here", "https://u:hunter2@h/a/b", "ext::sh -c id", "a b c d"]
    with pytest.raises(ConfigurationError) as caught:
        read_list(["https://github.com/acme/basket", *bad], ["shop"])
    said = str(caught.value)
    assert all(f"line {number}: " in said for number in range(2, 7))
    assert "line 1:" not in said
    assert "there is no team 'ghosts'" in said
    assert "hunter2" not in said


def test_waves_go_on_where_the_last_one_ended(store: Store, settings: Settings):
    listed = read_list(LINES, ["shop"])
    first = import_list(store, settings, listed, wave=2, by="ann")
    assert (first.added, first.known, first.left) == (tuple(KEYS[:2]), 0, 1)
    second = import_list(store, settings, listed, wave=2, by="ann")
    assert (second.added, second.known, second.left) == ((KEYS[2],), 2, 0)
    assert import_list(store, settings, listed, by="ann").added == ()
    assert [repository.key for repository in store.repositories_of("shop")] == [KEYS[0]]
    rows, _more = store.inbox_rows(states=["waiting"], limit=10)
    assert sorted((row.source, row.priority) for row in rows) == [("registration", -10)] * 3


def test_a_removed_repository_that_is_listed_again_comes_back(store: Store, settings: Settings):
    listed = read_list(LINES[1:2], ["shop"])
    import_list(store, settings, listed, by="ann")
    store.remove_repository(KEYS[0])
    assert import_list(store, settings, listed, by="ann").added == (KEYS[0],)


@pytest.mark.platform
def test_the_command_says_what_it_did_and_dagster_knows_the_partitions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("ELDER_HOME", str(tmp_path))
    monkeypatch.setenv("ELDER_DATABASE_URL", "")
    text = "\n".join(line.replace(" shop", "") for line in LINES)
    done = CliRunner().invoke(elder, ["repo", "import", "-", "--wave", "2"], input=text, standalone_mode=False)
    assert done.exception is None, done.output
    assert done.output.strip() == "added 2, 0 were registered before, 1 are left"
    import dagster as dg

    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    with dg.DagsterInstance.get() as instance:
        assert sorted(instance.get_dynamic_partitions("repository")) == sorted(KEYS[:2])
