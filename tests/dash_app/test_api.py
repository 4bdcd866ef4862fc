"""Each endpoint of the API: what it answers, what it refuses, and that no team sees another's rows."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as checked
from hypothesis import strategies as st

from dash_app import registration
from dash_app.app import create_app
from resources.settings import Settings
from resources.store import Store, tables
from tests.dash_app.organisation import Side, build

pytestmark = pytest.mark.platform
API = "/api/v1"


@pytest.fixture
def sides(store: Store) -> dict[str, Side]:
    return build(store)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registrations stay pending: their network is tested elsewhere."""
    monkeypatch.setattr(registration, "settle", lambda *_: None)


@pytest.fixture
def root(client: TestClient, store: Store) -> TestClient:
    token = store.create_token("root", "admin", days=1, by="test")[1]
    client.headers["Authorization"] = f"Bearer {token}"
    return client


def reader(client: TestClient, token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# --- projects ------------------------------------------------------------------------------------------------


def test_a_registered_repository_is_pending_and_in_the_log(root: TestClient, store: Store):
    answer = root.post(
        f"{API}/projects", json={"url": "https://GitHub.com/octo/basket.git/", "compliance_tags": ["pci"]}
    )
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["key"], made["url"]) == ("github.com/octo/basket", "https://github.com/octo/basket.git")
    assert (made["status"], made["provider"], made["name"]) == ("pending", "github", "basket")
    assert root.get(f"{API}/projects/{made['id']}").json() == made
    assert store.log_entries()[0].action == "project.add"


@pytest.mark.parametrize(
    "again",
    ["https://github.com/octo/basket", "https://github.com/octo/basket.git", "git@github.com:octo/basket.git",
     "ssh://git@GITHUB.COM/octo/basket/"],
)  # fmt: skip
def test_the_same_repository_under_another_address_is_named(root: TestClient, again: str):
    first = root.post(f"{API}/projects", json={"url": "https://github.com/octo/basket"}).json()
    answer = root.post(f"{API}/projects", json={"url": again})
    assert answer.status_code == 409
    assert f"project {first['id']}" in answer.json()["detail"]


@pytest.mark.parametrize(
    "url",
    [
        "https://ann:hunter2@github.com/octo/basket",
        "ssh://git:hunter2@github.com/octo/basket",
        "https://hunter2@x.org/a/b",
    ],
)
def test_an_address_with_a_password_is_refused_and_never_repeated(
    root: TestClient, store: Store, url: str, caplog: pytest.LogCaptureFixture
):
    answer = root.post(f"{API}/projects", json={"url": url})
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:problem-type:elder:address-refused")
    assert "hunter2" not in answer.text + caplog.text + str(store.log_entries())


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body.url"),
        ({"url": "https://github.com/a/b", "tier": "huge"}, "body.tier"),
        ({"url": "https://github.com/a/b", "unknown": 1}, "body.unknown"),
        ({"url": "https://github.com/a/b", "name": "a\x00b"}, "body.name"),
        ({"url": "https://github.com/a/b", "credential": "ghp_realsecret"}, "reference of a secret"),
        ({"url": "https://github.com/a/b", "policy": "strictest"}, "policy"),
        ({"url": "https://github.com/a/b", "provider": "cvs"}, "provider"),
    ],
)
def test_a_wrong_field_is_named(root: TestClient, body: dict[str, Any], field: str):
    answer = root.post(f"{API}/projects", json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["field"] == field
    assert "realsecret" not in answer.text


@pytest.mark.parametrize(
    "url", ["/etc", "file:///etc", "ext::sh -c id", "-uhelp", "http://github.com/a/b", "https://", "x"]
)
def test_an_unsafe_address_is_refused(root: TestClient, url: str):
    assert root.post(f"{API}/projects", json={"url": url}).status_code == 400


def test_projects_are_paged_and_filtered(root: TestClient, store: Store, sides: dict[str, Side]):
    first = root.get(f"{API}/projects", params={"limit": 1}).json()
    second = root.get(f"{API}/projects", params={"limit": 1, "cursor": first["next_cursor"]}).json()
    assert [page["projects"][0]["team"] for page in (first, second)] == ["apples", "pears"]
    assert second["next_cursor"] is None
    for query in ({"team_id": "pears"}, {"tag": "tag-pears"}, {"q": "SHOP-PEARS"}, {"q": "of pears"}):
        found = root.get(f"{API}/projects", params=query).json()["projects"]
        assert [project["team"] for project in found] == ["pears"], query
    assert root.get(f"{API}/projects", params={"status": "archived"}).json()["projects"] == []
    assert root.get(f"{API}/projects", params={"q": "100%_"}).json()["projects"] == []


def test_a_project_is_changed_archived_and_deleted_with_all_of_its_data(
    root: TestClient, store: Store, sides: dict[str, Side]
):
    number = sides["apples"].project_id
    changed = root.patch(f"{API}/projects/{number}", json={"tier": "large", "team": "pears"}).json()
    assert (changed["tier"], changed["team"], changed["name"]) == ("large", "pears", "shop of apples")
    assert root.post(f"{API}/projects/{number}/archive").json()["status"] == "archived"
    assert root.post(f"{API}/projects/{number}/audit/trigger", json={}).status_code == 409
    assert root.delete(f"{API}/projects/{number}").status_code == 204
    assert root.get(f"{API}/projects/{number}").status_code == 404
    with store._reading() as connection:
        for table in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type='table'").scalars().all():
            rows = str(connection.exec_driver_sql(f"SELECT * FROM {table}").all())  # noqa: S608
            if table not in {"audit_log", "teams", "tokens", "memberships", "repositories", "channels"}:
                assert "apples" not in rows, table
    assert [entry.action for entry in store.log_entries(limit=3)] == [
        "project.delete",
        "project.change",
        "project.change",
    ]
    assert store.verify_log().broken_id is None
    assert root.get(f"{API}/projects/{sides['pears'].project_id}").status_code == 200


# --- audits --------------------------------------------------------------------------------------------------


def test_the_status_of_a_project_is_that_of_its_last_audit(root: TestClient, sides: dict[str, Side]):
    status = root.get(f"{API}/projects/{sides['apples'].project_id}/audit-status").json()
    assert (status["status"], status["score"], status["open_findings"]) == ("passed", 82.0, 2)
    (magic,) = status["magics"]
    assert {"status", "score", "findings", "suggestions", "outcomes", "last_run", "duration_ms"} <= set(magic)
    assert status["ai_insights"] == []
    assert status["insights_withheld"].startswith("withheld, because")
    assert status["next_scheduled_audit"]["because"].endswith("is waiting")


def test_a_project_that_was_never_audited_says_so(root: TestClient):
    made = root.post(f"{API}/projects", json={"url": "https://github.com/octo/basket"}).json()
    status = root.get(f"{API}/projects/{made['id']}/audit-status").json()
    assert (status["status"], status["magics"], status["score"]) == ("not audited", [], None)


def test_audits_come_newest_first_by_cursor_and_by_offset(root: TestClient, sides: dict[str, Side]):
    address = f"{API}/projects/{sides['apples'].project_id}/audit-results"
    older, newer = sides["apples"].audit_ids
    page = root.get(address, params={"limit": 1}).json()
    assert (page["total"], page["results"][0]["audit_id"], page["next_cursor"]) == (2, newer, str(newer))
    assert root.get(address, params={"cursor": page["next_cursor"]}).json()["results"][0]["audit_id"] == older
    assert root.get(address, params={"offset": 1}).json()["results"][0]["audit_id"] == older
    assert [point["score"] for point in page["trend_data"]] == [81.0, 82.0]
    assert page["summary_statistics"] == {
        "audits_total": 2, "score_min": 81.0, "score_max": 82.0, "score_mean": 81.5, "score_change": 1.0,
        "findings_fixed": 6, "findings_new": 3,
    }  # fmt: skip


def test_an_audit_that_is_asked_for_waits_in_the_inbox(root: TestClient, store: Store, sides: dict[str, Side]):
    address = f"{API}/projects/{sides['apples'].project_id}/audit/trigger"
    answer = root.post(address, json={"audit_type": "full", "magics": ["tdd"], "priority": "high"})
    assert answer.status_code == 202
    row = store.inbox_row(answer.json()["task_id"])
    assert (row.action, row.state, row.priority) == ("audit", "waiting", 10)
    assert row.document == {"audit_type": "full", "branch": "", "commit": "", "magics": ["tdd"]}
    assert answer.json()["estimated_because"] == "no audit was measured yet"
    assert root.post(address, json={"magics": ["alchemy"]}).json()["errors"][0]["field"] == "magics"
    assert root.post(address, json={"commit": "main"}).status_code == 400


def test_the_time_of_an_audit_is_estimated_from_measured_ones(root: TestClient, store: Store, sides: dict[str, Side]):
    from resources.store.inbox import InboxDecision

    side = sides["apples"]
    store.decide_inbox([InboxDecision(row=side.delivery_id, state="queued", reason="")])
    later = store.now() + dt.timedelta(seconds=40)
    clock, store._clock = store._clock, lambda: later
    store.finish_inbox(side.delivery_id, state="done", result={})
    store._clock = clock
    told = root.post(f"{API}/projects/{side.project_id}/audit/trigger", json={}).json()
    assert told["estimated_duration_seconds"] == pytest.approx(40, abs=1)
    assert told["estimated_because"] == "median of 1 measured audits"
    other = root.post(f"{API}/projects/{sides['pears'].project_id}/audit/trigger", json={}).json()
    assert other["estimated_duration_seconds"] == pytest.approx(40, abs=1)  # as many files


def test_two_audits_are_compared_by_number_or_commit(root: TestClient, sides: dict[str, Side]):
    address = f"{API}/projects/{sides['apples'].project_id}/compare"
    older, newer = sides["apples"].audit_ids
    told = root.get(address, params={"first": older, "second": "2222222"}).json()
    assert (told["score_change"], told["magic_changes"], told["is_same_ruler"]) == (1.0, {"tdd": 1.0}, True)
    assert told["events"] == {"new": 2, "unveiled": 2, "reopened": 2, "fixed": 3, "removed": 2}
    assert [change["event"] for change in told["changes"]] == ["new"]
    assert root.get(address, params={"first": newer, "second": older}).status_code == 400
    assert root.get(address, params={"first": "nothing", "second": newer}).status_code == 404
    theirs = sides["pears"].audit_ids[0]
    assert root.get(address, params={"first": theirs, "second": newer}).status_code == 404


# --- findings and suppressions -------------------------------------------------------------------------------


def test_findings_are_filtered(root: TestClient, sides: dict[str, Side]):
    address = f"{API}/projects/{sides['apples'].project_id}/findings"
    for query, count in (
        ({}, 1), ({"standing": "fixed"}, 0), ({"magic": "tdd"}, 1), ({"magic": "flow"}, 0), ({"severity": "high"}, 1),
        ({"rule": "TDD001"}, 1), ({"path": "path of"}, 1), ({"path": "p_th"}, 0), ({"cursor": "1"}, 0),
    ):  # fmt: skip
        assert len(root.get(address, params=query).json()["findings"]) == count, query
    assert root.get(address, params={"severity": "awful"}).status_code == 400


def test_a_finding_has_its_history_and_what_people_think_of_it(root: TestClient, sides: dict[str, Side]):
    address = f"{API}/findings/{sides['apples'].finding_id}"
    assert root.post(f"{address}/feedback", json={"verdict": "false", "comment": "a test"}).status_code == 201
    found = root.get(address).json()
    assert [event["event"] for event in found["history"]] == ["new"]
    assert [(said["verdict"], said["author"]) for said in found["feedback"]] == [("false", "root")]
    assert root.post(f"{address}/feedback", json={"verdict": "maybe"}).status_code == 400
    assert root.get(f"{API}/findings/999999").status_code == 404


def test_a_suppression_is_decided_by_somebody_else_and_once(client: TestClient, store: Store, sides: dict[str, Side]):
    side = sides["apples"]
    headers = reader(client, side.admin)
    wish = {"finding_id": side.finding_id, "reason": "generated", "until": "2036-01-01"}
    made = client.post(f"{API}/projects/{side.project_id}/suppressions", json=wish, headers=headers).json()
    assert (made["state"], made["rule"], made["requested_by"]) == ("pending", "TDD001", "admin of apples")
    own = client.post(f"{API}/suppressions/{made['id']}/approve", headers=headers)
    assert (own.status_code, own.json()["errors"][0]["field"]) == (400, "decided_by")
    other = reader(client, store.create_token("bob", "maintainer", days=1, team="apples", by="root")[1])
    assert client.post(f"{API}/suppressions/{made['id']}/approve", headers=other).json()["state"] == "approved"
    assert client.post(f"{API}/suppressions/{made['id']}/deny", headers=other).status_code == 409
    listed = client.get(f"{API}/suppressions", params={"state": "approved"}, headers=headers).json()["suppressions"]
    assert [row["id"] for row in listed] == [made["id"]]


@pytest.mark.parametrize(
    "wish",
    [
        {"rule": "NOPE1", "path": "a", "reason": "x", "until": "2036-01-01"},
        {"rule": "TDD001", "path": "a", "reason": "x", "until": "2020-01-01"},
        {"rule": "TDD001", "path": "a", "reason": "", "until": "2036-01-01"},
        {"finding_id": 999_999, "reason": "x", "until": "2036-01-01"},
    ],
    ids=["rule", "past", "no-reason", "finding"],
)
def test_a_wish_that_cannot_hold_is_refused(root: TestClient, sides: dict[str, Side], wish: dict[str, Any]):
    answer = root.post(f"{API}/projects/{sides['apples'].project_id}/suppressions", json=wish)
    assert answer.status_code in {400, 404}, answer.text


# --- teams, rules, deliveries, log ---------------------------------------------------------------------------


@pytest.mark.parametrize("document", ["version: 1\nprofile: enterprise\n", {"version": 1, "profile": "enterprise"}])
def test_a_teams_configuration_is_validated_and_versioned(root: TestClient, sides: dict[str, Side], document: Any):
    address = f"{API}/teams/apples/configuration"
    told = root.put(address, json={"document": document, "comment": "stricter"}).json()
    assert "enterprise" in told["document"]
    assert [(version["author"], version["comment"]) for version in told["customization_history"]] == [
        ("root", "stricter")
    ]
    assert {"profiles", "magics", "severities", "tiers", "rules"} == set(told["available_options"])
    refused = root.put(address, json={"document": "version: 1\nprofil: enterprise\n"})
    assert refused.status_code == 400
    assert "profile" in refused.json()["detail"]  # the nearest known key
    assert root.get(address).json()["document"] == told["document"]
    assert root.get(f"{API}/teams/nobody/configuration").status_code == 404


def test_settings_are_previewed_saved_with_a_reason_and_explained(
    root: TestClient, store: Store, sides: dict[str, Side]
):
    address, wanted = f"{API}/teams/apples/settings", {"profile": "enterprise", "weights": {"tdd": 3}}
    told = root.post(f"{address}/preview", json={"settings": wanted}).json()
    assert {change["key"]: change["after"] for change in told["changes"]} == {
        "profile": "enterprise", "gate.fails_from": "low", "gate.new_suppressions": "refused",
        "weights.integrity": "2", "weights.tdd": "3", "weights.servant": "2", "weights.strict": "2",
    }  # fmt: skip
    assert [row["repository"] for row in told["repositories"]] == ["git.example.com/apples/shop-apples"]
    assert store.policies("apples") == []  # nothing was saved
    saved = root.put(address, json={"settings": wanted, "reason": "audited next quarter", "version": 0}).json()
    (version,) = saved["history"]
    assert (version["author"], version["reason"], version["version"]) == (
        "root",
        "audited next quarter",
        saved["version"],
    )
    assert {"key": "gate.fails_from", "before": "high", "after": "low"} in version["changes"]
    assert saved["settings"]["weights.tdd"] == "3"
    entry = store.log_entries(action="policy.set")[0]
    assert (entry.target, entry.detail["policy_version"]) == ("apples", saved["version"])


def test_whoever_saves_on_top_of_an_older_version_is_told_who_was_faster(root: TestClient, sides: dict[str, Side]):
    address = f"{API}/teams/apples/settings"
    first = {"settings": {"profile": "startup"}, "reason": "we ship weekly", "version": 0}
    assert root.put(address, json=first).status_code == 200
    late = root.put(address, json={"settings": {"profile": "enterprise"}, "reason": "we are audited", "version": 0})
    assert late.status_code == 409
    assert "root saved version 1" in late.json()["detail"]
    assert root.get(address).json()["settings"]["profile"] == "startup"


@pytest.mark.parametrize("way", ["preview", ""])
def test_every_setting_that_is_not_allowed_is_named_with_what_is(root: TestClient, sides: dict[str, Side], way: str):
    wrong = {
        "profile": "startupp", "weights": {"tdd": "many", "integrity": 101}, "gate": {"fails_from": "loud"},
        "scorecard": {"levels": {"gold": {"score": 120}}}, "rules": {"TDD001": {"limits": {"smoke_min": 3}}},
    }  # fmt: skip
    address = f"{API}/teams/apples/settings"
    if way:
        answer = root.post(f"{address}/preview", json={"settings": wrong})
    else:
        answer = root.put(address, json={"settings": wrong, "reason": "to see it fail", "version": 0})
    assert answer.status_code == 400
    told = {error["field"]: error["message"] for error in answer.json()["errors"]}
    assert set(told) == {
        "profile", "weights.tdd", "weights.integrity", "gate.fails_from", "scorecard.levels.gold.score",
        "rules.TDD001.limits.smoke_min",
    }  # fmt: skip
    assert told["weights.tdd"] == "weights.tdd: got 'many'; allowed: a whole number from 0 to 100"
    assert "did you mean 'startup'" in told["profile"]


def test_settings_need_a_reason_and_a_change(root: TestClient, sides: dict[str, Side]):
    address = f"{API}/teams/apples/settings"
    short = root.put(address, json={"settings": {"profile": "startup"}, "reason": "so", "version": 0})
    assert short.json()["errors"][0]["field"] == "reason"
    kept = root.put(address, json={"settings": {"profile": "startup"}, "reason": "we ship weekly", "version": 0}).json()
    same = {"settings": {"profile": "startup"}, "reason": "once more", "version": kept["version"]}
    assert root.put(address, json=same).status_code == 400
    unknown = root.post(f"{address}/preview", json={"settings": {"suppressions": []}})
    assert unknown.json()["errors"][0]["field"] == "suppressions"


def test_an_initiative_is_made_changed_and_withdrawn_with_its_history(root: TestClient, sides: dict[str, Side]):
    address = f"{API}/teams/apples/initiatives"
    deadline = str(dt.date.today() + dt.timedelta(days=90))  # noqa: DTZ011 - the store's clock is the real one here
    wanted = {"title": "TDD at 80", "kind": "magic", "subject": "tdd", "least": 80, "deadline": deadline}
    made = root.post(address, json=wanted)
    assert made.status_code == 201
    told = made.json()
    # the only repository of the team has 82 in tdd, so there is nothing left to do
    assert (told["done"], told["total"], told["left"], told["state"], told["team"]) == (1, 1, [], "reached", "apples")
    higher = root.post(address, json={**wanted, "least": 90}).json()
    assert (higher["state"], higher["left"]) == ("active", ["git.example.com/apples/shop-apples"])
    one = f"{address}/{higher['id']}"
    changed = root.patch(one, json={"owner": "bob", "reason": "ann has left us"}).json()
    assert (changed["owner"], changed["history"][-1]["detail"]["changes"]) == ("bob", {"owner": ["root", "bob"]})
    assert root.patch(one, json={"owner": "bob", "reason": "so"}).json()["errors"][0]["field"] == "reason"
    assert root.post(f"{one}/withdraw", json={"reason": "we sold the shop"}).json()["state"] == "withdrawn"
    assert [one["state"] for one in root.get(address).json()["initiatives"]] == ["reached", "withdrawn"]
    assert root.get(f"{API}/teams/pears/initiatives").json()["initiatives"] == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"kind": "rules"}, "kind"),
        ({"subject": "INT999"}, "subject"),
        ({"least": 3}, "least"),
        ({"deadline": "2001-01-01"}, "deadline"),
        ({"title": "x"}, "title"),
        ({"repositories": ["git.example.com/pears/shop-pears"]}, "repositories"),
    ],
)
def test_an_initiative_that_cannot_be_meant_is_refused_by_its_value(
    root: TestClient, sides: dict[str, Side], wrong: dict[str, Any], field: str
):
    wanted = {"title": "no conflicts", "kind": "rule", "subject": "INT001", "deadline": "2027-10-01"}
    answer = root.post(f"{API}/teams/apples/initiatives", json=wanted | wrong)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)


def test_an_initiative_of_the_platform_is_made_and_changed_by_people_of_all_teams(
    client: TestClient, root: TestClient, sides: dict[str, Side]
):
    wanted = {"title": "no conflicts", "kind": "rule", "subject": "INT001", "deadline": "2027-10-01"}
    headers = reader(client, sides["apples"].admin)
    assert client.post(f"{API}/initiatives", json=wanted, headers=headers).status_code == 403
    number = root.post(f"{API}/initiatives", json=wanted).json()["id"]
    (seen,) = client.get(f"{API}/teams/apples/initiatives", headers=headers).json()["initiatives"]
    assert (seen["id"], seen["team"]) == (number, None)
    one = f"{API}/teams/apples/initiatives/{number}/withdraw"
    assert client.post(one, json={"reason": "we do not want it"}, headers=headers).status_code == 403
    assert root.post(one, json={"reason": "nobody wants it"}).json()["state"] == "withdrawn"


def test_only_an_admin_saves_settings(client: TestClient, store: Store, sides: dict[str, Side]):
    token = store.create_token("mia", "maintainer", days=1, team="apples", by="root")[1]
    headers = reader(client, token)
    address = f"{API}/teams/apples/settings"
    assert client.post(f"{address}/preview", json={"settings": {}}, headers=headers).status_code == 200
    body = {"settings": {"profile": "startup"}, "reason": "we ship weekly", "version": 0}
    assert client.put(address, json=body, headers=headers).status_code == 403


def test_the_profile_of_a_project_holds_until_its_team_has_a_policy(root: TestClient, store: Store):
    root.post(f"{API}/projects", json={"url": "https://github.com/octo/basket", "policy": "enterprise"})
    assert store.policy_for("github.com/octo/basket") == 'version: 1\nprofile: "enterprise"\n'


def test_rules_and_rulers_are_what_judges(root: TestClient):
    told = root.get(f"{API}/rules").json()
    assert len({rule["magic"] for rule in told["rules"]}) == 8
    document = root.get(f"{API}/rulers/{told['ruler']}")
    assert document.headers["content-type"] == "application/json"
    assert root.get(f"{API}/rulers/{'0' * 64}").status_code == 404


def test_a_delivery_is_replayed_once_it_has_ended(root: TestClient, store: Store, sides: dict[str, Side]):
    from resources.store.inbox import InboxDecision

    number = sides["apples"].delivery_id
    assert root.post(f"{API}/webhook-deliveries/{number}/replay").status_code == 409
    store.decide_inbox([InboxDecision(row=number, state="skipped", reason="nothing to do")])
    told = root.post(f"{API}/webhook-deliveries/{number}/replay").json()
    listed = root.get(f"{API}/webhook-deliveries", params={"state": "waiting"}).json()["deliveries"]
    assert told["id"] in {row["id"] for row in listed}
    assert store.log_entries()[0].action == "delivery.replay"


def test_the_log_is_for_admins_of_all_teams(client: TestClient, root: TestClient, sides: dict[str, Side]):
    assert root.get(f"{API}/audit-log", params={"limit": 1}).json()["entries"]
    refused = client.get(f"{API}/audit-log", headers=reader(client, sides["apples"].admin))
    assert refused.status_code == 403


# --- teams keep to themselves --------------------------------------------------------------------------------


def routes(client: TestClient) -> list[tuple[str, str]]:
    document = client.app.openapi()
    return [(method.upper(), path) for path, item in document["paths"].items() for method in item]


def addressed(path: str, side: Side) -> str:
    """A route's path with the numbers of one team."""
    numbers = {
        "project_id": side.project_id, "finding_id": side.finding_id, "team_id": side.team, "provider": "github",
        "digest": "0" * 64,
    }  # fmt: skip
    number = side.suppression_id if "suppressions" in path else side.delivery_id
    return re.sub(r"\{(\w+)\}", lambda match: str(numbers.get(match[1], number)), path)


BODIES = {
    f"{API}/projects/{{project_id}}/audit/trigger": {},
    f"{API}/projects/{{project_id}}": {"name": "mine now"},
    f"{API}/projects/{{project_id}}/uploads/origins": {"origins": []},
    f"{API}/projects/{{project_id}}/suppressions": {
        "rule": "TDD001",
        "path": "a",
        "reason": "x",
        "until": "2036-01-01",
    },
    f"{API}/findings/{{finding_id}}/feedback": {"verdict": "true"},
    f"{API}/projects/{{project_id}}/findings/suppressions": {"finding_ids": [1], "reason": "x", "until": "2036-01-01"},
    f"{API}/projects/{{project_id}}/findings/feedback": {"finding_ids": [1], "verdict": "true"},
    f"{API}/alerts/rules/{{name}}": {"kind": "gate_failed", "channels": ["shop-apples"]},
    f"{API}/alerts/channels/{{name}}": {"kind": "slack", "address": "env:PLACE"},
    f"{API}/teams/{{team_id}}/configuration": {"document": ""},
    f"{API}/teams/{{team_id}}/settings": {"settings": {"profile": "startup"}, "reason": "we ship weekly", "version": 0},
    f"{API}/teams/{{team_id}}/settings/preview": {"settings": {"profile": "startup"}},
    f"{API}/teams/{{team_id}}/initiatives": {
        "title": "no conflicts",
        "kind": "rule",
        "subject": "INT001",
        "deadline": "2027-10-01",
    },
    f"{API}/initiatives": {"title": "no conflicts", "kind": "rule", "subject": "INT001", "deadline": "2027-10-01"},
    f"{API}/teams/{{team_id}}/initiatives/{{initiative_id}}": {"owner": "ann", "reason": "she asked for it"},
    f"{API}/teams/{{team_id}}/initiatives/{{initiative_id}}/withdraw": {"reason": "we sold the shop"},
    f"{API}/alerts/rules/{{name}}/mute": {"hours": 1},
}


def test_no_route_shows_or_changes_another_teams_rows(client: TestClient, store: Store, sides: dict[str, Side]):
    mine, theirs = sides["apples"], sides["pears"]
    store.add_team("plums")
    for token in (mine.token, mine.admin):
        for method, path in routes(client):
            if not path.startswith(API):
                continue
            answer = client.request(
                method, addressed(path, theirs), headers=reader(client, token), json=BODIES.get(path),
                params={"first": theirs.audit_ids[0], "second": theirs.audit_ids[1]} if path.endswith("compare") else None,
            )  # fmt: skip
            told = answer.text  # what was asked for by name may be said back
            assert not re.search("of pears|shop-pears|tag-pears", told), (method, path, told)
            if "{" in path and "digest" not in path:
                assert answer.status_code in {403, 404}, (method, path, answer.text)
    assert store.project(theirs.project_id).name == "shop of pears"


def test_every_row_of_ones_own_team_is_shown(client: TestClient, sides: dict[str, Side]):
    """The isolation test above would pass on empty answers alone."""
    mine = sides["apples"]
    for method, path in routes(client):
        if method == "GET" and path.startswith(API) and "digest" not in path and "audit-log" not in path:
            params = {"first": mine.audit_ids[0], "second": mine.audit_ids[1]} if path.endswith("compare") else None
            answer = client.get(addressed(path, mine), headers=reader(client, mine.token), params=params)
            assert answer.status_code == 200, (path, answer.text)
            assert path.endswith("/rules") or "apples" in answer.text, path


def test_a_viewer_changes_nothing(client: TestClient, sides: dict[str, Side]):
    mine = sides["apples"]
    allowed = {
        f"{API}/findings/{{finding_id}}/feedback",
        f"{API}/projects/{{project_id}}/suppressions",
        f"{API}/projects/{{project_id}}/findings/suppressions",
        f"{API}/projects/{{project_id}}/findings/feedback",
    }
    for method, path in routes(client):
        if method != "GET" and path.startswith(API) and path not in allowed:
            body = BODIES.get(path, {"url": "https://github.com/a/b", "key": "x"})
            answer = client.request(method, addressed(path, mine), headers=reader(client, mine.token), json=body)
            assert answer.status_code in {400, 403}, (method, path, answer.text)
            if answer.status_code == 400:
                assert answer.json()["type"].endswith("invalid-request")


def test_a_project_cannot_be_given_to_or_named_with_the_secrets_of_others(client: TestClient, sides: dict[str, Side]):
    headers = reader(client, sides["apples"].admin)
    address = f"{API}/projects/{sides['apples'].project_id}"
    assert client.patch(address, json={"team": "pears"}, headers=headers).status_code == 403
    assert client.patch(address, json={"credential": "env:PEARS_TOKEN"}, headers=headers).status_code == 403
    made = client.post(f"{API}/projects", json={"url": "https://github.com/a/b"}, headers=headers)
    assert made.json()["team"] == "apples"
    other = client.post(f"{API}/projects", json={"url": "https://github.com/a/c", "team": "pears"}, headers=headers)
    assert other.status_code == 403


# --- whatever comes in ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """An app that many generated requests share."""
    from resources.store import open_store

    settings = Settings(home=Path(tmp_path_factory.mktemp("fuzz")))
    with pytest.MonkeyPatch.context() as patch, open_store(settings.store_url) as store:
        patch.setattr(registration, "settle", lambda *_: None)
        build(store)
        token = store.create_token("root", "admin", days=1, by="test")[1]
        app = create_app(store, settings)
        with TestClient(app, base_url="http://127.0.0.1:8321", raise_server_exceptions=False) as client:
            guard = next(layer for layer in _layers(client) if hasattr(layer, "_requests"))
            guard._requests._burst = float("inf")
            client.headers["Authorization"] = f"Bearer {token}"
            yield client


def _layers(client: TestClient) -> Iterator[Any]:
    client.get("/health/live")
    layer = client.app.middleware_stack
    while layer is not None:
        yield layer
        layer = getattr(layer, "app", None) or getattr(layer, "_app", None)


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(2**62, 2**70), st.floats(allow_nan=False), st.text(max_size=30),
    st.sampled_from(["", "0", "-1", "1", "2", "é\x00", "\ud800", "a" * 300, "9" * 400, "%00", "../..", "' OR 1=1 --"]),
)  # fmt: skip
JSON = st.recursive(
    ODD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
)


def _fields(document: dict[str, Any], operation: dict[str, Any]) -> list[str]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    for option in [content, *content.get("anyOf", [])]:
        if reference := option.get("$ref"):
            return list(document["components"]["schemas"][reference.rpartition("/")[2]]["properties"])
    return []


@pytest.mark.slow
@checked(max_examples=400, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_nothing_that_comes_in_makes_elder_fail(fuzzed: TestClient, data: st.DataObject):
    document = fuzzed.app.openapi()
    operations = [(m, p, o) for p, item in sorted(document["paths"].items()) for m, o in sorted(item.items())]
    method, path, operation = data.draw(st.sampled_from(operations))
    good = st.sampled_from(["1", "2", "3", "apples"])
    text = st.one_of(good, ODD.map(str))
    place = re.sub(r"\{\w+\}", lambda _: _quoted(data.draw(text)), path)
    query = {
        known["name"]: _sendable(str(data.draw(ODD)))
        for known in operation.get("parameters", [])
        if known["in"] == "query" and data.draw(st.booleans())
    }
    known = {name: data.draw(JSON) for name in _fields(document, operation) if data.draw(st.booleans())}
    body = data.draw(st.one_of(st.just(known), JSON))
    import json

    content = json.dumps(body, default=str).encode("utf-8", errors="surrogatepass")
    kind = data.draw(st.sampled_from(["application/json", "application/json", "text/plain", ""]))
    answer = fuzzed.request(method.upper(), place, params=query, content=content, headers={"Content-Type": kind})
    assert answer.status_code < 500, (method, place, query, body, answer.text)
    if answer.status_code >= 400 and place.startswith("/api"):
        assert answer.headers["content-type"] == "application/problem+json"


def _sendable(text: str) -> str:
    return text.encode("utf-8", errors="replace").decode()


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(_sendable(text)[:200], safe="") or "x"


# --- tickets -------------------------------------------------------------------------------------------------


def test_a_ticket_needs_a_maintainer_and_a_credential(client: TestClient, store: Store):
    sides = build(store)
    side = sides["apples"]
    path = f"/api/v1/findings/{side.finding_id}/ticket"
    assert client.post(path, headers=reader(client, side.token)).status_code == 403
    refused = client.post(path, headers=reader(client, side.admin))
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "credential")
    assert client.post(path, headers=reader(client, sides["pears"].admin)).status_code == 404


def test_a_ticket_that_is_open_is_answered_again_and_stands_with_its_finding(client: TestClient, store: Store):
    side = build(store)["apples"]
    claimed = store.claim_ticket(side.finding_id, side.project_id, "github", "ann")
    store.settle_ticket(claimed, "12", "https://github.com/acme/shop/issues/12", "ann")
    answer = client.post(f"/api/v1/findings/{side.finding_id}/ticket", headers=reader(client, side.admin))
    assert (answer.status_code, answer.json()["number"], answer.json()["author"]) == (200, "12", "ann")
    shown = client.get(f"/api/v1/findings/{side.finding_id}", headers=reader(client, side.token)).json()
    assert shown["ticket"] == answer.json()


# --- several findings at once --------------------------------------------------------------------------------


def test_suppressions_of_several_findings_are_requests_that_somebody_else_decides(client: TestClient, store: Store):
    sides = build(store)
    mine, theirs = sides["apples"], sides["pears"]
    with store._writing() as connection:  # the fixture's own request is about this finding
        connection.execute(sa.delete(tables.suppression_requests))
    path = f"{API}/projects/{mine.project_id}/findings/suppressions"
    wish = {
        "finding_ids": [mine.finding_id, mine.finding_id, theirs.finding_id],
        "reason": "both are known",
        "until": "2036-01-01",
    }
    told = client.post(path, json=wish, headers=reader(client, mine.token)).json()
    assert told["done"] == [mine.finding_id]
    assert list(told["refused"]) == [str(theirs.finding_id)]
    assert told["detail"] == f"1 of 2 findings; 1 not: there is no finding {theirs.finding_id}"
    (asked,) = store.suppressions_page(team_id=None, repository_id=mine.project_id, limit=9)
    assert (asked["state"], asked["reason"], asked["finding_id"]) == ("pending", "both are known", mine.finding_id)
    again = client.post(path, json=wish, headers=reader(client, mine.token)).json()
    assert again["refused"][str(mine.finding_id)] == "its suppression is asked for already"
    past = client.post(path, json={**wish, "until": "2020-01-01"}, headers=reader(client, mine.token))
    assert past.status_code == 400


def test_a_verdict_on_several_findings_counts_for_each(client: TestClient, store: Store):
    mine = build(store)["apples"]
    path = f"{API}/projects/{mine.project_id}/findings/feedback"
    wish = {"finding_ids": [mine.finding_id], "verdict": "false", "reason": "generated"}
    assert client.post(path, json=wish, headers=reader(client, mine.token)).json()["done"] == [mine.finding_id]
    (said,) = store.feedback_on(mine.finding_id)
    assert (said["verdict"], said["comment"], said["author"]) == ("false", "generated", "reader of apples")
    none = client.post(path, json={**wish, "finding_ids": []}, headers=reader(client, mine.token))
    assert none.status_code == 400
