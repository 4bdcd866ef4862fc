"""No page has a barrier that axe-core calls serious or critical, in light and dark, wide and on a phone."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import axe_playwright_python
import pytest
from fleet_samples import BASKET, BROKEN, HOSTILE

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
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
RUN = """() => axe.run(document, {resultTypes: ['violations']}).then(found => found.violations
  .filter(one => ['serious', 'critical'].includes(one.impact))
  .map(one => one.id + ': ' + one.nodes.slice(0, 3).map(node => node.html.slice(0, 200)).join(' | ')))"""


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_has_no_serious_barrier(filled, look, address: str):
    page = look(filled.address + address, bypass_csp=True)
    page.evaluate(AXE)
    for theme in ("light", "dark"):
        for width in (1280, 375):
            page.emulate_media(color_scheme=theme)
            page.set_viewport_size({"width": width, "height": 900})
            assert (theme, width, page.evaluate(RUN)) == (theme, width, [])
            assert page.evaluate("() => document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("address", ["/", "/teams", "/magics", "/rules", "/gates"])
def test_an_empty_page_has_no_serious_barrier(empty, look, address: str):
    page = look(empty.address + address, bypass_csp=True)
    page.evaluate(AXE)
    assert page.evaluate(RUN) == []
