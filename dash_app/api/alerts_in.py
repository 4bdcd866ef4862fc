"""Where other systems deliver alerts: bounds, who may, then rows of the inbox, then the answer."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from dash_app.api.errors import answer_to, problem
from dash_app.api.webhooks import ANSWERS, read_body
from elder_assets.audit.errors import ElderError
from resources.alerting.incoming import (
    REFUSED,
    alertmanager_alerts,
    check_authorization,
    check_signature,
    signed_alerts,
    take,
)
from resources.settings import Settings
from resources.store import Store

Clock = Callable[[], float]


def alerts_router(store: Store, settings: Settings, clock: Clock = time.time) -> APIRouter:
    """The routes of alerts over an open store; they come before `/webhooks/{provider}`."""
    router = APIRouter(tags=["webhooks"])

    @router.post("/webhooks/alertmanager", responses=ANSWERS, summary="Receive alerts of Alertmanager, version 4")
    async def of_alertmanager(request: Request) -> JSONResponse:
        def taken(body: bytes) -> JSONResponse:
            check_authorization(request.headers.get("authorization", ""), settings)
            return _answer(store, "alertmanager", body)

        return await _received(request, taken)

    @router.post("/webhooks/alert", responses=ANSWERS, summary="Receive alerts signed by Standard Webhooks")
    async def signed(request: Request) -> JSONResponse:
        def taken(body: bytes) -> JSONResponse:
            check_signature(request.headers, body, settings, int(clock()))
            return _answer(store, "alert", body)

        return await _received(request, taken)

    return router


async def _received(request: Request, taken: Callable[[bytes], JSONResponse]) -> JSONResponse:
    try:
        return await run_in_threadpool(taken, await read_body(request))
    except ElderError as error:
        return answer_to(error)
    except ClientDisconnect:
        return problem(400, "the connection was closed before the body ended")


def _answer(store: Store, provider: str, body: bytes) -> JSONResponse:
    """202 with what became of each alert; 422 when every one was refused, so that its sender notices."""
    alerts = alertmanager_alerts(body) if provider == "alertmanager" else signed_alerts(body)
    found = take(store, provider, alerts)
    refused = [one for one in found if one.kind == REFUSED]
    if found and len(refused) == len(found):
        return problem(422, "; ".join(one.reason for one in refused), "alert-refused")
    return JSONResponse({"alerts": [msgspec.to_builtins(one) for one in found]}, 202)
