"""The made-up organisation that benchmarks measure on is one that the store could hold."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from resources.store import open_store, tables

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from benchmarks.fleet import fill


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return request.getfixturevalue("empty_postgres")
    return f"sqlite:///{tmp_path / 'fleet.db'}"


def test_a_fleet_has_as_many_rows_as_asked_for_and_its_projections_agree(address: str):
    fill(address, repositories=12, weeks=5, findings=1_000, seed=3)
    with open_store(address) as store:
        latest = store.latest_rows()
        assert len(latest) == 12
        assert len(store.latest_rows("team-01")) == 12
        with store._reading() as connection:
            state = tables.finding_states
            assert connection.scalar(sa.select(sa.func.count()).select_from(state)) == 1_000
            is_open = sa.select(sa.func.count()).where(state.c.standing == "open")
            assert connection.scalar(is_open) == sum(row["open"] for row in latest)
            assert connection.scalar(sa.select(sa.func.count()).select_from(tables.week_scores)) == 12 * 5 * 9
        history = store.finding_history(1)
        assert history[0]["event"] == "new"
        store.add_team("one-more")  # numbers go on behind those of the fleet
        check = store.verify_log()
        assert (check.rows, check.broken_id) == (12 * 20 + 1, None)
