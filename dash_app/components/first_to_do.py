"""What to do first in a repository: three findings, each of another rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import html
from dash.development.base_component import Component

from dash_app import views
from dash_app.components import parts
from dash_app.components.findings import severity_badge
from dash_app.page import PageRequest, repository_address
from resources.store.repository_pages import FindingFilter


def first_to_do(
    request: PageRequest, row: Mapping[str, Any], magics: Mapping[str, Mapping[str, Any]]
) -> Component | None:
    """The first finding of each of the rules that matter most; None where nothing is open."""
    t = request.t
    rules = views.first_rules(request.store.rules_now(row["id"]), views.explained(magics))
    items = [item for rule in rules if (item := _item(request, row, rule)) is not None]
    return parts.section(t.gettext("First to do"), html.Ol(items, className="list")) if items else None


def _item(request: PageRequest, row: Mapping[str, Any], rule: Mapping[str, Any]) -> Component | None:
    t, code, severity = request.t, rule["rule"], rule["severity"]
    wanted = FindingFilter(standing="open", rule=code, severity=severity, limit=1)
    found, count = request.store.findings_page(row["id"], wanted)
    if not found:
        return None
    finding = found[0]
    address = repository_address(row["repository"], tab="findings", rule=code, standing="open")
    more = t.ngettext("and %(count)s more of %(rule)s", "and %(count)s more of %(rule)s", count - 1)
    return html.Li(
        [
            html.A(parts.plain_text(finding["message"], limit=220), href=f"/findings/{finding['id']}"),
            " ",
            severity_badge(request, severity, rule["tier"]),
            html.Small(
                parts.place(finding["path"], finding["line"]) if finding["path"] else t.gettext("the repository")
            ),
            html.Small(parts.plain_text(finding["remedy"])),
            html.Small(html.A(more % {"count": parts.number(count - 1), "rule": code}, href=address))
            if count > 1
            else None,
        ]
    )
