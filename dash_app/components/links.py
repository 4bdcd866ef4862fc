"""Links out of Elder's pages: runs in Dagster, changes and commits at the git host."""

from __future__ import annotations

from urllib.parse import quote

from dash import html
from dash.development.base_component import Component

from dash_app.components.attributes import attributes
from dash_app.components.parts import Child
from dash_app.page import PageRequest

COMMIT_CHARACTERS = 10


def run_link(request: PageRequest, run_id: str | None) -> Component:
    """The run in Dagster's own pages, plain text where nobody said where they are reached; a dash without one."""
    if not run_id:
        return html.Span("–", className="soft")
    dagster = request.settings.dagster_address
    return outward(html.Code(run_id[:8], title=run_id), f"{dagster}/runs/{quote(run_id, safe='')}" if dagster else "")


def commit(text: str | None) -> Component:
    """A commit, shortened; the whole stands in its title."""
    if not text:
        return html.Span("–", className="soft")
    return html.Code(text[:COMMIT_CHARACTERS], title=text)


def outward(shown: Child, address: str) -> Component:
    """A link that leaves Elder; plain text where there is no address."""
    if not address:
        return html.Span(shown)
    return html.A(shown, href=address, target="_blank", rel="noreferrer noopener", **attributes(data_plain="1"))
