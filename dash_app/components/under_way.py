"""What goes on with a repository right now: audits that wait, the run that goes on, how the last one ended."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from dash import html
from dash.development.base_component import Component

from dash_app import views_operations
from dash_app.components import parts
from dash_app.components.links import run_link
from dash_app.page import PageRequest
from dash_app.views_operations import LiveRun

ENDED_SHOWN = dt.timedelta(minutes=10)
"""For so long the page says how a run ended; then its result is the page."""


def stage_name(request: PageRequest, stage: str) -> str:
    """How far a run is, for people."""
    t = request.t
    names = {
        "started": t.gettext("started"),
        "facts": t.gettext("reading files"),
        "access": t.gettext("asking the host"),
        "": t.gettext("under way"),
    }
    return names.get(stage, stage.replace("_", " "))


def under_way(request: PageRequest, row: Mapping[str, Any]) -> Component | None:
    """Audits of a repository that wait, run, or ended just now; it follows by itself."""
    t, store = request.t, request.store
    waiting = store.audits_under_way(row["id"])
    events = store.live_events_of(row["id"])
    numbers = sorted({str(event["document"].get("run_id") or "") for event in events} - {""})
    runs = views_operations.live_runs(events, store.failed_runs(numbers) if numbers else {}, request.now)
    running = [run for run in runs if run.state == "running" and run.run_id]
    items = [_running(request, run) for run in running[:3]]
    if not running:
        items.extend(_waiting(request, one) for one in waiting[:3])
    if items:
        return parts.section(t.gettext("Under way"), html.Ul(items, className="live"), name="under-way")
    is_fresh = bool(runs) and request.now - runs[0].last_at < ENDED_SHOWN
    if not is_fresh or runs[0].state not in {"finished", "failed"}:
        return None
    ended = html.Ul(_ended(request, runs[0]), className="live")
    return parts.section(t.gettext("Ended just now"), ended, name="under-way")


def _running(request: PageRequest, run: LiveRun) -> Component:
    told: list[parts.Child] = [
        request.t.gettext("since"),
        " ",
        parts.moment(run.started_at),
        " ",
        run_link(request, run.run_id),
    ]
    if run.detail:
        told.extend([" · ", parts.plain_text(run.detail, limit=120)])
    stage = parts.badge("low", stage_name(request, run.stage))
    return html.Li([html.Span(className="pulse"), html.Div([stage, html.Small(told)])])


def _waiting(request: PageRequest, one: Mapping[str, Any]) -> Component:
    t = request.t
    name = t.gettext("waits for a place") if one["state"] == "queued" else t.gettext("waits to be decided")
    told: list[parts.Child] = [t.gettext("asked for"), " ", parts.moment(one["received_at"])]
    return html.Li([html.Span(className="pulse"), html.Div([parts.badge("none", name), html.Small(told)])])


def _ended(request: PageRequest, run: LiveRun) -> Component:
    link: list[parts.Child] = [" ", run_link(request, run.run_id)] if run.run_id else []
    when = html.Small([parts.moment(run.last_at), *link])
    if run.state == "failed":
        said: list[parts.Child] = [
            parts.badge("failed", request.t.gettext("failed")),
            " ",
            parts.plain_text(run.detail, limit=200),
            when,
        ]
    else:
        said = [parts.status_badge(request, run.status or "passed"), " ", parts.number(run.score, 1), when]
    return html.Li(html.Div(said))
