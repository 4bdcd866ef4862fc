"""The probe asks as the API does and says whether a verdict came in time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from elder_assets.audit.errors import RepositoryNotFound
from elder_assets.cli_probe import ask_and_wait
from resources.store import Store, open_store
from resources.store.inbox import InboxDecision

KEY = "git.example.org/shop/probe"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'elder.db'}") as opened:
        opened.add_repository(KEY, "https://git.example.org/shop/probe")
        yield opened


class World:
    """A clock that only sleeping moves, and a platform that decides after some of it."""

    def __init__(self, store: Store, after: float, state: str):
        self.store, self.after, self.state, self.now = store, after, state, 1000.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now - 1000 >= self.after:
            decisions = [
                InboxDecision(row=row.id, state=self.state, reason="as the test says")
                for row in self.store.waiting_inbox(10)
            ]
            self.store.decide_inbox(decisions)


@pytest.mark.parametrize(
    ("after", "state", "seen", "took"),
    [(3, "skipped", "skipped", 3), (999, "skipped", "waiting", 10)],
    ids=["decided", "nobody-there"],
)
def test_it_waits_for_the_end_and_no_longer_than_it_may(store: Store, after: int, state: str, seen: str, took: int):
    world = World(store, after, state)
    row = ask_and_wait(store, KEY, 10, lambda: world.now, world.sleep)
    assert (row.state, world.now - 1000) == (seen, took)
    assert row.document["audit_type"] == "full"


def test_a_repository_that_nobody_registered_is_named(store: Store):
    with pytest.raises(RepositoryNotFound, match="nowhere"):
        ask_and_wait(store, "nowhere", 10, lambda: 0.0, lambda _seconds: None)
