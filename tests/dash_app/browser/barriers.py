"""What axe-core says of a page."""

from __future__ import annotations

from pathlib import Path

import axe_playwright_python
from playwright.sync_api import Page

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
RUN = """() => axe.run(document, {resultTypes: ['violations']}).then(found => found.violations
  .filter(one => ['serious', 'critical'].includes(one.impact))
  .map(one => one.id + ': ' + one.nodes.slice(0, 3).map(node => node.html.slice(0, 200)).join(' | ')))"""


def assert_no_barrier(page: Page) -> None:
    """No serious or critical finding of axe-core and no sideways scrolling, in light and dark, wide and on a phone."""
    page.evaluate(AXE)
    for theme in ("light", "dark"):
        for width in (1280, 375):
            page.emulate_media(color_scheme=theme)
            page.set_viewport_size({"width": width, "height": 900})
            assert (theme, width, page.evaluate(RUN)) == (theme, width, [])
            assert page.evaluate("() => document.documentElement.scrollWidth") <= width
