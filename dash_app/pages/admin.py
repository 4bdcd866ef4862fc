"""Administration: tokens, what came in and what became of it, the audit log, and the state of this server."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from dash_app import views_operations
from dash_app.components import parts
from dash_app.components.attributes import attributes
from dash_app.components.links import outward, run_link
from dash_app.components.parts import Child, Column
from dash_app.components.states import create_empty
from dash_app.page import Page, PageRequest, Table, address, repository_address
from elder_assets.audit.report import plain
from elder_assets.version import elder_version
from resources.messages.catalogue import translator
from resources.messages.reasons import reason_text
from resources.store.access import NAME_CHARACTERS_MAX, ROLES, Token
from resources.store.inbox import ENDED, INBOX_STATES
from resources.store.operations_pages import ROWS_MAX, DeliveryFilter, LogFilter

ROWS = 25
VERIFIED_AT_A_LOOK = 200
"""Newest changes of the audit log whose chain is computed at every look: 7 ms."""
VERIFIED_MAX = 5_000
"""Those computed when somebody asks: 170 ms; the command line computes all."""
TOKEN_DAYS = (1, 7, 30, 90, 180, 365)
TABS = ("tokens", "deliveries", "log", "server")
STATE_KINDS = {"queued": "low", "done": "passed", "failed": "failed", "waiting": "warning"}
"""Which badge a state of a delivery wears."""


def layout(request: PageRequest) -> Component:
    """The tab that the address names."""
    t, tab = request.t, tab_of(request)
    heading = html.H1(t.gettext("Administration"))
    if not tab:
        said = t.gettext("This page is for maintainers and administrators.")
        return html.Div([heading, create_empty(said, html.P(_who(request)))])
    shown = {"tokens": _tokens, "deliveries": _deliveries, "log": _log, "server": _server}[tab]
    return html.Div([heading, _tabs(request, tab), shown(request)])


def tabs_for(request: PageRequest) -> tuple[str, ...]:
    """Which tabs the viewer may see: what concerns more than one team is for admins of all teams."""
    viewer = request.viewer
    if viewer.may("admin") and viewer.team_id is None:
        return TABS
    return ("deliveries",) if viewer.may("maintainer") else ()


def tab_of(request: PageRequest) -> str:
    """The tab that the address asks for; '' when the viewer may see none."""
    allowed = tabs_for(request)
    return request.value("tab", allowed, allowed[0]) if allowed else ""


def _who(request: PageRequest) -> str:
    return request.t.gettext("You are %(name)s, with the role %(role)s.") % {
        "name": plain(request.viewer.name),
        "role": request.viewer.role,
    }


def _tabs(request: PageRequest, current: str) -> Component:
    t = request.t
    names = {
        "tokens": t.gettext("Tokens"),
        "deliveries": t.gettext("Deliveries"),
        "log": t.gettext("Audit log"),
        "server": t.gettext("Server"),
    }
    links = [
        (names[name], address(request.path, tab="" if name == TABS[0] else name), name == current)
        for name in tabs_for(request)
    ]
    return parts.tabs(request, links)


# --- tokens -------------------------------------------------------------------------------------------------


def _tokens(request: PageRequest) -> Component:
    t = request.t
    every = request.store.tokens()
    page = max(request.number("page", 1, 100_000), 1)
    shown = every[(page - 1) * ROWS : page * ROWS]
    teams = {team.id: team for team in request.store.teams()}
    columns = (
        Column(title=t.gettext("Token")),
        Column(title=t.gettext("Role")),
        Column(title=t.gettext("Team"), rank=2),
        Column(title=t.gettext("State")),
        Column(title=t.gettext("Last used"), rank=2),
        Column(title=t.gettext("Made"), rank=3),
        Column(title=t.gettext("Action")),
    )
    title = t.gettext("Tokens")
    rows = [
        (
            html.Span(
                [parts.plain_text(token.name), html.Small(html.Code(f"{token.hint}…"))], className="finding"
            ),
            token.role,
            parts.plain_text(teams[token.team_id].name) if token.team_id in teams else t.gettext("all teams"),
            _token_state(request, token),
            parts.moment(token.last_used_at),
            html.Span([parts.moment(token.created_at, is_day=True), html.Small(parts.plain_text(token.created_by))],
                      className="finding"),
            _revoke(request, token),
        )
        for token in shown
    ]  # fmt: skip
    body = (
        html.Div([parts.table(request, title, columns, rows), parts.pager(request, len(every), ROWS)])
        if every
        else create_empty(
            t.gettext("There is no token yet"),
            html.P(t.gettext("Without one, everybody on this machine is its administrator, and nobody else gets in.")),
        )
    )
    return html.Div([_make_token(request, is_first=not every), parts.section(title, body)])


def _token_state(request: PageRequest, token: Token) -> Component:
    t = request.t
    state = views_operations.token_state(token.expires_at, token.revoked_at, request.now)
    if state == "revoked":
        return html.Span([parts.badge("none", t.gettext("revoked")), " ", parts.moment(token.revoked_at, is_day=True)])
    names = {"expired": t.gettext("expired"), "expiring": t.gettext("expires soon"), "valid": t.gettext("valid until")}
    kinds = {"expired": "failed", "expiring": "warning", "valid": "passed"}
    return html.Span([parts.badge(kinds[state], names[state]), " ", parts.moment(token.expires_at, is_day=True)])


def _revoke(request: PageRequest, token: Token) -> Child:
    t = request.t
    if views_operations.token_state(token.expires_at, token.revoked_at, request.now) in {"revoked", "expired"}:
        return html.Span("–", className="soft")
    named = {"name": plain(token.name)}
    return html.Button(
        t.gettext("Revoke"),
        type="button",
        className="danger",
        **attributes(
            data_path=f"/api/v1/tokens/{token.id}",
            data_method="DELETE",
            data_ask=t.gettext("Revoke the token %(name)s? Its sessions end at once.") % named,
            data_done=t.gettext("The token %(name)s is revoked") % named,
            aria_label=t.gettext("Revoke %(name)s") % named,
        ),
    )


def _make_token(request: PageRequest, *, is_first: bool) -> Component:
    t = request.t
    teams = [html.Option(t.gettext("all teams"), value="")]
    teams += [html.Option(team.name, value=team.key) for team in request.store.teams()]
    first = "admin" if is_first else "viewer"
    roles = [html.Option(role, value=role, selected=role == first) for role in ROLES]
    name = dcc.Input(
        id="token-name", name="name", type="text", required=True, maxLength=NAME_CHARACTERS_MAX, autoComplete="off"
    )
    days = [html.Option(str(count), value=str(count), selected=count == 90) for count in TOKEN_DAYS]
    form = html.Form(
        [
            html.Label([html.Span(t.gettext("Whose or what for")), name]),
            html.Label([html.Span(t.gettext("Role")), html.Select(roles, name="role")]),
            html.Label([html.Span(t.gettext("Team")), html.Select(teams, name="team")]),
            html.Label([html.Span(t.gettext("Days until it expires")), html.Select(days, name="days")]),
            html.Button(t.gettext("Make a token"), type="submit"),
        ],
        className="form row",
        **attributes(
            data_path="/api/v1/tokens",
            data_done=t.gettext("The token is made"),
            data_secret="token",  # noqa: S106 - the name of the field that holds it
            data_secret_told=t.gettext("Copy the token now: it is shown this once, and Elder keeps only its hash."),
            data_secret_close=t.gettext("I have it"),
            data_secret_next="/sign-in?next=/admin" if is_first else None,
        ),
    )
    warning = html.P(
        t.gettext("From the first token on, everybody signs in with one, you too: make one for an admin first."),
        className="bad-text",
    )
    return parts.section(t.gettext("A new token"), warning if is_first else None, form)


# --- deliveries ---------------------------------------------------------------------------------------------


def wanted_deliveries(request: PageRequest, *, limit: int = ROWS) -> DeliveryFilter:
    """Which deliveries the address asks for."""
    return DeliveryFilter(
        text=request.value("q").strip(),
        state=request.value("state", INBOX_STATES),
        offset=_offset(request, limit),
        limit=limit,
    )


def _offset(request: PageRequest, limit: int) -> int:
    return 0 if limit > ROWS else (max(request.number("page", 1, 100_000), 1) - 1) * ROWS


def state_name(language: str, state: str) -> str:
    """A delivery's state for people."""
    t = translator(language)
    names = {
        "waiting": t.pgettext("delivery", "waiting"),
        "queued": t.pgettext("delivery", "queued"),
        "skipped": t.pgettext("delivery", "skipped"),
        "collapsed": t.pgettext("delivery", "collapsed"),
        "done": t.pgettext("delivery", "done"),
        "failed": t.pgettext("delivery", "failed"),
    }
    return str(names.get(state, state))


def _deliveries(request: PageRequest) -> Component:
    t, store = request.t, request.store
    states = store.delivery_states(request.viewer.team_id)
    if not states:
        said = t.gettext("Webhooks of git hosts and audits that were asked for stand here, with what became of them.")
        return create_empty(t.gettext("Nothing came in yet"), html.P(said))
    rows, total = store.delivery_page(wanted_deliveries(request), request.viewer.team_id)
    columns = (
        Column(title=t.gettext("Received")),
        Column(title=t.gettext("What")),
        Column(title=t.gettext("State")),
        Column(title=t.gettext("Decision and why"), rank=2),
        Column(title=t.gettext("Run"), rank=3),
        Column(title=t.gettext("Action"), rank=2),
    )
    title = t.gettext("Deliveries, newest first")
    names: dict[str, str] = {state: state_name(request.language, state) for state in INBOX_STATES}
    controls = parts.filters(
        request,
        parts.search_box(request, t.gettext("Repository, id or action contains")),
        parts.choice(request, t.gettext("State"), "state", {"": t.gettext("All"), **names}),
    )
    body = (
        parts.table(request, title, columns, [_delivery(request, row) for row in rows])
        if rows
        else create_empty(t.gettext("No delivery fits"), html.P(html.A(t.gettext("Show all"), href=_cleared(request))))
    )
    listed = parts.section(
        title, controls, body, parts.pager(request, total, ROWS), aside=parts.export_link(request), name="deliveries"
    )
    return html.Div([_states(request, states), listed])


def _cleared(request: PageRequest) -> str:
    return address(request.path, tab=tab_of(request))


def _states(request: PageRequest, states: Mapping[str, int]) -> Component:
    stats = [
        parts.stat(
            state_name(request.language, state),
            parts.number(states.get(state, 0)),
            kind="bad" if state == "failed" and states.get(state) else "",
            href=request.link(state=state, page=None) + "#deliveries",
        )
        for state in INBOX_STATES
    ]
    return html.Div(stats, className="glance")


def _delivery(request: PageRequest, row: Mapping[str, Any]) -> tuple[Child, ...]:
    t, key = request.t, row["repository"]
    where = (
        html.A(parts.repository_name(key), href=repository_address(key))
        if key
        else t.gettext("no registered repository")
    )
    what: list[Child] = [html.B(plain(row["action"])), " ", html.Small(plain(row["provider"])), html.Br(), where]
    if row["replay_of"]:
        what.append(html.Small(t.gettext("replay of %(number)s") % {"number": row["replay_of"]}))
    state = parts.badge(STATE_KINDS.get(row["state"], "none"), state_name(request.language, row["state"]))
    return (
        html.Span(
            [parts.moment(row["received_at"]), html.Small(parts.plain_text(row["delivery_id"], limit=40))],
            className="finding",
        ),
        html.Span(what, className="finding"),
        state,
        parts.plain_text(row["decision"], limit=200) if row["decision"] else html.Span("–", className="soft"),
        run_link(request, row["run_id"]),
        _replay(request, row),
    )


def _replay(request: PageRequest, row: Mapping[str, Any]) -> Child:
    t = request.t
    if row["state"] not in ENDED:
        return html.Span("–", className="soft")
    number = {"number": row["id"]}
    return html.Button(
        t.gettext("Replay"),
        type="button",
        className="quiet",
        **attributes(
            data_path=f"/api/v1/webhook-deliveries/{row['id']}/replay",
            data_done=t.gettext("Delivery %(number)s is asked for again") % number,
            aria_label=t.gettext("Replay delivery %(number)s") % number,
        ),
    )


# --- audit log ----------------------------------------------------------------------------------------------


def wanted_log(request: PageRequest, *, limit: int = ROWS) -> LogFilter:
    """Which changes the address asks for."""
    return LogFilter(text=request.value("q").strip(), offset=_offset(request, limit), limit=limit)


def _log(request: PageRequest) -> Component:
    t, store = request.t, request.store
    rows, total = store.log_page(wanted_log(request))
    if not total and not request.value("q"):
        return create_empty(t.gettext("Nobody changed anything yet"))
    columns = (
        Column(title=t.gettext("When")),
        Column(title=t.gettext("Who")),
        Column(title=t.gettext("What")),
        Column(title=t.gettext("Detail"), rank=2),
        Column(title=t.gettext("Hash"), rank=3),
    )
    title = t.gettext("Changes, newest first")
    shown = [
        (
            parts.moment(row["at"]),
            parts.plain_text(row["actor"]),
            html.Span([html.B(plain(row["action"])), html.Small(parts.plain_text(row["target"]))], className="finding"),
            html.Span(parts.plain_text(_detail(row["detail"]), limit=300), className="log-detail"),
            html.Code(row["hash"][:10], title=row["hash"]),
        )
        for row in rows
    ]
    body = (
        parts.table(request, title, columns, shown)
        if rows
        else create_empty(t.gettext("No change fits"), html.P(html.A(t.gettext("Show all"), href=_cleared(request))))
    )
    controls = parts.filters(request, parts.search_box(request, t.gettext("Who, what or on which contains")))
    listed = parts.section(title, controls, body, parts.pager(request, total, ROWS), aside=parts.export_link(request))
    return html.Div([_chain(request), listed])


def _detail(detail: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in detail.items()
        if value not in ("", None)
    )


def _chain(request: PageRequest) -> Component:
    t = request.t
    is_asked = request.value("chain") == "more"
    most = VERIFIED_MAX if is_asked else VERIFIED_AT_A_LOOK
    check = request.store.verify_newest(most)
    title = t.gettext("Chain")
    if check.broken_id is not None:
        said = t.gettext("The chain is broken at change %(number)s: %(reason)s.") % {
            "number": check.broken_id,
            "reason": reason_text(request.language, check.reason),
        }
        return parts.section(title, html.P([parts.badge("failed", t.gettext("broken")), " ", said]), kind="alarm")
    said = t.gettext("Each of the newest %(count)s changes stands on the one before it.") % {
        "count": parts.number(check.rows)
    }
    whole = t.gettext("The whole log, against a hash that you noted elsewhere:")
    newest: list[Child] = [t.gettext("newest hash"), " ", html.Code(check.newest_hash)]
    further: list[Child] = []
    if check.rows == most and not is_asked:  # there are older ones, of which nothing is said
        compute = t.gettext("Compute the newest %(count)s") % {"count": parts.number(VERIFIED_MAX)}
        further = [" ", html.A(compute, href=request.link(chain="more"))]
    return parts.section(
        title,
        html.P([parts.badge("passed", t.gettext("verified")), " ", said, *further]),
        html.P(newest, className="log-detail"),
        html.P([whole, " ", html.Code("elder audit-log verify")], className="log-detail"),
    )


# --- server -------------------------------------------------------------------------------------------------


def _server(request: PageRequest) -> Component:
    t, store, settings = request.t, request.store, request.settings
    held = store.holdings()
    oldest = store.oldest_waiting()
    stats = [
        parts.stat(t.gettext("Repositories"), parts.number(held["repositories"]), href="/"),
        parts.stat(t.gettext("Audits"), parts.number(held["audits"])),
        parts.stat(t.gettext("Gates"), parts.number(held["gates"]), href="/gates"),
        parts.stat(
            t.gettext("Deliveries"), parts.number(held["deliveries"]), href=address(request.path, tab="deliveries")
        ),
        parts.stat(t.gettext("Open findings"), parts.number(held["findings"])),
    ]
    facts: list[tuple[str, Child]] = [
        (t.gettext("Version"), elder_version()),
        (t.gettext("Database"), f"{held['database']}, {t.gettext('schema')} {held['schema']}"),
        (t.gettext("Listens on"), f"{settings.host}:{settings.port}"),
        (t.gettext("Public address"), plain(settings.public_url) or "–"),
        (t.gettext("Oldest that waits"), parts.moment(oldest)),
        (t.gettext("Ruler under trial"), parts.percent(settings.canary_share / 100) if settings.canary_share else "–"),
        (
            t.gettext("Dagster"),
            outward(settings.dagster_address or t.gettext("no address is set"), settings.dagster_address),
        ),
        (t.gettext("API"), html.A("/api/v1/openapi.json", href="/api/v1/openapi.json", **attributes(data_plain="1"))),
        (t.gettext("Your role"), _who(request)),
    ]
    listed = html.Dl([item for name, value in facts for item in (html.Dt(name), html.Dd(value))])
    return html.Div(
        [html.Div(stats, className="glance"), parts.section(t.gettext("This server"), listed), _hosts(request)]
    )


def _hosts(request: PageRequest) -> Component:
    t = request.t
    circuits = request.store.circuits()
    title = t.gettext("Git hosts")
    if not circuits:
        return parts.section(title, create_empty(t.gettext("Every git host answered so far")))
    names = {
        "closed": ("passed", t.gettext("answers")),
        "open": ("failed", t.gettext("left alone")),
        "half open": ("warning", t.gettext("tried again")),
        "paused": ("warning", t.gettext("paused")),
    }
    columns = (
        Column(title=t.gettext("Host")),
        Column(title=t.gettext("State")),
        Column(title=t.gettext("Failures in a row"), is_number=True, rank=2),
        Column(title=t.gettext("Tried again at"), rank=2),
        Column(title=t.gettext("Why")),
    )
    rows = [
        (
            parts.plain_text(one.host),
            parts.badge(*names.get(one.state, ("none", one.state))),
            parts.number(one.failures),
            parts.moment(None if one.retry_at is None else dt.datetime.fromtimestamp(one.retry_at, dt.UTC)),
            parts.plain_text(one.reason) if one.reason else "–",
        )
        for one in circuits
    ]
    return parts.section(title, parts.table(request, title, columns, rows))


# --- export -------------------------------------------------------------------------------------------------


def table(request: PageRequest) -> Table:
    """The deliveries or the changes that the address asks for; nothing for who may not see them."""
    tab = tab_of(request)
    if tab == "log":
        rows, _ = request.store.log_page(wanted_log(request, limit=ROWS_MAX))
        named = [{**row, "detail": json.dumps(row["detail"], sort_keys=True)} for row in rows]
        return Table(name="audit-log", columns=_LOG_COLUMNS, rows=named)
    if tab == "tokens":
        return Table(name="tokens", columns=_TOKEN_COLUMNS, rows=_token_rows(request.store.tokens()))
    found: Sequence[Mapping[str, Any]] = ()
    if tab == "deliveries":
        found, _ = request.store.delivery_page(wanted_deliveries(request, limit=ROWS_MAX), request.viewer.team_id)
    return Table(name="deliveries", columns=_DELIVERY_COLUMNS, rows=found)


_LOG_COLUMNS = ("id", "at", "actor", "action", "target", "detail", "previous_hash", "hash")
_DELIVERY_COLUMNS = (
    "id", "received_at", "source", "provider", "delivery_id", "repository", "action", "state", "decision",
    "audit_type", "run_id", "replay_of", "decided_at", "finished_at",
)  # fmt: skip
_TOKEN_COLUMNS = ("id", "name", "hint", "role", "team_id", "created_by", "created_at", "expires_at", "last_used_at",
                  "revoked_at")  # fmt: skip


def _token_rows(tokens: Sequence[Token]) -> list[dict[str, Any]]:
    return [{name: getattr(token, name) for name in _TOKEN_COLUMNS} for token in tokens]


PAGE = Page(
    name="admin",
    pattern="/admin",
    title=lambda request: str(request.t.gettext("Administration")),
    layout=layout,
    place=9,
    table=table,
)
