"""Remediations: decided by table, done once within the cool-down, each in the audit log."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

import dagster as dg
import pytest

from elder_assets.audit.alerts import AlertRule
from elder_assets.partitions import SWEEP_JOB
from resources.alerting.incoming import Alert, take
from resources.dagster_resources import ElderResource
from resources.settings import Settings, load_settings
from resources.store import Store
from resources.store.inbox import InboxRow
from sensors.remediation import COOLDOWN_SECONDS, decide, remediation_sensor, work

KEY, HOST = "git.example.org/o/shop", "git.example.org"
NOW = 1_772_452_800.0


def row(number: int, wish: str = "re_audit", target: str = KEY, action: str = "remediation") -> InboxRow:
    return InboxRow(
        id=number, source="alert", provider="alertmanager", delivery_id=str(number), repository_id=None, repository="",
        action=action, document={"wish": wish, "target": target, "host": HOST}, priority=0,
        received_at=dt.datetime.now(dt.UTC), state="waiting", decision="", audit_type="", run_key="", run_id=None,
        replay_of=None, decided_at=None, finished_at=None, result={},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "done", "resting", "states"),
    [
        ([row(1)], {}, {}, ["queued"]),
        ([row(1), row(2)], {}, {}, ["queued", "skipped"]),
        ([row(1), row(2, target="other/r/x")], {}, {}, ["queued", "queued"]),
        ([row(1), row(2, wish="evict_cache")], {}, {}, ["queued", "queued"]),
        ([row(1)], {("re_audit", KEY): NOW - COOLDOWN_SECONDS + 1}, {}, ["skipped"]),
        ([row(1)], {("re_audit", KEY): NOW - COOLDOWN_SECONDS}, {}, ["queued"]),
        ([row(1, action="notice"), row(2, action="notice")], {}, {}, ["queued", "queued"]),
        ([row(1, action="postponed")], {}, {HOST: "away"}, []),
        ([row(1, action="postponed")], {}, {}, ["queued"]),
    ],
)
def test_a_storm_is_one_remediation(rows, done, resting, states):
    doing, held = decide(rows, done, resting, NOW)
    assert [one.decision.state for one in doing] == states
    assert len(doing) + len(held) == len(rows)


@pytest.fixture
def ready(store: Store) -> Store:
    store.add_repository(KEY, "https://git.example.org/o/shop")
    return store


@pytest.fixture
def settings() -> Settings:
    return load_settings()


def ask(store: Store, number: int = 1, status: str = "firing", **labels: str) -> None:
    labels = {"alertname": "Down", **labels}
    take(store, "alertmanager", [Alert(status=status, labels=labels, fingerprint=str(number), starts_at="t")])


def tick(store: Store, settings: Settings) -> str:
    return work(store, settings, int(time.time()))[0]


def asked(store: Store) -> list[str]:
    return [found.repository for found in store.waiting_inbox(100, ("audit",))]


def test_an_alert_storm_asks_for_one_audit_and_the_log_says_so(ready, settings):
    for number in range(20):
        ask(ready, number, elder_action="re_audit", repository=KEY)
    tick(ready, settings)
    assert asked(ready) == [KEY]
    assert tick(ready, settings) == "no alert asks for anything"
    (entry,) = ready.log_entries()
    assert (entry.actor, entry.action, entry.target) == ("alert:alertmanager", "remediation.re_audit", KEY)


def test_what_failed_is_audited_again_and_nothing_else(ready, settings):
    ready.add_repository("git.example.org/o/good", "x")
    ready.record_failure(KEY, "clone refused")
    ask(ready, elder_action="retry_failed")
    tick(ready, settings)
    assert asked(ready) == [KEY]


@pytest.mark.platform
def test_a_sweep_is_a_run_of_its_job(ready):
    ask(ready, elder_action="sweep")
    ask(ready, 2, elder_action="sweep")
    with dg.instance_for_test() as instance:
        context = dg.build_sensor_context(instance=instance, resources={"elder": ElderResource()})
        (request,) = remediation_sensor(context).run_requests
        assert request.run_key.startswith("sweep:alert:")
        assert remediation_sensor(context).skip_reason.skip_message == "no alert asks for anything"
    assert remediation_sensor.job_name == SWEEP_JOB


def test_a_host_is_paused_and_resumed(ready, settings):
    ask(ready, elder_action="pause_host", host="Git.example.org")
    tick(ready, settings)
    assert list(ready.resting_hosts(int(time.time()))) == [HOST]
    ask(ready, status="resolved", elder_action="pause_host", host="git.example.org")
    tick(ready, settings)
    assert ready.resting_hosts(int(time.time())) == {}


def test_a_cache_is_evicted(ready, settings):
    file = settings.facts / f"{KEY}.db"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x" * 100)
    ask(ready, elder_action="evict_cache", repository=KEY)
    assert "100 bytes of facts dropped" in tick(ready, settings)
    assert not file.exists()


def test_a_notice_goes_to_whom_a_rule_says_and_its_end_too(ready, settings):
    ready.put_channel("chat", "webhook", "env:PLACE env:KEY")
    ready.put_rule(AlertRule(name="out", kind="outside_alert", channels=("chat",), cooldown_seconds=0), "test")
    ask(ready, summary="")
    assert "1 notices" in tick(ready, settings)
    ask(ready, status="resolved")
    tick(ready, settings)
    told = [found["document"]["notice"]["is_recovery"] for found in ready.notices()]
    assert told == [True, False]


def test_a_postponed_audit_goes_on_when_its_host_is_called_again(ready, settings):
    ready.pause_host(HOST, "maintenance", None, by="amy")
    ready.postpone_audit(KEY, HOST, "it rests")
    assert "maintenance" in tick(ready, settings)
    assert asked(ready) == []
    ready.resume_host(HOST, by="amy")
    tick(ready, settings)
    assert asked(ready) == [KEY]


def test_what_cannot_be_done_fails_with_its_reason(ready, settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    ask(ready, elder_action="re_audit", repository=KEY)
    ready.remove_repository(KEY)
    monkeypatch.setattr("sensors.remediation.remedy", _refuse)
    assert "failed: not now" in tick(ready, settings)
    assert ready.inbox_rows()[0][0].state == "failed"


def _refuse(*_: object) -> str:
    from elder_assets.audit.errors import StoreError

    raise StoreError("not now")
