"""What pages ask the store: no look reads all findings, or all that ever happened, to show a few."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from fleet_samples import BASKET, HOSTILE, NOW
from operations_samples import fill_work

from dash_app.app import create_app
from resources.settings import load_settings
from resources.store import Store, open_store

HERE = f"/repositories/{BASKET}"
ADDRESSES = [
    "/", "/?sort=open&order=desc&q=a&status=failing", "/teams", "/teams/payments", "/magics", "/magics/strict", "/rules",
    "/rules/STR013", HERE, f"{HERE}?tab=findings", f"{HERE}?tab=findings&standing=all&sort=path&q=a", f"{HERE}?tab=history",
    f"/repositories/{quote(HOSTILE)}?tab=findings&severity=high", "/findings/1", "/gates", "/gates?q=a&status=failed",
    "/gates/1", "/live", "/alerts", "/alerts?tab=rules", "/alerts?tab=channels", "/admin", "/admin?tab=deliveries",
    "/admin?tab=log", f"/compare?repository={BASKET}", "/pages/changes",
]  # fmt: skip
FINDINGS = ("findings", "finding_states", "finding_events")
GROWING = (*FINDINGS, "snapshots", "scores", "outcomes", "week_scores", "audits", "audit_counts", "scorecards")
"""Tables that hold the past of every repository; what is read of them is named by an index."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, TestClient]]:
    folder = tmp_path_factory.mktemp("asked")
    with open_store(f"sqlite:///{folder / 'elder.db'}", clock=lambda: NOW) as store:
        fill_work(store)
        with TestClient(
            create_app(store, load_settings({"ELDER_HOME": str(folder)})), base_url="http://localhost"
        ) as one:
            yield store, one


def plans(store: Store, client: TestClient, address: str) -> list[tuple[str, str]]:
    """(step of SQLite's plan, statement) of everything that a look asks."""
    asked: list[tuple[str, object]] = []

    def note(_connection, _cursor, statement: str, parameters: object, *_rest: object) -> None:
        asked.append((statement, parameters))

    sa.event.listen(store._engine, "before_cursor_execute", note)
    try:
        assert client.get(address).status_code == 200
    finally:
        sa.event.remove(store._engine, "before_cursor_execute", note)
    with store._engine.connect() as connection:
        return [
            (step[3], statement)
            for statement, parameters in asked
            if statement.startswith("SELECT")
            for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_look_scans_no_table_that_holds_the_past(site: tuple[Store, TestClient], address: str):
    steps = plans(*site, address)
    scanned = [(step, said) for step, said in steps if step.startswith("SCAN") and step.split()[1] in GROWING]
    newest = [(step, said) for step, said in scanned if "max(" not in said]  # the end of a key, not the whole of it
    assert newest == []


def test_a_scan_would_be_seen(site: tuple[Store, TestClient]):
    store, _ = site
    with store._engine.connect() as connection:
        steps = connection.exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT count(*) FROM finding_states WHERE line = 1"
        ).all()
    assert steps[0][3].split()[:2] == ["SCAN", "finding_states"]
