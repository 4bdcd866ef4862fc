"""Gates: which changes may land, which may not, and what to do about each finding that holds one back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dash import html
from dash.development.base_component import Component

from dash_app import figures_operations, views_operations
from dash_app.components import parts
from dash_app.components.findings import severity_badge
from dash_app.components.links import commit, outward, run_link
from dash_app.components.parts import Child, Column
from dash_app.components.states import create_empty
from dash_app.page import Page, PageRequest, Table, address, repository_address
from elder_assets.audit.report import plain
from resources.messages.catalogue import status_name
from resources.store.operations_pages import ROWS_MAX, GateFilter

ROWS = 25
WEEKS = 12
SHOWN_MAX = 100
"""Findings of one kind that a gate's page lists; its CSV has all."""
STATUSES = ("passed", "failed", "error")
FILTERS = ("q", "status", "team")


def layout(request: PageRequest) -> Component:
    """All gates."""
    t = request.t
    rows, total = request.store.gate_page(wanted(request), request.viewer.team_id)
    heading = html.H1(t.gettext("Gates"))
    if not total and not any(request.value(name) for name in FILTERS):
        return html.Div([heading, _nothing(request)])
    return html.Div([heading, _weeks(request), _table(request, rows, total)])


def _nothing(request: PageRequest) -> Component:
    t = request.t
    return create_empty(
        t.gettext("No change was judged yet"),
        html.P(t.gettext("A change request is judged as soon as its repository's webhook is set up.")),
        html.P([t.gettext("Or judge one here:"), " ", html.Code("elder gate <path> --base main --head HEAD")]),
    )


def wanted(request: PageRequest, *, limit: int = ROWS) -> GateFilter:
    """Which gates the address asks for."""
    return GateFilter(
        text=request.value("q").strip(),
        status=request.value("status", STATUSES),
        team=request.value("team"),
        offset=0 if limit > ROWS else (max(request.number("page", 1, 100_000), 1) - 1) * ROWS,
        limit=limit,
    )


def _weeks(request: PageRequest) -> Component:
    t = request.t
    since = dt.date.fromisoformat(request.monday(WEEKS - 1))
    start = dt.datetime.combine(since, dt.time(), dt.UTC)
    days = request.store.gate_days(start, request.viewer.team_id)
    weeks = views_operations.gate_weeks(days, since, request.now.date())
    recent = [sum(row[name] for row in weeks[-4:]) for name in ("passed", "failed", "other")]
    share = recent[0] / sum(recent) if sum(recent) else None
    glance = html.Div(
        [
            parts.stat(t.gettext("Judged"), parts.number(sum(recent)), t.gettext("changes in four weeks")),
            parts.stat(
                t.gettext("Held back"),
                parts.number(recent[1]),
                t.gettext("changes in four weeks"),
                kind="bad" if recent[1] else "",
                href=request.link(status="failed", page=None) + "#gates",
            ),
            parts.stat(t.gettext("May land"), parts.percent(share), t.gettext("of the changes in four weeks")),
        ],
        className="glance",
    )
    if not days:
        return glance
    texts = {
        "title": t.gettext("Judged changes by week"),
        "week": t.gettext("week"),
        "changes": t.gettext("changes"),
        "passed": status_name(request.language, "passed"),
        "failed": status_name(request.language, "failed"),
        "other": t.gettext("could not be judged"),
    }
    said = t.gettext("%(judged)s changes judged in %(weeks)s weeks, %(failed)s of them held back") % {
        "judged": parts.number(len(days)),
        "weeks": WEEKS,
        "failed": parts.number(sum(row["failed"] for row in weeks)),
    }
    columns = (t.gettext("Week"), texts["passed"], texts["failed"], texts["other"])
    shown = [(row["week"], row["passed"], row["failed"], row["other"]) for row in reversed(weeks)]
    figure = parts.chart(figures_operations.gate_bars(weeks, texts), said, columns=columns, rows=shown)
    return html.Div([glance, html.Section(figure, className="card")])


def _table(request: PageRequest, rows: Sequence[Mapping[str, Any]], total: int) -> Component:
    t = request.t
    columns = (
        Column(title=t.gettext("Change")),
        Column(title=t.gettext("Status")),
        Column(title=t.gettext("Failing"), is_number=True),
        Column(title=t.gettext("New"), is_number=True, rank=2),
        Column(title=t.gettext("Fixed"), is_number=True, rank=2),
        Column(title=t.gettext("Suppressed"), is_number=True, rank=3),
        Column(title=t.gettext("Team"), rank=3),
        Column(title=t.gettext("Judged"), rank=2),
    )
    title = t.gettext("Changes, newest first")
    teams = {team.key: team.name for team in request.store.teams()}
    statuses = {name: status_name(request.language, name) for name in STATUSES}
    controls = parts.filters(
        request,
        parts.search_box(request, t.gettext("Repository or title contains")),
        parts.choice(request, t.gettext("Status"), "status", {"": t.gettext("All"), **statuses}),
        parts.choice(request, t.gettext("Team"), "team", {"": t.gettext("All"), **teams}),
    )
    body = (
        parts.table(request, title, columns, [_row(request, row) for row in rows])
        if rows
        else create_empty(t.gettext("No change fits"), html.P(html.A(t.gettext("Show all"), href=request.path)))
    )
    return parts.section(
        title, controls, body, parts.pager(request, total, ROWS), aside=parts.export_link(request), name="gates"
    )


def _row(request: PageRequest, row: Mapping[str, Any]) -> tuple[Child, ...]:
    number = f" #{row['change_number']}" if row["change_number"] is not None else ""
    named = html.Span(
        [
            html.A(_title(request, row), href=f"/gates/{row['id']}"),
            html.Small([parts.repository_name(row["repository"]), number]),
        ],
        className="finding",
    )
    return (
        named,
        parts.status_badge(request, row["status"]),
        html.B(parts.number(row["failing"]), className="bad-text") if row["failing"] else "0",
        parts.number(row["new"]),
        parts.number(row["fixed"]),
        parts.number(row["suppressed"]),
        html.A(row["team_name"], href=address(f"/teams/{row['team']}")) if row["team"] else _dash(),
        parts.moment(row["judged_at"]),
    )


def _title(request: PageRequest, row: Mapping[str, Any]) -> Child:
    """What people call a change: its title, else its number, else its commit."""
    if row["title"]:
        return parts.plain_text(row["title"], limit=120)
    if row["change_number"] is not None:
        return request.t.gettext("Change %(number)s") % {"number": row["change_number"]}
    return commit(row["head"])


def _dash() -> Component:
    return html.Span("–", className="soft")


def table(request: PageRequest) -> Table:
    """Every gate that the address asks for."""
    rows, _ = request.store.gate_page(wanted(request, limit=ROWS_MAX), request.viewer.team_id)
    columns = (
        "id", "repository", "team", "change_number", "title", "base", "head", "status", "reason", "failing", "new",
        "fixed", "suppressed", "judged_at",
    )  # fmt: skip
    return Table(name="gates", columns=columns, rows=rows)


# --- one gate -----------------------------------------------------------------------------------------------


def gate_layout(request: PageRequest) -> Component:
    """One change: what holds it back and what to do, then the rest."""
    row = _asked(request)
    report = row["report"]
    lists: list[Child] = [
        _findings(request, request.t.gettext("Fails the gate"), report.get("failing", ()), kind="alarm"),
        _findings(request, request.t.gettext("New, but fails nothing"), views_operations.advice(report)),
        _suppressed(request, report.get("suppressed", ())),
        _problems(request, report.get("problems", ())),
        _findings(request, request.t.gettext("Fixed by this change"), report.get("fixed", ()), is_done=True),
    ]
    if report and not any(lists):
        lists = [
            parts.section(
                request.t.gettext("Findings"),
                create_empty(request.t.gettext("This change brings no finding and fixes none")),
            )
        ]
    return html.Div([_head(request, row), _verdict(request, row), *lists, _terms(request, row)])


def _asked(request: PageRequest) -> dict[str, Any]:
    return request.store.gate(int(request.parts["number"]), request.viewer.team_id)


def _head(request: PageRequest, row: Mapping[str, Any]) -> Component:
    t = request.t
    shown: list[Child] = [html.A(parts.repository_name(row["repository"]), href=repository_address(row["repository"]))]
    if row["change_number"] is not None:
        link = views_operations.change_address(row["provider"], row["web_url"], row["change_number"])
        shown.append(outward(t.gettext("change request %(number)s") % {"number": row["change_number"]}, link))
    shown.append(html.Span([commit(row["base"]), " … ", commit(row["head"])]))
    shown.append(html.Span([t.gettext("judged"), " ", parts.moment(row["judged_at"])]))
    shown.append(html.Span([t.gettext("run"), " ", run_link(request, row["run_id"])]))
    return html.Div(
        html.Div([html.H1(_title(request, row)), html.P([html.Span(one) for one in shown], className="facts")]),
        className="page-head",
    )


def _verdict(request: PageRequest, row: Mapping[str, Any]) -> Component:
    t, report = request.t, row["report"]
    score = report.get("score") or {}
    before, after = score.get("before"), score.get("after")
    moved = after - before if before is not None and after is not None else None
    said = t.gettext("This change may land.") if row["status"] == "passed" else t.gettext("This change may not land.")
    verdict = html.Div(
        [
            html.Span(t.gettext("Verdict"), className="stat-label"),
            parts.status_badge(request, row["status"]),
            html.Strong(said, className="said-verdict"),
            html.Small(parts.reason(request, row["reason"]) if row["reason"] else None),
        ],
        className="stat wide",
    )
    counts = [
        parts.stat(t.gettext("Failing"), parts.number(row["failing"]), kind="bad" if row["failing"] else ""),
        parts.stat(t.gettext("New"), parts.number(row["new"])),
        parts.stat(t.gettext("Fixed"), parts.number(row["fixed"])),
        parts.stat(t.gettext("Suppressed"), parts.number(row["suppressed"])),
    ]
    if after is not None:
        counts.append(parts.stat(t.gettext("Score"), parts.number(after, 1), parts.signed(moved)))
    if not report:
        counts.append(html.P(t.gettext("The report of this gate was not kept; only its counts are known.")))
    return html.Div([verdict, *counts], className="glance")


def _findings(
    request: PageRequest, title: str, rows: Sequence[Mapping[str, Any]], *, kind: str = "", is_done: bool = False
) -> Component | None:
    t = request.t
    if not rows:
        return None
    columns = [
        Column(title=t.gettext("Finding")),
        Column(title=t.gettext("Severity")),
        Column(title=t.gettext("Rule"), rank=2),
    ]
    cells: list[Callable[[Mapping[str, Any]], Child]] = [
        _place_and_message,
        lambda row: severity_badge(request, row["severity"]),
        lambda row: html.A(row["rule"], href=address(f"/rules/{row['rule']}")),
    ]
    if not is_done:
        columns.append(Column(title=t.gettext("What to do")))
        cells.append(lambda row: parts.plain_text(row["remedy"]))
    shown = [tuple(cell(row) for cell in cells) for row in rows[:SHOWN_MAX]]
    counted = f"{title} ({len(rows):,})"
    return parts.section(counted, parts.table(request, title, columns, shown), _more(request, rows), kind=kind)


def _place_and_message(row: Mapping[str, Any]) -> Component:
    where = html.Small(parts.place(row["path"], row["line"])) if row["path"] else None
    return html.Span([parts.plain_text(row["message"], limit=220), where], className="finding")


def _more(request: PageRequest, rows: Sequence[Any]) -> Component | None:
    if len(rows) <= SHOWN_MAX:
        return None
    said = request.t.gettext("and %(count)s more, in the CSV") % {"count": parts.number(len(rows) - SHOWN_MAX)}
    return html.P([said, " ", parts.export_link(request)])


def _suppressed(request: PageRequest, rows: Sequence[Mapping[str, Any]]) -> Component | None:
    t = request.t
    if not rows:
        return None
    columns = (
        Column(title=t.gettext("Finding")),
        Column(title=t.gettext("Rule"), rank=2),
        Column(title=t.gettext("Because")),
        Column(title=t.gettext("Until")),
        Column(title=t.gettext("Said in"), rank=3),
    )
    shown = [
        (
            _place_and_message(row),
            html.A(row["rule"], href=address(f"/rules/{row['rule']}")),
            parts.plain_text(row["suppression"]["reason"]),
            plain(str(row["suppression"]["until"])),
            parts.place(row["suppression"]["place"]),
        )
        for row in rows[:SHOWN_MAX]
    ]
    title = t.gettext("New, but suppressed")
    return parts.section(f"{title} ({len(rows):,})", parts.table(request, title, columns, shown), _more(request, rows))


def _problems(request: PageRequest, rows: Sequence[Mapping[str, Any]]) -> Component | None:
    t = request.t
    if not rows:
        return None
    columns = (
        Column(title=t.gettext("Where")), Column(title=t.gettext("What")), Column(title=t.gettext("Why"))
    )  # fmt: skip
    shown = [
        (parts.place(row["place"]), parts.reason(request, row["kind"]), parts.reason(request, row["reason"]))
        for row in rows
    ]
    title = t.gettext("Suppressions that are not in force")
    return parts.section(title, parts.table(request, title, columns, shown[:SHOWN_MAX]))


def _terms(request: PageRequest, row: Mapping[str, Any]) -> Component:
    t, report = request.t, row["report"]
    terms = report.get("terms") or {}
    answers = {"allowed": t.gettext("allowed"), "refused": t.gettext("refused")}
    known: list[tuple[str, Child]] = []
    if terms:
        known += [
            (t.gettext("Fails from severity"), severity_badge(request, terms["fails_from"])),
            (
                t.gettext("Suppressions in the change"),
                answers.get(terms["new_suppressions"], terms["new_suppressions"]),
            ),
        ]
    if "existing" in report:
        known.append((t.gettext("Findings that were there before"), parts.number(report["existing"])))
    known.append((t.gettext("Ruler"), html.Code(row["ruler"][:8], title=row["ruler"])))
    listed = html.Dl([item for name, value in known for item in (html.Dt(name), html.Dd(value))])
    return parts.section(t.gettext("Terms of this gate"), listed, aside=parts.export_link(request))


def gate_table(request: PageRequest) -> Table:
    """Every finding that the gate names, and how it stands."""
    report = _asked(request)["report"]
    groups = {
        "failing": report.get("failing", ()),
        "new": views_operations.advice(report),
        "suppressed": report.get("suppressed", ()),
        "fixed": report.get("fixed", ()),
    }
    rows = [{**row, "standing": name} for name, found in groups.items() for row in found]
    columns = ("standing", "rule", "severity", "tier", "path", "line", "symbol", "message", "remedy", "fingerprint")
    return Table(name=f"gate-{request.parts['number']}", columns=columns, rows=rows)


PAGES = (
    Page(
        name="gates",
        pattern="/gates",
        title=lambda request: str(request.t.gettext("Gates")),
        layout=layout,
        place=5,
        table=table,
    ),
    Page(
        name="gates_one",
        pattern="/gates/(?P<number>[0-9]{1,18})",
        title=lambda request: request.t.gettext("Gate %(number)s") % {"number": request.parts["number"]},
        layout=gate_layout,
        table=gate_table,
    ),
)
