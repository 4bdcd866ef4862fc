"""The small pieces that all pages share: cards, badges, numbers, times, sparklines, paged tables, filters.

Texts of repositories go through `plain_text`: a text node, isolated in direction, without control characters.
"""

from __future__ import annotations

import base64
import datetime as dt
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from dash import dcc, html
from dash.development.base_component import Component

from dash_app.components.attributes import attributes
from dash_app.figures import Figure
from dash_app.page import PageRequest
from elder_assets.audit.report import plain
from resources.messages.catalogue import status_name
from resources.messages.reasons import reason_text

Child = Any
"""What a Dash component takes as a child: a component, a text, a number, None, or a list of them."""

SPARK_WIDTH, SPARK_HEIGHT = 120, 30
SPARK_RANGE_MIN = 8.0
"""Points that a sparkline spans at least, so that noise does not look like a slide."""


_CODE = re.compile(r"`([^`]{1,300})`")


def plain_text(text: object, *, limit: int = 400) -> Component:
    """A text from a repository or a tool; what stands between backticks is shown as code."""
    shown = plain(str(text))
    shown = shown if len(shown) <= limit else f"{shown[:limit]}…"
    pieces = _CODE.split(shown)
    return html.Bdi([html.Code(piece) if index % 2 else piece for index, piece in enumerate(pieces) if piece])


def reason(request: PageRequest, text: str, *, limit: int = 400) -> Component:
    """Why something came out as it did, as Elder stored it, in the viewer's language where Elder itself said it."""
    return plain_text(reason_text(request.language, text), limit=limit)


def plain_lines(text: str) -> str:
    """A text of several lines, each without control characters."""
    return "\n".join(plain(line) for line in text.split("\n"))


def sentence(text: str) -> Component:
    """A text of a rule's documentation, which begins in lower case there."""
    return plain_text(text[:1].upper() + text[1:], limit=2_000)


def place(path: str, line: int = 0) -> Component:
    """A path in a repository, which may break at its slashes."""
    shown = plain(f"{path}:{line}" if line else path)
    parts: list[Child] = []
    for index, part in enumerate(shown.split("/")):
        parts.extend([html.Wbr(), f"/{part}"] if index else [part])
    return html.Code(html.Bdi(parts), className="place")


def repository_name(key: str) -> Component:
    """A repository's key: the host stands back, and lines break at slashes."""
    first, *rest = plain(key).split("/")
    if not rest:
        return html.Bdi(first)
    named: list[Child] = [html.Span(f"{first}/", className="host")]
    for index, part in enumerate(rest):
        named.extend([part] if index == len(rest) - 1 else [f"{part}/", html.Wbr()])
    return html.Bdi(named, className="repository")


def section(title: str, *content: Child, aside: Child = None, kind: str = "", name: str = "") -> Component:
    """A card with a heading."""
    head = html.Div([html.H2(title), aside], className="card-head") if aside is not None else html.H2(title)
    options: dict[str, Any] = {"id": name} if name else {}
    return html.Section([head, *content], className=f"card {kind}".strip(), **options)


def tabs(request: PageRequest, links: Sequence[tuple[str, str, bool]]) -> Component:
    """The parts of a page as links; each has a text, an address, and whether it is the one that is shown."""
    items = [
        html.Li(html.A(text, href=href, **attributes(aria_current="page" if is_current else None)))
        for text, href, is_current in links
    ]
    label = request.t.gettext("Parts of this page")
    return html.Nav(html.Ul(items), className="tabs", **attributes(aria_label=label))


def badge(word: str, text: str = "") -> Component:
    """A status or a severity: a shape, a colour and its name."""
    return html.Span(text or word, className=f"badge {word.replace(' ', '-')}")


def status_badge(request: PageRequest, status: str) -> Component:
    """How something came out."""
    return badge(status, status_name(request.language, status))


def number(value: float | None, digits: int = 0) -> str:
    """A number for people: 12,345 or 83.1; a dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:,.{digits}f}"


def signed(value: float | None) -> Component:
    """A change in points, with an arrow that says its direction without colour."""
    if value is None:
        return html.Span("–", className="soft")
    if abs(value) < 0.05:
        return html.Span("±0.0", className="soft number")
    arrow, kind = ("▲", "up") if value > 0 else ("▼", "down")
    return html.Span(
        [html.Span(arrow, className="arrow", **attributes(aria_hidden="true")), f"{value:+.1f}".replace("-", "\u2212")],
        className=kind,
    )


def percent(share: float | None) -> str:
    """A share, 0-1, in percent; never 100 % for less."""
    if share is None:
        return "–"
    value = math.floor(share * 1000) / 10
    return f"{value:.0f} %" if value in {0, 100} else f"{value:.1f} %"


def duration(milliseconds: float) -> str:
    """How long something took."""
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def moment(at: dt.datetime | None, *, is_day: bool = False) -> Component:
    """A time; the page's script shows it in the viewer's zone."""
    if at is None:
        return html.Span("–", className="soft")
    shown = f"{at:%Y-%m-%d}" if is_day else f"{at:%Y-%m-%d %H:%M} UTC"
    return html.Time(shown, dateTime=at.isoformat(), **attributes(data_day="1") if is_day else {})


def stat(label: str, value: Child, note: Child = None, *, kind: str = "", href: str = "") -> Component:
    """A number to take in at a glance."""
    body = [html.Span(label, className="stat-label"), html.Strong(value), html.Small(note or "\u00a0")]
    if href:
        return html.A(body, className=f"stat {kind}".strip(), href=href)
    return html.Div(body, className=f"stat {kind}".strip())


def score(value: float | None, status: str = "") -> Component:
    """A score with a bar of its length."""
    if value is None:
        return html.Span("–", className="soft")
    bar = html.Span(className="score-fill", style={"width": f"{value:.1f}%"})
    kind = (status or "none").replace(" ", "-")
    return html.Span(
        [html.Span(f"{value:.1f}", className="score-number"), html.Span(bar, className="score-bar")],
        className=f"score {kind}",
    )


def sparkline(values: Sequence[float | None], said: str) -> Component:
    """The course of a score; `said` is its text alternative."""
    known = [(index, value) for index, value in enumerate(values) if value is not None]
    if len(known) < 2:
        return html.Span("–", className="soft")
    low, high = min(value for _, value in known), max(value for _, value in known)
    if high - low < SPARK_RANGE_MIN:
        middle = (high + low) / 2
        low, high = middle - SPARK_RANGE_MIN / 2, middle + SPARK_RANGE_MIN / 2
    step = (SPARK_WIDTH - 6) / (len(values) - 1)
    points = [(3 + index * step, 3 + (SPARK_HEIGHT - 6) * (1 - (value - low) / (high - low))) for index, value in known]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    x, y = points[-1]
    drawn = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{SPARK_WIDTH}" height="{SPARK_HEIGHT}">'
        f'<polyline points="{line}" fill="none" stroke="#5b84e8" stroke-width="1.6" stroke-linejoin="round"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="#5b84e8"/></svg>'
    )
    source = "data:image/svg+xml;base64," + base64.b64encode(drawn.encode()).decode()
    return html.Img(src=source, alt=said, className="spark", width=str(SPARK_WIDTH), height=str(SPARK_HEIGHT))


def chart(figure: Figure, said: str, *, columns: Sequence[str] = (), rows: Sequence[Sequence[Child]] = ()) -> Component:
    """A figure with its text alternative, and its numbers as a table that unfolds."""
    height = f"{figure['layout']['height']}px"
    drawn = dcc.Graph(figure=figure, style={"height": height})
    parts: list[Child] = [html.Div(drawn, role="group", className="graph", **attributes(aria_label=said))]
    if rows:
        head = html.Thead(html.Tr([html.Th(column, scope="col") for column in columns]))
        body = html.Tbody([html.Tr([html.Td(cell) for cell in row]) for row in rows])
        table = html.Div(
            html.Table([head, body]), className="scroll", tabIndex="0", role="region", **attributes(aria_label=said)
        )
        parts.append(html.Details([html.Summary(said), table], className="numbers"))
    return html.Figure(parts)


# --- tables -----------------------------------------------------------------------------------------------


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column of a table."""

    title: Any
    """Text, or a component."""
    sort: str = ""
    """Name in the query when the table can be sorted by it."""
    is_number: bool = False
    rank: int = 1
    """1 is always shown, 2 from a tablet on, 3 on a wide screen."""
    is_falling: bool = False
    """The first click sorts by falling values."""
    before: Any = None
    """A component that stands before the title."""


def table(
    request: PageRequest, caption: str, columns: Sequence[Column], rows: Sequence[Sequence[Child]], *, kind: str = ""
) -> Component:
    """Rows in a frame that scrolls by itself; the first cell of each row names it."""
    head = html.Thead(html.Tr([_heading(request, column) for column in columns]))
    body = [
        html.Tr(
            [
                (
                    html.Th(cell, scope="row", className=_cell_class(column))
                    if index == 0
                    else html.Td(cell, className=_cell_class(column))
                )
                for index, (column, cell) in enumerate(zip(columns, row, strict=True))
            ]
        )
        for row in rows
    ]
    content = html.Table([html.Caption(caption, className="unseen"), head, html.Tbody(body)], className=kind)
    return html.Div(content, className="scroll", tabIndex="0", role="region", **attributes(aria_label=caption))


def _cell_class(column: Column) -> str:
    return " ".join(filter(None, ("number" if column.is_number else "", f"rank{column.rank}")))


def _heading(request: PageRequest, column: Column) -> Component:
    if not column.sort:
        shown = [column.before, " ", column.title] if column.before is not None else column.title
        return html.Th(shown, scope="col", className=_cell_class(column))
    is_current = request.value("sort") == column.sort
    is_falling = request.value("order") == "desc"
    order = ("" if is_falling else "desc") if is_current else ("desc" if column.is_falling else "")
    marked = ("descending" if is_falling else "ascending") if is_current else "none"
    arrow = html.Span({"ascending": "↑", "descending": "↓"}.get(marked, ""), **attributes(aria_hidden="true"))
    link = html.A([column.title, " ", arrow], href=request.link(sort=column.sort, order=order, page=None))
    return html.Th(link, scope="col", className=_cell_class(column), **attributes(aria_sort=marked))


def pager(request: PageRequest, total: int, size: int) -> Component:
    """Which rows are shown, and links to the pages beside."""
    t, page = request.t, request.number("page", 1, 100_000)
    pages = max(1, math.ceil(total / size))
    first, last = min((page - 1) * size + 1, total), min(page * size, total)
    said = t.gettext("%(first)s to %(last)s of %(total)s") % {
        "first": number(first),
        "last": number(last),
        "total": number(total),
    }
    before = html.A(t.gettext("Previous"), href=request.link(page=page - 1 if page > 2 else None), rel="prev")
    after = html.A(t.gettext("Next"), href=request.link(page=page + 1), rel="next")
    links = [before if page > 1 else None, after if page < pages else None]
    return html.Nav(
        [html.Span(said), html.Span(links, className="pages")],
        className="pager",
        **attributes(aria_label=t.gettext("Pages of the table")),
    )


# --- filters ----------------------------------------------------------------------------------------------


def filters(request: PageRequest, *controls: Component, keep: Sequence[str] = ()) -> Component:
    """Controls that write the address; the page's script applies them while one types or chooses."""
    return html.Form(
        [*controls, html.Button(request.t.gettext("Apply"), type="submit", className="quiet")],
        className="filters",
        method="get",
        action=request.here,
        role="search",
        **attributes(data_keep=" ".join(("sort", "order", "tab", *keep))),
    )


def search_box(request: PageRequest, label: str, name: str = "q") -> Component:
    """A text to look for."""
    box = dcc.Input(
        id=f"filter-{name}", name=name, type="search", value=request.value(name), maxLength=200, autoComplete="off"
    )
    return html.Label([html.Span(label), box])


def choice(request: PageRequest, label: str, name: str, options: Mapping[str, str]) -> Component:
    """One of a few values."""
    chosen = request.value(name, list(options))
    shown = [html.Option(text, value=value, selected=value == chosen) for value, text in options.items()]
    return html.Label([html.Span(label), html.Select(shown, name=name, key=f"{name}-{chosen}")])


def export_link(request: PageRequest) -> Component:
    """The rows of this view as a file."""
    return html.A(
        request.t.gettext("CSV"),
        href=_export_address(request, "/csv"),
        className="button quiet",
        download="",
        **attributes(data_plain="1"),
    )


def take_along(request: PageRequest) -> list[Component]:
    """This view for people who are not here: as one HTML file, or by the browser's print dialog."""
    t = request.t
    file = html.A(
        t.gettext("HTML"),
        href=_export_address(request, "/html"),
        className="button quiet",
        download="",
        title=t.gettext("This view as one file that opens without Elder"),
        **attributes(data_plain="1", data_file="1"),
    )
    printed = html.Button(t.gettext("Print / PDF"), type="button", className="quiet", **attributes(data_print="1"))
    return [file, printed]


def _export_address(request: PageRequest, prefix: str) -> str:
    shown, _, query = request.link().partition("?")
    return prefix + (shown if shown != "/" else "/fleet") + (f"?{query}" if query else "")
