"""A new ruler judges a share of repositories: always the same ones, more with a larger share."""

from __future__ import annotations

import itertools

import pytest

from elder_assets.audit.canary import canary_place, is_in_canary

STEPS = (0, 10, 25, 50, 75, 100)
KEYS = [f"git.example.org/team{number % 7}/project{number}" for number in range(2000)]


@pytest.mark.parametrize(
    ("key", "place"),
    # sha256sum of "elder canary 1\n" and the key, first 16 digits, times 100, over 16^16 (worked out with bc)
    [("local/basket", 10), ("github.com/acme/shop", 63), ("github.com/acme/cart", 14)],
)
def test_a_repository_keeps_its_place(key: str, place: int):
    assert canary_place(key) == place


@pytest.mark.parametrize("share", STEPS)
def test_a_share_takes_about_that_many(share: int):
    taken = sum(is_in_canary(key, share) for key in KEYS)
    assert taken == pytest.approx(len(KEYS) * share / 100, abs=90)


def test_a_larger_share_only_adds():
    sets = [{key for key in KEYS if is_in_canary(key, share)} for share in STEPS]
    assert all(smaller < larger for smaller, larger in itertools.pairwise(sets))
    assert sets[0] == set()
    assert sets[-1] == set(KEYS)
