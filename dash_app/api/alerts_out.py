"""Alerts that leave: rules and channels, a test of a channel, a mute of a rule, and what was decided."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from dash_app.access import MaintainerHere, Person, ViewerHere
from dash_app.api.errors import problem
from dash_app.api.models import Before, Limit, Page, Request, Short
from dash_app.api.parts import SettingsHere, StoreHere
from dash_app.api.projects import check_reference
from elder_assets.audit.alert_events import Kind
from elder_assets.audit.alerts import AlertRule, QuietHours, Urgency
from elder_assets.audit.errors import AccessRefused, ConfigurationError, Conflict, DeliveryFailed, UnknownRecord
from resources.alerting.dispatch import send
from resources.messages.catalogue import Language
from resources.notifiers.messages import render_test
from resources.notifiers.notifier import ChannelKind, Message
from resources.outbound import Boundary
from resources.store import Store
from resources.store.alerts import AlertChannel
from resources.store.operations_pages import AlertFilter

router = APIRouter(prefix="/api/v1/alerts", tags=["alerts"])
PROBLEM: dict[str, Any] = {"content": {"application/problem+json": {}}}
REFUSALS: dict[int | str, dict[str, Any]] = {400: PROBLEM, 403: PROBLEM, 404: PROBLEM, 409: PROBLEM}
NamePath = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Team = Annotated[
    Short | None, Query(description="whose rule: a team's key, or '' for all teams; left out where one can be meant")
]
HOURS_MAX = 24 * 90
HOUR_SECONDS = 3600


class Muted(BaseModel):
    """Until when a rule says nothing."""

    name: str
    muted_until: int | None
    """Seconds since the epoch."""


class MuteWish(BaseModel):
    """For how long, or until when."""

    hours: Annotated[int, Field(ge=0, le=HOURS_MAX, description="0 lets the rule speak again")] = 0
    until: dt.datetime | None = Field(None, description="with a time zone, in 90 days at most; instead of hours")


class ChannelIn(Request):
    """Where messages may go."""

    kind: ChannelKind
    address: Short = Field(
        "", description="references only, env:NAME or file:/path, never the address itself; '' keeps the one there is"
    )
    team: Short = Field("", description="key of the team whose rules may use it; '' for all")
    language: Language = "en"
    time_zone: Short = Field("UTC", description="whose clock times are on")


class ChannelOut(BaseModel):
    """A channel; its address stays where the reference leads."""

    name: str
    kind: ChannelKind
    address: str = Field(description="the references, never what they stand for")
    team: str
    language: Language
    time_zone: str


class QuietIn(Request):
    """Hours in which only critical alerts leave."""

    time_zone: Short
    start: Short = Field(examples=["22:00"])
    end: Short = Field(examples=["07:00"])


class RuleIn(Request):
    """Who is told of what, from which threshold on, and how often (docs/alerts.md)."""

    kind: Kind
    channels: Annotated[list[Short], Field(min_length=1, max_length=20)]
    team: Short = Field("", description="key of the team; '' for all teams")
    severity: Urgency = "warning"
    threshold: float | None = None
    window_days: Annotated[int, Field(ge=1, le=365)] = 7
    magic: Short = "all"
    cooldown_seconds: Annotated[int, Field(ge=0, le=2_592_000)] = HOUR_SECONDS
    quiet: QuietIn | None = None
    digest: Literal["none", "hourly", "daily"] = "none"


class RuleOut(RuleIn):
    """A rule that holds."""

    name: str
    muted_until: int | None = Field(description="seconds since the epoch")


class DecisionOut(BaseModel):
    """What was decided about an event, once."""

    id: int
    at: dt.datetime
    repository: str | None = Field(description="null for Elder itself")
    rule: str
    action: str = Field(examples=["send", "hold for digest", "drop: muted"])
    document: dict[str, Any] = Field(description="the decision with its event and its reason")
    notices: list[dict[str, Any]] = Field(description="what became of each message")


class DecisionPage(Page):
    """Decisions, newest first."""

    decisions: list[DecisionOut]


# --- channels ------------------------------------------------------------------------------------------------


@router.get("/channels", summary="Channels", responses=REFUSALS)
def list_channels(person: ViewerHere, store: StoreHere) -> list[ChannelOut]:
    """Those for all teams, and the team's own; where an address is kept is for maintainers."""
    shown = [_channel_out(channel) for channel in visible_channels(store, person)]
    return shown if person.may("maintainer") else [one.model_copy(update={"address": ""}) for one in shown]


@router.put("/channels/{name}", summary="Add or change a channel", responses=REFUSALS)
def put_channel(name: NamePath, wanted: ChannelIn, person: MaintainerHere, store: StoreHere) -> ChannelOut:
    """Its address is named by an admin of all teams alone; a team changes the rest of its own channels."""
    known = next((channel for channel in store.channels() if channel.name == name), None)
    if known is not None:
        check_team(store, person, known.team)
    check_team(store, person, wanted.team)
    if known is None or wanted.address not in {"", known.address}:
        check_reference(person, wanted.address or "none")
    address = wanted.address or (known.address if known else "")
    kept = store.put_channel(name, wanted.kind, address, wanted.team, wanted.language, wanted.time_zone, by=person.name)
    return _channel_out(kept)


@router.delete("/channels/{name}", status_code=204, summary="Take a channel away", responses=REFUSALS)
def remove_channel(name: NamePath, person: MaintainerHere, store: StoreHere) -> Response:
    """Only one that no rule names; what still waits for it is given up at its turn."""
    check_team(store, person, _channel(store, name).team)
    using = [rule.name for rule in store.rules() if name in rule.channels]
    if using:
        msg = f"rules name this channel: {', '.join(sorted(using))}"
        raise Conflict(msg)
    store.remove_channel(name, by=person.name)
    return Response(status_code=204)


@router.post(
    "/channels/{name}/test",
    summary="Send a test message on a channel",
    responses={403: PROBLEM, 404: PROBLEM, 424: PROBLEM},
)
def test(name: NamePath, store: StoreHere, settings: SettingsHere, person: MaintainerHere) -> JSONResponse:
    """Wait for what the channel answers, and say what was sent; its address is never repeated."""
    channel = _channel(store, name)
    check_team(store, person, channel.team)
    message = render_test(channel.name, channel.language, int(store.now().timestamp()))
    sent = _words(message)
    try:
        taken = send(channel, message, settings.secrets, Boundary(allowed_hosts=settings.alert_hosts))
    except (ConfigurationError, DeliveryFailed) as error:
        return problem(424, f"{name} ({channel.kind}) did not take it: {error}", "channel-failed", sent=sent)
    named = f" as {taken.provider_id}" if taken.provider_id else ""
    return JSONResponse({"channel": name, "detail": f"{name} ({channel.kind}) took it{named}", "sent": sent})


def _words(message: Message) -> str:
    """A message as people read it, without the marks of any channel."""
    lines = [message.title, *(f"{line.label}: {line.text}" if line.label else line.text for line in message.lines)]
    return "\n".join(lines)


def visible_channels(store: Store, person: Person) -> list[AlertChannel]:
    """Channels that a person's rules may use."""
    own = team_key(store, person)
    return [channel for channel in store.channels() if own is None or channel.team in {"", own}]


def _channel_out(channel: AlertChannel) -> ChannelOut:
    return ChannelOut(**{name: getattr(channel, name) for name in ChannelOut.model_fields})


def _channel(store: Store, name: str) -> AlertChannel:
    for channel in store.channels():
        if channel.name == name:
            return channel
    msg = f"there is no channel {name!r}"
    raise UnknownRecord(msg)


# --- rules ---------------------------------------------------------------------------------------------------


@router.get("/rules", summary="Alert rules", responses=REFUSALS)
def list_rules(person: ViewerHere, store: StoreHere) -> list[RuleOut]:
    """Those for all teams, and the team's own."""
    own = team_key(store, person)
    return [_rule_out(rule) for rule in store.rules() if own is None or rule.team in {"", own}]


@router.put("/rules/{name}", summary="Add or change an alert rule", responses=REFUSALS)
def put_rule(name: NamePath, wanted: RuleIn, person: MaintainerHere, store: StoreHere) -> RuleOut:
    """A rule is known by team and name; what it was before stays known, and a mute goes on."""
    check_team(store, person, wanted.team)
    known = [channel.name for channel in visible_channels(store, person) if channel.team in {"", wanted.team}]
    for channel in wanted.channels:
        if channel not in known:
            raise ConfigurationError("channels", channel, known or "none: add a channel first")
    before = next((rule for rule in store.rules() if (rule.name, rule.team) == (name, wanted.team)), None)
    values = wanted.model_dump(exclude={"quiet", "channels"})
    quiet = QuietHours(**wanted.quiet.model_dump()) if wanted.quiet else None
    rule = AlertRule(
        name=name,
        channels=tuple(dict.fromkeys(wanted.channels)),
        quiet=quiet,
        muted_until=before.muted_until if before else None,
        **values,
    )
    return _rule_out(store.put_rule(rule, person.name))


@router.delete("/rules/{name}", status_code=204, summary="Take an alert rule away", responses=REFUSALS)
def remove_rule(name: NamePath, person: MaintainerHere, store: StoreHere, team: Team = None) -> Response:
    """Nothing more is decided under it; what was decided stays."""
    rule = _rule(store, person, name, team)
    store.remove_rule(name, by=person.name, team=rule.team)
    return Response(status_code=204)


@router.post("/rules/{name}/mute", summary="Say nothing under a rule for a while", responses=REFUSALS)
def mute(name: NamePath, wish: MuteWish, store: StoreHere, person: MaintainerHere, team: Team = None) -> Muted:
    """What happens meanwhile is decided and kept, but nobody is told."""
    rule = _rule(store, person, name, team)
    now = int(store.now().timestamp())
    until = now + wish.hours * HOUR_SECONDS if wish.hours else None
    if wish.until is not None:
        until = int(wish.until.timestamp()) if wish.until.tzinfo else 0
        if not now < until <= now + HOURS_MAX * HOUR_SECONDS:
            raise ConfigurationError("until", wish.until.isoformat(), "a time with its zone, in 90 days at most")
    return Muted(name=name, muted_until=store.mute_rule(name, until, person.name, rule.team).muted_until)


def _rule_out(rule: AlertRule) -> RuleOut:
    return RuleOut(**msgspec.to_builtins(rule))


def _rule(store: Store, person: Person, name: str, team: str | None) -> AlertRule:
    """The rule that a person means by a name: of the team that they name, else their own, else the only one."""
    wanted = team if team is not None else team_key(store, person)
    found = [rule for rule in store.rules() if rule.name == name]
    chosen = [rule for rule in found if rule.team == wanted] or ([] if team is not None else found)
    if not chosen:
        msg = f"there is no alert rule {name!r}"
        raise UnknownRecord(msg)
    if len({rule.team for rule in chosen}) > 1:
        raise ConfigurationError("team", None, sorted(rule.team for rule in chosen))
    check_team(store, person, chosen[-1].team)
    return chosen[-1]


# --- history -------------------------------------------------------------------------------------------------


@router.get("/decisions", summary="What was decided, newest first", responses=REFUSALS)
def list_decisions(person: ViewerHere, store: StoreHere, cursor: Before = None, limit: Limit = 50) -> DecisionPage:
    """Sent, held or dropped, and why; what is about Elder itself is for who sees all teams."""
    found, _ = store.alert_page(AlertFilter(before=cursor, limit=limit + 1), person.team_id)
    shown = found[:limit]
    return DecisionPage(
        decisions=[DecisionOut(**row) for row in shown],
        next_cursor=str(shown[-1]["id"]) if len(found) > limit else None,
    )


# --- teams ---------------------------------------------------------------------------------------------------


def team_key(store: Store, person: Person) -> str | None:
    """The person's team; None for who sees all."""
    if person.team_id is None:
        return None
    return next((team.key for team in store.teams() if team.id == person.team_id), "?")


def check_team(store: Store, person: Person, team: str) -> None:
    """See that the person may change what belongs to a team; what is for all teams is for who sees all.

    Raises:
        AccessRefused: they may not.
    """
    if person.team_id is not None and team_key(store, person) != team:
        raise AccessRefused("this belongs to another team, or to all")
