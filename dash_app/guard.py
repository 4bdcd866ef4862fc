"""What stands before every route: host, origin, person, limits; and the headers that every answer carries.

Closed unless listed: a path that is not in OPEN_PATHS needs somebody who is known.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import parse_qs, quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dash_app.access import (
    CSRF_FIELD,
    CSRF_HEADER,
    LOCAL_ADMIN,
    PERSON,
    SESSION_COOKIE,
    Person,
    check_csrf,
    identify,
)
from dash_app.api.errors import answer_to, problem
from dash_app.failed_sign_ins import FailedSignIns, Kind
from dash_app.limits import (
    BODY_BYTES_MAX,
    FAILURES_BURST,
    FAILURES_PER_MINUTE,
    REQUESTS_BURST,
    REQUESTS_PER_MINUTE,
    WEBHOOK_BYTES_MAX,
    Allowance,
    bounded,
    too_large,
)
from elder_assets.audit.errors import AccessRefused, ElderError, SignInNeeded, TooManyRequests
from resources.store import Store
from resources.uploads import SENT_BYTES_MAX

OPEN_PATHS = ("/health/", "/webhooks/", "/sign-in", "/badge/", "/public/", "/assets/theme.css")
"""Served to strangers: a webhook proves itself by its signature; badges and public pages show public projects alone."""
API_PATHS = ("/api/", "/metrics", "/ws/", "/_")
"""Where a stranger is told so, instead of being sent to the sign-in page."""
UPLOADS = re.compile(r"/api/v1/projects/\d{1,18}/uploads")
"""Where bodies may be larger: results of edge sites."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
FORM = "application/x-www-form-urlencoded"

HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
}


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach an address to listen on."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def content_policy(script_hashes: Sequence[str]) -> str:
    """What a page of ours may load: our own files, and the inline scripts with these hashes (those of Dash)."""
    scripts = " ".join(["script-src 'self'", *(f"'{value.strip(chr(39))}'" for value in script_hashes)])
    return (
        f"default-src 'self'; {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
        "form-action 'self'; frame-ancestors 'none'"
    )


class Guard:
    """Lets a request through when host, origin, person and limits allow it."""

    def __init__(self, app: ASGIApp, store: Store, failed: FailedSignIns, *, is_local: bool) -> None:
        self._app = app
        self._store = store
        self._failed = failed
        self._is_open = is_local
        self._requests = Allowance(REQUESTS_PER_MINUTE, REQUESTS_BURST)
        self._failures = Allowance(FAILURES_PER_MINUTE, FAILURES_BURST)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or connection."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        connection, answer = HTTPConnection(scope), _Answer(scope, send)
        address = connection.client.host if connection.client else "unknown"
        try:
            receive = _bounded(connection, receive)
            person = await run_in_threadpool(self._admit, connection, address)
            receive = await _checked_change(connection, receive, person)
        except HTTPException as error:
            await _refuse(scope, receive, answer.send, problem(error.status_code, error.detail))
            return
        except ElderError as error:
            refusal = _sign_in_first(connection) if isinstance(error, SignInNeeded) else None
            await _refuse(scope, receive, answer.send, refusal or answer_to(error))
            return
        scope.setdefault("state", {})["person"] = person
        token = PERSON.set(person)
        try:
            await self._app(scope, receive, answer.send)
        finally:
            PERSON.reset(token)
            if answer.status == 401:
                self._failures.take(address)
                await run_in_threadpool(self._failed.record, address, _refused_kind(scope["path"]))

    def _admit(self, connection: HTTPConnection, address: str) -> Person | None:
        """Who asks; None on a path that is open to strangers.

        Raises:
            AccessRefused: the host, the origin, the person or the pace is not allowed.
        """
        path = connection.scope["path"]
        if path.startswith("/health/"):
            return None
        if self._is_open and self._store.has_tokens():
            self._is_open = False
        if self._is_open and _host_name(connection) not in LOCAL_NAMES:
            # A page of another site could otherwise reach us under its own name (DNS rebinding).
            raise AccessRefused("without tokens Elder answers to localhost only; make one with: elder token create")
        if path.startswith("/webhooks/"):
            return None
        if not _is_same_origin(connection):
            raise AccessRefused("the request comes from a page of another site")
        if path.startswith(OPEN_PATHS):
            self._wait_after_failures(connection, address)
            _wait_for(self._requests.take(address))
            return None
        person = self._identified(connection, address)
        if person is not LOCAL_ADMIN:
            _wait_for(self._requests.take(f"token {person.token_id}"))
        return person

    def _identified(self, connection: HTTPConnection, address: str) -> Person:
        try:
            return identify(self._store, connection, is_open=self._is_open)
        except SignInNeeded:
            if "authorization" not in connection.headers and SESSION_COOKIE not in connection.cookies:
                _wait_for(self._requests.take(address))
                raise
            wait = self._failures.take(address)
            by_token = "authorization" in connection.headers
            self._failed.record(address, "limited" if wait else "token" if by_token else "session")
            _wait_for(wait)
            raise

    def _wait_after_failures(self, connection: HTTPConnection, address: str) -> None:
        wait = self._failures.wait_seconds(address)
        if wait and connection.scope["path"] == "/sign-in" and connection.scope.get("method") == "POST":
            self._failed.record(address, "limited")
        _wait_for(wait)


def _refused_kind(path: str) -> Kind:
    """What a route of ours refused by 401."""
    if path.startswith("/webhooks/"):
        return "webhook"
    return "form" if path == "/sign-in" else "token"


class _Answer:
    """Sends an answer with our headers, and remembers its status."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self.status = 0

    async def send(self, message: Message) -> None:
        """Send one message."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            hashes = getattr(self._scope["app"].state, "script_hashes", ())
            headers.setdefault("content-security-policy", content_policy(hashes))
            if self._scope["path"].startswith("/api/"):
                headers.setdefault("cache-control", "no-store")
            if self._scope["scheme"] == "https":
                headers.setdefault("strict-transport-security", "max-age=31536000")
        await self._send(message)


def _wait_for(seconds: float) -> None:
    if seconds:
        raise TooManyRequests(seconds)


def _bounded(connection: HTTPConnection, receive: Receive) -> Receive:
    """The body, bounded; refused at once when it says itself that it is too large."""
    if connection.scope["type"] == "websocket":
        return receive  # uvicorn bounds its messages
    most = _bytes_max(connection.scope["path"])
    length = connection.headers.get("content-length", "")
    if length.isdecimal() and (len(length) > 15 or int(length) > most):
        raise HTTPException(413, too_large(most))
    return bounded(receive, most)


def _bytes_max(path: str) -> int:
    if path.startswith("/webhooks/"):
        return WEBHOOK_BYTES_MAX
    return SENT_BYTES_MAX if UPLOADS.fullmatch(path) else BODY_BYTES_MAX


def _host_name(connection: HTTPConnection) -> str:
    """The name in the Host header, without port and brackets."""
    try:
        return urlsplit(f"//{connection.headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


def _is_same_origin(connection: HTTPConnection) -> bool:
    """Whether a change or a connection that a browser sends comes from our own page; other clients name no origin."""
    is_change = connection.scope["type"] == "websocket" or connection.scope["method"] not in SAFE_METHODS
    origin = connection.headers.get("origin")
    if not is_change or origin is None or "authorization" in connection.headers:
        return True
    try:
        return urlsplit(origin).netloc.lower() == connection.headers.get("host", "").lower()
    except ValueError:
        return False


async def _checked_change(connection: HTTPConnection, receive: Receive, person: Person | None) -> Receive:
    """The body of a change in a session, once it has proved that our own page sent it."""
    scope = connection.scope
    if person is None or not person.csrf or scope["type"] == "websocket" or scope["method"] in SAFE_METHODS:
        return receive
    given = connection.headers.get(CSRF_HEADER, "")
    if not given and connection.headers.get("content-type", "").startswith(FORM):
        body = await Request(scope, receive).body()
        given = parse_qs(body.decode("latin-1")).get(CSRF_FIELD, [""])[0]
        receive = _again(body)
    check_csrf(person, given)
    return receive


def _again(body: bytes) -> Receive:
    """A body that was read already."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return replayed


def _sign_in_first(connection: HTTPConnection) -> Response | None:
    """The way to the sign-in page, for a person who opens a page in a browser."""
    scope = connection.scope
    is_page = scope["type"] == "http" and scope["method"] == "GET" and not scope["path"].startswith(API_PATHS)
    if not is_page or "text/html" not in connection.headers.get("accept", ""):
        return None
    query = scope["query_string"].decode("latin-1")
    wanted = scope["path"] + (f"?{query}" if query else "")
    return RedirectResponse(f"/sign-in?next={quote(wanted, safe='')}", 303)


async def _refuse(scope: Scope, receive: Receive, send: Send, refusal: Response) -> None:
    """Answer without asking any route; a WebSocket that cannot carry an answer is closed (policy violation)."""
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": "not allowed"})
        return
    await refusal(scope, receive, send)
