"""Tokens by the API: make one, which is shown this once, and end one. For admins of all teams."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from dash_app.access import OperatorHere
from dash_app.api.parts import StoreHere
from resources.store.access import NAME_CHARACTERS_MAX, TOKEN_DAYS_MAX, Role, Token

router = APIRouter(tags=["tokens"])
PROBLEM: dict[str, Any] = {"content": {"application/problem+json": {}}}
TokenNumber = Annotated[int, Path(ge=1, le=2**53)]


class TokenWish(BaseModel):
    """What token is wanted."""

    name: Annotated[str, Field(min_length=1, max_length=NAME_CHARACTERS_MAX, description="whose or what for")]
    role: Role
    days: Annotated[int, Field(ge=1, le=TOKEN_DAYS_MAX, description="until it expires")] = 90
    team: Annotated[str, Field(max_length=64, description="a team's key; empty for all teams")] = ""


class TokenShown(BaseModel):
    """A token without itself."""

    id: int
    name: str
    hint: str
    role: Role
    team_id: int | None
    created_by: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


class TokenMade(TokenShown):
    """A new token with itself; Elder keeps only its hash."""

    token: str


@router.post("/api/v1/tokens", status_code=201, summary="Make a token", responses={400: PROBLEM, 404: PROBLEM})
def make(wish: TokenWish, store: StoreHere, person: OperatorHere) -> TokenMade:
    """The answer is the only place where the token itself ever stands."""
    made, text = store.create_token(wish.name, wish.role, days=wish.days, team=wish.team or None, by=person.name)
    return TokenMade(token=text, **_shown(made))


@router.delete("/api/v1/tokens/{number}", summary="End a token and its sessions", responses={404: PROBLEM})
def revoke(number: TokenNumber, store: StoreHere, person: OperatorHere) -> TokenShown:
    """Ending one that has ended changes nothing."""
    return TokenShown(**_shown(store.revoke_token(number, person.name)))


def _shown(token: Token) -> dict[str, Any]:
    return {name: getattr(token, name) for name in TokenShown.model_fields}
