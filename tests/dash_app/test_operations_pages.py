"""Pages about work in progress: they answer empty and filled, in both languages, for whom they are, and inert."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from fleet_samples import BASKET, NOW
from operations_samples import fill_operations

from dash_app.app import create_app
from resources.settings import load_settings
from resources.store import open_store

ADDRESSES = ["/gates"]
"""Pages that answer without anything in the store."""
FILLED = ["/gates?status=failed", "/gates?q=basket&page=2", "/gates/1", "/gates/2", "/gates/3"]
"""Pages of what the samples have."""


def mounted(folder: Path, *, is_filled: bool) -> Iterator[TestClient]:
    with open_store(f"sqlite:///{folder / 'elder.db'}", clock=lambda: NOW) as store:
        if is_filled:
            fill_operations(store)
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
