"""The eight magics across the fleet: where each stands, and which repositories it worries about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash import html
from dash.development.base_component import Component

from dash_app import figures, views
from dash_app.components import parts
from dash_app.components.attributes import attributes
from dash_app.components.parts import Column
from dash_app.components.states import create_empty
from dash_app.page import Page, PageRequest, Table, repository_address
from elder_assets.audit.errors import UnknownRecord
from elder_assets.audit.registry import MAGIC_ORDER, catalogue
from resources.messages.catalogue import magic_name, status_name
from resources.messages.reasons import magic_question
from resources.store.pages import RepositoryFilter

ROWS = 25
WEEKS = 52
EXPORTED_MAX = 5_000


def layout(request: PageRequest) -> Component:
    """All eight."""
    t = request.t
    totals = request.store.magic_totals(request.viewer.team_id)
    heading = html.H1(t.gettext("Magics"))
    if not totals:
        return html.Div([heading, create_empty(t.gettext("No repository was audited yet"))])
    cards = [_card(request, name, [row for row in totals if row["magic"] == name]) for name in MAGIC_ORDER]
    head = html.Div([heading, html.Div(parts.export_link(request), className="actions")], className="page-head")
    return html.Div([head, html.Ul(cards, className="magics"), _matrix(request)])


def _matrix(request: PageRequest) -> Component:
    """Where each repository stands in all eight, worst first: one look finds a column that is red everywhere."""
    t, store = request.t, request.store
    wanted = RepositoryFilter(
        text=request.value("q").strip(),
        sort="repository" if request.value("sort") == "repository" else "score",
        is_descending=request.value("order") == "desc",
        offset=(max(request.number("page", 1, 100_000), 1) - 1) * ROWS,
        limit=ROWS,
    )
    rows, total = store.fleet_page(wanted, before=request.monday(0), team_id=request.viewer.team_id)
    magics = store.magics_of([row["id"] for row in rows])
    columns = (
        Column(title=t.gettext("Repository"), sort="repository"),
        Column(title=t.gettext("Score"), sort="score"),
        *(Column(title=html.A(magic_name(request.language, name), href=f"/magics/{name}")) for name in MAGIC_ORDER),
    )
    shown = [
        (
            html.A(parts.repository_name(row["repository"]), href=repository_address(row["repository"])),
            html.B(parts.number(row["score"], 1)),
            *(_cell(request, row["repository"], name, magics.get(row["id"], {}).get(name)) for name in MAGIC_ORDER),
        )
        for row in rows
    ]
    title = t.gettext("Repositories by magic")
    body = (
        parts.table(request, title, columns, shown, kind="matrix")
        if rows
        else create_empty(t.gettext("No repository fits"), html.P(html.A(t.gettext("Show all"), href=request.here)))
    )
    controls = parts.filters(request, parts.search_box(request, t.gettext("Name contains")))
    return parts.section(title, controls, body, parts.pager(request, total, ROWS), name="repositories")


def _cell(request: PageRequest, repository: str, magic: str, now: Mapping[str, Any] | None) -> Component:
    """A score in the colour of its status; what was not judged says so."""
    if now is None:
        return html.Span("–", className="cell")
    status = status_name(request.language, now["status"])
    return html.A(
        str(int(now["score"]))
        if now["status"] in views.COUNTED and now["score"] is not None
        else "–",  # never 100 for less
        href=repository_address(repository, tab="findings", magic=magic),
        className=f"cell {now['status'].replace(' ', '-')}",
        title=f"{magic_name(request.language, magic)}: {status}",
    )


def totals_table(request: PageRequest) -> Table:
    """How the magics came out, by status."""
    rows = request.store.magic_totals(request.viewer.team_id)
    return Table(name="magics", columns=("magic", "status", "repositories", "score", "findings"), rows=rows)


def _card(request: PageRequest, name: str, rows: Sequence[Mapping[str, Any]]) -> Component:
    t = request.t
    rows = sorted(rows, key=lambda row: views.STATUS_ORDER.get(row["status"], len(views.STATUS_ORDER)))
    judged = [
        (row["score"], row["repositories"])
        for row in rows
        if row["status"] in {"passed", "warning", "failed"} and row["score"] is not None
    ]
    total = sum(count for _, count in judged)
    mean = sum(score * count for score, count in judged) / total if total else None
    bars = [
        html.Span(className=f"bar {row['status'].replace(' ', '-')}", style={"flexGrow": str(row["repositories"])})
        for row in rows
    ]
    keys = [
        html.Span(
            [html.B(parts.number(row["repositories"])), " ", status_name(request.language, row["status"])],
            className=f"key {row['status'].replace(' ', '-')}",
        )
        for row in rows
    ]
    findings = sum(row["findings"] for row in rows)
    return html.Li(
        [
            html.Div(
                html.H2(html.A(magic_name(request.language, name), href=f"/magics/{name}")), className="magic-head"
            ),
            html.P(magic_question(request.language, name), className="soft"),
            html.Div(
                [
                    html.Strong(parts.number(mean, 1)),
                    html.Small(
                        t.ngettext("%(count)s finding", "%(count)s findings", findings) % {"count": f"{findings:,}"}
                    ),
                ],
                className="magic-score",
            ),
            html.Span(bars, className="bars", **attributes(aria_hidden="true")),
            html.P(keys, className="keys"),
        ],
        className="card magic",
    )


def magic_layout(request: PageRequest) -> Component:
    """One magic."""
    t, name = request.t, request.parts["magic"]
    if name not in MAGIC_ORDER:
        raise UnknownRecord(f"there is no magic {name!r}; known: {', '.join(MAGIC_ORDER)}")
    return html.Div(
        [
            html.Nav(
                html.A(t.gettext("Magics"), href="/magics"),
                className="crumbs",
                **attributes(aria_label=t.gettext("Where this is")),
            ),
            html.H1(magic_name(request.language, name)),
            html.P(magic_question(request.language, name)),
            html.Div([_trend(request, name), _rules(request, name)], className="pair"),
            _repositories(request, name),
        ]
    )


def _trend(request: PageRequest, name: str) -> Component:
    t = request.t
    weeks = figures.weeks_of_fleet(request.store.fleet_weeks(request.monday(WEEKS), request.viewer.team_id, magic=name))
    title = t.gettext("Score over 52 weeks")
    if not weeks:
        return parts.section(title, create_empty(t.gettext("No week is scored yet"), html.Code("elder rescore")))
    texts = {
        "title": title,
        "score": t.gettext("score, points of 100"),
        "week": t.gettext("week"),
        "mean": t.gettext("mean"),
        "half": t.gettext("middle half of repositories"),
    }
    said = t.gettext("Mean score by week: %(first)s at first, %(last)s now, %(count)s repositories") % {
        "first": parts.number(weeks[0]["mean"], 1),
        "last": parts.number(weeks[-1]["mean"], 1),
        "count": parts.number(weeks[-1]["repositories"]),
    }
    rows = [
        (
            week["week"],
            parts.number(week["mean"], 1),
            f"{week['low']:.1f} – {week['high']:.1f}",
            str(week["repositories"]),
        )
        for week in reversed(weeks)
    ]
    columns = (t.gettext("Week"), t.gettext("Mean"), t.gettext("Middle half"), t.gettext("Repositories"))
    return html.Section(
        parts.chart(figures.fleet_trend(weeks, texts), said, columns=columns, rows=rows), className="card"
    )


def _rules(request: PageRequest, name: str) -> Component:
    t, totals = request.t, request.store.rule_totals(request.viewer.team_id)
    rules = sorted(catalogue().of(name), key=lambda rule: -totals.get(rule.code, {}).get("open", 0))
    items = [
        html.Li(
            [
                html.Span(parts.number(totals.get(rule.code, {}).get("open", 0)), className="move"),
                html.Div([html.A(rule.code, href=f"/rules/{rule.code}"), html.Small(parts.sentence(rule.summary))]),
            ]
        )
        for rule in rules[:8]
    ]
    more = html.P(html.A(t.gettext("All its rules"), href=f"/rules?magic={name}"))
    return parts.section(t.gettext("Open findings by rule"), html.Ul(items, className="movers"), more)


def _repositories(request: PageRequest, name: str) -> Component:
    t = request.t
    offset = (max(request.number("page", 1, 100_000), 1) - 1) * ROWS
    rows, total = request.store.magic_page(
        name, offset=offset, limit=ROWS, is_descending=request.value("order") == "desc", team_id=request.viewer.team_id
    )
    lines = request.store.sparklines([row["repository_id"] for row in rows], request.monday(WEEKS), name)
    columns = (
        Column(title=t.gettext("Repository")),
        Column(title=t.gettext("Score"), sort="score"),
        Column(title=t.gettext("52 weeks"), rank=2),
        Column(title=t.gettext("Findings"), is_number=True),
        Column(title=t.gettext("Status"), rank=2),
    )
    shown = [
        (
            html.A(
                parts.repository_name(row["repository"]),
                href=repository_address(row["repository"], tab="findings", magic=name),
            ),
            parts.score(row["score"], row["status"]),
            parts.sparkline(lines[row["repository_id"]], magic_name(request.language, name)),
            parts.number(row["findings"]),
            parts.status_badge(request, row["status"]),
        )
        for row in rows
    ]
    title = t.gettext("Repositories")
    body = (
        parts.table(request, title, columns, shown)
        if rows
        else create_empty(t.gettext("No repository was audited yet"))
    )
    return parts.section(title, body, parts.pager(request, total, ROWS), aside=parts.export_link(request))


def table(request: PageRequest) -> Table:
    """Every repository's result in a magic."""
    rows, _ = request.store.magic_page(
        request.parts["magic"], offset=0, limit=EXPORTED_MAX, team_id=request.viewer.team_id
    )
    columns = ("repository", "magic", "status", "score", "findings", "suggestions", "units", "affected", "reason")
    return Table(name=f"magic-{request.parts['magic']}", columns=columns, rows=rows)


PAGES = (
    Page(
        name="magics",
        pattern="/magics",
        title=lambda request: str(request.t.gettext("Magics")),
        layout=layout,
        place=3,
        table=totals_table,
    ),
    Page(
        name="magics_magic",
        pattern="/magics/(?P<magic>[a-z_]{1,40})",
        title=lambda request: magic_name(request.language, request.parts["magic"]),
        layout=magic_layout,
        table=table,
    ),
)
