"""Where git hosts deliver webhooks: bounds on size and time, then `deliveries.webhooks.receive`, then the answer.

A delivery is stored before it is answered; what it leads to is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from dash_app.api.errors import answer_to, problem
from elder_assets.audit.errors import ElderError, WebhookRejected
from resources.deliveries.webhooks import receive
from resources.git.providers.payloads import inert
from resources.settings import Settings
from resources.store import Store

LOG = logging.getLogger("elder.webhooks")
BODY_BYTES_MAX = 25 * 1024 * 1024
"""GitHub caps payloads at 25 MB (docs.github.com/en/webhooks/webhook-events-and-payloads); no other host sends more."""
BODY_SECONDS_MAX = 30.0
CONTENT_TYPES = frozenset({"", "application/json", "application/x-www-form-urlencoded"})
"""What a webhook may come as; which of them a provider sends, the provider checks."""

PROBLEM: dict[str, Any] = {"content": {"application/problem+json": {}}}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "a ping, or seen before"},
    202: {"description": "stored"},
    400: {"description": "the delivery cannot be read", **PROBLEM},
    401: {"description": "no secret vouches for it", **PROBLEM},
    404: {"description": "there is no such provider or project", **PROBLEM},
    408: {"description": "the body did not come in time", **PROBLEM},
    413: {"description": "the body is too large", **PROBLEM},
    415: {"description": "the content type is not read", **PROBLEM},
    503: {"description": "it could not be stored; send it again", **PROBLEM},
}


def webhooks_router(store: Store, settings: Settings) -> APIRouter:
    """The routes under /webhooks over an open store."""
    router = APIRouter(tags=["webhooks"])

    @router.post("/webhooks/{provider}", responses=ANSWERS, summary="Receive a webhook for any registered repository")
    async def of_provider(provider: str, request: Request) -> JSONResponse:
        return await _answer(store, settings, provider, request, None)

    @router.post("/webhooks/{provider}/{project_id}", responses=ANSWERS, summary="Receive a webhook of one project")
    async def of_project(provider: str, project_id: str, request: Request) -> JSONResponse:
        if not project_id.isascii() or not project_id.isdigit() or len(project_id) > 18:
            return problem(404, "a project's id is a number", "webhook-rejected")
        return await _answer(store, settings, provider, request, int(project_id))

    return router


async def _answer(
    store: Store, settings: Settings, provider: str, request: Request, project_id: int | None
) -> JSONResponse:
    try:
        body = await read_body(request)
        # Starlette's headers give every value of a name that came several times, which the signature check asks for.
        received = await run_in_threadpool(receive, store, settings, provider, request.headers, body, project_id)
    except ElderError as error:
        LOG.info("a delivery to /webhooks/%s was refused: %s", inert(provider, 40), error)
        return answer_to(error)
    except ClientDisconnect:
        return problem(400, "the connection was closed before the body ended")
    return JSONResponse({"detail": received.detail, "deliveries": list(received.deliveries)}, received.status)


async def read_body(request: Request) -> bytes:
    """The body, in bounds.

    Raises:
        WebhookRejected: 415, 413 or 408.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in CONTENT_TYPES and not kind.endswith("+json"):
        raise WebhookRejected(415, "the content type is not read; send application/json")
    told = request.headers.get("content-length", "")
    if told.isascii() and told.isdigit() and int(told[:20]) > BODY_BYTES_MAX:
        raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY_BYTES_MAX:
                    raise _too_large()
    except TimeoutError as error:
        raise WebhookRejected(408, f"the body did not end within {BODY_SECONDS_MAX:.0f} s") from error
    return bytes(body)


def _too_large() -> WebhookRejected:
    return WebhookRejected(413, f"the body has more than {BODY_BYTES_MAX} bytes")
