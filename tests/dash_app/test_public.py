"""What strangers see: badge and page of public repositories, nothing of others."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from fleet_samples import BASKET, NOW, TILL, fill

from dash_app.app import create_app
from dash_app.public import badge_svg
from resources.settings import load_settings
from resources.store import open_store, tables


@pytest.mark.parametrize(
    ("score", "status", "said"),
    [(83.14, "passed", "83.1"), (None, "not applicable", "not applicable"), (None, "", "not audited")],
    ids=["scored", "no score", "not audited"],
)
def test_a_badge_says_the_score_else_why_there_is_none(score, status, said):
    drawn = ET.fromstring(badge_svg(score, status))
    assert drawn.get("aria-label") == f"Elder: {said}"


def test_strangers_see_public_repositories_alone(tmp_path: Path):
    with open_store(f"sqlite:///{tmp_path / 'elder.db'}", clock=lambda: NOW) as store:
        fill(store)
        store.create_token("ann", "admin", days=1, by="test")
        project = tables.projects
        allowed = sa.update(project).where(project.c.repository_id == store.repository(BASKET).id)
        with store._writing() as connection:
            connection.execute(allowed.values(is_public=True))
        server = create_app(store, load_settings({"ELDER_HOME": str(tmp_path)}))
        with TestClient(server, base_url="http://localhost") as stranger:
            badge = stranger.get(f"/badge/{BASKET}.svg")
            assert (badge.status_code, badge.headers["content-type"]) == (200, "image/svg+xml")
            page = stranger.get(f"/public/{BASKET}")
            assert page.status_code == 200
            assert "<script" not in page.text
            assert "/findings/" not in page.text
            assert stranger.get(f"/badge/{TILL}.svg").status_code == 404
            assert stranger.get(f"/public/{TILL}").status_code == 404
            assert stranger.get("/").status_code == 401
