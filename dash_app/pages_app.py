"""Mounts the pages: Dash on the control plane's server, one address a page, CSV beside it.

A page is a pure function to Dash components, which are sent as HTML: at the first look within the frame, so that it can
be read at once and without scripts; later through one callback, `show`. The page's script lays what comes over what is
there (assets/pages.js): what did not change stays as it is, with its focus, its typed texts and its figures.
"""

from __future__ import annotations

import asyncio
import base64
import csv
import datetime as dt
import functools
import gzip
import hashlib
import html as markup
import importlib
import importlib.resources
import io
import logging
import pkgutil
import re
from collections.abc import Iterator, Sequence
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from dash import Dash, Input, Output, State, no_update
from dash.backends import _fastapi as dash_fastapi  # where Dash keeps the request of now; it has no public name
from dash.development.base_component import Component
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from plotly.offline import get_plotlyjs, get_plotlyjs_version
from starlette.middleware.gzip import GZipMiddleware

import dash_app.pages
from dash_app.access import person_of
from dash_app.components.states import create_error
from dash_app.page import Page, PageRequest, Table
from dash_app.page_file import POLICY, to_file
from dash_app.public import add_public_routes
from dash_app.shell import BRAND, DRAWN, LIVE, LOCATION, SHOWN, held, shell
from dash_app.static_html import Drawn, Figures, draw
from elder_assets.audit.errors import ElderError, RepositoryNotFound, StoreError, UnknownRecord
from elder_assets.audit.exports import cell
from resources.messages.catalogue import LANGUAGES, Language
from resources.settings import Settings
from resources.store import Store

LOG = logging.getLogger("elder.pages")
LANGUAGE_COOKIE = "elder_language"
YEAR_SECONDS = 365 * 86_400
PLOTLY_ADDRESS = f"/pages/plotly-{get_plotlyjs_version()}.js"
EARLY_SCRIPT = "try{var t=localStorage.getItem('elder-theme');if(t)document.documentElement.dataset.theme=t}catch(e){}"
"""Runs before the first paint: a dark page must not flash white."""


def mount_pages(server: FastAPI, store: Store, settings: Settings) -> None:
    """Mount every page on a server; last, because the pages answer whatever path is left."""
    looks = Looks(store, settings, list(found_pages()), actions_of(server))
    app = _ElderDash(
        __name__,
        server=cast("Any", server),
        backend="fastapi",
        assets_folder="assets",
        include_assets_files=False,  # Dash finds them at its own first request only, which ours may precede
        title="Elder",
        update_title="",
        add_log_handler=False,
    )
    app.layout = looks.held_at_referer

    @app.callback(
        Output(DRAWN, "data"),
        Output(SHOWN, "data"),
        Input(LOCATION, "pathname"),
        Input(LOCATION, "search"),
        Input(LIVE, "data"),
        State(SHOWN, "data"),
        prevent_initial_call=True,
    )
    async def show(pathname: str, search: str, live: str, shown: dict[str, Any]) -> tuple[Any, Any]:
        return await asyncio.to_thread(looks.next, dash_fastapi.get_current_request(), pathname, search, live, shown)

    app.clientside_callback(  # type: ignore[no-untyped-call]
        "function(drawn){window.elder.drawn(drawn);return window.dash_clientside.no_update}",
        Output(DRAWN, "modified_timestamp"),
        Input(DRAWN, "data"),
    )
    _add_routes(server, app, looks)
    early = base64.b64encode(hashlib.sha256(EARLY_SCRIPT.encode()).digest()).decode()
    server.state.script_hashes = (*app.csp_hashes(), f"sha256-{early}")


class _ElderDash(Dash):
    """Dash with our frame of a page."""

    def interpolate_index(self, **kwargs: Any) -> str:  # type: ignore[override]
        """The frame; `Looks.first` puts the page into its two places."""
        return (
            '<!DOCTYPE html>\n<html lang="%LANGUAGE%">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="color-scheme" content="light dark">\n'
            f"<title>%TITLE%</title>\n<script>{EARLY_SCRIPT}</script>\n"
            f'<link rel="icon" href="{BRAND}">\n<link rel="stylesheet" href="{_asset("theme.css")}">\n'
            f'<link rel="stylesheet" href="{_asset("work.css")}">\n'
            f"{kwargs['css']}\n</head>\n<body>\n"
            '%PAGE%\n<script type="application/json" id="figures">%FIGURES%</script>\n'
            f'<script src="{_asset("pages.js")}" data-plotly="{PLOTLY_ADDRESS}"></script>\n'
            '<div id="react-entry-point" hidden></div>\n'
            f"{kwargs['config']}\n{kwargs['scripts']}\n{kwargs['renderer']}\n</body>\n</html>\n"
        )


@functools.cache
def _asset(name: str) -> str:
    """Where a file of ours is; the address changes with its content."""
    content = importlib.resources.files("dash_app").joinpath("assets", name).read_bytes()
    return f"/assets/{name}?v={hashlib.sha256(content).hexdigest()[:12]}"


class Looks:
    """Answers looks at pages: finds the page of an address, asks it, and draws what it says."""

    def __init__(self, store: Store, settings: Settings, pages: Sequence[Page], actions: frozenset[str]) -> None:
        self.store, self._settings, self.pages, self._actions = store, settings, pages, actions

    def page_of(self, path: str) -> tuple[Page | None, dict[str, str]]:
        """The page that answers a path, and what the path names."""
        for page in self.pages:
            if found := re.fullmatch(page.pattern, path):
                return page, found.groupdict()
        return None, {}

    def asked(self, request: Request, address: str) -> tuple[Page | None, PageRequest]:
        """The page of an address (path and query), and the request to it."""
        parsed = urlsplit(address)
        path = unquote(parsed.path)
        page, parts = self.page_of(path)
        return page, PageRequest(
            path=path,
            parts=parts,
            query=dict(parse_qsl(parsed.query, max_num_fields=50)) if parsed.query.count("&") < 50 else {},
            language=language_of(request),
            viewer=person_of(request),
            now=self.store.now(),
            store=self.store,
            settings=self._settings,
            actions=self._actions,
        )

    def content(self, page: Page | None, asked: PageRequest) -> tuple[Component, int]:
        """What a page says, or why it cannot, and the status of the answer. The one boundary of errors of pages."""
        t = asked.t
        if page is None:
            return create_error(t.gettext("There is no such page"), t.gettext("Go to the fleet by the menu.")), 404
        try:
            return page.layout(asked), 200
        except RepositoryNotFound as error:
            return create_error(t.gettext("There is no such repository"), str(error)), 404
        except UnknownRecord as error:
            return create_error(t.gettext("It is not there"), str(error)), 404
        except StoreError as error:
            return create_error(t.gettext("This cannot be shown now"), str(error)), 503
        except ElderError as error:
            return create_error(t.gettext("This cannot be shown"), str(error)), 400
        except Exception:  # a defect of one page must not take the others down; the log has it all
            LOG.exception("the page %s failed", page.name)
            return create_error(t.gettext("This page has a defect"), t.gettext("It is in the log of the server.")), 500

    def title(self, page: Page | None, asked: PageRequest) -> str:
        """What stands in the browser's tab."""
        return "Elder" if page is None else f"{page.title(asked)} · Elder"

    def whole(self, request: Request, address: str) -> tuple[Drawn, str, int, str]:
        """A page with all around it, its title, status and language."""
        page, asked = self.asked(request, address)
        content, status = self.content(page, asked)
        return draw(shell(asked, self.pages, page, content)), self.title(page, asked), status, asked.language

    def held_at_referer(self) -> Component:
        """What Dash holds at first: the mark of the page that asks for it."""
        try:
            request = dash_fastapi.get_current_request()
        except RuntimeError:  # Dash asks once at start, to check ids
            return held("")
        parsed = urlsplit(request.headers.get("referer", ""))
        address = (parsed.path or "/") + (f"?{parsed.query}" if parsed.query else "")
        return held(f"{self.asked(request, address)[1].link()}#")

    def next(
        self, request: Request, pathname: str, search: str, live: str, shown: dict[str, Any]
    ) -> tuple[Any, dict[str, Any] | Any]:
        """What the callback answers: the content of another address, or of the same one after a change.

        Nothing is sent when nothing that is to be seen changed, and no figure that is already there.
        """
        page, asked = self.asked(request, f"{pathname}{search or ''}")
        mark = f"{asked.link()}#{live}"
        if shown["mark"] == mark:
            return no_update, no_update
        drawn = draw(self.content(page, asked)[0])
        now = {"mark": mark, "digest": drawn.digest, "figures": list(drawn.figures)}
        is_new = drawn.digest != shown["digest"] or not is_same_address(shown["mark"], mark)
        if not is_new:
            return no_update, now
        figures = {name: described for name, described in drawn.figures.items() if name not in shown["figures"]}
        return {"html": drawn.html, "figures": figures, "title": self.title(page, asked)}, now

    def table(self, request: Request, address: str) -> Table | None:
        """What the page of an address exports."""
        page, asked = self.asked(request, address)
        return page.table(asked) if page is not None and page.table is not None else None

    def file(self, request: Request, address: str) -> tuple[str, str, int]:
        """A page as a file (page_file.py), its name without ending, and the status of the answer."""
        page, asked = self.asked(request, address)
        content, status = self.content(page, asked)
        server = (self._settings.public_url or str(request.base_url)).rstrip("/")
        return to_file(asked, self.title(page, asked), content, server), file_name(asked.path), status

    def mark(self) -> str:
        """Differs when something changed that pages show."""
        return self.store.newest_change()


def found_pages() -> Iterator[Page]:
    """Every page of `dash_app/pages/`, in order of file."""
    for module in sorted(pkgutil.iter_modules(dash_app.pages.__path__), key=lambda module: module.name):
        loaded = importlib.import_module(f"dash_app.pages.{module.name}")
        yield from getattr(loaded, "PAGES", None) or (loaded.PAGE,)


def actions_of(server: FastAPI) -> frozenset[str]:
    """What the server's API can do, as PageRequest.actions names it.

    Read from its OpenAPI document: routers that are included need not stand among the server's own routes.
    """
    return frozenset(
        f"{method.upper()} {re.sub(r'{[^}]*}', '{}', path)}"
        for path, item in server.openapi()["paths"].items()
        for method in item
    )


def language_of(request: Request) -> Language:
    """The language that was chosen, else the first that the browser asks for and Elder speaks."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    wanted = [chosen, *(part.strip()[:2].lower() for part in request.headers.get("accept-language", "").split(","))]
    return next((language for name in wanted for language in LANGUAGES if language == name), "en")


def file_name(path: str) -> str:
    """A path as the name of a file: letters, digits and dots, the rest as hyphens."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", unquote(path)).strip("-.")[-80:] or "fleet"


def is_same_address(mark: str, other: str) -> bool:
    """Whether two marks are of one address at two times."""
    return mark.rpartition("#")[0] == other.rpartition("#")[0]


@functools.cache
def _plotly() -> bytes:
    """The script that draws figures, packed once: it is large, and everybody asks for it."""
    return gzip.compress(get_plotlyjs().encode(), 6)


def _figures_block(figures: Figures) -> str:
    """Figures as a block of data that no text in them can end."""
    listed = ",".join(f'"{name}":{described}' for name, described in figures.items())
    return f"{{{listed}}}".replace("<", "\\u003c")


def _add_routes(server: FastAPI, app: Dash, looks: Looks) -> None:
    async def first(request: Request) -> HTMLResponse:
        address = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        drawn, title, status, language = await asyncio.to_thread(looks.whole, request, address)
        frame = _frame(app, request)
        values = {
            "LANGUAGE": language,
            "TITLE": markup.escape(title),
            "PAGE": drawn.html,
            "FIGURES": _figures_block(drawn.figures),
        }
        filled = re.sub(r"%(LANGUAGE|TITLE|PAGE|FIGURES)%", lambda found: values[found[1]], frame)
        return HTMLResponse(filled, status_code=status, headers={"Cache-Control": "no-store"})

    async def export(request: Request) -> Response:
        address = _exported(request, "/csv")
        try:
            table = await asyncio.to_thread(looks.table, request, address)
        except ElderError as error:
            return Response(f"{error}\n", status_code=404, media_type="text/plain")
        if table is None:
            return Response("this page has no table\n", status_code=404, media_type="text/plain")
        headers = {"Content-Disposition": f'attachment; filename="elder-{table.name}.csv"'}
        return Response(to_csv(table), media_type="text/csv; charset=utf-8", headers=headers)

    async def file(request: Request) -> Response:
        said, name, status = await asyncio.to_thread(looks.file, request, _exported(request, "/html"))
        headers = {"Cache-Control": "no-store", "Content-Security-Policy": POLICY}
        if status == 200:
            headers["Content-Disposition"] = f'attachment; filename="elder-{name}.html"'
        return HTMLResponse(said, status_code=status, headers=headers)

    async def plotly() -> Response:
        headers = {"Content-Encoding": "gzip", "Cache-Control": f"public, max-age={YEAR_SECONDS}, immutable"}
        return Response(await asyncio.to_thread(_plotly), media_type="text/javascript", headers=headers)

    async def changes() -> JSONResponse:
        return JSONResponse({"mark": await asyncio.to_thread(looks.mark)}, headers={"Cache-Control": "no-store"})

    async def language(request: Request) -> RedirectResponse:
        wanted, back = request.query_params.get("language", ""), request.query_params.get("to", "/")
        is_ours = back.startswith("/") and not back.startswith(("//", "/\\"))
        answer = RedirectResponse(back if is_ours else "/", status_code=303)
        if wanted in LANGUAGES:
            answer.set_cookie(LANGUAGE_COOKIE, wanted, max_age=YEAR_SECONDS, samesite="lax", httponly=True)
        return answer

    # Dash's own routes come before; "/" was taken by Dash, so ours goes in front of it.
    server.add_api_route(PLOTLY_ADDRESS, plotly, include_in_schema=False)
    server.add_api_route("/pages/changes", changes, include_in_schema=False)
    server.add_api_route("/language", language, include_in_schema=False)
    server.add_api_route("/csv/{path:path}", export, include_in_schema=False)
    server.add_api_route("/html/{path:path}", file, include_in_schema=False)
    add_public_routes(server, looks.store, language_of)
    server.add_api_route("/{path:path}", first, include_in_schema=False)
    root = [route for route in server.router.routes if getattr(route, "path", "") == "/"]
    for route in root:
        server.router.routes.remove(route)
    server.add_middleware(GZipMiddleware, minimum_size=1_000, compresslevel=4)


def _exported(request: Request, prefix: str) -> str:
    """The address of the page that an export is of."""
    path = request.url.path.removeprefix(prefix)
    return ("/" if path == "/fleet" else path) + (f"?{request.url.query}" if request.url.query else "")


def _frame(app: Any, request: Request) -> str:
    """The frame of every page, which Dash makes for a request."""
    remember: Any = dash_fastapi.set_current_request
    token = remember(request)
    try:
        return str(app.index())
    finally:
        forget: Any = dash_fastapi.reset_current_request
        forget(token)


def to_csv(table: Table) -> str:
    """Rows for a spreadsheet; no cell can be a formula."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(table.columns)
    for row in table.rows:
        writer.writerow([cell(_csv_value(row.get(name))) for name in table.columns])
    return written.getvalue()


def _csv_value(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return "" if value is None else value
