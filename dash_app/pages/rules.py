"""The catalogue of rules, made from the registry, and each rule: what it asks, how precise it is, where it finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash import html
from dash.development.base_component import Component

from dash_app.components import parts
from dash_app.components.attributes import attributes
from dash_app.components.findings import severity_badge
from dash_app.components.parts import Child, Column
from dash_app.components.states import create_empty
from dash_app.page import Page, PageRequest, Table, repository_address
from elder_assets.audit.errors import UnknownRecord
from elder_assets.audit.registry import MAGIC_ORDER, Rule, catalogue
from elder_assets.audit.ruler import PROVISIONAL_BELOW, calibration, effective_tier
from resources.messages.catalogue import magic_name, severity_of_finding, tier_name
from resources.messages.reasons import unit_name
from resources.store.pages import PAGE_ROWS_MAX
from resources.store.repository_pages import SEVERITIES

SORTS = ("code", "severity", "open", "repositories", "precision")


def layout(request: PageRequest) -> Component:
    """The catalogue."""
    t = request.t
    rows = rule_rows(request)
    every = {"": t.gettext("All")}
    controls = parts.filters(
        request,
        parts.search_box(request, t.gettext("Code or words")),
        parts.choice(
            request, t.gettext("Magic"), "magic", every | {m: magic_name(request.language, m) for m in MAGIC_ORDER}
        ),
        parts.choice(
            request,
            t.gettext("Severity"),
            "severity",
            every | {s: severity_of_finding(request.language, s) for s in SEVERITIES},
        ),
        parts.choice(
            request,
            t.gettext("Tier"),
            "tier",
            every | {name: tier_name(request.language, name) for name in ("gate", "advise", "shadow")},
        ),
    )
    said = t.gettext("%(shown)s of %(all)s rules") % {"shown": len(rows), "all": len(catalogue().rules)}
    body = (
        _table(request, rows)
        if rows
        else create_empty(t.gettext("No rule fits"), html.P(html.A(t.gettext("Show all"), href=request.here)))
    )
    return html.Div(
        [html.H1(t.gettext("Rules")), parts.section(said, controls, body, aside=parts.export_link(request))]
    )


def rule_rows(request: PageRequest) -> list[dict[str, Any]]:
    """The rules that the address asks for, in its order."""
    totals = request.store.rule_totals(request.viewer.team_id)
    rows = [_row(rule, totals.get(rule.code, {})) for rule in catalogue().rules]
    text = request.value("q").strip().casefold()
    wanted = {name: request.value(name) for name in ("magic", "severity", "tier")}
    shown = [
        row
        for row in rows
        if all(not value or row[name] == value for name, value in wanted.items())
        and (not text or text in f"{row['rule']} {row['name']} {row['summary']}".casefold())
    ]
    return _sorted(shown, request.value("sort", SORTS, "code"), is_falling=request.value("order") == "desc")


def _sorted(rows: list[dict[str, Any]], sort: str, *, is_falling: bool) -> list[dict[str, Any]]:
    rows.sort(key=lambda row: row["rule"])
    if sort == "severity":
        rows.sort(key=lambda row: SEVERITIES.index(row["severity"]), reverse=is_falling)
    elif sort == "code":
        rows.sort(key=lambda row: row["rule"], reverse=is_falling)
    else:
        missing = -1.0 if is_falling else 2.0
        rows.sort(key=lambda row: missing if row[sort] is None else row[sort], reverse=is_falling)
    return rows


def _row(rule: Rule, found: Mapping[str, Any]) -> dict[str, Any]:
    measured = calibration().get(rule.code)
    verdicts = measured.true + measured.false if measured else 0
    return {
        "rule": rule.code,
        "name": rule.name,
        "magic": rule.magic,
        "severity": str(rule.severity),
        "tier": str(effective_tier(rule.tier, measured)),
        "summary": rule.summary,
        "precision": measured.true / verdicts if measured and verdicts else None,
        "verdicts": verdicts,
        "open": found.get("open", 0),
        "suppressed": found.get("suppressed", 0),
        "repositories": found.get("repositories", 0),
    }


def _table(request: PageRequest, rows: Sequence[Mapping[str, Any]]) -> Component:
    t = request.t
    columns = (
        Column(title=t.gettext("Rule"), sort="code"),
        Column(title=t.gettext("Severity"), sort="severity"),
        Column(title=t.gettext("Magic"), rank=3),
        Column(title=t.gettext("Precision"), sort="precision", is_number=True, is_falling=True, rank=2),
        Column(title=t.gettext("Open"), sort="open", is_number=True, is_falling=True),
        Column(title=t.gettext("Repositories"), sort="repositories", is_number=True, is_falling=True, rank=2),
    )
    shown = [
        (
            html.Span(
                [
                    html.A([row["rule"], " ", row["name"]], href=f"/rules/{row['rule']}"),
                    html.Small(parts.sentence(row["summary"])),
                ],
                className="finding",
            ),
            severity_badge(request, row["severity"], row["tier"]),
            html.A(magic_name(request.language, row["magic"]), href=f"/magics/{row['magic']}"),
            precision(request, row),
            parts.number(row["open"]),
            parts.number(row["repositories"]),
        )
        for row in rows
    ]
    return parts.table(request, t.gettext("Rules"), columns, shown)


def precision(request: PageRequest, row: Mapping[str, Any]) -> Component:
    """Which share of sampled findings people found right, and of how many."""
    t = request.t
    if row["precision"] is None:
        return html.Span(t.gettext("not sampled"), className="soft")
    said = t.gettext("of %(count)s") % {"count": row["verdicts"]}
    return html.Span([parts.percent(row["precision"]), " ", html.Small(said)])


def table(request: PageRequest) -> Table:
    """The rules that the address asks for."""
    columns = (
        "rule",
        "name",
        "magic",
        "severity",
        "tier",
        "precision",
        "verdicts",
        "open",
        "suppressed",
        "repositories",
        "summary",
    )
    return Table(name="rules", columns=columns, rows=rule_rows(request))


# --- one rule -----------------------------------------------------------------------------------------------


def rule_layout(request: PageRequest) -> Component:
    """One rule."""
    code = request.parts["code"]
    rule = next((rule for rule in catalogue().rules if rule.code == code), None)
    if rule is None:
        raise UnknownRecord(f"there is no rule {code}")
    t, found = request.t, request.store.rule_totals(request.viewer.team_id).get(code, {})
    row = _row(rule, found)
    return html.Div(
        [
            html.Nav(
                html.A(t.gettext("Rules"), href="/rules"),
                className="crumbs",
                **attributes(aria_label=t.gettext("Where this is")),
            ),
            html.H1([html.Span(rule.code, className="soft"), " ", rule.name]),
            html.P(
                [
                    severity_badge(request, row["severity"], row["tier"]),
                    " ",
                    html.A(magic_name(request.language, rule.magic), href=f"/magics/{rule.magic}"),
                    " · ",
                    tier_name(request.language, row["tier"]),
                ]
            ),
            html.Div([_meaning(request, rule), _measured(request, rule, row)], className="pair"),
            _where(request, code),
        ]
    )


def _meaning(request: PageRequest, rule: Rule) -> Component:
    t, known = request.t, rule.documentation
    body: list[Child] = [html.P(parts.sentence(rule.summary))]
    for name, title in (
        ("Why", t.gettext("Why it matters")),
        ("Remedy", t.gettext("What to do")),
        ("Limits", t.gettext("What it does not see")),
        ("Source", t.gettext("Source")),
    ):
        if known.get(name):
            body.extend([html.H3(title), html.P(parts.sentence(known[name]))])
    return parts.section(t.gettext("What it asks"), *body)


def _measured(request: PageRequest, rule: Rule, row: Mapping[str, Any]) -> Component:
    t = request.t
    said = request.store.rule_verdicts(rule.code)
    sampled: list[Child] = [precision(request, row)]
    if row["verdicts"] and row["verdicts"] < PROVISIONAL_BELOW:
        sampled.append(html.Small(t.gettext(" provisional, below %(count)s verdicts") % {"count": PROVISIONAL_BELOW}))
    people = t.gettext("%(right)s right, %(wrong)s wrong, %(unclear)s unclear") % {
        "right": said.get("true", 0),
        "wrong": said.get("false", 0),
        "unclear": said.get("unclear", 0),
    }
    pairs: list[tuple[str, Child]] = [
        (t.gettext("Precision in the labelled corpus"), sampled),
        (t.gettext("What people here said"), people),
        (t.gettext("Open findings"), parts.number(row["open"])),
        (t.gettext("Suppressed"), parts.number(row["suppressed"])),
        (t.gettext("Repositories"), parts.number(row["repositories"])),
        (t.gettext("What counts as one"), unit_name(request.language, rule.unit)),
        (t.gettext("Version"), str(rule.version)),
    ]
    pairs.extend((name, str(value)) for name, value in rule.limits.items())
    if rule.cwe:
        link = html.A(
            f"CWE-{rule.cwe}",
            href=f"https://cwe.mitre.org/data/definitions/{rule.cwe}.html",
            target="_blank",
            rel="noreferrer",
        )
        pairs.append((t.gettext("Weakness"), link))
    rows = [cell for name, value in pairs for cell in (html.Dt(name), html.Dd(value))]
    return parts.section(t.gettext("How it does"), html.Dl(rows))


def _where(request: PageRequest, code: str) -> Component:
    t = request.t
    rows = request.store.rule_repositories(code, request.viewer.team_id)
    title = t.gettext("Where it finds something")
    if not rows:
        return parts.section(title, create_empty(t.gettext("Nowhere in this fleet")))
    columns = (
        Column(title=t.gettext("Repository")),
        Column(title=t.gettext("Severity"), rank=2),
        Column(title=t.gettext("Open"), is_number=True),
        Column(title=t.gettext("Suppressed"), is_number=True, rank=2),
    )
    shown = [
        (
            html.A(
                parts.repository_name(row["repository"]),
                href=repository_address(row["repository"], tab="findings", rule=code),
            ),
            severity_badge(request, row["severity"]),
            parts.number(row["open"]),
            parts.number(row["suppressed"]),
        )
        for row in rows
    ]
    return parts.section(title, parts.table(request, title, columns, shown), aside=parts.export_link(request))


def rule_table(request: PageRequest) -> Table:
    """Every repository where a rule finds something."""
    rows = request.store.rule_repositories(request.parts["code"], request.viewer.team_id, limit=PAGE_ROWS_MAX)
    return Table(name="rule", columns=("repository", "severity", "open", "suppressed"), rows=rows)


PAGES = (
    Page(
        name="rules",
        pattern="/rules",
        title=lambda request: str(request.t.gettext("Rules")),
        layout=layout,
        place=4,
        table=table,
    ),
    Page(
        name="rules_rule",
        pattern="/rules/(?P<code>[A-Z]{3}[0-9]{3})",
        title=lambda request: request.parts["code"],
        layout=rule_layout,
        table=rule_table,
    ),
)
