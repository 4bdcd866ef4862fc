"""A shown page as one HTML file to keep or to send: no script, no other file, no network. `to_file`.

It is drawn from the same components as the page, so it says the same and every text is escaped by the same code. What
needs the server (forms, buttons, tabs) is left out, links lead back to it, what was folded is open, and each figure is
its title and its table; a browser that exports puts the picture there too (assets/pages.js).
"""

from __future__ import annotations

import copy
import html as markup
import importlib.resources
from typing import Any

from dash import html
from dash.development.base_component import Component

from dash_app.components import parts
from dash_app.components.attributes import attributes
from dash_app.page import PageRequest
from dash_app.static_html import digest_of, encoded, to_static

LEFT_OUT = frozenset({"Form", "Button", "Input", "Select", "Textarea", "Dialog"})
"""Kinds of components that can do nothing without the server."""
LEFT_OUT_CLASSES = frozenset({"actions", "tabs", "filters", "bulk", "button"})
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
STYLES = ("theme.css", "work.css")
OWN_STYLE = (
    "body{padding:1rem}main{max-width:80rem;margin:0 auto}"
    ".drawn{width:100%;height:auto}.numbers .scroll{max-height:none}"
)


def to_file(asked: PageRequest, title: str, content: Component, server: str) -> str:
    """The whole file.

    Args:
        asked: the look that is kept.
        title: of the page.
        content: what the page says; not changed.
        server: address of the Elder that links lead to: 'https://elder.example'.
    """
    t, link = asked.t, server + asked.link()
    taken = html.P(
        [t.gettext("As of"), " ", parts.moment(asked.now), " · ", html.A(parts.plain_text(link), href=link)],
        className="soft",
    )
    body = to_static([taken, _kept(content, server)])
    return (
        f'<!DOCTYPE html>\n<html lang="{asked.language}" data-theme="light">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{markup.escape(title)}</title>\n<style>{_style()}</style>\n</head>\n<body>\n"
        f"<main>{body}</main>\n</body>\n</html>\n"
    )


def _style() -> str:
    folder = importlib.resources.files("dash_app").joinpath("assets")
    return "".join(folder.joinpath(name).read_text(encoding="utf-8") for name in STYLES) + OWN_STYLE


def _kept(node: Any, server: str) -> Any:
    """A copy of a component as it stands in a file; None where nothing of it is left."""
    if isinstance(node, list | tuple):
        return [_kept(child, server) for child in node]
    if not isinstance(node, Component):
        return node
    kind = type(node).__name__
    if kind in LEFT_OUT or LEFT_OUT_CLASSES & set((getattr(node, "className", None) or "").split()):
        return None
    if kind == "Graph":
        return _figure(node)
    kept: Any = copy.copy(node)
    if hasattr(node, "children"):
        kept.children = _kept(node.children, server)
    if kind == "Details":
        kept.open = True
        return kept if _says_something(kept) else None
    href = getattr(node, "href", None) or ""
    if kind == "A" and href.startswith("/"):
        kept.href = server + href
    return kept


def _says_something(details: Any) -> bool:
    """Whether there is anything to unfold beside the summary."""
    shown = details.children if isinstance(details.children, list) else [details.children]
    return any(child is not None and type(child).__name__ != "Summary" for child in shown)


def _figure(graph: Component) -> Component | None:
    """The title of a figure, in the place where a browser puts its picture."""
    figure = getattr(graph, "figure", None)
    if figure is None:
        return None
    title = figure["layout"]["title"]["text"]
    return html.H2(markup.unescape(title), **attributes(data_picture=digest_of(encoded(figure))))
