"""Alerts that leave: try a channel, and say nothing under a rule for a while."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from dash_app.access import MaintainerHere, Person
from dash_app.api.errors import problem
from dash_app.api.parts import SettingsHere, StoreHere
from elder_assets.audit.alerts import AlertRule
from elder_assets.audit.errors import AccessRefused, ConfigurationError, DeliveryFailed, UnknownRecord
from resources.alerting import send
from resources.notifiers.messages import render_test
from resources.outbound import Boundary
from resources.store import Store
from resources.store.alerts import AlertChannel

router = APIRouter(tags=["alerts"])
PROBLEM: dict[str, Any] = {"content": {"application/problem+json": {}}}
Name = Annotated[str, Path(min_length=1, max_length=64)]
HOURS_MAX = 24 * 90
HOUR_SECONDS = 3600


class Muted(BaseModel):
    """Until when a rule says nothing."""

    name: str
    muted_until: int | None
    """Seconds since the epoch."""


class MuteWish(BaseModel):
    """For how long."""

    hours: Annotated[int, Field(ge=0, le=HOURS_MAX, description="0 lets the rule speak again")]


@router.post(
    "/api/v1/alerts/channels/{name}/test",
    summary="Send a test message on a channel",
    responses={403: PROBLEM, 404: PROBLEM, 424: PROBLEM},
)
def test(name: Name, store: StoreHere, settings: SettingsHere, person: MaintainerHere) -> JSONResponse:
    """Wait for what the channel answers; its address is never repeated."""
    channel = _channel(store, name)
    _check_team(store, person, channel.team)
    message = render_test(channel.name, channel.language, int(store.now().timestamp()))
    try:
        send(channel, message, settings.secrets, Boundary(allowed_hosts=settings.alert_hosts))
    except (ConfigurationError, DeliveryFailed) as error:
        return problem(424, f"{name} ({channel.kind}) did not take it: {error}", "channel-failed")
    return JSONResponse({"channel": name, "detail": f"{name} ({channel.kind}) took it"})


@router.post(
    "/api/v1/alerts/rules/{name}/mute",
    summary="Say nothing under a rule for a while",
    responses={403: PROBLEM, 404: PROBLEM},
)
def mute(name: Name, wish: MuteWish, store: StoreHere, person: MaintainerHere) -> Muted:
    """What happens meanwhile is decided and kept, but nobody is told."""
    _check_team(store, person, _rule(store, name).team)
    until = int(store.now().timestamp()) + wish.hours * HOUR_SECONDS if wish.hours else None
    return Muted(name=name, muted_until=store.mute_rule(name, until, person.name).muted_until)


def _channel(store: Store, name: str) -> AlertChannel:
    for channel in store.channels():
        if channel.name == name:
            return channel
    msg = f"there is no channel {name!r}"
    raise UnknownRecord(msg)


def _rule(store: Store, name: str) -> AlertRule:
    for rule in store.rules():
        if rule.name == name:
            return rule
    msg = f"there is no alert rule {name!r}"
    raise UnknownRecord(msg)


def _check_team(store: Store, person: Person, team: str) -> None:
    """See that the person may change what belongs to a team; what is for all teams is for who sees all.

    Raises:
        AccessRefused: they may not.
    """
    if person.team_id is not None and person.team_id not in {one.id for one in store.teams() if one.key == team}:
        raise AccessRefused("this belongs to another team, or to all")
