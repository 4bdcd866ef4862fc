"""Alerts: what people were told, what was held or dropped and why, under which rules, and on which channels."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from dash import html
from dash.development.base_component import Component

from dash_app import views_operations
from dash_app.components import parts
from dash_app.components.alert_forms import KINDS, LANGUAGE_NAMES, channel_form, kind_name, rule_form
from dash_app.components.attributes import attributes
from dash_app.components.parts import Child, Column
from dash_app.components.states import create_empty
from dash_app.page import Page, PageRequest, Table, address, repository_address
from elder_assets.audit.alerts import THRESHOLDS, AlertRule, Notice
from resources.messages.catalogue import severity_name
from resources.notifiers.messages import render
from resources.store.alerts import AlertChannel
from resources.store.operations_pages import ROWS_MAX, AlertFilter

ROWS = 25
RECENT_DAYS = 7
TABS = ("history", "rules", "channels")
GROUPS = ("send", "hold", "drop")
MUTE_HOURS = (1, 8, 24, 168)
URGENCY_KINDS = {"critical": "critical", "warning": "warning", "info": "info"}


def layout(request: PageRequest) -> Component:
    """The tab that the address names."""
    t, tab = request.t, request.value("tab", TABS, TABS[0])
    shown = {"history": _history, "rules": _rules, "channels": _channels}[tab]
    names = {"history": t.gettext("History"), "rules": t.gettext("Rules"), "channels": t.gettext("Channels")}
    links = [(names[name], address(request.path, tab="" if name == TABS[0] else name), name == tab) for name in TABS]
    tabs = parts.tabs(request, links)
    return html.Div([html.H1(t.gettext("Alerts")), tabs, shown(request)])


def _team_key(request: PageRequest) -> str | None:
    """The team whose rules and channels the viewer sees beside those for all; None for all teams."""
    number = request.viewer.team_id
    return None if number is None else next((team.key for team in request.store.teams() if team.id == number), "?")


def _may_change(request: PageRequest, team: str) -> bool:
    own = _team_key(request)
    return request.viewer.may("maintainer") and own in {None, team}


# --- history ------------------------------------------------------------------------------------------------


def wanted(request: PageRequest, *, limit: int = ROWS) -> AlertFilter:
    """Which decisions the address asks for."""
    return AlertFilter(
        text=request.value("q").strip(),
        action=request.value("action", GROUPS),
        offset=0 if limit > ROWS else (max(request.number("page", 1, 100_000), 1) - 1) * ROWS,
        limit=limit,
    )


def _history(request: PageRequest) -> Component:
    t, store, team_id = request.t, request.store, request.viewer.team_id
    rows, total = store.alert_page(wanted(request), team_id)
    if not total and not (request.value("q") or request.value("action")):
        return create_empty(
            t.gettext("Nothing was decided yet"),
            html.P(t.gettext("Add a channel and a rule; from then on every event is decided here, once.")),
            html.P(html.A(t.gettext("Channels"), href=address(request.path, tab="channels"))),
        )
    columns = (
        Column(title=t.gettext("What")),
        Column(title=t.gettext("Decision")),
        Column(title=t.gettext("Channels"), rank=2),
        Column(title=t.gettext("Rule"), rank=3),
        Column(title=t.gettext("When"), rank=2),
    )
    title = t.gettext("Decisions, newest first")
    groups = {"send": t.gettext("told at once"), "hold": t.gettext("held"), "drop": t.gettext("dropped")}
    controls = parts.filters(
        request,
        parts.search_box(request, t.gettext("Repository or rule contains")),
        parts.choice(request, t.gettext("Decision"), "action", {"": t.gettext("All"), **groups}),
    )
    body = (
        parts.table(request, title, columns, [_decision(request, row) for row in rows])
        if rows
        else create_empty(t.gettext("No decision fits"), html.P(html.A(t.gettext("Show all"), href=request.path)))
    )
    listed = parts.section(
        title, controls, body, parts.pager(request, total, ROWS), aside=parts.export_link(request), name="decisions"
    )
    return html.Div([_glance(request), listed])


def _glance(request: PageRequest) -> Component:
    t, store, team_id = request.t, request.store, request.viewer.team_id
    since = request.now - dt.timedelta(days=RECENT_DAYS)
    groups = views_operations.decision_groups(store.alert_actions(since, team_id))
    states = store.notice_states(team_id)
    lost = states.get("given up", 0)
    week = t.gettext("in seven days")
    names = {"send": t.gettext("Told at once"), "hold": t.gettext("Held"), "drop": t.gettext("Dropped")}
    stats = [
        parts.stat(
            names[name], parts.number(groups[name]), week, href=request.link(action=name, page=None) + "#decisions"
        )
        for name in GROUPS
    ]
    stats.append(parts.stat(t.gettext("Waiting"), parts.number(states.get("waiting", 0)), t.gettext("messages")))
    stats.append(
        parts.stat(t.gettext("Given up"), parts.number(lost), t.gettext("messages"), kind="bad" if lost else "")
    )
    return html.Div(stats, className="glance")


def action_name(request: PageRequest, action: str) -> tuple[str, str]:
    """(badge, words) of what was decided."""
    t = request.t
    names = {
        "send": ("passed", t.gettext("told at once")),
        "hold for digest": ("low", t.gettext("held for the digest")),
        "hold for quiet hours": ("low", t.gettext("held for quiet hours")),
        "drop: duplicate": ("none", t.gettext("dropped: told before")),
        "drop: cool-down": ("none", t.gettext("dropped: cool-down")),
        "drop: muted": ("none", t.gettext("dropped: muted")),
    }
    return names.get(action, ("none", action))


def title_of(request: PageRequest, document: Mapping[str, Any]) -> str:
    """What people are told, in the viewer's language; the kind of the event where it can no longer be read."""
    try:
        notice = msgspec.convert(document["notice"], Notice)
        return render(notice, request.language).title
    except (msgspec.ValidationError, KeyError, ValueError):
        event = document.get("notice", {}).get("event", {})
        return str(event.get("kind", "?"))


def _decision(request: PageRequest, row: Mapping[str, Any]) -> tuple[Child, ...]:
    t, key = request.t, row["repository"]
    word, said = action_name(request, row["action"])
    where = html.A(parts.repository_name(key), href=repository_address(key)) if key else t.gettext("Elder itself")
    decided: list[Child] = [parts.badge(word, said)]
    if reason := row["document"].get("reason"):
        decided.append(html.Small(parts.reason(request, views_operations.with_times(reason), limit=160)))
    return (
        html.Span(
            [parts.plain_text(title_of(request, row["document"]), limit=160), html.Small(where)], className="finding"
        ),
        html.Span(decided, className="finding"),
        _told(request, row["notices"]),
        parts.plain_text(row["rule"]),
        parts.moment(row["at"]),
    )


def _told(request: PageRequest, notices: list[dict[str, Any]]) -> Child:
    if not notices:
        return html.Span("–", className="soft")
    return html.Ul([html.Li(_notice(request, one)) for one in notices], className="told")


def _notice(request: PageRequest, one: Mapping[str, Any]) -> list[Child]:
    t = request.t
    named: list[Child] = [parts.plain_text(one["channel"]), " "]
    if one["state"] == "sent":
        return [*named, parts.badge("passed", t.gettext("sent")), " ", html.Small(parts.moment(one["sent_at"]))]
    if one["state"] == "waiting":
        next_try: list[Child] = [t.gettext("leaves"), " ", parts.moment(one["next_at"])]
        error: list[Child] = [" ", parts.plain_text(one["error"], limit=120)] if one["error"] else []
        return [*named, parts.badge("warning", t.gettext("waiting")), " ", html.Small([*next_try, *error])]
    return [
        *named, parts.badge("failed", t.gettext("given up")), " ", html.Small(parts.plain_text(one["error"], limit=160))
    ]  # fmt: skip


def table(request: PageRequest) -> Table:
    """Every decision that the address asks for."""
    rows, _ = request.store.alert_page(wanted(request, limit=ROWS_MAX), request.viewer.team_id)
    columns = ("id", "at", "repository", "rule", "action", "reason", "title", "told")
    told = [
        {
            **row,
            "reason": row["document"].get("reason", ""),
            "title": title_of(request, row["document"]),
            "told": "; ".join(f"{one['channel']}: {one['state']}" for one in row["notices"]),
        }
        for row in rows
    ]
    return Table(name="alerts", columns=columns, rows=told)


# --- rules --------------------------------------------------------------------------------------------------


def _rules(request: PageRequest) -> Component:
    t, own = request.t, _team_key(request)
    rules = [rule for rule in request.store.rules() if own is None or rule.team in {"", own}]
    edited = next((rule for rule in rules if (rule.name, rule.team) == _edited(request)), None)
    is_wanted = request.value("new") and request.viewer.may("maintainer")
    if is_wanted or (edited is not None and _may_change(request, edited.team)):
        return rule_form(request, edited, own)
    title = t.gettext("Rules")
    add = _add(request, t.gettext("New rule")) if request.viewer.may("maintainer") else None
    if not rules:
        said = html.P(t.gettext("A rule says who is told of what, from when on and how often."))
        return parts.section(title, create_empty(t.gettext("There is no rule yet"), said), aside=add)
    columns = (
        Column(title=t.gettext("Rule")),
        Column(title=t.gettext("Threshold"), is_number=True, rank=2),
        Column(title=t.gettext("Channels"), rank=2),
        Column(title=t.gettext("Manners"), rank=3),
        Column(title=t.gettext("Mute")),
    )
    listed = parts.table(request, title, columns, [_rule(request, rule) for rule in rules])
    return parts.section(title, listed, aside=add)


def _edited(request: PageRequest) -> tuple[str, str]:
    """(name, team) of what the address edits."""
    return request.value("edit"), request.value("of")


def _add(request: PageRequest, label: str) -> Component:
    return html.A(label, href=request.link(new=1), className="button")


def _rule(request: PageRequest, rule: AlertRule) -> tuple[Child, ...]:
    t = request.t
    name = parts.plain_text(rule.name)
    if _may_change(request, rule.team):
        name = html.A(name, href=request.link(edit=rule.name, of=rule.team))
    named: list[Child] = [
        name,
        " ",
        parts.badge(URGENCY_KINDS[rule.severity], severity_name(request.language, rule.severity)),
        html.Small([kind_name(request, rule.kind), " · ", rule.team or t.gettext("all teams")]),
    ]
    return (
        html.Span(named, className="finding"),
        _limit(request, rule),
        ", ".join(rule.channels),
        _manners(request, rule),
        _mute(request, rule),
    )


def _limit(request: PageRequest, rule: AlertRule) -> str:
    if rule.limit is None:
        return "–"
    t, unit = request.t, THRESHOLDS[rule.kind][3]
    if unit == "share of units":
        return parts.percent(rule.limit)
    said = {"points": t.gettext("%(limit)s points"), "days": t.gettext("%(limit)s days")}[unit]
    return str(said % {"limit": f"{rule.limit:g}"})


def _manners(request: PageRequest, rule: AlertRule) -> Component:
    """How a rule spares people."""
    t = request.t
    hours = f"{rule.cooldown_seconds / 3600:g}"
    said = [t.gettext("cool-down %(hours)s h") % {"hours": hours}]
    if rule.quiet is not None:
        said.append(
            t.gettext("quiet %(start)s to %(end)s, %(zone)s")
            % {"start": rule.quiet.start, "end": rule.quiet.end, "zone": rule.quiet.time_zone}
        )
    if rule.digest != "none":
        said.append({"hourly": t.gettext("hourly digest"), "daily": t.gettext("daily digest")}[rule.digest])
    return html.Span(" · ".join(said), className="log-detail")


def _mute(request: PageRequest, rule: AlertRule) -> Child:
    t = request.t
    is_muted = rule.muted_until is not None and rule.muted_until > request.now.timestamp()
    until = dt.datetime.fromtimestamp(rule.muted_until or 0, dt.UTC)
    if not _may_change(request, rule.team):
        return html.Span([t.gettext("muted until"), " ", parts.moment(until)]) if is_muted else t.gettext("speaks")
    path = f"/api/v1/alerts/rules/{rule.name}/mute?{urlencode({'team': rule.team})}"
    named = {"name": rule.name}
    if is_muted:
        speak = html.Button(
            t.gettext("Speak again"),
            type="button",
            className="quiet",
            **attributes(
                data_path=path, data_body='{"hours": 0}', data_done=t.gettext("%(name)s speaks again") % named
            ),
        )
        shown: list[Child] = [parts.badge("warning", t.gettext("muted until")), " ", parts.moment(until)]
        return html.Span([html.Span(shown), speak], className="mute")
    names = {
        1: t.gettext("1 hour"), 8: t.gettext("8 hours"), 24: t.gettext("1 day"), 168: t.gettext("7 days")
    }  # fmt: skip
    options = [html.Option(names[hours], value=str(hours)) for hours in MUTE_HOURS]
    return html.Form(
        [
            html.Select(options, name="hours", **attributes(aria_label=t.gettext("Mute %(name)s for") % named)),
            html.Button(t.gettext("Mute"), type="submit", className="quiet"),
        ],
        className="mute",
        **attributes(data_path=path, data_done=t.gettext("%(name)s is muted") % named),
    )


# --- channels -----------------------------------------------------------------------------------------------


def _channels(request: PageRequest) -> Component:
    t, own = request.t, _team_key(request)
    channels = [channel for channel in request.store.channels() if own is None or channel.team in {"", own}]
    edited = next((channel for channel in channels if channel.name == request.value("edit")), None)
    is_operator = request.viewer.may("maintainer") and own is None
    if (request.value("new") and is_operator) or (edited is not None and _may_change(request, edited.team)):
        return channel_form(request, edited, own)
    title = t.gettext("Channels")
    add = _add(request, t.gettext("New channel")) if is_operator else None
    if not channels:
        said = html.P(t.gettext("A channel is where messages go: Slack, Discord, e-mail or a webhook."))
        return parts.section(title, create_empty(t.gettext("There is no channel yet"), said), aside=add)
    columns = (
        Column(title=t.gettext("Channel")),
        Column(title=t.gettext("Kind")),
        Column(title=t.gettext("Team"), rank=2),
        Column(title=t.gettext("Language"), rank=3),
        Column(title=t.gettext("Time zone"), rank=3),
        Column(title=t.gettext("Action")),
    )
    rows = [_channel(request, channel) for channel in channels]
    return parts.section(title, parts.table(request, title, columns, rows), aside=add)


def _channel(request: PageRequest, channel: AlertChannel) -> tuple[Child, ...]:
    t, named = request.t, {"name": channel.name}
    may = _may_change(request, channel.team)
    button: Child = html.Button(
        t.gettext("Send a test"),
        type="button",
        className="quiet",
        **attributes(
            data_path=f"/api/v1/alerts/channels/{channel.name}/test",
            data_shows="sent",
            data_close=t.gettext("Close"),
            aria_label=t.gettext("Send a test on %(name)s") % named,
        ),
    )
    name = parts.plain_text(channel.name)
    return (
        html.A(name, href=request.link(edit=channel.name)) if may else name,
        KINDS[channel.kind],
        parts.plain_text(channel.team) if channel.team else t.gettext("all teams"),
        LANGUAGE_NAMES[channel.language],
        channel.time_zone,
        button if may else html.Span("–", className="soft"),
    )


PAGE = Page(
    name="alerts",
    pattern="/alerts",
    title=lambda request: str(request.t.gettext("Alerts")),
    layout=layout,
    place=7,
    table=table,
)
