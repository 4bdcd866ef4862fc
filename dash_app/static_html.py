"""Dash components as HTML text: what a browser shows before any script ran, and where scripts never run.

Only what our pages use: `dash.html`, inputs, and figures as places that the scripts fill. Every text and every
attribute is escaped.
"""

from __future__ import annotations

import html
from typing import Any

from dash.development.base_component import Component

VOID = frozenset({"br", "hr", "img", "input", "wbr", "source", "col"})
ATTRIBUTES = {
    "className": "class",
    "htmlFor": "for",
    "dateTime": "datetime",
    "tabIndex": "tabindex",
    "colSpan": "colspan",
    "rowSpan": "rowspan",
    "hrefLang": "hreflang",
    "spellCheck": "spellcheck",
    "autoComplete": "autocomplete",
    "maxLength": "maxlength",
    "minLength": "minlength",
    "inputMode": "inputmode",
}
BOOLEAN = frozenset({"hidden", "disabled", "selected", "required", "multiple", "open", "readOnly", "autoFocus"})
SILENT = frozenset({"children", "key", "n_clicks", "debounce", "persistence", "disable_n_clicks"})
NOT_DRAWN = frozenset({"Store", "Location", "Interval", "Download"})


def to_static(node: Any) -> str:
    """A component, a text, a number, or a list of them, as HTML."""
    if node is None or node is False:
        return ""
    if isinstance(node, list | tuple):
        return "".join(to_static(child) for child in node)
    if not isinstance(node, Component):
        return html.escape(str(node))
    kind = type(node).__name__
    if kind in NOT_DRAWN:
        return ""
    described: Any = node
    values = described.to_plotly_json()["props"]
    if kind == "Graph":
        style = values.get("style") or {}
        return f'<div class="graph-place" style="height:{html.escape(str(style.get("height", "320px")))}"></div>'
    tag = {"Link": "a", "Input": "input", "ObjectEl": "object", "MapEl": "map"}.get(kind, kind.lower())
    opened = f"<{tag}{''.join(_attribute(name, value) for name, value in sorted(values.items()))}>"
    return opened if tag in VOID else f"{opened}{to_static(values.get('children'))}</{tag}>"


def _attribute(name: str, value: Any) -> str:
    if name in SILENT or value is None or value is False:
        return ""
    written = ATTRIBUTES.get(name, name)
    if name in BOOLEAN:
        return f" {written.lower()}"
    if name == "style":
        value = ";".join(f"{_css_name(key)}:{item}" for key, item in value.items())
    return f' {written}="{html.escape(str(value))}"'


def _css_name(name: str) -> str:
    """A React style name as CSS writes it; custom properties stay."""
    return name if name.startswith("--") else "".join(f"-{c.lower()}" if c.isupper() else c for c in name)
