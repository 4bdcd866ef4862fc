"""Live: which audits run now, what the last ones came to. It follows by itself; the shell says when it cannot."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from dash import html
from dash.development.base_component import Component

from dash_app import views_operations
from dash_app.components import parts
from dash_app.components.links import commit, run_link
from dash_app.components.parts import Child, Column
from dash_app.components.states import create_empty
from dash_app.components.under_way import stage_name
from dash_app.page import Page, PageRequest, Table, repository_address
from dash_app.views_operations import LiveRun

ROWS = 25
EVENTS = 150
"""Events that a look reads; a run says about four things."""
OVERLAP = 60
"""Newer events that a look at the past reads as well, to know how runs went on; those runs are left out."""
EXPORTED = 5_000
DAY = dt.timedelta(days=1)
STATES = ("running", "finished", "failed", "silent")


def layout(request: PageRequest) -> Component:
    """What runs, then what ended."""
    t = request.t
    events = _events(request, EVENTS + (OVERLAP if request.value("before") else 0))
    heading = html.H1(t.gettext("Live"))
    if not events and not request.value("q") and not request.value("before"):
        return html.Div([heading, _glance(request, []), _nothing(request)])
    runs = runs_of(request, events)
    running = [run for run in runs if run.state == "running"]
    ended = [run for run in runs if run.state != "running"]
    state = request.value("state", STATES)
    shown = [run for run in ended if state in {"", run.state}]
    is_first = not request.value("before")
    return html.Div(
        [
            heading,
            _glance(request, running),
            _running(request, running) if is_first and state in {"", "running"} else None,
            _ended(request, shown, has_more=len(events) >= EVENTS) if state != "running" else None,
        ]
    )


def _events(request: PageRequest, limit: int) -> list[dict[str, Any]]:
    before = request.number("before", 0, 10**9)
    return request.store.live_page(
        text=request.value("q").strip(),
        before=before + OVERLAP if before else None,
        limit=limit,
        team_id=request.viewer.team_id,
    )


def runs_of(request: PageRequest, events: Sequence[dict[str, Any]]) -> list[LiveRun]:
    """The runs that events tell of."""
    numbers = {str(event["document"].get("run_id") or "") for event in events} - {""}
    failures = request.store.failed_runs(sorted(numbers)) if numbers else {}
    runs = views_operations.live_runs(events, failures, request.now)
    before = request.number("before", 0, 10**9)
    return [run for run in runs if not before or run.id < before]


def _nothing(request: PageRequest) -> Component:
    t = request.t
    return create_empty(
        t.gettext("No audit has run yet"),
        html.P(t.gettext("Push to a registered repository, or start an audit on its page; it appears here at once.")),
        html.P([t.gettext("The platform must be up:"), " ", html.Code("elder up")]),
    )


def _glance(request: PageRequest, running: Sequence[LiveRun]) -> Component:
    t, store, team_id = request.t, request.store, request.viewer.team_id
    states = store.delivery_states(team_id)
    recorded, failed = store.ended_since(request.now - DAY, team_id)
    waiting = states.get("waiting", 0) + states.get("queued", 0)
    day = t.gettext("in 24 hours")
    return html.Div(
        [
            parts.stat(t.gettext("Running"), parts.number(len(running)), t.gettext("audits now"), kind="main"),
            parts.stat(t.gettext("In the queue"), parts.number(waiting), t.gettext("deliveries")),
            parts.stat(t.gettext("Finished"), parts.number(recorded), day),
            parts.stat(t.gettext("Failed"), parts.number(failed), day, kind="bad" if failed else ""),
        ],
        className="glance",
    )


def _running(request: PageRequest, running: Sequence[LiveRun]) -> Component:
    t = request.t
    title = t.gettext("Running now")
    if not running:
        return parts.section(title, create_empty(t.gettext("Nothing runs at this moment")))
    items = [
        html.Li(
            [
                html.Span(className="pulse"),
                html.Div(
                    [
                        html.A(parts.repository_name(run.repository), href=repository_address(run.repository)),
                        " ",
                        parts.badge("low", stage_name(request, run.stage)),
                        html.Small(_since(request, run)),
                    ]
                ),
            ],
            key=str(run.id),
        )
        for run in running
    ]
    return parts.section(title, html.Ul(items, className="live"))


def _since(request: PageRequest, run: LiveRun) -> list[Child]:
    said: list[Child] = [request.t.gettext("since"), " ", parts.moment(run.started_at)]
    if run.detail:
        said += [" · ", parts.plain_text(run.detail, limit=160)]
    return [*said, " · ", run_link(request, run.run_id)]


def _ended(request: PageRequest, runs: Sequence[LiveRun], *, has_more: bool) -> Component:
    t = request.t
    title = t.gettext("What the last audits came to")
    names = {"": t.gettext("All"), **{state: state_name(request, state) for state in STATES}}
    controls = parts.filters(
        request,
        parts.search_box(request, t.gettext("Repository contains")),
        parts.choice(request, t.gettext("State"), "state", names),
    )
    columns = (
        Column(title=t.gettext("Repository")),
        Column(title=t.gettext("State")),
        Column(title=t.gettext("Score"), rank=2),
        Column(title=t.gettext("Findings"), is_number=True, rank=2),
        Column(title=t.gettext("Commit"), rank=3),
        Column(title=t.gettext("Took"), is_number=True, rank=3),
        Column(title=t.gettext("Last word")),
        Column(title=t.gettext("Run"), rank=3),
    )
    body = (
        parts.table(request, title, columns, [_row(request, run) for run in runs[:ROWS]])
        if runs
        else create_empty(t.gettext("No audit fits"), html.P(html.A(t.gettext("Show all"), href=request.path)))
    )
    return parts.section(
        title, controls, body, _older(request, runs, has_more=has_more), aside=parts.export_link(request)
    )


def state_name(request: PageRequest, state: str) -> str:
    """How a run stands, for people."""
    t = request.t
    return {
        "running": t.gettext("running"),
        "finished": t.gettext("finished"),
        "failed": t.gettext("failed"),
        "silent": t.gettext("no word since"),
    }[state]


def _row(request: PageRequest, run: LiveRun) -> tuple[Child, ...]:
    kinds = {"failed": "failed", "silent": "warning"}
    badge = (
        parts.status_badge(request, run.status)
        if run.state == "finished" and run.status
        else parts.badge(kinds.get(run.state, "passed"), state_name(request, run.state))
    )
    name: list[Child] = [html.A(parts.repository_name(run.repository), href=repository_address(run.repository))]
    if run.detail:
        name.append(html.Small(parts.plain_text(run.detail, limit=160)))
    return (
        html.Span(name, className="finding"),
        badge,
        parts.score(run.score, run.status),
        parts.number(run.findings),
        commit(run.commit),
        views_operations.spent(run.seconds),
        parts.moment(run.last_at),
        run_link(request, run.run_id),
    )


def _older(request: PageRequest, runs: Sequence[LiveRun], *, has_more: bool) -> Component:
    t = request.t
    links: list[Child] = []
    if request.value("before"):
        links.append(html.A(t.gettext("Newest"), href=request.link(before=None)))
    if runs and (has_more or len(runs) > ROWS):
        links.append(html.A(t.gettext("Older"), href=request.link(before=runs[:ROWS][-1].id), rel="next"))
    return html.Nav(
        [html.Span(t.gettext("This page follows by itself.")), html.Span(links, className="pages")], className="pager"
    )


def table(request: PageRequest) -> Table:
    """The runs that the address asks for."""
    state = request.value("state", STATES)
    runs = [run for run in runs_of(request, _events(request, EXPORTED)) if state in {"", run.state}]
    columns = (
        "repository", "state", "status", "score", "findings", "commit", "stage", "detail", "started_at", "last_at",
        "run_id",
    )  # fmt: skip
    return Table(name="live", columns=columns, rows=[{name: getattr(run, name) for name in columns} for run in runs])


PAGE = Page(
    name="live",
    pattern="/live",
    title=lambda request: str(request.t.gettext("Live")),
    layout=layout,
    place=6,
    table=table,
)
