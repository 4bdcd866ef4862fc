"""Findings as a table, the same on every page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash import html
from dash.development.base_component import Component

from dash_app.components import parts
from dash_app.components.parts import Column
from dash_app.components.tickets import ticket_link
from dash_app.page import PageRequest
from resources.messages.catalogue import severity_of_finding, standing_name
from resources.store.tickets import Ticket


def findings_table(request: PageRequest, rows: Sequence[Mapping[str, Any]]) -> Component:
    """Findings with a link to each; `rows` have the columns of `finding_states`."""
    t = request.t
    columns = (
        Column(title=t.gettext("Finding")),
        Column(title=t.gettext("Severity"), sort="severity"),
        Column(title=t.gettext("Rule"), sort="rule", rank=2),
        Column(title=t.gettext("Came as"), rank=3),
        Column(title=t.gettext("First seen"), sort="seen", is_falling=True, rank=3),
    )
    tickets = request.store.tickets_of(row["id"] for row in rows)
    shown = [
        (
            html.Span(
                [
                    html.A(parts.plain_text(row["message"], limit=220), href=f"/findings/{row['id']}"),
                    _below(request, row, tickets.get(row["id"])),
                ],
                className="finding",
            ),
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
