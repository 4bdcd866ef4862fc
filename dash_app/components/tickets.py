"""The ticket of a finding: the issue that stands for it at the git host, or the way to one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import html
from dash.development.base_component import Component

from dash_app.components import parts
from dash_app.components.attributes import attributes
from dash_app.components.links import outward
from dash_app.page import PageRequest
from elder_assets.audit.report import plain
from resources.store.tickets import Ticket
from resources.tickets import form_of, provider_name

OPEN_TICKET = "POST /api/v1/findings/{}/ticket"
HOSTS = {
    "github": "GitHub",
    "gitlab": "GitLab",
    "bitbucket_cloud": "Bitbucket",
    "bitbucket_server": "Bitbucket Server",
    "azure_devops": "Azure DevOps",
}
WITHOUT_ISSUES = "bitbucket_server"


def ticket_link(ticket: Ticket) -> Component:
    """An open ticket, by its number; the address is the host's own."""
    return outward(f"#{plain(ticket.number)}", ticket.url)


def ticket_of(request: PageRequest, row: Mapping[str, Any]) -> Component | None:
    """What stands on a finding's page about its ticket; None where there is nothing to say or do."""
    known = request.store.tickets_of([row["id"]]).get(row["id"])
    if known is not None and known.state == "open":
        return _open(request, known)
    if row["standing"] not in {"open", "suppressed"}:
        return None
    target = request.store.audit_targets([row["repository_id"]]).get(row["repository_id"])
    if target is None:
        return None
    name = provider_name(request.settings, target)
    if name == WITHOUT_ISSUES:
        return html.P(request.t.gettext("Bitbucket Server has no issues: open a ticket where your team keeps them."))
    if target.credential and name:
        return _offer(request, row, known, HOSTS[name])
    form = form_of(request.settings, target, dict(row))
    return _by_hand(request, form, HOSTS.get(name, "")) if form else None


def _open(request: PageRequest, ticket: Ticket) -> Component:
    t = request.t
    by = t.gettext("opened by %(name)s") % {"name": plain(ticket.author)}
    return html.P(
        [
            parts.badge("ok", t.gettext("ticket")),
            " ",
            ticket_link(ticket),
            f" {HOSTS.get(ticket.provider, '')} · ",
            html.Bdi(by),
            " · ",
            parts.moment(ticket.opened_at),
        ]
    )


def _offer(request: PageRequest, row: Mapping[str, Any], known: Ticket | None, host: str) -> Component | None:
    t = request.t
    told: list[Any] = []
    if known is not None:
        said = t.gettext("%(name)s asked for a ticket, and it is not known yet whether it is there.")
        told.append(html.P([said % {"name": plain(known.author)}, " ", parts.moment(known.asked_at)]))
        if known.error:
            told.append(html.P(parts.plain_text(known.error), className="bad-text"))
    if not request.may("maintainer", OPEN_TICKET):
        return html.Div(told) if told else None
    label = t.gettext("Look again, and open it") if known else t.gettext("Open a ticket at %(host)s") % {"host": host}
    button = html.Button(
        label,
        type="button",
        className="quiet",
        **attributes(data_path=f"/api/v1/findings/{row['id']}/ticket", data_done=t.gettext("The ticket is open")),
    )
    return html.Div([*told, html.Div(button, className="actions")])


def _by_hand(request: PageRequest, form: str, host: str) -> Component:
    t = request.t
    said = t.gettext("Elder has no credential for this repository, so it does not learn of what you open there.")
    link = html.A(
        t.gettext("Write a ticket at %(host)s") % {"host": host},
        href=form,
        className="button quiet",
        target="_blank",
        rel="noreferrer noopener",
        **attributes(data_plain="1"),
    )
    return html.Div([html.Div(link, className="actions"), html.P(said, className="soft")])
