"""Alerts of other systems at the door: who may, what they say, and what becomes of them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from dash_app.api.alerts_in import alerts_router
from dash_app.app import create_app
from resources.settings import Settings, load_settings
from resources.store import Store, open_store

NOW = 1_772_452_800
KEY = "git.example.org/o/shop"
TOKEN = "t0ken-of-the-alertmanager"
SIGNING = base64.b64encode(b"k" * 32).decode()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    secrets = {"TOKEN": TOKEN, "LOGIN": "prom:pass", "SIGN": f"whsec_{SIGNING}"}
    schemes = "bearer=env:TOKEN,basic=env:LOGIN,signed=env:SIGN"
    return load_settings({"ELDER_HOME": str(tmp_path), "ELDER_ALERT_SECRETS": schemes, **secrets})


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with open_store(settings.store_url) as opened:
        opened.add_repository(KEY, "https://git.example.org/o/shop")
        yield opened


@pytest.fixture
def client(store: Store, settings: Settings) -> TestClient:
    app = FastAPI()
    app.include_router(alerts_router(store, settings, clock=lambda: NOW))
    return TestClient(app)


def alert(status: str = "firing", fingerprint: str = "1a30ba71cca2921f", **labels: str) -> dict:
    return {
        "status": status,
        "labels": {"alertname": "ProbeFailure", **labels},
        "annotations": {"summary": "it is down"},
        "startsAt": "2026-03-02T11:59:00.828Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus.example.org/graph",
        "fingerprint": fingerprint,
    }


def group(*alerts: dict, version: str = "4") -> dict:
    return {
        "version": version, "groupKey": "{}:{}", "truncatedAlerts": 0, "status": "firing", "receiver": "elder",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "", "alerts": list(alerts),
    }  # fmt: skip


def send(client: TestClient, *alerts: dict, auth: str = f"Bearer {TOKEN}", **fields: str):
    return client.post("/webhooks/alertmanager", json=group(*alerts, **fields), headers={"Authorization": auth})


def rows(store: Store) -> list[tuple[str, str, str]]:
    return [(row.action, row.state, str(row.document["wish"])) for row in reversed(store.inbox_rows()[0])]


def test_an_alert_is_a_row_once_in_each_state(client, store):
    firing = alert(elder_action="re_audit", repository=KEY)
    first, again = send(client, firing), send(client, firing)
    assert (first.status_code, again.status_code) == (202, 202)
    assert [one["is_new"] for one in (first.json()["alerts"][0], again.json()["alerts"][0])] == [True, False]
    send(client, alert(status="resolved", elder_action="re_audit", repository=KEY))
    assert rows(store) == [("remediation", "waiting", "re_audit"), ("remediation", "skipped", "")]
    assert store.inbox_rows()[0][1].repository == KEY


def test_an_alert_that_asks_for_nothing_is_a_notice(client, store):
    assert send(client, alert(repository=KEY)).json()["alerts"][0]["kind"] == "notice"
    assert rows(store) == [("notice", "waiting", "")]


def test_a_resolved_pause_resumes_the_host(client, store):
    send(client, alert(status="resolved", elder_action="pause_host", host="git.example.org"))
    assert rows(store) == [("remediation", "waiting", "resume_host")]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"elder_action": "reboot"}, "'reboot' does not exist; allowed: re_audit, retry_failed, sweep"),
        ({"elder_action": "re_audit"}, "needs the label 'repository'"),
        ({"elder_action": "pause_host"}, "needs the label 'host'"),
        ({"elder_action": "evict_cache", "repository": "no/such/one"}, "'no/such/one' is not registered"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name_and_kept(client, store, labels, said):
    answer = send(client, alert(**labels))
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert [row[1] for row in rows(store)] == ["skipped"]


def test_one_refused_alert_of_a_group_does_not_lose_the_others(client, store):
    answer = send(client, alert(elder_action="reboot"), alert(fingerprint="b", elder_action="sweep"))
    assert answer.status_code == 202
    assert [one["kind"] for one in answer.json()["alerts"]] == ["refused", "remediation"]
    assert rows(store)[1] == ("remediation", "waiting", "sweep")


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("auth", "status"),
    [
        (f"Bearer {TOKEN}", 202),
        (f"bearer {TOKEN}", 202),
        (basic("prom:pass"), 202),
        ("Bearer wrong", 401),
        ("Bearer ", 401),
        ("Bearer prom:pass", 401),
        (basic("prom:wrong"), 401),
        (basic(TOKEN), 401),
        ("Basic ???", 401),
        ("", 401),
    ],
)
def test_only_a_known_sender_may(client, store, auth, status):
    answer = send(client, alert(), auth=auth)
    assert answer.status_code == status
    assert TOKEN not in answer.text
    assert len(rows(store)) == (status == 202)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (json.dumps(group(version="3")), 400),
        ('{"version":"4"}', 400),
        ('{"version":"4","alerts":[{"status":"odd"}]}', 400),
        ("[" * 5000, 400),
        ("\xff", 400),
        ("", 400),
        (json.dumps(group(*[alert(fingerprint=str(n)) for n in range(1001)])), 413),
        (json.dumps(group()), 202),
    ],
    ids=["version", "no-alerts", "status", "nested", "no-json", "empty", "many", "none"],
)
def test_what_cannot_be_read_is_said(client, store, body, status):
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    assert client.post("/webhooks/alertmanager", content=body.encode(), headers=headers).status_code == status
    assert rows(store) == []


def signed(body: bytes, *, when: int = NOW, name: str = "msg_1", key: bytes = b"k" * 32) -> dict[str, str]:
    digest = hmac.new(key, f"{name}.{when}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(digest).decode()
    return {"webhook-id": name, "webhook-timestamp": str(when), "webhook-signature": f"v1a,x {signature}"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 202),
        ({"when": NOW - 300}, 202),
        ({"when": NOW - 301}, 401),
        ({"when": NOW + 301}, 401),
        ({"key": b"x" * 32}, 401),
        ({"name": ""}, 401),
    ],
)
def test_a_signed_alert_is_taken_while_it_is_fresh(client, store, headers, status):
    body = json.dumps({"type": "alert", "timestamp": "x", "data": alert(elder_action="sweep")}).encode()
    answer = client.post("/webhooks/alert", content=body, headers=signed(body, **headers))
    assert answer.status_code == status
    assert len(rows(store)) == (status == 202)


def test_a_changed_body_is_not_what_was_signed(client, store):
    body = json.dumps({"data": alert()}).encode()
    assert client.post("/webhooks/alert", content=body + b" ", headers=signed(body)).status_code == 401


def test_without_a_secret_nobody_may(store, tmp_path):
    app = FastAPI()
    app.include_router(alerts_router(store, load_settings({"ELDER_HOME": str(tmp_path)})))
    assert send(TestClient(app), alert()).status_code == 401


def test_the_control_plane_serves_it_before_the_webhooks_of_git_hosts(store, settings):
    with TestClient(create_app(store, settings), base_url="http://127.0.0.1:8321", client=("127.0.0.1", 5)) as whole:
        assert send(whole, alert()).status_code == 202
