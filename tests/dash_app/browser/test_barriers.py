"""No page has a barrier that axe-core calls serious or critical, in light and dark, wide and on a phone."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from browser.barriers import assert_no_barrier
from fleet_samples import BASKET, BROKEN, HOSTILE

ADDRESSES = [
    "/",
    f"/repositories/{BASKET}",
    f"/repositories/{BASKET}?tab=findings&standing=all",
    f"/repositories/{BASKET}?tab=history",
    f"/repositories/{BROKEN}",
    f"/repositories/{quote(HOSTILE)}?tab=findings",
    "/findings/1",
    "/teams",
    "/teams/payments",
    "/magics",
    "/magics/strict",
    "/rules",
    "/rules/STR013",
    "/gates",
    "/nowhere",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_has_no_serious_barrier(filled, look, address: str):
    assert_no_barrier(look(filled.address + address, bypass_csp=True))


EMPTY = [
    "/",
    "/teams",
    "/magics",
    "/rules",
    "/gates",
    "/live",
    "/alerts",
    "/compare",
    "/admin",
    "/admin?tab=deliveries",
]


@pytest.mark.parametrize("address", EMPTY)
def test_an_empty_page_has_no_serious_barrier(empty, look, address: str):
    assert_no_barrier(look(empty.address + address, bypass_csp=True))
