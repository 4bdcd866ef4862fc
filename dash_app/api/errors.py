"""Our errors as HTTP answers: one table, RFC 9457 problem details, no secrets and no stack traces.

https://www.rfc-editor.org/rfc/rfc9457: `type` names the kind for programs, `detail` is for people.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from elder_assets.audit.errors import (
    AccessRefused,
    ConfigurationError,
    Conflict,
    ElderError,
    ProviderError,
    RepositoryNotFound,
    SignInNeeded,
    SourceError,
    SourceRefused,
    StoreError,
    TooManyRequests,
    UnknownRecord,
    UnknownRevision,
    WebhookRejected,
)
from elder_assets.audit.team_settings import InvalidSettings

PROBLEM_JSON = "application/problem+json"
TYPE_PREFIX = "urn:problem-type:elder:"
DETAIL_CHARACTERS_MAX = 1_000

KINDS: tuple[tuple[type[ElderError], int, str], ...] = (
    (SignInNeeded, 401, "sign-in-needed"),
    (TooManyRequests, 429, "too-many-requests"),
    (AccessRefused, 403, "access-refused"),
    (ConfigurationError, 400, "value-not-allowed"),
    (SourceRefused, 400, "address-refused"),
    (RepositoryNotFound, 404, "not-found"),
    (UnknownRevision, 404, "not-found"),
    (UnknownRecord, 404, "not-found"),
    (Conflict, 409, "conflict"),
    (SourceError, 424, "repository-not-readable"),
    (ProviderError, 424, "git-host-refused"),
    (StoreError, 503, "store-unavailable"),
)
"""The first kind that fits: an error's class, HTTP status and the name of the problem."""

LOG = logging.getLogger("elder.api")


def problem(
    status: int,
    detail: str,
    kind: str = "",
    *,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> JSONResponse:
    """A problem details answer.

    Args:
        status: HTTP status.
        detail: what happened and what is allowed, in words.
        kind: name of the problem; default: the status says all.
        errors: fields that are wrong, each with `field` and `message`.
        headers: of the answer.
        more: further members that the kind defines.
    """
    document: dict[str, Any] = {
        "type": TYPE_PREFIX + kind if kind else "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail[:DETAIL_CHARACTERS_MAX],
        **more,
    }
    if errors:
        document["errors"] = list(errors)
    return JSONResponse(document, status, dict(headers or {}), PROBLEM_JSON)


def answer_to(error: ElderError) -> JSONResponse:
    """The answer that an error of ours stands for."""
    if isinstance(error, WebhookRejected):
        return problem(error.status, error.reason, "webhook-rejected")
    status, kind = next(((status, kind) for cls, status, kind in KINDS if isinstance(error, cls)), (500, ""))
    headers = {"WWW-Authenticate": 'Bearer realm="elder"'} if status == 401 else {}
    if isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(math.ceil(error.retry_after_seconds))
    if status >= 500:
        LOG.error("%s", error)
    wrong = error.errors if isinstance(error, InvalidSettings) else (error,)
    errors = [{"field": one.key, "message": str(one)} for one in wrong if isinstance(one, ConfigurationError)]
    return problem(status, str(error), kind, errors=errors, headers=headers)


def add_error_answers(app: FastAPI) -> None:
    """Let every failure of a request end as problem details."""

    async def ours(_request: Request, error: Exception) -> JSONResponse:
        return answer_to(error) if isinstance(error, ElderError) else problem(500, "")

    async def http(_request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, HTTPException):
            return problem(500, "")
        return problem(error.status_code, str(error.detail), headers=error.headers)

    async def invalid(_request: Request, error: Exception) -> JSONResponse:
        wrong = error.errors() if isinstance(error, RequestValidationError) else []
        errors = [{"field": _field(item), "message": str(item.get("msg", ""))[:300]} for item in wrong[:20]]
        named = "; ".join(f"{item['field']}: {item['message']}" for item in errors)
        return problem(400, named or "the request is not valid", "invalid-request", errors=errors)

    async def unforeseen(request: Request, error: Exception) -> JSONResponse:
        LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return problem(500, "Elder failed to answer; its log says why")

    app.add_exception_handler(ElderError, ours)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, unforeseen)


def _field(item: Mapping[str, Any]) -> str:
    """Where a validation error is: `body.tier`; the value itself is not repeated, it may be a secret."""
    return ".".join(str(part) for part in item.get("loc", ()))[:200]
