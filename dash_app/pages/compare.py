"""Compare two audits of a repository: how much of the difference is code, scope or ruler, and which rules did it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from dash import dcc, html
from dash.development.base_component import Component

from dash_app import figures_operations, views_comparison
from dash_app.components import parts
from dash_app.components.attributes import attributes
from dash_app.components.parts import Child, Column
from dash_app.components.states import create_empty
from dash_app.page import Page, PageRequest, Table, repository_address
from dash_app.views_comparison import Split
from elder_assets.audit.comparison import OVERALL, Difference
from elder_assets.audit.errors import RepositoryNotFound
from elder_assets.audit.report import plain
from elder_assets.audit.ruler import Ruler
from elder_assets.audit.scoring import rounded
from resources.messages.catalogue import magic_name

AUDITS = 60
"""Audits of which two can be chosen, newest first."""
RULER_CHARACTERS = 8
LINKS = 30
"""Repositories that are offered as links; the box narrows them."""


class Sides(msgspec.Struct, frozen=True, kw_only=True):
    """The two audits that are compared, and everything that is known of them."""

    repository_id: int
    repository: str
    first: dict[str, Any]
    second: dict[str, Any]
    before: dict[str, Any]
    after: dict[str, Any]
    old: Ruler
    new: Ruler
    split: Split


def layout(request: PageRequest) -> Component:
    """A form to choose with, and the comparison."""
    t = request.t
    heading = html.H1(t.gettext("Compare"))
    key = request.value("repository").strip()
    try:
        row = request.store.repository_now(key, request.viewer.team_id) if key else None
    except RepositoryNotFound:  # a part of a name, still being typed
        row = None
    if row is None:
        return html.Div([heading, _choose(request, key, ()), _hint(request, key)])
    audits = _audits(request, row["id"])
    form = _choose(request, row["repository"], audits)
    if len(audits) < 2:
        said = t.gettext("This repository was audited once at most; there is nothing to compare yet")
        return html.Div([heading, form, create_empty(said)])
    sides = _sides(request, row, audits)
    return html.Div(
        [
            heading,
            form,
            _between(request, sides),
            _figure(request, sides),
            _magics(request, sides),
            _rules(request, sides),
            _measures(request, sides) if sides.old != sides.new else None,
        ]
    )


def _hint(request: PageRequest, text: str) -> Component:
    t, store, team_id = request.t, request.store, request.viewer.team_id
    keys = store.repository_keys(team_id, text=text, limit=LINKS)
    if keys:
        links = [html.Li(html.A(parts.repository_name(key), href=request.link(repository=key))) for key in keys]
        said = t.gettext("Choose a repository; its last two audits are compared until you choose others")
        return parts.section(t.gettext("Repositories"), html.P(said), html.Ul(links, className="list columns"))
    if text:
        return create_empty(t.gettext("No repository fits"), html.P(html.A(t.gettext("Show all"), href=request.path)))
    return create_empty(
        t.gettext("No repository was audited yet"),
        html.P([t.gettext("Audit one:"), " ", html.Code("elder audit <path or URL>")]),
    )


def _audits(request: PageRequest, repository_id: int) -> list[dict[str, Any]]:
    every = request.store.audits_of(repository_id, AUDITS)
    return [audit for audit in every if audit["kind"] == "default"]


def _choose(request: PageRequest, repository: str, audits: Sequence[Mapping[str, Any]]) -> Component:
    t = request.t
    keys = request.store.repository_keys(request.viewer.team_id)
    box = dcc.Input(
        id="compare-repository", name="repository", type="search", value=repository, list="compare-repositories",
        maxLength=200, autoComplete="off", debounce=True,
    )  # fmt: skip
    controls: list[Component] = [
        html.Label([html.Span(t.gettext("Repository")), box]),
        html.Datalist([html.Option(value=plain(key)) for key in keys], id="compare-repositories"),
    ]
    if len(audits) >= 2:
        first, second = _chosen(request, audits)
        controls += [
            _choice(t.gettext("From"), "first", first, audits),
            _choice(t.gettext("To"), "second", second, audits),
        ]
    return html.Form(
        [*controls, html.Button(t.gettext("Compare"), type="submit")],
        className="filters compare",
        method="get",
        action=request.path,
        role="search",
    )


def _choice(label: str, name: str, chosen: int, audits: Sequence[Mapping[str, Any]]) -> Component:
    options = [
        html.Option(_audit_name(audit), value=str(audit["id"]), selected=audit["id"] == chosen) for audit in audits
    ]
    return html.Label([html.Span(label), html.Select(options, name=name, key=f"{name}-{chosen}")])


def _audit_name(audit: Mapping[str, Any]) -> str:
    score = f"{audit['score']:.1f}" if audit["score"] is not None else "–"
    ruler = audit["ruler"][:RULER_CHARACTERS]
    return f"{audit['as_of']:%Y-%m-%d} · {(audit['commit'] or '')[:8]} · {score} · {ruler} · #{audit['id']}"


def _chosen(request: PageRequest, audits: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Ids of the two audits, the earlier first: those of the address, else the last two."""
    known = {audit["id"] for audit in audits}
    given = [request.number(name, 0, 10**9) for name in ("first", "second")]
    first, second = (one if one in known else audits[place]["id"] for one, place in zip(given, (1, 0), strict=True))
    return (first, second) if first <= second else (second, first)


def _sides(request: PageRequest, row: Mapping[str, Any], audits: Sequence[Mapping[str, Any]]) -> Sides:
    store, number = request.store, row["id"]
    first, second = (store.audit_of(number, str(one)) for one in _chosen(request, audits))
    before, after = (store.tallied(audit["snapshot_id"]) for audit in (first, second))
    old, new = (msgspec.json.decode(store.ruler_document(side["ruler"]), type=Ruler) for side in (before, after))
    again = None
    if before["ruler"] != after["ruler"] and after["commit"]:
        snapshot = store.same_commit_under(number, after["commit"], before["ruler"])
        again = None if snapshot is None else store.tallied(snapshot)
    split = views_comparison.split(before, after, old, new, again)
    return Sides(
        repository_id=number, repository=row["repository"], first=first, second=second, before=before, after=after,
        old=old, new=new, split=split,
    )  # fmt: skip


def _between(request: PageRequest, sides: Sides) -> Component:
    t = request.t
    counts = request.store.counts_between(sides.repository_id, sides.first, sides.second)
    whole = sides.split.differences.get(OVERALL)
    before, after = (rounded(whole.before), rounded(whole.after)) if whole else (None, None)
    change = after - before if before is not None and after is not None else None
    same = t.gettext("the same ruler") if sides.old == sides.new else t.gettext("another ruler")
    return html.Div(
        [
            parts.stat(t.gettext("From"), parts.number(before, 1), parts.moment(sides.first["as_of"], is_day=True)),
            parts.stat(t.gettext("To"), parts.number(after, 1), parts.moment(sides.second["as_of"], is_day=True)),
            parts.stat(t.gettext("Change"), parts.signed(change), same),
            parts.stat(t.gettext("New"), parts.number(counts["new"] + counts["reopened"]), t.gettext("findings came")),
            parts.stat(t.gettext("Fixed"), parts.number(counts["fixed"]), t.gettext("findings went")),
            parts.stat(t.gettext("Unveiled"), parts.number(counts["unveiled"]), t.gettext("by another ruler or scope")),
        ],
        className="glance",
    )


def part_names(request: PageRequest) -> dict[str, str]:
    """What moves a score, for people."""
    t = request.t
    return {
        "before": t.gettext("Before"),
        "code": t.gettext("Code"),
        "scope": t.gettext("Scope"),
        "ruler": t.gettext("Ruler"),
        "after": t.gettext("After"),
    }


def _figure(request: PageRequest, sides: Sides) -> Component:
    t = request.t
    whole = sides.split.differences.get(OVERALL)
    title = t.gettext("What moved the score")
    if whole is None or whole.before is None or whole.after is None:
        return parts.section(title, create_empty(t.gettext("One of the two has no score")))
    why = {
        "not kept": t.gettext(
            "What each rule said was not kept for both audits, so the difference cannot be split into its parts."
        ),
        "other limits": t.gettext(
            "The rulers judge by other limits, and the later commit was not judged by the earlier ones, so the"
            " difference cannot be split into its parts."
        ),
    }
    if sides.split.unsplit:
        return parts.section(title, html.P(why[sides.split.unsplit]))
    names, steps = part_names(request), views_comparison.steps(whole)
    moved = {name: end - start for name, start, end in steps}
    said = t.gettext("From %(before)s to %(after)s: code %(code)s, scope %(scope)s, ruler %(ruler)s points") % {
        "before": parts.number(rounded(whole.before), 1),
        "after": parts.number(rounded(whole.after), 1),
        **{name: f"{moved[name]:+.1f}".replace("-", "\u2212") for name in ("code", "scope", "ruler")},
    }
    texts = {**names, "title": title, "score": t.gettext("score, points of 100")}
    figure = figures_operations.waterfall(steps, texts)
    rows = [
        (names[name], parts.number(end, 1) if name in {"before", "after"} else parts.signed(end - start))
        for name, start, end in steps
    ]
    meant = html.Dl(
        [
            item
            for name, text in (
                ("code", t.gettext("the same rules, other results")),
                ("scope", t.gettext("rules began or ceased to apply: a language or a manifest came or went")),
                ("ruler", t.gettext("the same results, judged by other weights, severities, tiers or limits")),
            )
            for item in (html.Dt(names[name]), html.Dd(text))
        ]
    )  # fmt: skip
    columns = (t.gettext("Part"), t.gettext("Points"))
    return html.Section([parts.chart(figure, said, columns=columns, rows=rows), meant], className="card")


def _magics(request: PageRequest, sides: Sides) -> Component:
    t, names = request.t, part_names(request)
    columns = (
        Column(title=t.gettext("Magic")),
        Column(title=names["before"], is_number=True),
        Column(title=names["after"], is_number=True),
        Column(title=t.gettext("Change"), is_number=True),
        *(Column(title=names[name], is_number=True, rank=2) for name in ("code", "scope", "ruler")),
    )
    rows = [
        _magic(request, name, one)
        for name, one in sides.split.differences.items()
        if one.before is not None or one.after is not None
    ]
    title = t.gettext("Magic by magic")
    return parts.section(title, parts.table(request, title, columns, rows), aside=parts.export_link(request))


def _magic(request: PageRequest, name: str, one: Difference) -> tuple[Child, ...]:
    before, after, shown = rounded(one.before), rounded(one.after), one.shown()
    change = after - before if before is not None and after is not None else None
    named = magic_name(request.language, name) if name else request.t.gettext("The whole")
    return (
        html.A(named, href=f"/magics/{name}") if name else html.B(named),
        parts.number(before, 1),
        parts.number(after, 1),
        parts.signed(change),
        *(parts.signed(shown[part] if shown else None) for part in ("code", "scope", "ruler")),
    )


def _rules(request: PageRequest, sides: Sides) -> Component:
    t = request.t
    title = t.gettext("Rules that came out differently")
    rows = views_comparison.changed_rules(sides.before, sides.after)
    if not rows:
        return parts.section(title, create_empty(t.gettext("Every rule came out the same")))
    columns = (
        Column(title=t.gettext("Rule")),
        Column(title=t.gettext("Before"), is_number=True),
        Column(title=t.gettext("After"), is_number=True),
        Column(title=t.gettext("Change"), is_number=True),
    )
    shown = [
        (
            html.A(row["rule"], href=f"/rules/{row['rule']}"),
            _share(request, row["before"]),
            _share(request, row["after"]),
            _more(request, row),
        )
        for row in rows[: views_comparison.RULES_SHOWN]
    ]
    link = html.A(t.gettext("Findings of this repository"), href=repository_address(sides.repository, tab="findings"))
    said = t.gettext("units with findings, of the units that the rule looked at")
    table = parts.table(request, title, columns, shown)
    return parts.section(title, html.P(said, className="soft"), table, aside=link)


def _share(request: PageRequest, counted: tuple[int, int] | None) -> str:
    if counted is None:
        return str(request.t.gettext("not asked"))
    return f"{counted[0]:,} / {counted[1]:,}"


def _more(request: PageRequest, row: Mapping[str, Any]) -> Component:
    t, change = request.t, row["change"]
    if row["before"] is None or row["after"] is None:
        return parts.badge(
            "low", t.gettext("came into scope") if row["before"] is None else t.gettext("left the scope")
        )
    arrow = html.Span("▲" if change > 0 else "▼", className="arrow", **attributes(aria_hidden="true"))
    return html.Span([arrow, f"{change:+,}".replace("-", "\u2212")], className="down" if change > 0 else "up")


def _measures(request: PageRequest, sides: Sides) -> Component:
    t = request.t
    title = t.gettext("What the rulers judge differently")
    rows = views_comparison.changed_measures(sides.old, sides.new)
    if not rows:
        return parts.section(title, create_empty(t.gettext("Only what the rules read changed, not how they judge")))
    columns = (
        Column(title=t.gettext("Rule")),
        Column(title=t.gettext("What")),
        Column(title=t.gettext("Before")),
        Column(title=t.gettext("After")),
    )
    shown = [(plain(rule), plain(what), plain(then) or "–", plain(now) or "–") for rule, what, then, now in rows[:100]]
    return parts.section(title, parts.table(request, title, columns, shown))


def table(request: PageRequest) -> Table:
    """The differences by magic."""
    columns = ("magic", "before", "after", "code", "scope", "ruler")
    key = request.value("repository").strip()
    if not key:
        return Table(name="compare", columns=columns, rows=())
    row = request.store.repository_now(key, request.viewer.team_id)
    audits = _audits(request, row["id"])
    found = _sides(request, row, audits).split.differences if len(audits) >= 2 else {}
    rows = [
        {"magic": name or "whole", "before": rounded(one.before), "after": rounded(one.after), **(one.shown() or {})}
        for name, one in found.items()
    ]
    return Table(name="compare", columns=columns, rows=rows)


PAGE = Page(
    name="compare",
    pattern="/compare",
    title=lambda request: str(request.t.gettext("Compare")),
    layout=layout,
    place=8,
    table=table,
)
