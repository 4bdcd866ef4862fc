"""Every page answers over a store, empty and filled; nothing of a repository is markup; exports are inert."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from fleet_samples import BASKET, BROKEN, HOSTILE, MESSAGE, NEW, NOW, TILL, fill

from dash_app.app import create_app
from dash_app.pages_app import found_pages
from resources.git.releases import Release
from resources.settings import load_settings
from resources.store import Store, open_store, tables

ADDRESSES = ["/", "/teams", "/magics", "/rules", "/rules/TDD002", "/magics/tdd"]
"""Pages that answer without anything in the store."""
HERE = f"/repositories/{BASKET}"
FILLED = [
    HERE,
    f"{HERE}?tab=findings",
    f"{HERE}?tab=findings&severity=medium&path=a&sort=path&order=desc&standing=all",
    f"{HERE}?tab=history",
    f"/repositories/{quote(HOSTILE)}",
    f"/repositories/{quote(HOSTILE)}?tab=findings",
    f"/repositories/{BROKEN}",
    f"/repositories/{BROKEN}?tab=history",
    f"/repositories/{NEW}",
    "/teams/payments",
    "/rules?magic=strict&sort=open&order=desc&q=a",
    "/rules/STR013",
    "/magics/strict?order=desc&page=1",
    "/findings/1",
    "/findings/2",
]
"""Pages of what the sample fleet has."""


def mounted(folder: Path, *, is_filled: bool) -> Iterator[TestClient]:
    with open_store(f"sqlite:///{folder / 'elder.db'}", clock=lambda: NOW) as store:
        if is_filled:
            fill(store)
        server = create_app(store, load_settings({"ELDER_HOME": str(folder)}))
        with TestClient(server, base_url="http://localhost") as client:
            yield client


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
    assert f'<html lang="{language}">' in answer.text
    assert 'role="alert"' not in answer.text


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("address", [*ADDRESSES, *FILLED])
def test_a_page_shows_what_the_store_has_before_any_script_ran(filled: TestClient, address: str, language: str):
    answer = filled.get(address, headers={"Accept-Language": language})
    assert answer.status_code == 200
    assert 'role="alert"' not in answer.text
    assert "<img src=x" not in answer.text
    assert "<script>alert" not in answer.text
    assert "<b>x</b>" not in answer.text
    assert "\u202e" not in answer.text


@pytest.mark.parametrize(
    "address", ["/repositories/nobody/knows", "/findings/999999", "/teams/none", "/magics/none", "/rules/ABC999"]
)
def test_what_is_not_there_is_not_found(filled: TestClient, address: str):
    answer = filled.get(address)
    assert answer.status_code == 404
    assert 'role="alert"' in answer.text


def test_a_team_sees_neither_repositories_nor_findings_of_another(tmp_path: Path):
    with open_store(f"sqlite:///{tmp_path / 'elder.db'}", clock=lambda: NOW) as store:
        fill(store)
        _, token = store.create_token("ann", "viewer", days=1, team="growth", by="test")
        with TestClient(
            create_app(store, load_settings({"ELDER_HOME": str(tmp_path)})), base_url="http://localhost"
        ) as client:
            client.headers["Authorization"] = f"Bearer {token}"
            assert "basket" not in client.get("/").text
            assert client.get(HERE).status_code == 404
            assert client.get("/findings/1").status_code == 404
            assert client.get("/teams/payments").status_code == 404
            assert "Payments" not in client.get("/teams").text
            assert "basket" not in client.get("/rules/STR013").text
            assert "basket" not in client.get("/magics/strict").text
            assert BASKET not in client.get("/csv/fleet").text
            assert client.get(f"/csv{HERE}").status_code == 404
            assert client.get("/csv/findings/1").status_code == 404
            assert "payments" not in client.get("/csv/teams").text


def test_what_the_api_can_do_is_offered(filled: TestClient):
    assert 'data-path="/api/v1/projects/1/audit/trigger"' in filled.get(HERE).text
    said = filled.get("/findings/1").text
    assert 'data-path="/api/v1/findings/1/feedback"' in said


def test_an_unknown_address_is_not_found(filled: TestClient):
    answer = filled.get("/nowhere")
    assert answer.status_code == 404
    assert "There is no such page" in answer.text


def test_what_dash_holds_at_first_has_the_mark_of_the_page_that_asks(filled: TestClient):
    layout = filled.get("/_dash-layout", headers={"Referer": "http://localhost/?q=basket"}).json()
    stores = {child["props"]["id"]: child["props"] for child in layout["props"]["children"]}
    assert stores["shown"]["data"] == {"mark": "/?q=basket#", "digest": "", "figures": []}


def look(client: TestClient, search: str, live: str, shown: dict[str, Any]) -> dict[str, Any]:
    """What the one callback answers at the fleet's address; empty when it leaves everything as it is."""
    body = {
        "output": "..drawn.data...shown.data..",
        "outputs": [{"id": "drawn", "property": "data"}, {"id": "shown", "property": "data"}],
        "inputs": [
            {"id": "location", "property": "pathname", "value": "/"},
            {"id": "location", "property": "search", "value": search},
            {"id": "live", "property": "data", "value": live},
        ],
        "state": [{"id": "shown", "property": "data", "value": shown}],
        "changedPropIds": ["location.search"],
    }
    answer = client.post("/_dash-update-component", json=body)
    return {} if answer.status_code == 204 else answer.json()["response"]


AT_FIRST = {"mark": "/#", "digest": "", "figures": []}


def test_the_callback_draws_another_address_and_leaves_the_same_one_alone(filled: TestClient):
    drawn = look(filled, "?q=till", "", AT_FIRST)
    assert drawn["shown"]["data"]["mark"] == "/?q=till#"
    assert drawn["drawn"]["data"]["title"] == "Fleet · Elder"
    assert "/repositories/local/new" not in drawn["drawn"]["data"]["html"]
    assert look(filled, "?q=till", "", drawn["shown"]["data"]) == {}


def test_a_figure_that_is_there_already_is_not_sent_again(filled: TestClient):
    first = look(filled, "?q=till", "", AT_FIRST)
    assert len(first["drawn"]["data"]["figures"]) == 1
    second = look(filled, "?q=basket", "", first["shown"]["data"])
    assert second["drawn"]["data"]["figures"] == {}
    assert second["shown"]["data"]["figures"] == first["shown"]["data"]["figures"]


def test_a_change_elsewhere_that_alters_nothing_here_sends_nothing(filled: TestClient):
    first = look(filled, "?q=till", "", AT_FIRST)
    second = look(filled, "?q=till", "another mark", first["shown"]["data"])
    assert "drawn" not in second
    assert second["shown"]["data"]["mark"] == "/?q=till#another mark"


def test_no_text_in_a_figure_ends_the_block_of_figures(filled: TestClient):
    answer = filled.get(f"/repositories/{quote(HOSTILE)}").text
    block = answer.partition('id="figures">')[2].partition("</script>")[0]
    assert json.loads(block)
    assert "<" not in block


def test_no_cell_of_an_export_is_a_formula(filled: TestClient):
    answer = filled.get("/csv/fleet?sort=repository")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 5
    cells = [cell for row in rows for cell in row.values()]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]


def test_an_export_follows_the_filter_of_its_page(filled: TestClient):
    rows = list(csv.DictReader(io.StringIO(filled.get("/csv/fleet?q=basket").text)))
    assert [row["repository"] for row in rows] == [BASKET]
    assert filled.get("/csv/nowhere").status_code == 404


@pytest.mark.parametrize(
    ("back", "lands"),
    [("/?q=a", "/?q=a"), ("//evil.example", "/"), ("https://evil.example", "/"), ("/\\evil.example", "/")],
    ids=["ours", "no scheme", "other host", "backslash"],
)
def test_a_chosen_language_is_kept_and_leads_back_to_a_page_of_ours(filled: TestClient, back: str, lands: str):
    answer = filled.get("/language", params={"language": "ja", "to": back}, follow_redirects=False)
    assert answer.headers["location"] == lands
    assert "elder_language=ja" in answer.headers["set-cookie"]
    filled.cookies.clear()


def test_every_page_has_a_name_and_a_place_of_its_own():
    pages = list(found_pages())
    assert len({page.name for page in pages}) == len(pages)
    places = [page.place for page in pages if page.place]
    assert len(set(places)) == len(places)


def test_a_defect_of_a_page_is_said_and_logged(filled: TestClient, caplog, monkeypatch):
    monkeypatch.setattr("resources.store.Store.fleet_totals", lambda *_: 1 / 0)
    answer = filled.get("/")
    assert answer.status_code == 500
    assert "This page has a defect" in answer.text
    assert "ZeroDivisionError" in caplog.text


# --- tickets, lineage and links to runs ----------------------------------------------------------------------


def changed(folder: Path, **project: object) -> Iterator[tuple[TestClient, Store]]:
    """The sample fleet on GitHub, whose basket is as given."""
    with open_store(f"sqlite:///{folder / 'elder.db'}", clock=lambda: NOW) as store:
        fill(store)
        store.change_project(store.repository(BASKET).id, {"provider": "github", **project})
        server = create_app(store, load_settings({"ELDER_HOME": str(folder), "TOKEN": "t"}))
        with TestClient(server, base_url="http://localhost") as client:
            yield client, store


def test_a_finding_offers_a_ticket_at_its_host_and_shows_it_once_it_is_open(tmp_path: Path):
    for client, store in changed(tmp_path, credential="env:TOKEN"):
        (row, *_) = store.listed_findings(store.repository(BASKET).id, "open", limit=1)
        page = f"/findings/{row['id']}"
        assert "Open a ticket at GitHub" in client.get(page).text
        claimed = store.claim_ticket(row["id"], row["repository_id"], "github", "ann <b>x</b>")
        assert "it is not known yet whether it is there" in client.get(page).text
        store.settle_ticket(claimed, "12", "https://github.com/acme/shop/issues/12", "ann")
        shown = client.get(page).text
        assert 'href="https://github.com/acme/shop/issues/12"' in shown
        assert "Open a ticket" not in shown
        assert "<b>x</b>" not in shown
        assert "https://github.com/acme/shop/issues/12" in client.get(f"{HERE}?tab=findings").text


def test_without_a_credential_the_hosts_own_form_is_filled_in(tmp_path: Path):
    for client, store in changed(tmp_path):
        (row, *_) = store.listed_findings(store.repository(BASKET).id, "open", limit=1)
        shown = client.get(f"/findings/{row['id']}").text
        assert f'href="https://{BASKET}/issues/new?title={row["rule"]}' in shown
        assert "so it does not learn of what you open there" in shown


def test_a_host_without_issues_is_said(tmp_path: Path):
    for client, store in changed(tmp_path, provider="bitbucket_server", credential="env:TOKEN"):
        (row, *_) = store.listed_findings(store.repository(BASKET).id, "open", limit=1)
        assert "Bitbucket Server has no issues" in client.get(f"/findings/{row['id']}").text


def test_the_lineage_of_a_finding_leads_to_its_rule_ruler_and_commit(tmp_path: Path):
    for client, store in changed(tmp_path):
        (row, *_) = store.listed_findings(store.repository(BASKET).id, "open", limit=1)
        shown = client.get(f"/findings/{row['id']}").text
        assert f'href="/rules/{row["rule"]}"' in shown
        assert 'href="/api/v1/rulers/' in shown
        assert f'href="https://{BASKET}/commit/{row["first_commit"]}"' in shown


@pytest.mark.parametrize(
    ("given", "link"),
    [
        ({}, "http://localhost:3000/runs/r-1"),
        ({"ELDER_PUBLIC_URL": "https://elder.example.com"}, ""),
        ({"ELDER_HOST": "192.0.2.7"}, ""),
        ({"ELDER_DAGSTER_URL": "https://dagster.example.com/"}, "https://dagster.example.com/runs/r-1"),
    ],
    ids=["this machine", "reached from elsewhere", "listens everywhere", "set"],
)
def test_a_link_to_a_run_leads_where_people_reach_dagster(tmp_path: Path, given: dict[str, str], link: str):
    settings = load_settings({"ELDER_HOME": str(tmp_path), **given})
    with open_store(settings.store_url, clock=lambda: NOW) as store:
        fill(store)
        store.record_failure(BASKET, "it broke", "r-1")
        token = store.create_token("ann", "viewer", days=1, by="root")[1]
        with TestClient(create_app(store, settings), base_url="http://localhost") as client:
            shown = client.get(f"{HERE}?tab=history", headers={"Authorization": f"Bearer {token}"}).text
    assert "r-1" in shown
    assert ("/runs/" in shown) == bool(link)
    assert link in shown


# --- the page of a repository --------------------------------------------------------------------------------


def test_releases_ruler_changes_and_failed_gates_stand_in_words_beside_the_trend(tmp_path: Path):
    for client, store in changed(tmp_path):
        tagged = dt.datetime(2026, 2, 23, tzinfo=dt.UTC)
        store.keep_releases(BASKET, [Release(tag="v1 <b>x</b>", commit="b" * 40, released_at=tagged)])
        shown = client.get(HERE).text
        assert "<b>release</b>" in shown
        assert "v1 &lt;b&gt;x&lt;/b&gt;" in shown
        assert f'href="https://{BASKET}/commit/{"b" * 40}"' in shown
        store.keep_releases(BASKET, [])
        assert "<b>release</b>" not in client.get(HERE).text


def test_an_audit_that_was_asked_for_is_followed_to_its_result(tmp_path: Path):
    for client, store in changed(tmp_path):
        number = store.repository(BASKET).id
        assert "Under way" not in client.get(HERE).text
        store.ask_audit(BASKET, source="api", delivery_id="now", by="ann")
        assert "waits to be decided" in client.get(HERE).text
        store.put_live_event(number, "audit_update", {"run_id": "r-1", "stage": "facts", "impact": "9 <b>x</b>"})
        shown = client.get(HERE).text
        assert "reading files" in shown
        assert "9 &lt;b&gt;x&lt;/b&gt;" in shown
        assert "waits to be decided" not in shown
        store.put_live_event(number, "audit_completed", {"run_id": "r-1", "status": "failed", "score": 41.5})
        with store._writing() as connection:
            connection.execute(sa.update(tables.inbox).values(state="done"))
        shown = client.get(HERE).text
        assert "41.5" in shown
        assert "Ended just now" in shown
        assert "Under way" not in shown


@pytest.mark.parametrize(("query", "weeks"), [("", "4"), ("?weeks=52", "52"), ("?weeks=7", "4")])
def test_movers_and_changes_are_over_the_weeks_that_the_address_names(filled: TestClient, query: str, weeks: str):
    text = filled.get(f"/{query}").text
    assert re.search(rf'aria-current="true"[^>]*>{weeks}<', text)
    assert f"Change, {weeks} weeks" in text
    assert 'href="/?weeks=13"' in text


def test_a_repository_says_first_whether_it_may_ship(filled: TestClient):
    assert ">ready to ship<" in filled.get(HERE).text
    till = filled.get(f"/repositories/{TILL}").text
    assert ">not ready to ship<" in till
    assert "1 finding fails a check" in till


def test_the_matrix_of_magics_has_a_cell_for_each_that_leads_to_its_findings(filled: TestClient):
    row = filled.get("/magics?q=basket").text
    cells = re.findall(r'<a class="cell ([a-z-]+)" href="([^"]+)" title="([^"]+)">([^<]+)</a>', row)
    assert len(cells) == 8
    now = {name: (status, shown) for status, _, name, shown in cells}
    assert all(href.startswith(f"{HERE}?tab=findings&amp;magic=") for _, href, *_ in cells)
    assert {shown for status, shown in now.values() if status not in {"passed", "warning", "failed"}} <= {"–"}
    assert all(shown.isdigit() for status, shown in now.values() if status in {"passed", "warning", "failed"})
    assert "No repository fits" in filled.get("/magics?q=nowhere").text


def test_a_file_of_the_map_leads_to_its_findings(filled: TestClient):
    shown = filled.get(HERE).text
    assert f"{HERE}?tab=findings&amp;path=shop%2Fsum.py" in shown


def test_findings_can_be_chosen_by_who_may_do_something_with_them(filled: TestClient):
    shown = filled.get(f"{HERE}?tab=findings").text
    assert shown.count('name="finding_ids"') >= 1
    assert 'data-path="/api/v1/projects/1/findings/suppressions"' in shown
    assert 'data-path="/api/v1/projects/1/findings/feedback"' in shown


@pytest.mark.parametrize(
    ("page", "columns"),
    [
        ("/magics", ["magic", "status", "repositories", "score", "findings"]),
        ("/rules/STR013", ["repository", "severity", "open", "suppressed"]),
        ("/teams", ["team", "name", "score", "repositories", "not_audited", "fails_a_check", "open"]),
        (
            "/findings/2",
            [
                "finding",
                "event",
                "as_of",
                "commit",
                "audit",
                "recorded_at",
                "reason",
                "repository",
                "rule",
                "severity",
                "path",
                "line",
                "message",
            ],
        ),
    ],
)
def test_what_a_page_lists_can_be_taken_along(filled: TestClient, page: str, columns: list[str]):
    assert f'href="/csv{page}"' in filled.get(page).text
    head, *rows = list(csv.reader(io.StringIO(filled.get(f"/csv{page}").text)))
    assert head == columns
    assert rows


def test_the_history_of_a_finding_tells_every_event_and_its_texts_are_no_formulas(tmp_path: Path):
    with open_store(f"sqlite:///{tmp_path / 'elder.db'}", clock=lambda: NOW) as store:
        fill(store)
        with store._engine.connect() as connection:
            states = tables.finding_states
            found = connection.execute(sa.select(states.c.id).where(states.c.message == MESSAGE)).scalars().first()
        told = [event["event"] for event in store.finding_history(found)]
        with TestClient(
            create_app(store, load_settings({"ELDER_HOME": str(tmp_path)})), base_url="http://localhost"
        ) as client:
            rows = list(csv.DictReader(io.StringIO(client.get(f"/csv/findings/{found}").text)))
    assert told
    assert [row["event"] for row in rows] == told
    assert {row["message"][:2] for row in rows} == {"'="}


def test_the_overview_of_teams_counts_what_was_not_audited(tmp_path: Path):
    with open_store(f"sqlite:///{tmp_path / 'elder.db'}", clock=lambda: NOW) as store:
        store.add_team("payments", "=Payments")
        store.add_repository("example.org/a", "https://example.org/a")
        store.assign("example.org/a", "payments")
        with TestClient(
            create_app(store, load_settings({"ELDER_HOME": str(tmp_path)})), base_url="http://localhost"
        ) as client:
            rows = list(csv.reader(io.StringIO(client.get("/csv/teams").text)))
    assert rows[1] == ["payments", "'=Payments", "", "1", "1", "0", "0"]
