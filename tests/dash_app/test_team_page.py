"""The page of a team by role: what may be read, tried and saved, and what is another team's."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from resources.store import Store
from tests.dash_app.organisation import build

PAGE = "/teams/apples?tab=settings"


@pytest.fixture
def tokens(store: Store) -> dict[str, str]:
    """A token of team apples for each role."""
    build(store)
    return {
        role: store.create_token(role, role, days=1, team="apples", by="root")[1]
        for role in ("viewer", "maintainer", "admin")
    }


def look(client: TestClient, token: str, address: str) -> str:
    return client.get(address, headers={"Authorization": f"Bearer {token}", "Accept": "text/html"}).text


def test_a_viewer_reads_the_settings_and_is_told_why_no_more(client: TestClient, tokens: dict[str, str]):
    shown = look(client, tokens["viewer"], f"{PAGE}&preview=1&profile=enterprise")
    assert "These settings can be read only" in shown
    assert "You are viewer, with the role viewer." in shown
    assert "<fieldset disabled>" in shown
    assert "Repositories that move" not in shown
    assert "Make the initiative" not in look(client, tokens["viewer"], "/teams/apples?tab=initiatives")


def test_a_maintainer_tries_settings_and_is_told_who_may_save_them(client: TestClient, tokens: dict[str, str]):
    shown = look(client, tokens["maintainer"], f"{PAGE}&preview=1&profile=enterprise")
    assert "What it would do" in shown
    assert "Saving needs the role admin; you have maintainer." in shown
    assert 'data-method="PUT"' not in shown
    assert 'data-method="PUT"' in look(client, tokens["admin"], f"{PAGE}&preview=1&profile=enterprise")


@pytest.mark.parametrize("tab", ["scorecard", "initiatives", "hotspots", "settings"])
def test_another_teams_page_is_not_there(client: TestClient, tokens: dict[str, str], tab: str):
    headers = {"Authorization": f"Bearer {tokens['admin']}"}
    answer = client.get(f"/teams/pears?tab={tab}", headers=headers)
    assert answer.status_code == 404
    assert "shop-pears" not in answer.text
    assert client.get(f"/csv/teams/pears?tab={tab}", headers=headers).status_code == 404
