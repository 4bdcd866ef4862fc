"""A magic's card: how it came out, how sure that is, and where its findings are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash import html
from dash.development.base_component import Component

from dash_app import views
from dash_app.components import parts
from dash_app.page import PageRequest
from resources.messages.catalogue import magic_name


def magic_card(
    request: PageRequest, name: str, row: Mapping[str, Any], line: Sequence[float | None], href: str
) -> Component:
    """One magic of a repository; `row` has the columns of `latest_magics`, `line` its scores by week."""
    t = request.t
    share = views.share_of(row["weight_share"])
    known = [value for value in line if value is not None]
    said = t.gettext("from %(first)s to %(last)s") % {"first": known[0], "last": known[-1]} if known else ""
    findings = t.ngettext("%(count)s finding", "%(count)s findings", row["findings"]) % {
        "count": f"{row['findings']:,}"
    }
    remedies = t.ngettext("%(count)s with a remedy", "%(count)s with a remedy", row["suggestions"]) % {
        "count": f"{row['suggestions']:,}"
    }
    notes = [
        html.Span(t.gettext("%(share)s of its rules apply") % {"share": parts.percent(share)}),
        html.Span(parts.duration(row["duration_ms"])),
    ]
    title = html.H3(html.A(magic_name(request.language, name), href=href))
    is_judged = row["status"] in views.COUNTED  # what too few rules could judge has no score to be proud of
    number = html.Strong(parts.number(row["score"] if is_judged else None, 1))
    return html.Li(
        [
            html.Div([title, parts.status_badge(request, row["status"])], className="magic-head"),
            html.Div([number, parts.sparkline(line, said)], className="magic-score"),
            html.P([findings, ", ", remedies] if row["findings"] else t.gettext("no findings")),
            html.P(parts.reason(request, row["reason"]), className="soft") if row["reason"] else None,
            html.P(notes, className="soft notes"),
        ],
        id=f"magic-{name}",
        className="card magic",
    )
