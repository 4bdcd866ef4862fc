"""What stands around every page: header, navigation, language and theme, and the banner of a lost connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from dash import dcc, html
from dash.development.base_component import Component

from dash_app.components.attributes import attributes
from dash_app.page import Page, PageRequest

CONTENT = "page"
"""Id of the element that a page is drawn into."""
DRAWN, SHOWN, LIVE, LOCATION = "drawn", "shown", "live", "location"
"""Ids of what Dash holds: what is to be drawn, what was drawn last, what changed last, and the address."""
BRAND = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Cpath fill='%234f7fe0' "
    "d='M16 2 4 7v9c0 7 5 12 12 14 7-2 12-7 12-14V7z'/%3E%3Cpath fill='none' stroke='%23fff' stroke-width='3' "
    "stroke-linecap='round' stroke-linejoin='round' d='m10 16 4 5 8-9'/%3E%3C/svg%3E"
)


def shell(request: PageRequest, pages: Sequence[Page], current: Page | None, content: Component) -> Component:
    """A whole page."""
    t = request.t
    return html.Div(
        [
            html.A(
                t.gettext("Skip to the content"), href=f"#{CONTENT}", className="skip", **attributes(data_plain="1")
            ),
            _header(request, pages, current),
            html.Div(
                html.P([t.gettext("Connection lost. Stale since "), html.Time("", id="stale-time"), "."]),
                id="stale",
                className="stale",
                role="status",
                hidden=True,
            ),
            html.Div("", id="said", className="said", role="status", **attributes(aria_live="polite")),
            html.Main(content, id=CONTENT, tabIndex="-1"),
            html.Footer([html.Span("Elder"), _times(request)]),
        ],
        id="shell",
        lang=request.language,
    )


def held(mark: str) -> Component:
    """What Dash itself holds: no part of a page, only what goes to and fro. `mark` names what the first HTML shows."""
    return html.Div(
        [
            dcc.Location(id=LOCATION),
            dcc.Store(id=LIVE, data=""),
            dcc.Store(id=DRAWN),
            dcc.Store(id=SHOWN, data={"mark": mark, "digest": "", "figures": []}),
        ]
    )


def _times(request: PageRequest) -> Component:
    return html.Span(request.t.gettext("Times are in your own time zone."))


def _header(request: PageRequest, pages: Sequence[Page], current: Page | None) -> Component:
    t = request.t
    in_menu = sorted((page for page in pages if page.place), key=lambda page: page.place)
    links = [
        html.Li(html.A(page.title(request), href=page.pattern, **_current(page, current)), key=page.name)
        for page in in_menu
    ]
    return html.Header(
        [
            html.A([html.Img(src=BRAND, alt="", width="24", height="24"), "Elder"], href="/", className="brand"),
            html.Nav(html.Ul(links), **attributes(aria_label=t.gettext("Main"))),
            html.Div(
                [_languages(request), _theme(request)],
                className="tools",
            ),
        ],
        className="top",
    )


def _current(page: Page, current: Page | None) -> dict[str, Any]:
    is_here = current is not None and (page.name == current.name or current.name.startswith(f"{page.name}_"))
    return {"aria-current": "page", "data-page": page.name} if is_here else {"data-page": page.name}


def _languages(request: PageRequest) -> Component:
    other, name = ("ja", "日本語") if request.language == "en" else ("en", "English")
    back = urlencode({"language": other, "to": request.link()})
    return html.A(
        name,
        id="language",
        href=f"/language?{back}",
        lang=other,
        hrefLang=other,
        className="quiet",
        **attributes(data_plain="1"),
    )


def _theme(request: PageRequest) -> Component:
    return html.Button(
        html.Span("◐", **attributes(aria_hidden="true")),
        id="theme",
        type="button",
        className="quiet icon",
        title=request.t.gettext("Light or dark"),
        **attributes(aria_label=request.t.gettext("Light or dark")),
    )
