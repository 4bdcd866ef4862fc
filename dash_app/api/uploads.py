"""Audits that edge sites made: by what they have to judge, and where they send what they found."""

from __future__ import annotations

import asyncio
import threading
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from dash_app.access import MaintainerHere, Person, ViewerHere
from dash_app.api.models import Id, OriginsIn, OriginsOut
from dash_app.api.parts import SettingsHere, StoreHere
from elder_assets.audit.finding_states import Introduced
from resources.settings import Settings
from resources.store import Store
from resources.uploads import ORIGINS_MAX, accept, read_upload, terms_of_project, unpacked

router = APIRouter(prefix="/api/v1/projects/{project_id}", tags=["uploads"])
BODY_SECONDS_MAX = 120.0
"""A site behind a thin line sends 16 MB in that time at one megabit a second."""
ONE_AT_A_TIME = threading.Lock()
"""A large document takes some hundred MB while it is read, and two of one audit must not both be new."""


@router.get("/upload-terms", summary="By what an edge site has to judge a commit")
def upload_terms(
    person: ViewerHere,
    store: StoreHere,
    settings: SettingsHere,
    project_id: Id,
    commit: Annotated[str, Query(pattern=r"^([0-9a-f]{40}([0-9a-f]{24})?)?$", description="full id")] = "",
) -> Response:
    """The ruler, the central policy, approved suppressions, and the commit to compare with."""
    project = store.project(project_id, team_id=person.team_id)
    return _json(terms_of_project(store, settings, project, commit))


BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "what `elder audit --upload` sends, packed with gzip or not",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


@router.post("/uploads", status_code=201, summary="Send in an audit that was made elsewhere", openapi_extra=BODY)
async def upload_audit(
    person: MaintainerHere, store: StoreHere, settings: SettingsHere, project_id: Id, request: Request
) -> Response:
    """Keep it as if the platform had made it. The same audit again adds nothing (`is_new` is false)."""
    await run_in_threadpool(store.project, project_id, team_id=person.team_id)
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            body = await request.body()
    except TimeoutError:
        raise HTTPException(408, f"the body did not end within {BODY_SECONDS_MAX:.0f} s") from None
    except ClientDisconnect:
        raise HTTPException(400, "the connection was closed before the body ended") from None
    encoding = request.headers.get("content-encoding", "").strip().lower()
    return await run_in_threadpool(_keep, store, settings, person, project_id, body, encoding)


def _keep(store: Store, settings: Settings, person: Person, project_id: int, body: bytes, encoding: str) -> Response:
    with ONE_AT_A_TIME:
        upload = read_upload(unpacked(body, encoding))
        project = store.project(project_id, team_id=person.team_id)
        receipt = accept(store, settings, project, upload, person.name)
    return _json(receipt, 201 if receipt.is_new else 200)


@router.post("/uploads/origins", summary="Name the commits that brought new findings of an upload")
def name_origins(person: MaintainerHere, store: StoreHere, project_id: Id, said: OriginsIn) -> OriginsOut:
    """Only findings of the project for which nobody is named yet take one; the others are passed over."""
    project = store.project(project_id, team_id=person.team_id)
    waiting = {number for number, _, _ in store.arrivals(project.key, ORIGINS_MAX)}
    found = {
        one.finding_id: Introduced(commit=one.commit, change=one.change, at=one.at)
        for one in said.origins
        if one.finding_id in waiting
    }
    store.record_introduced(found)
    return OriginsOut(named=len(found))


def _json(record: msgspec.Struct, status: int = 200) -> Response:
    return Response(msgspec.json.encode(record), status, media_type="application/json")
