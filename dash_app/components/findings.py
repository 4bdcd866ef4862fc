"""Findings as a table, the same on every page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash import html
from dash.development.base_component import Component

from dash_app.components import parts
from dash_app.components.bulk import SUPPRESS, all_box, choice_box
from dash_app.components.parts import Column
from dash_app.components.tickets import ticket_link
from dash_app.page import PageRequest
from elder_assets.audit.report import plain
from resources.messages.catalogue import severity_of_finding, standing_name
from resources.store.tickets import Ticket


def findings_table(request: PageRequest, rows: Sequence[Mapping[str, Any]], *, is_chosen: bool = False) -> Component:
    """Findings with a link to each.

    Args:
        request: who looks.
        rows: with the columns of `finding_states`.
        is_chosen: rows can be chosen, for `bulk_form` below the table.
    """
    t = request.t
    is_chosen = is_chosen and request.may("viewer", SUPPRESS)
    columns = (
        Column(title=t.gettext("Finding"), before=all_box(request) if is_chosen else None),
        Column(title=t.gettext("Severity"), sort="severity"),
        Column(title=t.gettext("Rule"), sort="rule", rank=2),
        Column(title=t.gettext("Came as"), rank=3),
        Column(title=t.gettext("First seen"), sort="seen", is_falling=True, rank=3),
    )
    tickets = request.store.tickets_of(row["id"] for row in rows)
    shown = [
        (
            _named(request, row, tickets.get(row["id"]), is_chosen=is_chosen),
            severity_badge(request, row["severity"], row["tier"]),
            html.A(row["rule"], href=f"/rules/{row['rule']}")
            if not row["rule"].startswith("EXT:")
            else parts.plain_text(row["rule"]),
            standing_name(request.language, row["arrival"]),
            parts.moment(row["first_seen"], is_day=True),
        )
        for row in rows
    ]
    return parts.table(request, t.gettext("Findings"), columns, shown)


def _named(request: PageRequest, row: Mapping[str, Any], ticket: Ticket | None, *, is_chosen: bool) -> Component:
    link = html.A(parts.plain_text(row["message"], limit=220), href=f"/findings/{row['id']}")
    named = html.Span([link, _below(request, row, ticket)], className="finding")
    if not is_chosen:
        return named
    return html.Span([choice_box(request, row["id"], plain(row["message"])[:80]), named], className="chooses")


def _below(request: PageRequest, row: Mapping[str, Any], ticket: Ticket | None) -> Component:
    shown: list[parts.Child] = [
        parts.place(row["path"], row["line"]) if row["path"] else request.t.gettext("the repository")
    ]
    if row["standing"] != "open":
        shown.extend([" ", parts.badge(row["standing"], standing_name(request.language, row["standing"]))])
    if ticket is not None and ticket.state == "open":
        shown.extend([" ", request.t.gettext("ticket"), " ", ticket_link(ticket)])
    return html.Small(shown)


def severity_badge(request: PageRequest, severity: str, tier: str = "") -> Component:
    """How much a finding costs, and whether it fails a check."""
    shown = parts.badge(severity, severity_of_finding(request.language, severity))
    if tier != "gate" or severity not in {"critical", "high"}:
        return shown
    return html.Span([shown, " ", parts.badge("gate", request.t.gettext("fails a check"))])
