"""The fleet: how is it, what got better or worse and why, what cannot be audited."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, get_args

from dash import html
from dash.development.base_component import Component

from dash_app import figures, views
from dash_app.components import parts
from dash_app.components.attributes import attributes
from dash_app.components.parts import Column
from dash_app.components.states import create_empty
from dash_app.page import Page, PageRequest, Table, repository_address
from resources.messages.catalogue import magic_name, status_name
from resources.store.pages import PAGE_ROWS_MAX, RepositoryFilter, RepositorySort

ROWS = 25
WEEKS = 52
PERIODS = ("4", "13", "52")
"""Weeks that 'lately' may mean: over them movers and changes are shown."""
MOVERS = 5
STATUSES = ("passed", "warning", "failed", "error", "insufficient", "failing", "never")


def layout(request: PageRequest) -> Component:
    """The whole page."""
    store, t = request.store, request.t
    totals = store.fleet_totals(request.viewer.team_id)
    if not totals["repositories"]:
        return html.Div([html.H1(t.gettext("Fleet")), _nothing(request)])
    weeks = figures.weeks_of_fleet(store.fleet_weeks(request.monday(WEEKS), request.viewer.team_id))
    failing = store.cannot_audit(request.viewer.team_id)
    return html.Div(
        [
            html.Div(
                [html.H1(t.gettext("Fleet")), html.Div(parts.take_along(request), className="actions")],
                className="page-head",
            ),
            _glance(request, totals, failing),
            html.Div([_trend(request, weeks), _movers(request)], className="pair"),
            _cannot_audit(request, failing) if failing else None,
            _repositories(request),
        ]
    )


def _lately(request: PageRequest) -> int:
    """Over how many weeks movers and changes are shown."""
    return int(request.value("weeks", PERIODS, PERIODS[0]))


def _week(request: PageRequest) -> str:
    """The Monday that scores are compared with; history scores this week and the 51 before it."""
    return request.monday(min(_lately(request), WEEKS - 1))


def _in_weeks(request: PageRequest) -> str:
    return request.t.gettext("in %(count)s weeks") % {"count": _lately(request)}


def _nothing(request: PageRequest) -> Component:
    t = request.t
    return create_empty(
        t.gettext("No repository is registered yet"),
        html.P([t.gettext("Register one:"), " ", html.Code("elder repo add <path or URL>")]),
        html.P([t.gettext("Or fill in a few for a look:"), " ", html.Code("make demo")]),
    )


def _glance(request: PageRequest, totals: dict[str, Any], failing: Sequence[dict[str, Any]]) -> Component:
    t = request.t
    change, compared = request.store.fleet_change(_week(request), request.viewer.team_id)
    over = t.gettext("over the %(count)s that had a score then") % {"count": parts.number(compared)}
    share = totals["analysed_files"] / totals["eligible_files"] if totals["eligible_files"] else None
    gating = totals["critical"] + totals["high"]
    return html.Div(
        [
            html.Div(
                [
                    html.Span(t.gettext("Health"), className="stat-label"),
                    html.Strong(parts.number(totals["score"], 1)),
                    html.Small(
                        [
                            *(parts.signed(change), " ", _in_weeks(request)),
                            html.Span(f", {over}") if compared < totals["audited"] else None,
                        ]
                        if change is not None
                        else t.gettext("mean score of 100")
                    ),
                ],
                className="stat main",
            ),
            _statuses(request, totals),
            parts.stat(
                t.gettext("Fails a check"),
                parts.number(gating),
                t.gettext("%(critical)s critical, %(high)s high")
                % {"critical": parts.number(totals["critical"]), "high": parts.number(totals["high"])},
                kind="bad" if gating else "",
                href=request.link(sort="critical", order="desc", page=None) + "#repositories",
            ),
            parts.stat(
                t.gettext("Open findings"),
                parts.number(totals["open"]),
                t.gettext("%(count)s suppressed") % {"count": parts.number(totals["suppressed"])},
            ),
            parts.stat(t.gettext("Coverage"), parts.percent(share), t.gettext("of the files that should be read")),
            parts.stat(
                t.gettext("Cannot audit"),
                parts.number(len(failing)),
                t.ngettext("repository", "repositories", len(failing)),
                kind="bad" if failing else "",
                href=request.link(status="failing", page=None) + "#repositories",
            ),
        ],
        className="glance",
    )


def _statuses(request: PageRequest, totals: dict[str, Any]) -> Component:
    t = request.t
    shares = views.status_shares(totals["statuses"])
    never = totals["repositories"] - totals["audited"]
    bar = [
        html.Span(className=f"bar {name.replace(' ', '-')}", style={"flexGrow": str(count)})
        for name, count, _ in shares
    ]
    links = [
        html.A(
            [html.B(parts.number(count)), " ", status_name(request.language, name)],
            href=request.link(status=name, page=None) + "#repositories",
            className=f"key {name.replace(' ', '-')}",
        )
        for name, count, _ in shares
    ]
    if never:
        links.append(
            html.A(
                [html.B(parts.number(never)), " ", t.gettext("not audited yet")],
                href=request.link(status="never", page=None) + "#repositories",
                className="key",
            )
        )
    return html.Div(
        [
            html.Span(t.gettext("Repositories"), className="stat-label"),
            html.Strong(parts.number(totals["repositories"])),
            html.Span(bar, className="bars", **attributes(aria_hidden="true")),
            html.Span(links, className="keys"),
        ],
        className="stat wide",
    )


def _trend(request: PageRequest, weeks: Sequence[dict[str, Any]]) -> Component:
    t = request.t
    if not weeks:
        return parts.section(
            t.gettext("Health over 52 weeks"),
            create_empty(
                t.gettext("No week is scored yet"),
                html.P([t.gettext("Score the past:"), " ", html.Code("elder rescore")]),
            ),
        )
    texts = {
        "title": t.gettext("Health over 52 weeks"),
        "score": t.gettext("score, points of 100"),
        "week": t.gettext("week"),
        "mean": t.gettext("mean"),
        "half": t.gettext("middle half of repositories"),
    }
    said = t.gettext(
        "Mean score by week: %(first)s at first, %(last)s now, %(count)s repositories; half of them are in the band"
    ) % {
        "first": parts.number(weeks[0]["mean"], 1),
        "last": parts.number(weeks[-1]["mean"], 1),
        "count": parts.number(weeks[-1]["repositories"]),
    }
    columns = (t.gettext("Week"), t.gettext("Mean"), t.gettext("Middle half"), t.gettext("Repositories"))
    rows = [
        (
            week["week"],
            parts.number(week["mean"], 1),
            f"{week['low']:.1f} – {week['high']:.1f}",
            str(week["repositories"]),
        )
        for week in reversed(weeks)
    ]
    figure = figures.fleet_trend(weeks, texts)
    return html.Section(parts.chart(figure, said, columns=columns, rows=rows), className="card")


def _movers(request: PageRequest) -> Component:
    t, moves = request.t, _moves(request)
    title = t.gettext("Biggest movers")
    periods = [
        html.A(
            weeks, href=request.link(weeks="" if weeks == PERIODS[0] else weeks), **attributes(aria_current=is_shown)
        )
        for weeks in PERIODS
        for is_shown in ["true" if int(weeks) == _lately(request) else None]
    ]
    choice = html.Nav(
        [*periods, html.Span(t.gettext("weeks"))],
        className="periods",
        **attributes(aria_label=t.gettext("Over how long")),
    )
    shown = (
        html.Ul([_mover(request, move) for move in moves], className="movers")
        if moves
        else create_empty(t.gettext("No score moved"))
    )
    return parts.section(title, shown, aside=choice)


def _moves(request: PageRequest) -> list[views.Move]:
    store, week = request.store, _week(request)
    since = dt.datetime.fromisoformat(week).replace(tzinfo=dt.UTC) + dt.timedelta(weeks=1)  # as the week was scored
    rows = store.movers(since, week, limit=MOVERS, team_id=request.viewer.team_id)
    outcomes = store.outcomes_of(
        {row[name] for row in rows for name in ("snapshot_before", "snapshot_after") if row["snapshot_before"]}
    )
    magics = store.magics_since([row["id"] for row in rows if not row["snapshot_before"]], week)
    moves = []
    for row in rows:
        if not row["snapshot_before"]:
            moves.append(views.move_since_week(row, magics.get(row["id"], {})))
            continue
        start = None
        if row["ruler_before"] != row["ruler_after"]:
            start = store.week_score(row["id"], week, row["ruler_after"])
        moves.append(views.move_of(row, outcomes[row["snapshot_before"]], outcomes[row["snapshot_after"]], start))
    return moves


def _mover(request: PageRequest, move: views.Move) -> Component:
    return html.Li(
        [
            html.Span(parts.signed(move.change), className="move"),
            html.Div(
                [
                    html.A(parts.repository_name(move.repository), href=repository_address(move.repository)),
                    html.Small([f"{move.before:.1f} → {move.after:.1f} · ", _why(request, move)]),
                ]
            ),
        ]
    )


def _why(request: PageRequest, move: views.Move) -> Component:
    t = request.t
    word = {
        "code": t.gettext("code changed"),
        "ruler": t.gettext("ruler changed"),
        "scope": t.gettext("scope changed"),
    }[move.reason]
    said: list[Any] = [html.B(word)]
    if abs(move.ruler) >= 0.05 and abs(move.code) >= 0.05:
        said.append(
            t.gettext(" (code %(code)s, ruler %(ruler)s)")
            % {"code": f"{move.code:+.1f}", "ruler": f"{move.ruler:+.1f}"}
        )
    for index, (rule, more) in enumerate(move.rules):
        said.extend(
            [": " if index == 0 else ", ", html.A(rule, href=f"/rules/{rule}"), f" {more:+d}".replace("-", "\u2212")]
        )
    for index, (magic, points) in enumerate(move.magics):
        said.extend([": " if index == 0 else ", ", magic_name(request.language, magic), " ", parts.signed(points)])
    return html.Span(said)


def _cannot_audit(request: PageRequest, failing: Sequence[dict[str, Any]]) -> Component:
    t = request.t
    columns = (
        Column(title=t.gettext("Repository")),
        Column(title=t.gettext("Team"), rank=2),
        Column(title=t.gettext("Since")),
        Column(title=t.gettext("Attempts"), is_number=True, rank=3),
        Column(title=t.gettext("Why")),
    )
    rows = [
        (
            html.A(parts.repository_name(row["repository"]), href=repository_address(row["repository"])),
            row["team"] or "–",
            parts.moment(row["since"]),
            parts.number(row["attempts"]),
            parts.plain_text(row["reason"], limit=200),
        )
        for row in failing[:10]
    ]
    title = t.gettext("Cannot audit")
    return parts.section(title, parts.table(request, title, columns, rows), kind="alarm")


# --- the table of repositories ------------------------------------------------------------------------------


def wanted(request: PageRequest, *, limit: int = ROWS) -> RepositoryFilter:
    """Which repositories the address asks for."""
    sort: RepositorySort = request.value("sort", get_args(RepositorySort), "score")  # type: ignore[assignment]
    return RepositoryFilter(
        text=request.value("q").strip(),
        status=request.value("status", STATUSES),
        team=request.value("team"),
        sort=sort,
        is_descending=request.value("order") == "desc",
        offset=0 if limit > ROWS else (max(request.number("page", 1, 100_000), 1) - 1) * ROWS,
        limit=limit,
    )


def _repositories(request: PageRequest) -> Component:
    t, store = request.t, request.store
    rows, total = store.fleet_page(wanted(request), before=_week(request), team_id=request.viewer.team_id)
    lines = store.sparklines([row["id"] for row in rows], request.monday(WEEKS))
    columns = (
        Column(title=t.gettext("Repository"), sort="repository"),
        Column(title=t.gettext("Team"), sort="team", rank=3),
        Column(title=t.gettext("Score"), sort="score"),
        Column(title=t.gettext("52 weeks"), rank=2),
        Column(
            title=t.gettext("Change, %(count)s weeks") % {"count": _lately(request)},
            sort="change",
            is_number=True,
            rank=2,
        ),
        Column(title=t.gettext("Open"), sort="open", is_number=True, is_falling=True),
        Column(title=t.gettext("Fails a check"), sort="critical", is_number=True, is_falling=True, rank=2),
        Column(title=t.gettext("Coverage"), sort="coverage", is_number=True, rank=3),
        Column(title=t.gettext("Last audit"), sort="audited", is_falling=True, rank=3),
    )
    shown = [_row(request, row, lines[row["id"]]) for row in rows]
    title = t.gettext("Repositories")
    teams = {team.key: team.name for team in store.teams()}
    controls = parts.filters(
        request,
        parts.search_box(request, t.gettext("Name contains")),
        parts.choice(request, t.gettext("Status"), "status", {"": t.gettext("All"), **_status_names(request)}),
        parts.choice(request, t.gettext("Team"), "team", {"": t.gettext("All"), **teams}),
        keep=("weeks",),
    )
    body = (
        parts.table(request, title, columns, shown)
        if rows
        else create_empty(t.gettext("No repository fits"), html.P(html.A(t.gettext("Show all"), href=request.here)))
    )
    return parts.section(
        title, controls, body, parts.pager(request, total, ROWS), aside=parts.export_link(request), name="repositories"
    )


def _status_names(request: PageRequest) -> dict[str, str]:
    t = request.t
    own = {"failing": t.gettext("cannot audit"), "never": t.gettext("not audited yet")}
    return {name: own.get(name) or status_name(request.language, name) for name in STATUSES}


def _row(request: PageRequest, row: dict[str, Any], line: Sequence[float | None]) -> tuple[Any, ...]:
    t = request.t
    known = [value for value in line if value is not None]
    said = t.gettext("from %(first)s to %(last)s") % {"first": known[0], "last": known[-1]} if known else ""
    name: list[Any] = [html.A(parts.repository_name(row["repository"]), href=repository_address(row["repository"]))]
    if row["failed_at"]:
        name.append(parts.badge("error", t.gettext("cannot audit")))
    elif row["status"] is None:
        name.append(parts.badge("none", t.gettext("not audited yet")))
    gating = (row["critical"] or 0) + (row["high"] or 0)
    return (
        html.Span(name, className="name"),
        html.A(row["team_name"], href=f"/teams/{row['team']}") if row["team"] else html.Span("–", className="soft"),
        parts.score(row["score"], row["status"] or "")
        if row["score"] is not None or not row["status"]
        else parts.status_badge(request, row["status"]),
        parts.sparkline(line, said),
        parts.signed(row["change"]),
        parts.number(row["open"]),
        html.B(parts.number(gating), className="bad-text") if gating else "0" if row["status"] else "–",
        parts.percent(row["coverage"]),
        parts.moment(row["audited_at"]),
    )


def table(request: PageRequest) -> Table:
    """Every repository that the address asks for."""
    rows, _ = request.store.fleet_page(
        wanted(request, limit=PAGE_ROWS_MAX),
        before=_week(request),
        team_id=request.viewer.team_id,
    )
    columns = (
        "repository",
        "team",
        "status",
        "score",
        "change",
        "open",
        "critical",
        "high",
        "coverage",
        "as_of",
        "audited_at",
    )
    return Table(name="fleet", columns=columns, rows=rows)


PAGE = Page(
    name="fleet",
    pattern="/",
    title=lambda request: str(request.t.gettext("Fleet")),
    layout=layout,
    place=1,
    table=table,
)
