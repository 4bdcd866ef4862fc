"""Dash components as HTML text: what a browser shows at the first look and at every further one.

Only what our pages use: `dash.html`, inputs, and figures as places that the page's script fills. Every text and every
attribute is escaped.
"""

from __future__ import annotations

import hashlib
import html
from typing import Any

import msgspec
from dash.development.base_component import Component

Figures = dict[str, str]
"""Digest of a figure to its JSON: data, layout."""

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
BOOLEAN = frozenset(
    {"hidden", "checked", "disabled", "selected", "required", "multiple", "open", "readOnly", "autoFocus"}
)
SILENT = frozenset({"children", "key", "n_clicks", "debounce", "persistence", "disable_n_clicks"})
NOT_DRAWN = frozenset({"Store", "Location", "Interval", "Download"})
OF_DASH = frozenset({"available_properties", "available_wildcard_properties"})
"""What a component of Dash holds beside its properties."""


class Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """A component as a browser takes it."""

    html: str
    figures: Figures

    @property
    def digest(self) -> str:
        """Differs when anything is to be seen that was not there before; figures stand in the HTML by digest."""
        return digest_of(self.html)


def draw(node: Any) -> Drawn:
    """A component with its figures."""
    figures: Figures = {}
    return Drawn(html=to_static(node, figures), figures=figures)


def digest_of(text: str) -> str:
    """A short name of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def encoded(figure: Any) -> str:
    """A figure as the page's script takes it; its digest is the name of the figure."""
    return msgspec.json.encode(figure).decode()


def to_static(node: Any, figures: Figures | None = None) -> str:
    """A component, a text, a number, or a list of them, as HTML; the figures in it are added to `figures`."""
    if node is None or node is False:
        return ""
    if isinstance(node, list | tuple):
        return "".join([to_static(child, figures) for child in node])
    if not isinstance(node, Component):
        return html.escape(str(node))
    kind = type(node).__name__
    if kind in NOT_DRAWN:
        return ""
    values = {name: value for name, value in vars(node).items() if name[0] != "_" and name not in OF_DASH}
    if kind == "Graph":
        return _place_of(values, figures)
    tag = {"Link": "a", "Input": "input", "ObjectEl": "object", "MapEl": "map"}.get(kind, kind.lower())
    opened = f"<{tag}{''.join([_attribute(name, value) for name, value in sorted(values.items())])}>"
    return opened if tag in VOID else f"{opened}{to_static(values.get('children'), figures)}</{tag}>"


def _place_of(graph: dict[str, Any], figures: Figures | None) -> str:
    """Where a figure will stand: as high as it will be, and named by its digest."""
    height = html.escape(str((graph.get("style") or {}).get("height", "320px")))
    if figures is None or graph.get("figure") is None:
        return f'<div class="plot" style="height:{height}"></div>'
    described = encoded(graph["figure"])
    name = digest_of(described)
    figures[name] = described
    return f'<div class="plot" data-figure="{name}" style="height:{height}"></div>'


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
