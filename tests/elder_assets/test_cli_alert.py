"""`elder alert`: channels, rules, a test message and what was told, as a person sees them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from receivers import Receiver, http

from elder_assets.audit.errors import ConfigurationError, StoreError
from elder_assets.cli import elder

KEY = "whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
RULE = {"name": "gates", "kind": "gate_failed", "channels": ["chat"]}


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    made = Receiver(http(200))
    monkeypatch.setenv("ELDER_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ELDER_DATABASE_URL", raising=False)
    monkeypatch.setenv("ELDER_ALERT_HOSTS", "127.0.0.1")
    monkeypatch.setenv("PLACE", f"http://127.0.0.1:{made.port}/secret-path")
    monkeypatch.setenv("KEY", KEY)
    yield made
    made.close()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(elder, ["alert", *arguments], standalone_mode=False)


def put(tmp_path: Path, rule: dict) -> Result:
    file = tmp_path / "rule.json"
    file.write_text(json.dumps(rule))
    return run("rules", "put", str(file))


def channel() -> None:
    run("channels", "put", "chat", "--kind", "webhook", "--address", "env:PLACE env:KEY")


def test_a_channel_and_a_rule_are_kept_listed_muted_and_removed(receiver, tmp_path):
    channel()
    assert put(tmp_path, RULE).output == "rule gates is kept\n"
    assert run("channels").output == "chat  webhook  env:PLACE env:KEY  all teams  en  UTC\n"
    assert run("rules").output == "gates  gate_failed  warning  all teams  chat\n"
    assert run("mute", "gates", "--for", "8h").output.startswith("rule gates is muted until 20")
    assert "muted until" in run("rules").output
    assert run("mute", "gates", "--for", "0m").output == "rule gates speaks again\n"
    run("rules", "remove", "gates")
    run("channels", "remove", "chat")
    assert run("rules").stdout == run("channels").stdout == ""


def test_a_test_message_says_what_the_channel_answered(receiver):
    channel()
    result = run("test", "chat")
    assert (result.return_value, result.output[:27]) == (0, "chat (webhook) took it as m")
    body = json.loads(receiver.requests[0].partition(b"\r\n\r\n")[2])
    assert (body["type"], body["data"]["title"]) == ("elder.test", "A test from Elder")


def test_a_channel_that_refuses_a_test_is_named_without_its_address(receiver):
    channel()
    receiver.talk = http(404)
    result = run("test", "chat")
    assert result.return_value == 2
    assert "answered 404: there is no such channel any more" in result.output
    assert "secret-path" not in result.output


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        ({**RULE, "treshold": 3}, "treshold"),
        ({**RULE, "kind": "gate_fails"}, "gate_fails"),
        ({**RULE, "channels": []}, "at least one channel"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(receiver, tmp_path, rule, word):
    channel()
    result = put(tmp_path, rule)
    assert isinstance(result.exception, ConfigurationError)
    assert word in str(result.exception)
    assert isinstance(run("mute", "gates").exception, StoreError)


def test_history_says_what_was_decided_and_why(receiver, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "resources"))
    from alert_world import KEY as PROJECT
    from alert_world import finding, judge

    from resources.settings import load_settings
    from resources.store import open_store
    from sensors.alerts import tick

    channel()
    put(tmp_path, RULE)
    home = load_settings()
    with open_store(home.store_url) as store:
        store.add_repository(PROJECT, "x")
        judge(store, 7, finding("a"))
        now = int(store.gates()[0]["judged_at"].timestamp())
        assert tick(store, home, now) == "1 events read, 1 notices queued, 1 messages sent"
        assert tick(store, home, now) == "nothing happened, and nothing is due"
    (line,) = run("history", "--format", "json").output.splitlines()
    shown = json.loads(line)
    assert (shown["repository"], shown["decided"]) == (PROJECT, "send (new)")
    assert shown["delivery"] == "sent on chat after 1 attempts"
    assert "alert_world" in sys.modules


@pytest.mark.parametrize(
    ("asked", "way"),
    [
        (("alert", "channels"), "elder alert channels put NAME"),
        (("alert", "rules"), "elder alert rules put FILE"),
        (("alert", "history"), "nothing was decided yet"),
        (("team", "list"), "elder team add TEAM"),
        (("token", "list"), "elder token create NAME"),
    ],
)
def test_an_empty_list_says_so_beside_its_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked, way: str):
    monkeypatch.setenv("ELDER_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ELDER_DATABASE_URL", raising=False)
    done = CliRunner().invoke(elder, asked, standalone_mode=False)
    assert way in done.stderr
    assert done.stdout == ""
    words = way.split()[1:-1]  # the way that is named exists
    if way.startswith("elder"):
        assert CliRunner().invoke(elder, [*words, "--help"]).exit_code == 0
