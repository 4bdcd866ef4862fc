"""Pages about work in progress: they answer empty and filled, in both languages, for whom they are, and inert."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient
from fleet_samples import BASKET, NOW, TILL
from operations_samples import fill_operations

from dash_app.app import create_app
from dash_app.pages import admin
from resources.settings import load_settings
from resources.store import audit_log, open_store, tables

ADDRESSES = [
    "/gates",
    "/admin",
    "/admin?tab=deliveries",
    "/admin?tab=log",
    "/admin?tab=server",
    "/alerts",
    "/alerts?tab=rules",
    "/alerts?tab=channels",
]
"""Pages that answer without anything in the store."""
FILLED = [
    "/gates?status=failed",
    "/gates?q=basket&page=2",
    "/gates/1",
    "/gates/2",
    "/gates/3",
    f"/compare?repository={BASKET}",
]
"""Pages of what the samples have."""


def mounted(folder: Path, *, is_filled: bool) -> Iterator[TestClient]:
    with open_store(f"sqlite:///{folder / 'elder.db'}", clock=lambda: NOW) as store:
        if is_filled:
            fill_operations(store)
        server = create_app(store, load_settings({"ELDER_HOME": str(folder)}))
        with TestClient(server, base_url="http://localhost") as client:
            if is_filled:
                client.headers.update(as_person(client, "admin"))
            yield client


def as_person(client: TestClient, role: str, team: str | None = None) -> dict[str, str]:
    """Headers of somebody with a role."""
    store = cast("FastAPI", client.app).state.store
    return {"Authorization": f"Bearer {store.create_token(role, role, days=1, team=team, by='root')[1]}"}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    yield from mounted(tmp_path_factory.mktemp("filled"), is_filled=True)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    yield from mounted(tmp_path_factory.mktemp("empty"), is_filled=False)


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_answers_over_an_empty_store(empty: TestClient, address: str, language: str):
    answer = empty.get(address, headers={"Accept-Language": language})
    assert answer.status_code == 200
    assert 'role="alert"' not in answer.text


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("address", [*ADDRESSES, *FILLED])
def test_nothing_of_a_repository_is_markup(filled: TestClient, address: str, language: str):
    answer = filled.get(address, headers={"Accept-Language": language})
    assert answer.status_code == 200
    assert 'role="alert"' not in answer.text
    for markup in ("<img src=x", "<script>alert", "<b>x</b>", "\u202e"):
        assert markup not in answer.text


# --- gates --------------------------------------------------------------------------------------------------


def test_an_empty_list_of_gates_says_how_one_comes_about(empty: TestClient):
    assert "elder gate" in empty.get("/gates").text


def test_gates_are_listed_newest_first_and_filtered(filled: TestClient):
    every = filled.get("/gates").text
    assert every.index("/gates/3") < every.index("/gates/2") < every.index("/gates/1")
    failed = filled.get("/gates?status=failed").text
    assert "/gates/1" in failed
    assert "/gates/2" not in failed
    assert "No change fits" in filled.get("/gates?q=nowhere").text


def test_a_failed_gate_says_what_to_do_and_links_to_change_and_run(filled: TestClient):
    page = filled.get("/gates/1").text
    assert "This change may not land." in page
    assert "Cut it &lt;b&gt;x&lt;/b&gt;." in page
    assert f"https://{BASKET}/pull/12" in page
    assert "/runs/0f8fad5b-d9cb-469f-a165-70867728950e" in page
    assert "only advice" in page
    assert "agreed &lt;b&gt;x&lt;/b&gt;" in page
    assert "it ended on 2026-01-01" in page
    assert "gone for good" in page


def test_an_unknown_gate_is_not_found(filled: TestClient):
    assert filled.get("/gates/99").status_code == 404


def test_the_export_of_a_gate_says_how_each_finding_stands(filled: TestClient):
    rows = list(csv.DictReader(io.StringIO(filled.get("/csv/gates/1").text)))
    assert [row["standing"] for row in rows] == ["failing", "new", "suppressed", "fixed"]
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "@"))]


# --- administration -----------------------------------------------------------------------------------------


def test_a_viewer_sees_nothing_of_the_administration(filled: TestClient):
    viewer = as_person(filled, "viewer")
    page = filled.get("/admin?tab=log", headers=viewer)
    assert page.status_code == 200
    assert "for maintainers and administrators" in page.text
    assert "token.create" not in page.text
    assert filled.get("/csv/admin?tab=log", headers=viewer).text.count("\n") == 1


def test_a_maintainer_of_a_team_sees_its_deliveries_and_nothing_else(filled: TestClient):
    growth = as_person(filled, "maintainer", "growth")
    assert "Nothing came in yet" in filled.get("/admin", headers=growth).text
    payments = as_person(filled, "maintainer", "payments")
    page = filled.get("/admin?tab=tokens", headers=payments).text
    assert "/api/v1/webhook-deliveries/2/replay" in page
    assert "/api/v1/webhook-deliveries/3/replay" not in page
    assert "/api/v1/tokens" not in page


def test_a_delivery_says_what_was_decided_and_why_and_offers_replay_once_it_ended(filled: TestClient):
    page = filled.get("/admin?tab=deliveries").text
    assert "only &lt;b&gt;x&lt;/b&gt; files changed" in page
    assert "/api/v1/webhook-deliveries/2/replay" in page
    assert "/api/v1/webhook-deliveries/1/replay" not in page
    assert "d-2" not in filled.get("/admin?tab=deliveries&state=waiting").text


def test_tokens_show_how_they_stand_and_never_themselves(filled: TestClient):
    page = filled.get("/admin").text
    assert "ann &lt;b&gt;x&lt;/b&gt;" in page
    assert "revoked" in page
    assert not re.search(r"elder_[0-9A-Za-z]{49}", page)


def test_the_log_says_that_its_chain_is_verified(filled: TestClient):
    page = filled.get("/admin?tab=log").text
    assert "verified" in page
    assert "token.revoke" in page


def test_the_log_counts_its_changes_and_says_when_there_are_none(empty: TestClient, filled: TestClient):
    assert "Nobody changed anything yet" in empty.get("/admin?tab=log").text
    count = len(list(csv.DictReader(io.StringIO(filled.get("/csv/admin?tab=log").text))))
    assert count > 1
    assert f"of {count}<" in filled.get("/admin?tab=log").text


def test_the_log_says_where_its_chain_is_broken(tmp_path: Path):
    for client in mounted(tmp_path, is_filled=True):
        store = cast("FastAPI", client.app).state.store
        with store._writing() as connection:
            changed = sa.update(tables.audit_log).where(tables.audit_log.c.id == 2).values(actor="somebody else")
            connection.execute(changed)
        assert "The chain is broken at change 2: it was changed." in client.get("/admin?tab=log").text


def test_a_look_at_the_log_computes_few_changes_says_how_many_and_more_when_asked(tmp_path: Path, monkeypatch):
    computed: list[str] = []
    compute = audit_log._hash
    monkeypatch.setattr(audit_log, "_hash", lambda row: computed.append(row["target"]) or compute(row))
    for client in mounted(tmp_path, is_filled=False):
        store = cast("FastAPI", client.app).state.store
        for number in range(admin.VERIFIED_AT_A_LOOK + 1):
            store.add_team(f"team-{number}", by="ann")
        computed.clear()
        page = client.get("/admin?tab=log").text
        assert len(computed) == admin.VERIFIED_AT_A_LOOK
        assert "Each of the newest 200 changes stands on the one before it." in page
        assert "chain=more" in page
        with store._writing() as connection:
            changed = sa.update(tables.audit_log).where(tables.audit_log.c.id == 1).values(actor="somebody else")
            connection.execute(changed)
        assert "Each of the newest 200 changes" in client.get("/admin?tab=log").text  # true still: nothing is said of 1
        assert "The chain is broken at change 1: it was changed." in client.get("/admin?tab=log&chain=more").text


def test_where_every_change_was_computed_no_more_is_offered(filled: TestClient):
    assert "chain=more" not in filled.get("/admin?tab=log").text


def test_a_token_is_made_shown_once_and_revoked(filled: TestClient):
    wish = {"name": "ci", "role": "viewer", "days": "7", "team": "payments"}
    made = filled.post("/api/v1/tokens", json=wish)
    assert made.status_code == 201
    mine = {"Authorization": f"Bearer {made.json()['token']}"}
    assert filled.get("/gates", headers=mine).status_code == 200
    assert made.json()["token"] not in filled.get("/admin").text
    assert "token" not in filled.delete(f"/api/v1/tokens/{made.json()['id']}").json()
    assert filled.get("/gates", headers=mine).status_code == 401


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"role": "root"}, 400),
        ({"days": 0}, 400),
        ({"name": ""}, 400),
        ({"name": "a\u0007"}, 400),
        ({"team": "no"}, 404),
    ],
)
def test_a_token_that_cannot_be_meant_is_refused(filled: TestClient, wish: dict[str, object], status: int):
    given = {"name": "ci", "role": "viewer", "days": 7, "team": "", **wish}
    assert filled.post("/api/v1/tokens", json=given).status_code == status


def test_only_an_admin_of_all_teams_makes_tokens(filled: TestClient):
    given = {"name": "ci", "role": "admin", "days": 7}
    for role, team in (("maintainer", None), ("admin", "payments")):
        assert filled.post("/api/v1/tokens", json=given, headers=as_person(filled, role, team)).status_code == 403


def test_what_has_ended_is_replayed_and_what_waits_is_not(tmp_path: Path):
    for client in mounted(tmp_path, is_filled=True):
        assert client.post("/api/v1/webhook-deliveries/2/replay").json() == {"id": 4, "replay_of": 2}
        assert client.post("/api/v1/webhook-deliveries/1/replay").status_code == 409
        assert client.post("/api/v1/webhook-deliveries/99/replay").status_code == 404
        other = as_person(client, "maintainer", "growth")
        assert client.post("/api/v1/webhook-deliveries/2/replay", headers=other).status_code == 404
        assert (
            client.post("/api/v1/webhook-deliveries/2/replay", headers=as_person(client, "viewer")).status_code == 403
        )
        assert "delivery.replay" in client.get("/admin?tab=log").text


# --- alerts -------------------------------------------------------------------------------------------------


def test_the_history_says_what_was_sent_held_or_dropped_and_why(filled: TestClient):
    page = filled.get("/alerts").text
    assert "Gate failed" in page
    assert "the rule is muted until 2026-03-04 13:00 UTC" in page
    assert "the receiver said &lt;b&gt;x&lt;/b&gt; 410" in page
    dropped = filled.get("/alerts?action=drop").text
    assert "muted until 2026-03-04" in dropped
    assert "410" not in dropped


def test_alerts_of_another_team_are_not_shown(filled: TestClient):
    payments = as_person(filled, "maintainer", "payments")
    assert "muted until 2026-03-04" not in filled.get("/alerts", headers=payments).text
    assert "growth-chat" not in filled.get("/alerts?tab=channels", headers=payments).text
    rules = filled.get("/alerts?tab=rules", headers=payments).text
    assert "drops" not in rules
    assert "/api/v1/alerts/rules/gates/mute" not in rules


def test_a_muted_rule_says_until_when_and_can_speak_again(filled: TestClient):
    page = filled.get("/alerts?tab=rules").text
    assert "Speak again" in page
    assert "/api/v1/alerts/rules/gates/mute" in page


def test_a_rule_is_muted_for_hours_and_speaks_again(tmp_path: Path):
    for client in mounted(tmp_path, is_filled=True):
        address, own = "/api/v1/alerts/rules/drops/mute", as_person(client, "maintainer", "growth")
        muted = client.post(address, json={"hours": "8"}, headers=own)
        assert muted.json() == {"name": "drops", "muted_until": int(NOW.timestamp()) + 8 * 3600}
        assert client.post(address, json={"hours": 0}).json()["muted_until"] is None
        assert client.post(address, json={"hours": -1}).status_code == 400
        assert client.post("/api/v1/alerts/rules/no/mute", json={"hours": 1}).status_code == 404
        assert client.post(address, json={"hours": 1}, headers=as_person(client, "viewer")).status_code == 403
        other = as_person(client, "maintainer", "payments")
        assert client.post(address, json={"hours": 1}, headers=other).status_code == 403
        assert "alert_rule.put" in client.get("/admin?tab=log").text


def test_a_test_message_says_why_it_was_not_taken_and_never_where_it_went(filled: TestClient):
    answer = filled.post("/api/v1/alerts/channels/chat/test")
    assert answer.status_code == 424
    assert "chat (webhook) did not take it" in answer.json()["detail"]
    assert filled.post("/api/v1/alerts/channels/no/test").status_code == 404
    other = as_person(filled, "maintainer", "payments")
    assert filled.post("/api/v1/alerts/channels/growth-chat/test", headers=other).status_code == 403


# --- rules and channels by the API ---------------------------------------------------------------------------

RULE = {"kind": "score_dropped", "channels": ["chat"], "threshold": 7, "cooldown_seconds": 7200,
        "quiet": {"time_zone": "Asia/Tokyo", "start": "22:00", "end": "07:00"}}  # fmt: skip


@pytest.fixture
def own(tmp_path: Path) -> Iterator[TestClient]:
    with open_store(f"sqlite:///{tmp_path / 'elder.db'}", clock=lambda: NOW) as store:
        fill_operations(store)
        app = create_app(store, load_settings({"ELDER_HOME": str(tmp_path)}))
        with TestClient(app, base_url="http://localhost") as client:
            client.headers.update(as_person(client, "admin"))
            yield client


def test_a_rule_is_made_changed_muted_until_a_day_and_removed(own: TestClient):
    path = "/api/v1/alerts/rules/falls"
    made = own.put(path, json=RULE)
    assert (made.status_code, made.json()["threshold"], made.json()["quiet"]["end"]) == (200, 7, "07:00")
    until = "2026-03-09T00:00:00Z"
    assert own.post(f"{path}/mute", json={"until": until}).json()["muted_until"] == 1_773_014_400
    changed = own.put(path, json={**RULE, "threshold": 9, "quiet": None}).json()
    assert (changed["threshold"], changed["quiet"], changed["muted_until"]) == (9, None, 1_773_014_400)
    assert [rule["name"] for rule in own.get("/api/v1/alerts/rules").json()] == ["drops", "falls", "gates"]
    assert own.delete(path).status_code == 204
    assert own.delete(path).status_code == 404
    actions = [entry["action"] for entry in own.get("/api/v1/audit-log").json()["entries"]]
    assert actions[:4] == ["alert_rule.remove", *["alert_rule.put"] * 3]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"channels": ["nowhere"]}, "channels"),
        ({"kind": "gate_failed"}, "threshold"),
        ({"threshold": 700}, "threshold"),
        ({"quiet": {"time_zone": "Moon/Base", "start": "22:00", "end": "07:00"}}, "quiet.time_zone"),
        ({"channels": []}, "body.channels"),
        ({"what": 1}, "body.what"),
    ],
    ids=["channel", "kind", "threshold", "zone", "nobody", "unknown"],
)
def test_a_rule_that_cannot_be_meant_names_what_is_wrong(own: TestClient, change: dict[str, object], field: str):
    answer = own.put("/api/v1/alerts/rules/falls", json={**RULE, **change})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field


@pytest.mark.parametrize("until", ["2026-03-04T11:00:00Z", "2027-01-01T00:00:00Z", "2026-03-05T00:00:00"])
def test_a_mute_ends_within_ninety_days_and_has_a_zone(own: TestClient, until: str):
    assert own.post("/api/v1/alerts/rules/gates/mute", json={"until": until}).status_code == 400


def test_two_teams_may_call_their_rules_alike_and_neither_touches_the_others(own: TestClient):
    payments, growth = (as_person(own, "maintainer", team) for team in ("payments", "growth"))
    path = "/api/v1/alerts/rules/falls"
    for team, headers, threshold in (("payments", payments, 3), ("growth", growth, 4)):
        assert own.put(path, json={**RULE, "team": team, "threshold": threshold}, headers=headers).status_code == 200
    assert own.put(path, json={**RULE, "team": "growth"}, headers=payments).status_code == 403
    own.post(f"{path}/mute", json={"hours": 1}, headers=payments)
    by_team = {rule["team"]: rule for rule in own.get("/api/v1/alerts/rules").json() if rule["name"] == "falls"}
    assert (by_team["payments"]["threshold"], by_team["growth"]["threshold"]) == (3, 4)
    assert (by_team["payments"]["muted_until"] is None, by_team["growth"]["muted_until"]) == (False, None)
    assert own.post(f"{path}/mute", json={"hours": 1}).status_code == 400
    assert own.delete(f"{path}?team=growth").status_code == 204
    assert [rule["team"] for rule in own.get("/api/v1/alerts/rules").json() if rule["name"] == "falls"] == ["payments"]


def test_a_rule_for_all_teams_shares_its_name_with_none(own: TestClient):
    refused = own.put("/api/v1/alerts/rules/gates", json={**RULE, "team": "payments"})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:problem-type:elder:conflict")
    assert own.put("/api/v1/alerts/rules/drops", json=RULE).status_code == 409


def test_a_team_may_neither_name_secrets_of_the_server_nor_touch_channels_of_others(own: TestClient):
    growth = as_person(own, "maintainer", "growth")
    path = "/api/v1/alerts/channels"
    own_channel = {"kind": "slack", "team": "growth", "language": "ja", "time_zone": "Asia/Tokyo"}
    assert own.put(f"{path}/new", json={**own_channel, "address": "env:SECRET"}, headers=growth).status_code == 403
    moved = own.put(f"{path}/growth-chat", json={**own_channel, "address": "env:ELDER_SECRET_KEY"}, headers=growth)
    assert moved.status_code == 403
    kept = own.put(f"{path}/growth-chat", json=own_channel, headers=growth)
    assert (kept.status_code, kept.json()["address"], kept.json()["language"]) == (200, "env:SLACK", "ja")
    assert own.put(f"{path}/chat", json=own_channel, headers=growth).status_code == 403
    assert own.delete(f"{path}/chat", headers=growth).status_code == 403
    assert {one["name"] for one in own.get(path, headers=growth).json()} == {"chat", "growth-chat"}
    assert {one["name"] for one in own.get(path, headers=as_person(own, "maintainer", "payments")).json()} == {"chat"}


def test_a_channel_is_made_and_removed_once_no_rule_names_it(own: TestClient):
    path = "/api/v1/alerts/channels/mail"
    wish = {"kind": "email", "address": "env:MAIL"}
    assert own.put(path, json=wish).status_code == 200
    refused = own.put(path, json={**wish, "address": "smtp://user:password@mail"})
    assert refused.status_code == 400
    assert "password" not in refused.text
    own.put("/api/v1/alerts/rules/falls", json={**RULE, "channels": ["mail"]})
    assert own.delete(path).status_code == 409
    own.delete("/api/v1/alerts/rules/falls")
    assert own.delete(path).status_code == 204


def test_a_test_says_what_was_sent_even_when_it_was_not_taken(own: TestClient):
    answer = own.post("/api/v1/alerts/channels/chat/test")
    assert (answer.status_code, "chat" in answer.json()["sent"]) == (424, True)


def test_decisions_are_paged_and_a_team_sees_its_own(own: TestClient):
    first = own.get("/api/v1/alerts/decisions?limit=2").json()
    rest = own.get(f"/api/v1/alerts/decisions?limit=2&cursor={first['next_cursor']}").json()
    assert [len(page["decisions"]) for page in (first, rest)] == [2, 1]
    assert rest["next_cursor"] is None
    growth = own.get("/api/v1/alerts/decisions", headers=as_person(own, "viewer", "growth")).json()["decisions"]
    assert [one["rule"] for one in growth] == ["drops"]


@pytest.mark.parametrize(
    "address", ["tab=rules&new=1", "tab=rules&edit=gates", "tab=channels&new=1", "tab=channels&edit=chat"]
)
def test_rules_and_channels_have_forms_for_who_may_change_them(own: TestClient, address: str):
    shown = own.get(f"/alerts?{address}").text
    assert 'data-method="PUT"' in shown
    assert "env:PLACE" in shown if "edit=chat" in address else True
    assert 'data-method="PUT"' not in own.get(f"/alerts?{address}", headers=as_person(own, "viewer")).text


# --- live ---------------------------------------------------------------------------------------------------


def test_the_live_page_tells_what_runs_from_what_ended(filled: TestClient):
    page = filled.get("/live").text
    running, ended = page.split("What the last audits came to", 1)
    assert "3 &lt;b&gt;x&lt;/b&gt; files" in running
    assert "reading files" in running
    assert "run-done" not in running
    assert "81.5" in ended
    assert "the host said &lt;b&gt;x&lt;/b&gt;" in ended


def test_the_live_page_is_filtered_and_goes_back_in_time(filled: TestClient):
    assert "81.5" not in filled.get("/live?state=failed").text
    assert "81.5" not in filled.get("/live?q=basket").text
    assert "No audit fits" in filled.get("/live?before=1").text
    payments = as_person(filled, "viewer", "payments")
    assert "81.5" not in filled.get("/live", headers=payments).text


# --- comparisons --------------------------------------------------------------------------------------------


def test_the_last_two_audits_are_compared_and_the_parts_add_up(filled: TestClient):
    page = filled.get(f"/compare?repository={BASKET}").text
    assert "From 63.4 to 100.0: code +36.6, scope +0.0, ruler +0.0 points" in page
    rows = list(csv.DictReader(io.StringIO(filled.get(f"/csv/compare?repository={BASKET}").text)))
    whole = rows[0]
    assert whole["magic"] == "whole"
    moved = sum(float(whole[name].lstrip("'")) for name in ("code", "scope", "ruler"))
    assert round(float(whole["after"]) - float(whole["before"]), 1) == round(moved, 1) != 0


def test_a_repository_with_one_audit_has_nothing_to_compare(filled: TestClient):
    assert "nothing to compare yet" in filled.get(f"/compare?repository={TILL}").text


def test_a_repository_of_another_team_is_not_compared(filled: TestClient):
    growth = as_person(filled, "viewer", "growth")
    assert "No repository fits" in filled.get(f"/compare?repository={BASKET}", headers=growth).text
    assert BASKET not in filled.get("/compare", headers=growth).text
    assert filled.get(f"/csv/compare?repository={BASKET}", headers=growth).status_code == 404


def test_a_part_of_a_name_offers_the_repositories_that_have_it(filled: TestClient):
    page = filled.get("/compare?repository=shop").text
    assert f"/compare?repository={quote(BASKET, safe='')}" in page
    assert f"/compare?repository={quote(TILL, safe='')}" in page


def test_what_became_of_a_torn_file_is_named_by_its_rule(filled: TestClient):
    page = filled.get(f"/compare?repository={BASKET}").text
    assert "Rules that came out differently" in page
    assert "/rules/STR" in page or "/rules/SRV" in page or "/rules/GIT" in page
