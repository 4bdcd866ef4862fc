"""The one place where the control plane's routes are put together, in the order in which they are tried."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.routing import Match

from dash_app import sign_in
from dash_app.api import (
    alerts_out,
    audits,
    deliveries,
    findings,
    health,
    live,
    platform,
    projects,
    teams,
    tokens,
    uploads,
)
from dash_app.api.alerts_in import alerts_router
from dash_app.api.errors import PROBLEM_JSON, problem
from dash_app.api.models import Problem
from dash_app.api.webhooks import webhooks_router
from resources.settings import Settings
from resources.store import Store

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": said, "content": {PROBLEM_JSON: {}}}
    for status, said in (
        (400, "a value is not allowed"),
        (401, "nobody knows who asks"),
        (403, "the role does not allow it"),
        (404, "there is no such record, or it is another team's"),
        (409, "what is there already does not allow it"),
        (413, "the body is too large"),
        (429, "too many requests; Retry-After says when"),
    )
}
EVERY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


def add_routes(app: FastAPI, store: Store, settings: Settings) -> None:
    """Add every router; pages come after this, since Dash takes every path that is left."""
    app.include_router(health.router)
    app.include_router(sign_in.router)
    app.include_router(tokens.router)
    app.include_router(deliveries.router)
    app.include_router(alerts_out.router)
    app.include_router(alerts_router(store, settings))  # before the webhooks, which take any provider's name
    for topic in (projects, audits, uploads, findings, teams, platform, live):
        app.include_router(topic.router, responses=PROBLEMS if topic is not live else None)
    app.include_router(webhooks_router(store, settings))
    for prefix in ("/api", "/webhooks", "/ws", "/health"):
        app.add_api_route(f"{prefix}/{{rest:path}}", _nothing_here, methods=EVERY_METHOD, include_in_schema=False)


async def _nothing_here(request: Request) -> JSONResponse:
    """Answer a path that no route took: 405 where another method would do, else 404."""
    allowed = [method for method in EVERY_METHOD if _is_taken(request, method)]
    if allowed:
        named = ", ".join(allowed)
        detail = f"{request.method} is not possible here; allowed: {named}"
        return problem(405, detail, "method-not-allowed", headers={"Allow": named})
    return problem(404, f"there is nothing at {request.url.path[:200]}", "not-found")


def _is_taken(request: Request, method: str) -> bool:
    """Whether one of our own routes takes the path by this method; the pages behind them take any path."""
    ours = takewhile(lambda route: getattr(route, "endpoint", None) is not _nothing_here, request.app.routes)
    return any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in ours)
