"""Forms of alert rules and channels: what `elder alert rules put` and `elder alert channels put` can, on the page."""

from __future__ import annotations

import datetime as dt
from typing import get_args
from urllib.parse import urlencode

from dash import html
from dash.development.base_component import Component

from dash_app.components import forms, parts
from dash_app.components.attributes import attributes
from dash_app.page import PageRequest
from elder_assets.audit.alert_events import Kind
from elder_assets.audit.alerts import HOUR_SECONDS, MAGICS, THRESHOLDS, AlertRule
from resources.messages.catalogue import magic_name, severity_name
from resources.store.alerts import AlertChannel

KINDS = {"slack": "Slack", "discord": "Discord", "email": "E-mail", "webhook": "Webhook"}
LANGUAGE_NAMES = {"en": "English", "ja": "日本語"}


def kind_name(request: PageRequest, kind: str) -> str:
    """What a rule watches, for people."""
    t = request.t
    names = {
        "status_changed": t.gettext("a repository's status changes"),
        "gate_failed": t.gettext("a change fails its gate"),
        "score_dropped": t.gettext("a score drops"),
        "violation_rate": t.gettext("too many units have findings"),
        "critical_finding": t.gettext("a critical finding is new"),
        "cannot_audit": t.gettext("a repository cannot be audited"),
        "prediction_warning": t.gettext("a prediction warns"),
        "suppression_expiring": t.gettext("a suppression ends soon"),
        "elder_unwell": t.gettext("Elder itself is unwell"),
        "outside_alert": t.gettext("another system alerts"),
        "initiative_reached": t.gettext("an initiative is reached"),
        "initiative_missed": t.gettext("an initiative is overdue"),
    }
    return names.get(kind, kind)


# --- rules --------------------------------------------------------------------------------------------------


def rule_form(request: PageRequest, rule: AlertRule | None, own: str | None) -> Component:
    """A new rule, or one that is there.

    Args:
        request: who looks.
        rule: None for a new one.
        own: the viewer's team; None for who sees all.
    """
    t = request.t
    back = request.link(new=None, edit=None, of=None)
    title = t.gettext("Rule %(name)s") % {"name": rule.name} if rule else t.gettext("New rule")
    team = rule.team if rule else own or ""
    name = (
        forms.hidden("name", rule.name)
        if rule
        else forms.field(
            t.gettext("Name"), "name", required=True, maxLength=64, pattern="[A-Za-z0-9][A-Za-z0-9_.\\-]*",
            hint=t.gettext("letters, digits, dot, dash"),
        )
    )  # fmt: skip
    saved = forms.sent("PUT", "/api/v1/alerts/rules/{name}", t.gettext("The rule is kept"), then=back)
    form = html.Form(
        [
            name,
            *_what(request, rule),
            _team(request, team, is_fixed=rule is not None or own is not None),
            _channels(request, rule, own),
            *_manners(request, rule),
            forms.buttons(
                html.Button(t.gettext("Save"), type="submit"), html.A(t.gettext("Cancel"), href=back, className="quiet")
            ),
        ],
        className="form grid kinds",
        **saved,
        **attributes(data_unless="quiet.start"),
    )
    return html.Div([parts.section(title, form), _stop(request, rule, back) if rule else None])


def _what(request: PageRequest, rule: AlertRule | None) -> list[Component]:
    t = request.t
    kinds = {kind: kind_name(request, kind) for kind in get_args(Kind)}
    urgencies = {name: severity_name(request.language, name) for name in ("info", "warning", "critical")}
    magics = {"all": t.gettext("all together"), "each": t.gettext("each by itself")}
    magics |= {name: magic_name(request.language, name) for name in MAGICS}
    units = {
        "points": t.gettext("points of 100"), "share of units": t.gettext("share, 0 to 1"), "days": t.gettext("days")
    }  # fmt: skip
    limits = [
        html.Div(
            forms.field(
                t.gettext("Threshold"),
                "threshold",
                rule.threshold if rule and rule.kind == kind else None,
                kind="number",
                min=least,
                max=greatest,
                step="any",
                placeholder=str(default),
                hint=units[unit],
            ),
            className=f"of-kind {kind}",
        )
        for kind, (default, least, greatest, unit) in THRESHOLDS.items()
    ]
    window = forms.field(
        t.gettext("Within days"), "window_days", rule.window_days if rule else 7, kind="number", min=1, max=365
    )
    magic = forms.choose(t.gettext("Magic"), "magic", magics, rule.magic if rule else "all")
    return [
        forms.choose(t.gettext("When"), "kind", kinds, rule.kind if rule else "gate_failed"),
        forms.choose(t.gettext("Severity"), "severity", urgencies, rule.severity if rule else "warning"),
        *limits,
        html.Div(window, className="of-kind score_dropped"),
        html.Div(magic, className="of-kind violation_rate"),
    ]


def _team(request: PageRequest, team: str, *, is_fixed: bool) -> Component:
    """Whose it is; a rule does not change its team, since it is known by both."""
    t = request.t
    if is_fixed:
        return forms.hidden("team", team)
    teams = {"": t.gettext("all teams"), **{one.key: one.name for one in request.store.teams()}}
    return forms.choose(t.gettext("Team"), "team", teams, team)


def _channels(request: PageRequest, rule: AlertRule | None, own: str | None) -> Component:
    t = request.t
    team = rule.team if rule else own
    usable = [one for one in request.store.channels() if team is None or one.team in {"", team}]
    names = {one.name: f"{one.name} · {KINDS[one.kind]}" for one in usable}
    if not names:
        return html.P(t.gettext("There is no channel yet: add one first."), className="bad-text")
    return forms.check_all(t.gettext("Tell"), "channels", names, rule.channels if rule else ())


def _manners(request: PageRequest, rule: AlertRule | None) -> list[Component]:
    t = request.t
    quiet = rule.quiet if rule else None
    digests = {
        "none": t.gettext("at once"), "hourly": t.gettext("hourly digest"), "daily": t.gettext("daily digest")
    }  # fmt: skip
    hours = (rule.cooldown_seconds if rule else HOUR_SECONDS) / HOUR_SECONDS
    return [
        forms.choose(t.gettext("Messages leave"), "digest", digests, rule.digest if rule else "none"),
        forms.field(
            t.gettext("Cool-down, hours"), "cooldown_seconds", f"{hours:g}", kind="number", min=0, max=720, step="any",
            **attributes(data_scale=HOUR_SECONDS), hint=t.gettext("not told again for so long"),
        ),
        forms.field(
            t.gettext("Quiet from"), "quiet.start", quiet.start if quiet else "", kind="time",
            **attributes(data_optional="1"),
        ),
        forms.field(
            t.gettext("Quiet until"), "quiet.end", quiet.end if quiet else "", kind="time",
            **attributes(data_optional="1"),
        ),
        forms.field(
            t.gettext("On the clock of"), "quiet.time_zone", quiet.time_zone if quiet else "", placeholder="Asia/Tokyo",
            maxLength=60, **attributes(data_zone="1"), hint=t.gettext("empty: your own time zone"),
        ),
    ]  # fmt: skip


def _stop(request: PageRequest, rule: AlertRule, back: str) -> Component:
    """Saying nothing for a while, or for good."""
    t = request.t
    team = urlencode({"team": rule.team})
    path = f"/api/v1/alerts/rules/{rule.name}"
    named = {"name": rule.name}
    is_muted = rule.muted_until is not None and rule.muted_until > request.now.timestamp()
    until = dt.datetime.fromtimestamp(rule.muted_until or 0, dt.UTC)
    mute = html.Form(
        [
            forms.field(t.gettext("Mute until"), "until", kind="datetime-local", required=True),
            html.Button(t.gettext("Mute"), type="submit", className="quiet"),
        ],
        className="form row",
        **forms.sent("POST", f"{path}/mute?{team}", t.gettext("%(name)s is muted") % named, then=back),
    )
    remove = html.Button(
        t.gettext("Remove the rule"),
        type="button",
        className="danger",
        **forms.sent("DELETE", f"{path}?{team}", t.gettext("The rule is removed"), then=back),
        **attributes(data_ask=t.gettext("Remove rule %(name)s? What was decided under it stays.") % named),
    )
    said = html.P([t.gettext("muted until"), " ", parts.moment(until)]) if is_muted else None
    return parts.section(t.gettext("Say nothing"), said, mute, forms.buttons(remove), kind="steps")


# --- channels -----------------------------------------------------------------------------------------------


def channel_form(request: PageRequest, channel: AlertChannel | None, own: str | None) -> Component:
    """A new channel, or one that is there; references are named by who sees all teams."""
    t = request.t
    back = request.link(new=None, edit=None)
    title = t.gettext("Channel %(name)s") % {"name": channel.name} if channel else t.gettext("New channel")
    name = (
        forms.hidden("name", channel.name)
        if channel
        else forms.field(
            t.gettext("Name"), "name", required=True, maxLength=64, pattern="[A-Za-z0-9][A-Za-z0-9_.\\-]*",
            hint=t.gettext("letters, digits, dot, dash"),
        )
    )  # fmt: skip
    address = forms.field(
        t.gettext("Address, as references"), "address", channel.address if channel else "", required=True,
        maxLength=200, placeholder="env:SLACK_WEBHOOK", autoComplete="off",
        hint=t.gettext("env:NAME or file:/path, where the address or secret is kept; never the address itself"),
    )  # fmt: skip
    zone = forms.field(
        t.gettext("Time zone"), "time_zone", channel.time_zone if channel else "", placeholder="UTC", maxLength=60,
        **attributes(data_zone="1"), hint=t.gettext("empty: your own time zone"),
    )  # fmt: skip
    form = html.Form(
        [
            name,
            forms.choose(t.gettext("Kind"), "kind", KINDS, channel.kind if channel else "slack"),
            address if own is None else None,
            _team(request, channel.team if channel else "", is_fixed=own is not None),
            forms.choose(t.gettext("Language"), "language", LANGUAGE_NAMES, channel.language if channel else "en"),
            zone,
            forms.buttons(
                html.Button(t.gettext("Save"), type="submit"), html.A(t.gettext("Cancel"), href=back, className="quiet")
            ),
        ],
        className="form grid",
        **forms.sent("PUT", "/api/v1/alerts/channels/{name}", t.gettext("The channel is kept"), then=back),
    )
    return html.Div([parts.section(title, form), _remove(request, channel, back) if channel else None])


def _remove(request: PageRequest, channel: AlertChannel, back: str) -> Component:
    t = request.t
    using = sorted(rule.name for rule in request.store.rules() if channel.name in rule.channels)
    title = t.gettext("Take it away")
    if using:
        return parts.section(title, html.P([t.gettext("Rules that name it:"), " ", ", ".join(using)]))
    button = html.Button(
        t.gettext("Remove the channel"),
        type="button",
        className="danger",
        **forms.sent(
            "DELETE", f"/api/v1/alerts/channels/{channel.name}", t.gettext("The channel is removed"), then=back
        ),
        **attributes(data_ask=t.gettext("Remove channel %(name)s?") % {"name": channel.name}),
    )
    return parts.section(title, forms.buttons(button))
