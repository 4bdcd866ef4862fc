"""From events in the store to messages on loopback: in order, once, later, never; whatever dies in between."""

from __future__ import annotations

import datetime as dt
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alert_world import (
    KEY,
    NOW,
    Clock,
    arrived,
    audited,
    finding,
    judge,
    record,
    rule,
    secrets,
    settings,
    turn,
    world,
)
from receivers import Receiver, http
from test_store import RULER, url

from elder_assets.audit.alerts import QuietHours
from elder_assets.audit.model import Severity
from elder_assets.audit.suppression import suppression
from resources.alerting import dispatch
from resources.alerting.dispatch import Delivered, deliver, tell
from resources.settings import Settings
from resources.store import Store, open_store
from resources.store.alert_turns import AlertTurn

__all__ = ["url"]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[Store]:
    with open_store(url, clock=clock) as opened:
        yield opened


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return settings(tmp_path, ELDER_PUBLIC_URL="https://elder.example.org")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver(http(200))
    yield made
    made.close()


def kinds(receiver: Receiver) -> list[tuple[str, bool]]:
    return [(message["type"], message["data"]["is_recovery"]) for message in arrived(receiver)]


def states(store: Store) -> list[str]:
    return [row["state"] for row in reversed(store.notices())]


def actions(store: Store) -> list[str]:
    return [row["action"] for row in reversed(store.alert_history())]


# --- what is told ----------------------------------------------------------------------------------------


def test_a_failed_gate_is_one_signed_message_and_its_pass_closes_the_episode(store, home, receiver, clock):
    world(store, rule())
    judge(store, 7, finding("a"))
    turn(store, home, receiver, NOW)
    turn(store, home, receiver, NOW + 5)
    clock.seconds += 60
    judge(store, 7, head="c")
    turn(store, home, receiver, NOW + 60)
    assert kinds(receiver) == [("elder.gate_failed", False), ("elder.gate_failed", True)]
    first = arrived(receiver)[0]["data"]
    assert first["title"] == f"Gate failed: {KEY}"
    assert {"label": "Reason", "text": "#7 Add a basket: 1 findings"} in first["lines"]
    assert [item["heading"] for item in first["items"]] == ["STR001 a.py:3"]
    assert first["link"] == f"https://elder.example.org/repositories/{KEY}"
    assert states(store) == ["sent", "sent"]


def test_the_gate_of_another_change_closes_nothing(store, home, receiver, clock):
    world(store, rule())
    judge(store, 7, finding("a"))
    judge(store, 8)
    judge(store, 8, finding("b"))
    turn(store, home, receiver, NOW)
    assert [m["data"]["notices"][0]["event"]["what"] for m in arrived(receiver)] == ["#7", "#8"]


def test_an_audit_that_fails_says_so_and_clears_nothing_else(store, home, receiver, clock):
    world(store, rule("critical_finding"), rule("cannot_audit"), rule("status_changed"))
    record(store, audited("1"))
    clock.seconds += 10
    record(store, audited("2", finding("a")))
    clock.seconds += 10
    store.record_failure(KEY, "clone refused")
    clock.seconds += 10
    record(store, audited("3"))
    turn(store, home, receiver, clock.seconds)
    assert kinds(receiver) == [
        ("elder.status_changed", False),
        ("elder.critical_finding", False),
        ("elder.cannot_audit", False),
        ("elder.cannot_audit", True),
        ("elder.status_changed", True),
        ("elder.critical_finding", True),
    ]
    assert arrived(receiver)[2]["data"]["lines"][-2] == {"label": "Reason", "text": "clone refused"}


def test_a_drop_is_measured_against_the_best_of_the_window(store, home, receiver, clock):
    world(store, rule("score_dropped", threshold=2))
    record(store, audited("1"))
    for commit in ("2", "3", "4"):
        clock.seconds += 86_400
        record(store, audited(commit, *([finding("a", severity=Severity.HIGH)] if commit != "2" else [])))
    turn(store, home, receiver, clock.seconds)
    (only,) = arrived(receiver)
    event = only["data"]["notices"][0]["event"]
    assert (event["before"], event["from_at"], event["at"]) == (100.0, NOW + 86_400, NOW + 2 * 86_400)


def test_what_a_suppression_holds_back_is_no_critical_finding(store, home, receiver):
    held = suppression(
        ["STR001"], "a template", dt.date(2026, 3, 9), RULER.rules, origin="comment", place="a.py:1", path="a.py"
    )
    world(store, rule("critical_finding"), rule("suppression_expiring", threshold=10))
    record(store, audited("1", finding("a")), held)
    turn(store, home, receiver, NOW)
    turn(store, home, receiver, NOW + 3600)
    assert kinds(receiver) == [("elder.suppression_expiring", False)]
    assert arrived(receiver)[0]["data"]["title"] == f"1 suppression ends soon: {KEY}"


def test_what_happened_before_there_was_a_rule_is_no_news(store, home, receiver):
    world(store)
    judge(store, 7, finding("a"))
    store.put_rule(rule(), "amy")
    judge(store, 8, finding("b"))
    turn(store, home, receiver, NOW)
    assert [m["data"]["notices"][0]["event"]["what"] for m in arrived(receiver)] == ["#8"]


def test_change_request_audits_are_passed_over(store, home, receiver):
    world(store, rule("status_changed"), rule("critical_finding"))
    store.record(audited("1", finding("a")), RULER.document(), kind="change_request")
    assert dispatch.tell(store, home, NOW).read == 0
    assert store.alert_marks().audits == store.settled_marks().audits > 0


def test_dropped_decisions_are_kept_too(store, home, receiver, clock):
    world(store, rule(), rule(name="quiet", muted_until=NOW + 10**6))
    judge(store, 7, finding("a"))
    clock.seconds += 1
    judge(store, 7, finding("a"), head="c")
    tell(store, home, NOW)
    assert actions(store) == ["send", "drop: muted", "drop: duplicate", "drop: muted"]
    assert len(states(store)) == 1


def test_the_channels_that_a_project_names_are_told_too(store, home, receiver):
    import sqlalchemy as sa

    from resources.store import tables

    world(store, rule())
    store.put_channel("own", "webhook", "env:PLACE env:KEY", language="ja", time_zone="Asia/Tokyo")
    columns = {c.name: "" for c in tables.projects.c if isinstance(c.type, sa.Text)}
    plain = {"is_auto_audited": True, "is_public": False, "webhook_secret_version": 0, "changed_at": store._clock()}
    lists = {"channels": ["own"], "compliance_tags": [], "settings": {}, "first_look": {}}
    with store._writing() as connection:
        number = store.repository(KEY).id
        known = tables.projects.c.repository_id == number
        connection.execute(sa.update(tables.projects).where(known).values(**columns, **plain, **lists))
    judge(store, 7, finding("a"))
    turn(store, home, receiver, NOW)
    assert sorted(m["data"]["language"] for m in arrived(receiver)) == ["en", "ja"]


# --- held ------------------------------------------------------------------------------------------------


def test_a_digest_leaves_on_the_hour_as_one_message(store, home, receiver, clock):
    world(store, rule(digest="hourly"))
    clock.seconds = NOW + 60
    for change in (1, 2, 3):
        judge(store, change, finding("a"))
    turn(store, home, receiver, NOW + 60)
    turn(store, home, receiver, NOW + 3599)
    assert arrived(receiver) == []
    assert turn(store, home, receiver, NOW + 3600) == Delivered(sent=1)
    (only,) = arrived(receiver)
    assert (only["type"], only["data"]["title"]) == ("elder.digest", "3 alerts from Elder")
    assert states(store) == ["sent"] * 3


def test_quiet_hours_hold_what_is_not_critical(store, home, receiver):
    quiet = QuietHours(time_zone="Asia/Tokyo", start="20:00", end="22:00")  # NOW is 21:00 there
    world(store, rule(quiet=quiet), rule(name="pager", severity="critical", quiet=quiet))
    judge(store, 7, finding("a"))
    turn(store, home, receiver, NOW)
    assert [m["data"]["severity"] for m in arrived(receiver)] == ["critical"]
    turn(store, home, receiver, NOW + 3600)
    assert [m["data"]["severity"] for m in arrived(receiver)] == ["critical", "warning"]


# --- later and never -------------------------------------------------------------------------------------


def test_429_is_tried_again_after_what_the_receiver_asks(store, home, receiver):
    receiver.talk = http(429, {"Retry-After": "120"})
    world(store, rule())
    judge(store, 7, finding("a"))
    assert turn(store, home, receiver, NOW) == Delivered(delayed=1)
    receiver.talk = http(200)
    assert turn(store, home, receiver, NOW + 119) == Delivered()
    assert turn(store, home, receiver, NOW + 125) == Delivered(sent=1)
    first, second = arrived(receiver)
    assert first["id"] == second["id"]
    assert [row["attempts"] for row in store.notices()] == [2]


def test_back_off_doubles_and_ends_loudly(store, home, receiver, caplog):
    receiver.talk = http(503)
    world(store, rule())
    judge(store, 7, finding("a"))
    tell(store, home, NOW)
    now, waits = NOW, []
    while states(store) == ["waiting"]:
        deliver(store, home, now, secrets=secrets(receiver))
        waiting = store.notices()[0]
        waits.append(int(waiting["next_at"].timestamp()) - now)
        now += waits[-1]
    assert [round(wait, -1) if wait > 100 else wait for wait in waits[:8]] == [5, 10, 20, 40, 80, 160, 320, 640]
    assert waits[8:11] == [900, 900, 900]
    assert len(receiver.requests) == dispatch.ATTEMPTS_MAX
    assert states(store) == ["given up"]
    assert "no other channel can tell of it" in caplog.text


def test_what_is_refused_for_good_is_given_up_at_once_and_told_elsewhere(store, home, receiver):
    receiver.talk = http(410)
    world(store, rule())
    judge(store, 7, finding("a"))
    judge(store, 8, finding("b"))
    other = Receiver(http(200))
    store.put_channel("pager", "webhook", "env:OTHER env:KEY")
    known = secrets(receiver)
    known._environment["OTHER"] = f"http://127.0.0.1:{other.port}/"
    tell(store, home, NOW)
    assert deliver(store, home, NOW, secrets=known) == Delivered(given_up=2)
    deliver(store, home, NOW, secrets=known)
    (only,) = arrived(other)
    assert only["data"]["title"] == "Elder is not well: a channel takes no messages (chat)"
    assert only["data"]["severity"] == "critical"
    other.close()


def test_a_missing_secret_is_waited_for_and_never_shown(store, home, receiver, caplog):
    world(store, rule())
    store.put_channel("chat", "webhook", "env:PLACE env:NOT_SET")
    judge(store, 7, finding("a"))
    assert turn(store, home, receiver, NOW) == Delivered(delayed=1)
    assert "NOT_SET" in store.notices()[0]["error"]
    assert "/hook" not in caplog.text


# --- in order, once --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_backlog_of_1000_events_is_told_in_order_over_several_ticks(store, url, home, receiver):
    if not url.startswith("sqlite"):
        pytest.skip("the order is that of the ids on both; once is enough")
    world(store, rule())
    for change in range(1000):
        judge(store, change, finding("a"))
    now = NOW
    while tell(store, home, now, most=300).is_behind or len(receiver.requests) < 1000:
        deliver(store, home, now, secrets=secrets(receiver))
        now += 5
    assert [m["data"]["notices"][0]["event"]["what"] for m in arrived(receiver)] == [f"#{n}" for n in range(1000)]


def test_a_death_between_decision_and_mark_neither_loses_nor_doubles(store, home, receiver, monkeypatch):
    world(store, rule())
    judge(store, 7, finding("a"))
    judge(store, 8, finding("b"))
    real, calls = AlertTurn.read, []

    def dies(self: AlertTurn, marks: object) -> None:
        calls.append(marks)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(self, marks)

    monkeypatch.setattr(AlertTurn, "read", dies)
    with pytest.raises(KeyboardInterrupt):
        tell(store, home, NOW)
    assert len(states(store)) == 1
    turn(store, home, receiver, NOW)
    assert [m["data"]["notices"][0]["event"]["what"] for m in arrived(receiver)] == ["#7", "#8"]
    assert len(actions(store)) == 2


def test_a_death_after_the_claim_is_made_good_when_it_lapses(store, home, receiver):
    world(store, rule())
    judge(store, 7, finding("a"))
    tell(store, home, NOW)
    store.claim_notices(store.due_notices(NOW, 10), NOW, NOW + dispatch.CLAIM_SECONDS)
    assert turn(store, home, receiver, NOW + 5) == Delivered()
    assert turn(store, home, receiver, NOW + dispatch.CLAIM_SECONDS) == Delivered(sent=1)


def test_two_at_once_do_not_double(store, url, home, receiver, clock):
    world(store, rule())
    for change in range(30):
        judge(store, change, finding("a"))

    def tick(_: int) -> None:
        with open_store(url, clock=clock) as own:
            turn(own, home, receiver, NOW)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(tick, range(4)))
    turn(store, home, receiver, NOW)
    ids = [message["id"] for message in arrived(receiver)]
    assert len(ids) == len(set(ids)) == 30
    assert actions(store) == ["send"] * 30


DIES = """
import os, signal, sys
from resources.alerting.dispatch import tell
from resources.settings import load_settings
from resources.store import open_store
from resources.store.alert_turns import AlertTurn

real, turns = AlertTurn.read, []

def read(self, marks):
    turns.append(marks)
    if len(turns) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    real(self, marks)

AlertTurn.read = read
with open_store(sys.argv[1]) as store:
    tell(store, load_settings({"ELDER_HOME": sys.argv[3]}), int(sys.argv[4]))
os.kill(os.getpid(), signal.SIGKILL)  # between the last decision and its delivery
"""


@pytest.mark.slow
@pytest.mark.parametrize("turns", [1, 3, 99], ids=["before-the-first", "in-between", "before-delivery"])
def test_after_a_kill_each_event_is_one_message(store, url, home, receiver, turns):
    world(store, rule())
    for change in range(5):
        judge(store, change, finding("a"))
    command = [sys.executable, "-c", DIES, url, str(turns), str(home.home), str(NOW)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    turn(store, home, receiver, NOW)
    turn(store, home, receiver, NOW + 5)
    assert [m["data"]["notices"][0]["event"]["what"] for m in arrived(receiver)] == [f"#{n}" for n in range(5)]
    assert len({m["id"] for m in arrived(receiver)}) == 5
