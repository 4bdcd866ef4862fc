"""Replaying what came in: a delivery that has ended is decided anew."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel

from dash_app.access import MaintainerHere
from dash_app.api.parts import StoreHere
from elder_assets.audit.errors import Conflict
from resources.store.inbox import ENDED

router = APIRouter(tags=["webhooks"])
PROBLEM: dict[str, Any] = {"content": {"application/problem+json": {}}}


class Replayed(BaseModel):
    """The new row."""

    id: int
    replay_of: int


@router.post(
    "/api/v1/webhook-deliveries/{number}/replay",
    status_code=202,
    summary="Ask for the same again",
    responses={404: PROBLEM, 409: PROBLEM},
)
def replay(number: Annotated[int, Path(ge=1, le=2**53)], store: StoreHere, person: MaintainerHere) -> Replayed:
    """Only what has ended is replayed; whoever has a team replays its deliveries alone."""
    row = store.delivery(number, person.team_id)
    if row["state"] not in ENDED:
        msg = f"delivery {number} is {row['state']}; only what has ended is replayed"
        raise Conflict(msg)
    return Replayed(id=store.replay_inbox(number, by=person.name).row, replay_of=number)
