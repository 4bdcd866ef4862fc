"""One repository: is it safe to ship, what is wrong with it, what is at risk next, how it came here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from dash import html
from dash.development.base_component import Component

from dash_app import figures, views
from dash_app.components import parts
from dash_app.components.attributes import attributes
from dash_app.components.bulk import bulk_form
from dash_app.components.findings import findings_table
from dash_app.components.first_to_do import first_to_do
from dash_app.components.insights import insights
from dash_app.components.lineage import commit_at_host, place_at_host
from dash_app.components.links import run_link
from dash_app.components.magics import magic_card
from dash_app.components.parts import Column
from dash_app.components.states import create_empty
from dash_app.components.under_way import under_way
from dash_app.page import Page, PageRequest, Table, address, repository_address
from elder_assets.audit.registry import MAGIC_ORDER
from elder_assets.audit.report import plain
from elder_assets.audit.scoring import PASSED_FROM, WARNING_FROM
from resources.messages.catalogue import magic_name, severity_of_finding, standing_name
from resources.store.pages import PAGE_ROWS_MAX, WHOLE
from resources.store.repository_pages import SEVERITIES, FindingFilter, FindingSort

ROWS = 50
WEEKS = 52
TRIGGER = "POST /api/v1/projects/{}/audit/trigger"
STANDINGS = ("active", "open", "suppressed", "fixed", "removed", "all")
ARRIVALS = ("new", "unveiled", "reopened")
TABS = ("overview", "findings", "history")


def layout(request: PageRequest) -> Component:
    """The whole page."""
    row = request.store.repository_now(request.parts["key"], request.viewer.team_id)
    tab = request.value("tab", TABS, "overview")
    body = {"overview": _overview, "findings": _findings, "history": _history}[tab](request, row)
    return html.Div([_head(request, row), _tabs(request, row, tab), under_way(request, row), body])


def _head(request: PageRequest, row: Mapping[str, Any]) -> Component:
    t = request.t
    facts: list[Any] = []
    if row["team"]:
        facts.append(html.Span([t.gettext("Team"), " ", html.A(row["team_name"], href=f"/teams/{row['team']}")]))
    if row["commit"]:
        facts.append(html.Span([t.gettext("commit"), " ", _commit(row), " ", parts.moment(row["as_of"], is_day=True)]))
        facts.append(html.Span([t.gettext("audited"), " ", parts.moment(row["audited_at"])]))
    return html.Div(
        [
            html.Div([html.H1(parts.repository_name(row["repository"])), html.P(facts, className="facts")]),
            html.Div([_run_now(request, row), *parts.take_along(request)], className="actions"),
        ],
        className="page-head",
    )


def _commit(row: Mapping[str, Any]) -> Component:
    short = html.Code(row["commit"][:10])
    if (row["web_url"] or "").startswith(("https://", "http://")):
        return html.A(
            short, href=f"{row['web_url'].rstrip('/')}/commit/{row['commit']}", rel="noreferrer", target="_blank"
        )
    return short


def _run_now(request: PageRequest, row: Mapping[str, Any]) -> Component | None:
    t = request.t
    if not request.may("maintainer", TRIGGER):
        return None
    path = f"/api/v1/projects/{row['id']}/audit/trigger"
    asked = attributes(data_path=path, data_body='{"audit_type":"full"}', data_done=t.gettext("The audit is queued"))
    return html.Button(t.gettext("Run now"), type="button", **asked)


def _tabs(request: PageRequest, row: Mapping[str, Any], current: str) -> Component:
    t = request.t
    names = {
        "overview": t.gettext("Overview"),
        "findings": t.gettext("Findings") + (f" {row['open']:,}" if row["open"] is not None else ""),
        "history": t.gettext("History"),
    }
    links = [
        (text, repository_address(row["repository"], tab="" if name == "overview" else name), name == current)
        for name, text in names.items()
    ]
    return parts.tabs(request, links)


# --- overview -----------------------------------------------------------------------------------------------


def _overview(request: PageRequest, row: Mapping[str, Any]) -> Component:
    t, store = request.t, request.store
    failing = next((one for one in store.cannot_audit(request.viewer.team_id) if one["id"] == row["id"]), None)
    if row["commit"] is None:
        why = [html.P(parts.plain_text(failing["reason"]))] if failing else []
        title = t.gettext("It cannot be audited") if failing else t.gettext("It was not audited yet")
        return parts.section(title, create_empty(title, *why), kind="alarm" if failing else "")
    magics = store.magics_now(row["id"])
    weeks = store.weeks_of(row["id"], request.monday(WEEKS))
    return html.Div(
        [
            _alarm(request, failing),
            html.Div([_score(request, row, magics), insights(request, row, magics)], className="pair"),
            _magics(request, row, magics, weeks),
            first_to_do(request, row, magics),
            html.Div([_trend(request, row, weeks), _rules(request, row)], className="pair even"),
            _hotspots(request, row),
        ]
    )


def _alarm(request: PageRequest, failing: Mapping[str, Any] | None) -> Component | None:
    if failing is None:
        return None
    t = request.t
    since = html.P([t.gettext("Since"), " ", parts.moment(failing["since"]), ": ", parts.plain_text(failing["reason"])])
    said = html.P(t.gettext("What follows is from the last audit that succeeded."), className="soft")
    return parts.section(t.gettext("It cannot be audited"), since, said, kind="alarm")


def _score(request: PageRequest, row: Mapping[str, Any], magics: Mapping[str, Mapping[str, Any]]) -> Component:
    t = request.t
    why = views.explained(magics)
    number = html.Strong(parts.number(row["score"], 1))
    mean = t.gettext("The mean of %(counted)s of %(all)s magics. Passed from %(passed)s, warning from %(warning)s.") % {
        "counted": why.counted,
        "all": len(magics),
        "passed": int(PASSED_FROM),
        "warning": int(WARNING_FROM),
    }
    lines: list[Any] = [html.P(mean)]
    if row["reason"]:
        lines.insert(0, html.P(html.B(parts.reason(request, row["reason"]))))
    if why.losses:
        lost: list[Any] = [t.gettext("Points lost: ")]
        for index, (magic, points) in enumerate(why.losses[:4]):
            lost.extend(
                [
                    ", " if index else "",
                    html.A(magic_name(request.language, magic), href=f"#magic-{magic}"),
                    f" {points:.1f}",
                ]
            )
        lines.append(html.P(lost))
    if why.left_out:
        names = ", ".join(magic_name(request.language, magic) for magic, _ in why.left_out)
        lines.append(html.P([t.gettext("Not counted: "), names], className="soft"))
    share = row["analysed_files"] / row["eligible_files"] if row["eligible_files"] else None
    coverage = html.P(
        t.gettext("%(share)s of %(files)s files read")
        % {"share": parts.percent(share), "files": parts.number(row["eligible_files"])},
        className="soft",
    )
    return html.Section(
        [
            html.H2(t.gettext("Score"), className="unseen"),
            html.Div(
                [number, parts.status_badge(request, row["status"])],
                className=f"hero {row['status'].replace(' ', '-')}",
            ),
            html.Div([_may_ship(request, row), *lines, coverage], className="hero-why"),
        ],
        className="card hero-card",
    )


def _may_ship(request: PageRequest, row: Mapping[str, Any]) -> Component:
    """The answer that people come for; one word where nothing was judged."""
    t = request.t
    gating = row["critical"] + row["high"]
    if gating:
        failing = html.A(
            t.ngettext("%(count)s finding fails a check", "%(count)s findings fail a check", gating)
            % {"count": gating},
            href=request.link(tab="findings", severity="critical" if row["critical"] else "high"),
        )
        return html.P([parts.badge("failed", t.gettext("not ready to ship")), " ", failing], className="may-ship")
    if row["status"] not in views.COUNTED:
        return html.P(parts.badge(row["status"], t.gettext("nobody can say whether it may ship")), className="may-ship")
    said = t.gettext("nothing fails a check")
    return html.P([parts.badge("passed", t.gettext("ready to ship")), " ", said], className="may-ship")


def _magics(
    request: PageRequest,
    row: Mapping[str, Any],
    magics: Mapping[str, Mapping[str, Any]],
    weeks: Sequence[Mapping[str, Any]],
) -> Component:
    lines = {name: [week["score"] for week in weeks if week["magic"] == name] for name in MAGIC_ORDER}
    cards = [
        magic_card(
            request, name, magics[name], lines[name], repository_address(row["repository"], tab="findings", magic=name)
        )
        for name in MAGIC_ORDER
        if name in magics
    ]
    return html.Section(
        [html.H2(request.t.gettext("Eight magics"), className="unseen"), html.Ul(cards, className="magics")]
    )


def _trend(request: PageRequest, row: Mapping[str, Any], weeks: Sequence[Mapping[str, Any]]) -> Component:
    t, store = request.t, request.store
    title = t.gettext("Score over 52 weeks")
    whole = [week for week in weeks if week["magic"] == WHOLE]
    if not whole:
        return parts.section(title, create_empty(t.gettext("No week is scored yet"), html.Code("elder rescore")))
    since = dt.datetime.fromisoformat(request.monday(WEEKS)).replace(tzinfo=dt.UTC)
    rulers = [event for event in views.events_of_audits(store.audits_of(row["id"])) if event[0] >= since]
    gates = store.failed_gates(row["id"], since)
    releases = store.releases_since(row["id"], since)
    texts = {
        "title": title,
        "score": t.gettext("score, points of 100"),
        "week": t.gettext("week"),
        "whole": t.gettext("score"),
        "ruler": t.gettext("ruler changed"),
        "gate": t.gettext("gate failed"),
        "release": t.gettext("release"),
    }
    known = [week["score"] for week in whole if week["score"] is not None]
    said = t.gettext("Score by week: %(first)s at first, %(last)s now") % {
        "first": parts.number(known[0] if known else None, 1),
        "last": parts.number(known[-1] if known else None, 1),
    }
    table = [(week["week"], parts.number(week["score"], 1), parts.number(week["findings"])) for week in reversed(whole)]
    figure = figures.repository_trend(whole, rulers, gates, texts, releases)
    columns = (t.gettext("Week"), t.gettext("Score"), t.gettext("Findings"))
    drawn = parts.chart(figure, said, columns=columns, rows=table)
    return html.Section([drawn, _events(request, row, rulers, gates, releases)], className="card")


def _events(
    request: PageRequest,
    row: Mapping[str, Any],
    rulers: Sequence[tuple[Any, str]],
    gates: Sequence[Mapping[str, Any]],
    releases: Sequence[Mapping[str, Any]],
) -> Component | None:
    """What the marks of the trend say, in words and with links, newest first."""
    t, place = request.t, place_at_host(request, {**row, "repository_id": row["id"]})
    found: list[tuple[dt.datetime, str, Any]] = [
        (one["released_at"], t.gettext("release"), [parts.plain_text(one["tag"], limit=80), " ",
                                                    commit_at_host(place, one["commit"])])
        for one in releases
    ]  # fmt: skip
    found += [(at, t.gettext("ruler changed"), html.Code(digest[:10], title=digest)) for at, digest in rulers]
    found += [(gate["judged_at"], t.gettext("gate failed"), _gate(request, gate)) for gate in gates]
    if not found:
        return None
    found.sort(key=lambda event: event[0], reverse=True)
    items = [html.Li([parts.moment(at, is_day=True), " ", html.B(kind), " ", shown]) for at, kind, shown in found]
    said = t.ngettext("%(count)s event", "%(count)s events", len(items)) % {"count": len(items)}
    return html.Details([html.Summary(said), html.Ul(items, className="list")], className="numbers")


def _gate(request: PageRequest, gate: Mapping[str, Any]) -> Component:
    title = parts.plain_text(gate["title"], limit=100) if gate["title"] else request.t.gettext("without a title")
    return html.A(title, href=f"/gates/{gate['id']}")


def _rules(request: PageRequest, row: Mapping[str, Any]) -> Component:
    t = request.t
    rows = [one for one in request.store.rules_now(row["id"]) if one["open"]]
    title = t.gettext("Open findings by rule")
    if not rows:
        return parts.section(title, create_empty(t.gettext("No finding is open")))
    figure = figures.rule_bars(
        [(one["rule"], one["severity"], one["open"]) for one in rows],
        {"title": title, "findings": t.gettext("findings")},
    )
    said = t.gettext("%(count)s open findings of %(rules)s rules") % {
        "count": parts.number(sum(one["open"] for one in rows)),
        "rules": len({one["rule"] for one in rows}),
    }
    table = [
        (
            html.A(one["rule"], href=repository_address(row["repository"], tab="findings", rule=one["rule"])),
            severity_of_finding(request.language, one["severity"]),
            parts.number(one["open"]),
        )
        for one in rows
    ]
    columns = (t.gettext("Rule"), t.gettext("Severity"), t.gettext("Open"))
    return html.Section(parts.chart(figure, said, columns=columns, rows=table), className="card")


def _hotspots(request: PageRequest, row: Mapping[str, Any]) -> Component | None:
    t = request.t
    files = request.store.files_now(row["id"])
    if not files:
        return None
    shown = views.with_risk(files)
    risky = [file for file in shown if file["risk"] > 0][:10]
    texts = {
        "title": t.gettext("Where the risk is: size by area, risk by colour"),
        "repository": figures.escaped(row["repository"]),
        "risk": t.gettext("risk"),
    }
    for file in shown:
        file["said"] = t.gettext("%(open)s open findings, %(changes)s changes in a year") % {
            "open": file["open"],
            "changes": file["changes"],
        }
    said = t.gettext("The files with most risk: findings, and changes times complexity")
    table = [
        (
            html.A(
                parts.place(file["path"]),
                href=repository_address(row["repository"], tab="findings", path=file["path"]),
            ),
            _owner(request, file),
            parts.number(file["open"]),
            parts.number(file["changes"]),
            parts.number(file["cognitive"]),
            parts.number(file["authors"]),
            parts.number(file["size_bytes"] / 1024, 1),
        )
        for file in risky
    ]
    columns = (
        t.gettext("File"),
        t.gettext("Owner"),
        t.gettext("Open findings"),
        t.gettext("Changes in a year"),
        t.gettext("Complexity"),
        t.gettext("Authors"),
        t.gettext("Size, KiB"),
    )
    leads = repository_address(row["repository"], tab="findings") + "&path="
    return html.Section(
        parts.chart(figures.hotspot_map(shown, texts, leads), said, columns=columns, rows=table), className="card"
    )


def _owner(request: PageRequest, file: Mapping[str, Any]) -> Component:
    """Who is to be asked about a file: whom CODEOWNERS names, else how much one person did alone."""
    declared = file.get("declared_owners") or ()
    if declared:
        return parts.plain_text(", ".join(declared), limit=120)
    if file["owner_share"]:
        said = request.t.gettext("nobody named; one person made %(share)s of the changes")
        return html.Span(said % {"share": parts.percent(file["owner_share"])}, className="soft")
    return html.Span("–", className="soft")


# --- findings -----------------------------------------------------------------------------------------------


def wanted(request: PageRequest, *, limit: int = ROWS) -> FindingFilter:
    """Which findings the address asks for."""
    sort: FindingSort = request.value("sort", get_args(FindingSort), "severity")  # type: ignore[assignment]
    return FindingFilter(
        standing=request.value("standing", STANDINGS, "active"),
        severity=request.value("severity", SEVERITIES),
        magic=request.value("magic", MAGIC_ORDER),
        rule=request.value("rule"),
        path=request.value("path").strip(),
        arrival=request.value("arrival", ARRIVALS),
        sort=sort,
        is_descending=request.value("order") == "desc",
        offset=0 if limit > ROWS else (max(request.number("page", 1, 100_000), 1) - 1) * ROWS,
        limit=limit,
    )


def _findings(request: PageRequest, row: Mapping[str, Any]) -> Component:
    t = request.t
    rows, total = request.store.findings_page(row["id"], wanted(request))
    every = {"": t.gettext("All")}
    rules = sorted({one["rule"] for one in request.store.rules_now(row["id"])} | ({request.value("rule")} - {""}))
    standings = {
        "": t.gettext("open and suppressed"),
        **{name: standing_name(request.language, name) for name in STANDINGS[1:]},
    }
    controls = parts.filters(
        request,
        parts.search_box(request, t.gettext("Path contains"), "path"),
        parts.choice(
            request,
            t.gettext("Severity"),
            "severity",
            {**every, **{name: severity_of_finding(request.language, name) for name in SEVERITIES}},
        ),
        parts.choice(
            request,
            t.gettext("Magic"),
            "magic",
            {**every, **{name: magic_name(request.language, name) for name in MAGIC_ORDER}},
        ),
        parts.choice(request, t.gettext("Rule"), "rule", {**every, **{rule: rule for rule in rules}}),
        parts.choice(request, t.gettext("State"), "standing", standings),
        parts.choice(
            request,
            t.gettext("Came as"),
            "arrival",
            {**every, **{name: standing_name(request.language, name) for name in ARRIVALS}},
        ),
    )
    body = (
        findings_table(request, rows, is_chosen=True)
        if rows
        else create_empty(
            t.gettext("No finding fits"),
            html.P(html.A(t.gettext("Show all"), href=repository_address(row["repository"], tab="findings"))),
        )
    )
    return parts.section(
        t.gettext("Findings"),
        controls,
        body,
        bulk_form(request, row["id"]) if rows else None,
        parts.pager(request, total, ROWS),
        aside=parts.export_link(request),
    )


def table(request: PageRequest) -> Table:
    """Every finding that the address asks for."""
    row = request.store.repository_now(request.parts["key"], request.viewer.team_id)
    rows, _ = request.store.findings_page(row["id"], wanted(request, limit=PAGE_ROWS_MAX))
    columns = (
        "id",
        "standing",
        "severity",
        "tier",
        "magic",
        "rule",
        "path",
        "line",
        "symbol",
        "message",
        "remedy",
        "arrival",
        "first_seen",
        "first_commit",
        "introduced_commit",
        "fingerprint",
    )
    return Table(name="findings", columns=columns, rows=rows)


# --- history ------------------------------------------------------------------------------------------------


def _history(request: PageRequest, row: Mapping[str, Any]) -> Component:
    t, store = request.t, request.store
    audits = store.audits_of(row["id"])
    failures = store.failures_of(row["id"])
    return html.Div(
        [
            _audits(request, audits),
            _failures(request, failures) if failures else None,
            html.P(html.A(t.gettext("Gates of this repository"), href=address("/gates", q=row["repository"]))),
        ]
    )


def _audits(request: PageRequest, audits: Sequence[Mapping[str, Any]]) -> Component:
    t = request.t
    title = t.gettext("Audits")
    compare = html.A(
        t.gettext("Compare two"), href=address("/compare", repository=request.parts["key"]), className="button quiet"
    )
    if not audits:
        return parts.section(title, create_empty(t.gettext("It was not audited yet")))
    columns = (
        Column(title=t.gettext("Commit of")),
        Column(title=t.gettext("Commit")),
        Column(title=t.gettext("Score")),
        Column(title=t.gettext("New"), is_number=True),
        Column(title=t.gettext("Fixed"), is_number=True),
        Column(title=t.gettext("Unveiled"), is_number=True, rank=3),
        Column(title=t.gettext("Open"), is_number=True, rank=2),
        Column(title=t.gettext("Ruler"), rank=3),
        Column(title=t.gettext("Audited"), rank=2),
        Column(title=t.gettext("Run"), rank=3),
    )
    rows = [
        (
            parts.moment(audit["as_of"], is_day=True),
            html.Code(audit["commit"][:10]),
            parts.score(audit["score"], audit["status"] or "")
            if audit["status"]
            else html.Span(audit["kind"].replace("_", " "), className="soft"),
            parts.number((audit["new"] or 0) + (audit["reopened"] or 0)),
            parts.number(audit["fixed"]),
            parts.number(audit["unveiled"]),
            parts.number(audit["open"]),
            html.Code(audit["ruler"][:8]),
            parts.moment(audit["audited_at"]),
            _made_by(request, audit),
        )
        for audit in audits
    ]
    return parts.section(title, parts.table(request, title, columns, rows), aside=compare)


def _made_by(request: PageRequest, audit: Mapping[str, Any]) -> Component:
    """The run that made an audit, or who sent it in."""
    by = audit["uploaded_by"]
    if by is None:
        return run_link(request, audit["run_id"])
    return parts.plain_text(request.t.gettext("uploaded by %(name)s") % {"name": by})


def _failures(request: PageRequest, failures: Sequence[Mapping[str, Any]]) -> Component:
    t = request.t
    title = t.gettext("Attempts that failed")
    columns = (Column(title=t.gettext("When")), Column(title=t.gettext("Why")), Column(title=t.gettext("Run"), rank=2))
    rows = [
        (parts.moment(one["failed_at"]), parts.plain_text(one["reason"]), run_link(request, one["run_id"]))
        for one in failures
    ]
    return parts.section(title, parts.table(request, title, columns, rows))


PAGE = Page(
    name="fleet_repository",
    pattern="/repositories/(?P<key>.+)",
    title=lambda request: plain(request.parts.get("key", "")),
    layout=layout,
    table=table,
)
