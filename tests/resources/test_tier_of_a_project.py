"""A project's tier follows the measured size, unless an operator fixed it."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from elder_assets.audit.errors import RepositoryNotFound
from resources.store import open_store, tables

KEY = "git.example.org/shop/basket"


@pytest.mark.parametrize(("scaling", "changed", "tier"), [("auto", True, "large"), ("fixed", False, "small")])
def test_only_an_automatic_tier_moves(tmp_path: Path, scaling: str, changed: bool, tier: str):
    with open_store(f"sqlite:///{tmp_path / 'elder.db'}") as store:
        store.add_repository(KEY, "https://git.example.org/shop/basket")
        with store._writing() as connection:
            connection.execute(sa.update(tables.projects).values(tier="small", scaling=scaling))
        assert store.fit_tier(KEY, "large") is changed
        assert not store.fit_tier(KEY, tier)  # it has it
        with store._reading() as connection:
            assert connection.scalar(sa.select(tables.projects.c.tier)) == tier


def test_an_unknown_repository_is_named(tmp_path: Path):
    with (
        open_store(f"sqlite:///{tmp_path / 'elder.db'}") as store,
        pytest.raises(RepositoryNotFound, match="nowhere"),
    ):
        store.fit_tier("nowhere", "large")
