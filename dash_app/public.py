"""What strangers may see of a repository whose team allows it: a badge, and one page without scripts.

A repository that is not public, or not there, answers the same: 404.
"""

from __future__ import annotations

import asyncio
from html import escape
from typing import Any

from dash import html
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response

from dash_app.components import parts
from dash_app.static_html import to_static
from elder_assets.audit.errors import RepositoryNotFound
from elder_assets.audit.registry import MAGIC_ORDER
from elder_assets.audit.report import plain
from resources.messages.catalogue import Language, magic_name, status_name, translator
from resources.store import Store

COLOURS = {"passed": "#17704c", "warning": "#875300", "failed": "#b3261e", "error": "#b3261e"}
"""White text on each has a contrast of 4.5 and more."""
NO_SCORE = "#556071"
CHARACTER_PX = 6.6
CACHE = {"Cache-Control": "public, max-age=300"}


def badge_svg(score: float | None, status: str) -> str:
    """A badge of 20 px height: 'Elder' and the score, else the status."""
    said = status or "not audited" if score is None else f"{score:.1f}"
    left, right = 44, round(len(said) * CHARACTER_PX) + 14
    width, colour, text = left + right, COLOURS.get(status, NO_SCORE), escape(said)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="Elder: {text}">'
        f"<title>Elder: {text}</title>"
        f'<clipPath id="r"><rect width="{width}" height="20" rx="4"/></clipPath><g clip-path="url(#r)">'
        f'<rect width="{left}" height="20" fill="#333c48"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{colour}"/></g>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{left / 2}" y="14">Elder</text><text x="{left + right / 2}" y="14">{text}</text></g></svg>\n'
    )


def public_page(row: dict[str, Any], magics: dict[str, dict[str, Any]], language: Language) -> str:
    """One repository for strangers: scores and statuses, no findings, no names of people."""
    t = translator(language)
    lines = [
        html.Tr(
            [
                html.Th(magic_name(language, name), scope="row"),
                html.Td(parts.score(magics[name]["score"], magics[name]["status"])),
                html.Td(parts.badge(magics[name]["status"], status_name(language, magics[name]["status"]))),
            ]
        )
        for name in MAGIC_ORDER
        if name in magics
    ]
    status = row["status"] or "none"
    hero = html.Div(
        [html.Strong(parts.number(row["score"], 1)), parts.badge(status, status_name(language, status))],
        className=f"hero {status.replace(' ', '-')}",
    )
    body = html.Main(
        [
            html.H1(parts.repository_name(row["repository"])),
            html.Section(hero, className="card hero-card"),
            html.Section(
                html.Table([html.Caption(t.gettext("Eight magics"), className="unseen"), html.Tbody(lines)]),
                className="card",
            ),
        ]
    )
    title = escape(plain(row["repository"]))
    return (
        f'<!DOCTYPE html>\n<html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title} · Elder</title><link rel="stylesheet" href="/assets/theme.css"></head>'
        f"<body>{to_static(body)}</body></html>\n"
    )


def add_public_routes(server: FastAPI, store: Store, language_of: Any) -> None:
    """Serve badges and public pages; the guard lets strangers pass to them."""

    def shown(key: str) -> dict[str, Any] | None:
        try:
            row = store.repository_now(key)
        except RepositoryNotFound:
            return None
        return row if row["is_public"] else None

    async def badge(key: str) -> Response:
        row = await asyncio.to_thread(shown, key)
        if row is None:
            return Response("there is no public repository of this name\n", 404, media_type="text/plain")
        return Response(badge_svg(row["score"], row["status"] or ""), media_type="image/svg+xml", headers=CACHE)

    async def page(request: Request, key: str) -> Response:
        row = await asyncio.to_thread(shown, key)
        if row is None:
            return Response("there is no public repository of this name\n", 404, media_type="text/plain")
        magics = await asyncio.to_thread(store.magics_now, row["id"])
        return HTMLResponse(public_page(row, magics, language_of(request)), headers=CACHE)

    server.add_api_route("/badge/{key:path}.svg", badge, include_in_schema=False)
    server.add_api_route("/public/{key:path}", page, include_in_schema=False)
