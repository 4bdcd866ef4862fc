"""Signing in to the pages with a token, and out again. Plain forms: they work before any page of Dash is loaded."""

from __future__ import annotations

from html import escape
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from dash_app.access import CSRF_COOKIE, SESSION_COOKIE, csrf_of, person_of
from dash_app.api.parts import StoreHere
from elder_assets.audit.errors import SignInNeeded
from resources.store.access import SESSION_TIME

router = APIRouter(include_in_schema=False)

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in - Elder</title><link rel="stylesheet" href="/sign-in.css"></head>
<body><main><h1>Elder</h1>
<form method="post" action="/sign-in">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required
  autofocus aria-describedby="help">
<p id="help">An administrator makes one with <code>elder token create</code>.</p>
{refusal}<input type="hidden" name="next" value="{next}">
<button type="submit">Sign in</button>
</form></main></body></html>
"""
STYLE = """:root{color-scheme:light dark}
body{font:1rem/1.5 system-ui,sans-serif;margin:0;display:grid;place-items:center;min-height:100vh}
main{width:min(24rem,90vw)}
label,input,button{display:block;width:100%;box-sizing:border-box;font:inherit}
input,button{padding:.6rem;margin:.3rem 0;border:1px solid GrayText;border-radius:.3rem}
[role=alert]{border-left:.3rem solid #c0392b;padding-left:.6rem}
"""


async def _form(request: Request) -> dict[str, str]:
    """The fields of a plain form; the last one where a name comes twice."""
    body = (await request.body()).decode("utf-8", errors="replace")
    return {name: values[-1] for name, values in parse_qs(body).items()}


FormHere = Annotated[dict[str, str], Depends(_form)]


@router.get("/sign-in.css")
async def style() -> Response:
    """The page's style; a file of its own, because pages allow no inline scripts and few inline styles."""
    return Response(STYLE, media_type="text/css")


@router.get("/sign-in")
async def page(next: str = "/") -> HTMLResponse:  # noqa: A002 - the name that such links have everywhere
    """The form."""
    return HTMLResponse(PAGE.format(refusal="", next=escape(_own(next))))


@router.post("/sign-in")
async def sign_in(request: Request, store: StoreHere, form: FormHere) -> Response:
    """Start a session."""
    wanted = _own(form.get("next", "/"))
    try:
        _, cookie = await run_in_threadpool(store.start_session, form.get("token", "").strip())
    except SignInNeeded as error:
        refusal = f'<p role="alert">{escape(str(error))}</p>'
        return HTMLResponse(PAGE.format(refusal=refusal, next=escape(wanted)), 401)
    answer = RedirectResponse(wanted, 303)
    is_https, seconds = request.url.scheme == "https", int(SESSION_TIME.total_seconds())
    for name, value, is_hidden in ((SESSION_COOKIE, cookie, True), (CSRF_COOKIE, csrf_of(cookie), False)):
        answer.set_cookie(name, value, max_age=seconds, secure=is_https, httponly=is_hidden, samesite="lax")
    return answer


@router.post("/sign-out")
async def sign_out(request: Request, store: StoreHere) -> Response:
    """End the session; the guard has checked that our own page asks for it."""
    person_of(request)
    await run_in_threadpool(store.end_session, request.cookies.get(SESSION_COOKIE, ""))
    answer = RedirectResponse("/sign-in", 303)
    for name in (SESSION_COOKIE, CSRF_COOKIE):
        answer.delete_cookie(name)
    return answer


def _own(address: str) -> str:
    """A path of ours to go on to; anything that a browser could read as another host becomes the first page."""
    is_path = address.startswith("/") and not address.startswith("//")
    return address if is_path and "\\" not in address and address.isprintable() else "/"
