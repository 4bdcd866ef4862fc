"""A page as one file says what the page says, does nothing by itself, and is for whoever may see the page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest
from dash import dcc, html
from fastapi.testclient import TestClient
from fleet_samples import BASKET, HOSTILE, NOW, fill

from dash_app.app import create_app
from dash_app.page_file import _kept
from dash_app.pages_app import file_name
from dash_app.static_html import draw, to_static
from resources.settings import load_settings
from resources.store import Store, open_store

PAGES = [
    "/fleet",
    f"/repositories/{BASKET}",
    f"/repositories/{quote(HOSTILE)}",
    f"/repositories/{quote(HOSTILE)}?tab=findings",
    "/teams/payments",
]


class Parsed(HTMLParser):
    """The tags and attributes of a file."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.given: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.given += [(name, value or "") for name, value in attrs]


def served(store: Store, folder: Path, **settings: str) -> TestClient:
    given = load_settings({"ELDER_HOME": str(folder), **settings})
    return TestClient(create_app(store, given), base_url="http://localhost")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("files")
    with open_store(f"sqlite:///{folder / 'elder.db'}", clock=lambda: NOW) as store:
        fill(store)
        with served(store, folder, ELDER_PUBLIC_URL="https://elder.example/") as client:
            yield client


@pytest.mark.parametrize("page", PAGES)
def test_a_file_runs_nothing_loads_nothing_and_sends_nothing(site: TestClient, page: str):
    answer = site.get(f"/html{page}")
    assert answer.status_code == 200
    parsed = Parsed(answer.text)
    assert not {"script", "form", "button", "input", "select", "iframe", "object", "link", "base"} & set(parsed.tags)
    assert [name for name, _ in parsed.given if name.startswith("on")] == []
    assert all(value.startswith("data:image/svg+xml") for name, value in parsed.given if name == "src")
    assert all(value.startswith(("https://", "#")) for name, value in parsed.given if name == "href")
    assert not re.search(r"@import|url\(", answer.text.partition("</style>")[0])
    assert "default-src 'none'" in answer.text
    assert "script-src" not in answer.text


@pytest.mark.parametrize("page", PAGES)
def test_no_text_of_a_repository_is_markup_in_a_file(site: TestClient, page: str):
    text = site.get(f"/html{page}").text
    assert "<img src=x" not in text
    assert "<script>alert" not in text
    assert "<b>x</b>" not in text
    assert "\u202e" not in text


def test_a_file_says_what_its_page_says_and_unfolds_the_numbers_of_its_figures(site: TestClient):
    text = site.get(f"/html/repositories/{BASKET}").text
    assert "Eight magics" in text
    assert "Score over 52 weeks" in text
    assert re.search(r'<details class="numbers" open>', text)
    assert f"https://elder.example/repositories/{BASKET}" in text


def test_what_can_do_nothing_in_a_file_is_left_out_and_the_page_stays_as_it_was():
    asked = html.Details([html.Summary("Ask"), html.Form(html.Button("Send"))])
    graph = dcc.Graph(figure={"data": [], "layout": {"title": {"text": "Health &lt;b&gt;"}, "height": 100}})
    content = html.Div([asked, graph, html.A("there", href="/there"), html.A("here", href="#here")])
    before = draw(content).html
    kept = to_static(_kept(content, "https://elder.example"))
    assert re.sub(r' data-picture="[0-9a-f]{16}"', "", kept) == (
        '<div><h2>Health &lt;b&gt;</h2><a href="https://elder.example/there">there</a><a href="#here">here</a></div>'
    )
    assert draw(content).html == before


def test_a_file_keeps_the_filter_and_the_language_of_its_page(site: TestClient):
    text = site.get("/html/fleet?q=till", headers={"Accept-Language": "ja"}).text
    assert '<html lang="ja"' in text
    table = text.partition('id="repositories"')[2]
    assert "till" in table
    assert "basket" not in table


def test_a_team_gets_no_file_of_another_teams_page(tmp_path: Path):
    with open_store(f"sqlite:///{tmp_path / 'elder.db'}", clock=lambda: NOW) as store:
        fill(store)
        _, token = store.create_token("ann", "viewer", days=1, team="growth", by="test")
        with served(store, tmp_path) as client:
            assert client.get("/html/fleet").status_code == 401 or "sign-in" in str(client.get("/html/fleet").url)
            client.headers["Authorization"] = f"Bearer {token}"
            refused = client.get(f"/html/repositories/{BASKET}")
            assert refused.status_code == 404
            assert "content-disposition" not in refused.headers
            assert client.get("/html/teams/payments").status_code == 404
            assert BASKET not in client.get("/html/fleet").text


@pytest.mark.parametrize("page", ["/", f"/repositories/{BASKET}", "/teams/payments"])
def test_what_people_take_to_meetings_offers_a_file_and_print(site: TestClient, page: str):
    text = site.get(page).text
    assert 'data-file="1"' in text
    assert 'data-print="1"' in text
    link = re.search(r'href="(/html[^"]*)"', text)
    assert link is not None
    assert site.get(link[1]).headers["content-disposition"].startswith('attachment; filename="elder-')


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", "fleet"),
        ("/teams/payments", "teams-payments"),
        ('/repositories/a"b\r\nX: y/../é', "repositories-a-b-X-y-..-"),
    ],
)
def test_the_name_of_a_file_has_no_character_that_means_something(path: str, name: str):
    assert file_name(path) == name.strip("-.")
