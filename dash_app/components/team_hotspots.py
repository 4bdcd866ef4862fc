"""Who owns the riskiest files of a team: what CODEOWNERS declares. People are counted, never named or ranked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import html
from dash.development.base_component import Component

from dash_app.components import parts
from dash_app.components.parts import Child, Column
from dash_app.components.states import create_empty
from dash_app.page import PageRequest, repository_address
from resources.store.teams import Team

SHOWN = 100
MAIN_SHARE_HIGH = 0.8
"""Share of the changes by one person from which a file hangs on that person; as SRV005 judges components."""


def hotspots_tab(request: PageRequest, team: Team) -> Component:
    """The riskiest files, those that nobody owns at first."""
    t, store = request.t, request.store
    rows = store.team_hotspots(team.id, SHOWN)
    if not rows:
        said = t.gettext(
            "They are files that are complex and change often; audits of the team's repositories find them."
        )
        return create_empty(t.gettext("No hotspot is known yet"), html.P(said))
    title = t.gettext("Hotspots, those without an owner first")
    columns = (
        Column(title=t.gettext("File")),
        Column(title=t.gettext("Owner")),
        Column(title=t.gettext("Risk"), is_number=True),
        Column(title=t.gettext("Changes in a year"), is_number=True, rank=2),
        Column(title=t.gettext("Complexity"), is_number=True, rank=2),
        Column(title=t.gettext("Known to"), rank=2),
        Column(title=t.gettext("Open"), is_number=True, rank=3),
    )
    most = max(row["risk"] for row in rows) or 1
    table = parts.table(request, title, columns, [_row(request, row, most) for row in rows], kind="hotspots")
    meant = html.P(
        t.gettext(
            "Risk is changes in a year times complexity. Owners are those that CODEOWNERS declares; people are counted,"
            " never named or ranked."
        ),
        className="soft",
    )
    return html.Div(
        [_glance(request, team), parts.section(title, meant, table, aside=parts.export_link(request), name="hotspots")]
    )


def _glance(request: PageRequest, team: Team) -> Component:
    t = request.t
    counted = request.store.hotspot_counts(team.id)
    repositories = t.ngettext("in %(count)s repository", "in %(count)s repositories", counted["repositories"])
    return html.Div(
        [
            parts.stat(
                t.gettext("Hotspots"),
                parts.number(counted["hotspots"]),
                repositories % {"count": counted["repositories"]},
            ),
            parts.stat(
                t.gettext("Without an owner"),
                parts.number(counted["ownerless"]),
                t.gettext("CODEOWNERS names nobody"),
                kind="bad" if counted["ownerless"] else "",
            ),
            parts.stat(
                t.gettext("Known to one person"),
                parts.number(counted["single"]),
                t.gettext("bus factor 1"),
                kind="bad" if counted["single"] else "",
            ),
        ],
        className="glance",
    )


def _row(request: PageRequest, row: Mapping[str, Any], most: int) -> tuple[Child, ...]:
    key = row["repository"]
    named = html.Span(
        [
            parts.place(row["path"]),
            html.Small(html.A(parts.repository_name(key), href=repository_address(key))),
            html.Small(_known_to(request, row), className="phone"),
        ],
        className="finding",
    )
    share = f"{100 * row['risk'] / most:.0f}%"
    risk = html.Span(
        [html.Span(html.Span(style={"width": share}), className="meter"), f" {parts.number(row['risk'])}"],
        className="risk",
    )
    return (
        named,
        _owner(request, row["declared_owners"]),
        risk,
        parts.number(row["changes"]),
        parts.number(row["cognitive"]),
        _known_to(request, row),
        parts.number(row["open"]),
    )


def _owner(request: PageRequest, owners: list[str] | None) -> Component:
    t = request.t
    if owners is None:
        return html.Span(t.gettext("the next audit tells"), className="soft")
    if not owners:
        return parts.badge("failed", t.gettext("nobody"))
    return html.Span([item for owner in owners[:3] for item in (parts.plain_text(owner, limit=60), " ")])


def _known_to(request: PageRequest, row: Mapping[str, Any]) -> Component:
    """How many changed it in a year, and how much hangs on one of them."""
    t, count, share = request.t, row["authors"], row["owner_share"]
    said = t.ngettext("%(count)s person", "%(count)s people", count) % {"count": count}
    if count == 1:
        return parts.badge("warning", said)
    if share is not None and share >= MAIN_SHARE_HIGH:
        detail = t.gettext("one of them made %(share)s of the changes") % {"share": parts.percent(share)}
        return html.Span([parts.badge("warning", said), html.Small(detail)], className="finding")
    return html.Span(said)
