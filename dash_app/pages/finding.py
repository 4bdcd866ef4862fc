"""One finding: what it is, where, why it matters, what to do, where it came from, and what to say about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import html
from dash.development.base_component import Component

from dash_app.components import parts
from dash_app.components.attributes import attributes
from dash_app.components.findings import severity_badge
from dash_app.components.lineage import commit_at_host, lineage, place_at_host
from dash_app.components.states import create_empty
from dash_app.components.tickets import ticket_of
from dash_app.page import Page, PageRequest, Table, repository_address
from elder_assets.audit.finding_states import ACTIVE
from elder_assets.audit.registry import catalogue
from resources.excerpts import SECRET_RULES, Excerpt, excerpt
from resources.messages.catalogue import magic_name, standing_name

FEEDBACK = "POST /api/v1/findings/{}/feedback"
SUPPRESS = "POST /api/v1/projects/{}/suppressions"


def layout(request: PageRequest) -> Component:
    """The whole page."""
    row = request.store.finding_now(int(request.parts["number"]), request.viewer.team_id)
    up = html.A(parts.repository_name(row["repository"]), href=repository_address(row["repository"], tab="findings"))
    is_ours = row["source"] == "elder"
    by = magic_name(request.language, row["magic"]) if is_ours else parts.plain_text(row["source"])
    shown = _excerpt(request, row)
    return html.Div(
        [
            html.Nav(up, className="crumbs", **attributes(aria_label=request.t.gettext("Where this is"))),
            html.H1(parts.plain_text(row["message"])),
            html.P(
                [
                    severity_badge(request, row["severity"], row["tier"]),
                    " ",
                    parts.badge(row["standing"], standing_name(request.language, row["standing"])),
                    " ",
                    html.A(row["rule"], href=f"/rules/{row['rule']}"),
                    " · ",
                    by,
                ]
            ),
            html.Div(
                [
                    html.Div([_place(request, row, shown), _remedy(request, row)]),
                    html.Div([_actions(request, row), _origin(request, row, shown)]),
                ],
                className="pair",
            ),
        ]
    )


def _excerpt(request: PageRequest, row: Mapping[str, Any]) -> Excerpt:
    if row["standing"] not in ACTIVE:
        return Excerpt(reason=request.t.gettext("It is no longer there at this commit."))
    place = (row["repository"], row["url"], row["last_commit"], row["path"], row["line"])
    return excerpt(request.settings, place, row["rule"])


def _place(request: PageRequest, row: Mapping[str, Any], shown: Excerpt) -> Component:
    t = request.t
    where = parts.place(row["path"], row["line"]) if row["path"] else t.gettext("the repository")
    commit = commit_at_host(place_at_host(request, row), row["last_commit"])
    at = [html.P([where, html.Span([" ", t.gettext("at commit"), " ", commit], className="soft")])]
    if not shown.lines:
        return parts.section(
            t.gettext("Place"),
            *at,
            create_empty(t.gettext("No code is shown"), html.P(parts.reason(request, shown.reason))),
        )
    lines = [
        html.Code(
            [html.Span(str(number), className="line"), html.Bdi(text or " ")],
            className="hit" if number == row["line"] else "",
        )
        for number, text in shown.lines
    ]
    said = t.gettext("Code around line %(line)s") % {"line": row["line"]}
    return parts.section(
        t.gettext("Place"), *at, html.Pre(lines, className="excerpt", tabIndex="0", **attributes(aria_label=said))
    )


def _remedy(request: PageRequest, row: Mapping[str, Any]) -> Component:
    t = request.t
    rules = [rule for rule in catalogue().rules if rule.code == row["rule"]]
    known = rules[0].documentation if rules else {}
    body: list[Any] = [html.P(parts.sentence(row["remedy"] or known.get("Remedy", "") or t.gettext("None is known.")))]
    if known.get("Why"):
        body.extend([html.H3(t.gettext("Why it matters")), html.P(parts.sentence(known["Why"]))])
    if known.get("Limits"):
        body.extend([html.H3(t.gettext("What it does not see")), html.P(parts.sentence(known["Limits"]))])
    return parts.section(t.gettext("What to do"), *body)


def _origin(request: PageRequest, row: Mapping[str, Any], shown: Excerpt) -> Component:
    t = request.t
    events = [
        html.Li(
            [
                standing_name(request.language, event["event"]),
                html.Span(
                    [parts.moment(event["as_of"], is_day=True), " ", html.Code(event["commit"][:10])], className="soft"
                ),
            ]
        )
        for event in request.store.finding_history(row["id"])[-12:]
    ]
    return parts.section(
        t.gettext("Where it comes from"),
        lineage(request, row, shown.blob, is_place_shown=row["rule"] not in SECRET_RULES),
        html.Div([html.H3(t.gettext("What became of it")), parts.export_link(request)], className="card-head"),
        html.Ul(events, className="chain"),
    )


def _actions(request: PageRequest, row: Mapping[str, Any]) -> Component | None:
    t = request.t
    content: list[Any] = []
    if row["suppression"]:
        held = row["suppression"]
        content.append(
            html.P(
                [t.gettext("Suppressed until"), f" {held.get('until', '')}: ", parts.plain_text(held.get("reason", ""))]
            )
        )
    content.append(ticket_of(request, row))
    if request.may("viewer", FEEDBACK):
        content.append(_feedback(request, row))
    if request.may("viewer", SUPPRESS) and row["standing"] == "open":
        content.append(_suppress(request, row))
    said = request.store.feedback_of(row["id"])
    if said:
        words = {"true": t.gettext("right"), "false": t.gettext("wrong"), "unclear": t.gettext("unclear")}
        items = [
            html.Li(
                [
                    html.B(words.get(one["verdict"], one["verdict"])),
                    " ",
                    parts.plain_text(one["comment"]),
                    html.Small([parts.plain_text(one["author"]), " ", parts.moment(one["at"])]),
                ]
            )
            for one in said
        ]
        content.append(html.Ul(items, className="list"))
    content = [piece for piece in content if piece is not None]
    return parts.section(t.gettext("Your say"), *content, kind="steps") if content else None


def _feedback(request: PageRequest, row: Mapping[str, Any]) -> Component:
    t = request.t
    words = {"true": t.gettext("It is right"), "false": t.gettext("It is wrong"), "unclear": t.gettext("Unclear")}
    path = f"/api/v1/findings/{row['id']}/feedback"
    buttons = [
        html.Button(
            text,
            type="button",
            className="quiet",
            **attributes(
                data_path=path,
                data_body=f'{{"verdict":"{verdict}","comment":""}}',
                data_done=t.gettext("Thank you, it counts for the rule's precision"),
            ),
        )
        for verdict, text in words.items()
    ]
    return html.Div([html.Span(t.gettext("Is this finding right?")), *buttons], className="actions")


def _suppress(request: PageRequest, row: Mapping[str, Any]) -> Component:
    from dash import dcc

    t = request.t
    fields = [
        html.Label(
            [
                t.gettext("Why it may stay"),
                dcc.Input(id="suppress-reason", name="reason", type="text", required=True, maxLength=300),
            ]
        ),
        html.Label(
            [
                t.gettext("Until"),
                dcc.Input(
                    id="suppress-until",
                    name="until",
                    type="text",
                    required=True,
                    placeholder="2027-01-31",
                    pattern="[0-9]{4}-[0-9]{2}-[0-9]{2}",
                ),
            ]
        ),
        html.Button(t.gettext("Ask for a suppression"), type="submit", className="quiet"),
    ]
    asked = attributes(
        data_path=f"/api/v1/projects/{row['repository_id']}/suppressions",
        data_body=f'{{"finding_id":{row["id"]}}}',
        data_done=t.gettext("Somebody else has to approve it"),
    )
    return html.Details(
        [html.Summary(t.gettext("Ask for a suppression")), html.Form(fields, className="form", **asked)]
    )


def table(request: PageRequest) -> Table:
    """Everything that became of the finding, oldest first."""
    row = request.store.finding_now(int(request.parts["number"]), request.viewer.team_id)
    same = {name: row[name] for name in ("repository", "rule", "severity", "path", "line", "message")}
    events = request.store.finding_history(row["id"])
    rows = [
        {**same, **event, "finding": row["id"], "audit": event["audit_id"], "reason": event["detail"].get("reason")}
        for event in events
    ]
    columns = ("finding", "event", "as_of", "commit", "audit", "recorded_at", "reason", *same)
    return Table(name=f"finding-{row['id']}", columns=columns, rows=rows)


PAGE = Page(
    name="fleet_finding",
    pattern="/findings/(?P<number>[0-9]{1,15})",
    title=lambda request: f"{request.t.gettext('Finding')} {request.parts.get('number', '')}",
    layout=layout,
    table=table,
)
