"""Teams: the scorecard of each, what keeps it from the next level, and the policy that holds for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dash import html
from dash.development.base_component import Component

from dash_app import figures
from dash_app.components import parts
from dash_app.components.attributes import attributes
from dash_app.components.parts import Child, Column
from dash_app.components.states import create_empty
from dash_app.components.team_hotspots import hotspots_tab
from dash_app.components.team_initiatives import initiatives_strip, initiatives_tab
from dash_app.components.team_settings import settings_tab
from dash_app.page import Page, PageRequest, Table, address, repository_address
from elder_assets.audit.errors import UnknownRecord
from elder_assets.audit.frames import LEVEL_NAMES
from resources.messages.catalogue import level_name
from resources.store.teams import Team

LEVELS = tuple(reversed(LEVEL_NAMES[1:]))
WEEKS = 52
TABS = ("scorecard", "initiatives", "hotspots", "settings")


def layout(request: PageRequest) -> Component:
    """All teams."""
    t = request.t
    teams = request.store.team_rows(request.viewer.team_id)
    heading = html.H1(t.gettext("Teams"))
    if not teams:
        how = html.P(
            [
                t.gettext("Make one:"),
                " ",
                html.Code("elder team add payments"),
                " ",
                html.Code("elder team assign payments <repository>"),
            ]
        )
        return html.Div([heading, create_empty(t.gettext("There is no team yet"), how)])
    columns = (
        Column(title=t.gettext("Team")),
        Column(title=t.gettext("Score")),
        Column(title=t.gettext("Repositories"), is_number=True),
        Column(title=t.gettext("Fails a check"), is_number=True, rank=2),
        Column(title=t.gettext("Open"), is_number=True),
        Column(title=t.gettext("Not audited"), is_number=True, rank=2),
    )
    rows = [
        (
            html.A(parts.plain_text(row["name"]), href=f"/teams/{row['key']}"),
            parts.score(row["score"]),
            parts.number(row["repositories"]),
            parts.number(row["gating"]),
            parts.number(row["open"]),
            parts.number(row["repositories"] - row["audited"]),
        )
        for row in teams
    ]
    listed = parts.table(request, t.gettext("Teams"), columns, rows)
    return html.Div([heading, parts.section(t.gettext("Teams"), listed, aside=parts.export_link(request))])


def teams_table(request: PageRequest) -> Table:
    """Every team that the viewer may see."""
    columns = ("team", "name", "score", "repositories", "not_audited", "fails_a_check", "open")
    rows = [
        {
            **row,
            "team": row["key"],
            "not_audited": row["repositories"] - row["audited"],
            "fails_a_check": row["gating"],
        }
        for row in request.store.team_rows(request.viewer.team_id)
    ]
    return Table(name="teams", columns=columns, rows=rows)


def team_of(request: PageRequest) -> Team:
    """The team of the address.

    Raises:
        UnknownRecord: there is none, or it is not the viewer's to see.
    """
    team = request.store.team(request.parts["team"])
    if not request.viewer.sees(team.id):
        raise UnknownRecord(f"there is no team {request.parts['team']!r}")
    return team


def team_layout(request: PageRequest) -> Component:
    """One team: the tab that the address names."""
    t, team = request.t, team_of(request)
    tab = request.value("tab", TABS, TABS[0])
    names = {
        "scorecard": t.gettext("Scorecard"),
        "initiatives": t.gettext("Initiatives"),
        "hotspots": t.gettext("Owners of hotspots"),
        "settings": t.gettext("Settings"),
    }
    links = [(names[name], address(request.path, tab="" if name == TABS[0] else name), name == tab) for name in TABS]
    shown = {
        "scorecard": _scorecard_tab,
        "initiatives": initiatives_tab,
        "hotspots": hotspots_tab,
        "settings": settings_tab,
    }[tab]
    return html.Div(
        [
            html.Nav(
                html.A(t.gettext("Teams"), href="/teams"),
                className="crumbs",
                **attributes(aria_label=t.gettext("Where this is")),
            ),
            html.Div(
                [html.H1(parts.plain_text(team.name)), html.Div(parts.take_along(request), className="actions")],
                className="page-head",
            ),
            parts.tabs(request, links),
            shown(request, team),
        ]
    )


def _scorecard_tab(request: PageRequest, team: Team) -> Component:
    t = request.t
    rows = request.store.scorecard_now(team.id)
    whole = [row for row in rows if row["magic"] == ""]
    if not whole:
        how = html.P(
            [
                t.gettext("It is made after the next audit of one of its repositories, or by:"),
                " ",
                html.Code(f"elder scorecard {team.key}"),
            ]
        )
        empty = create_empty(t.gettext("There is no scorecard yet"), how)
        strip = initiatives_strip(request, team)
        return html.Div([parts.section(t.gettext("Scorecard"), empty), strip, _links(request, team.key)])
    return html.Div(
        [
            html.Div(
                [html.Div([_levels(request, whole), _missing(request, whole)]), _trend(request, team.id)],
                className="pair even",
            ),
            initiatives_strip(request, team),
            _scorecard(request, rows),
            _links(request, team.key),
        ]
    )


def _links(request: PageRequest, key: str) -> Component:
    return html.P(html.A(request.t.gettext("All repositories of this team"), href=f"/?team={key}#repositories"))


def _levels(request: PageRequest, whole: Sequence[Mapping[str, Any]]) -> Component:
    t = request.t
    counted = Counter(row["level"] for row in whole)
    known = [row["score"] for row in whole if row["score"] is not None]
    mean = sum(known) / len(known) if known else None
    items = [
        html.Li(
            [
                parts.badge(level, level_name(request.language, level)),
                html.Span(html.Span(style={"width": f"{100 * counted[level] / len(whole):.0f}%"}), className="meter"),
                html.B(parts.number(counted[level])),
            ],
            className="level",
        )
        for level in LEVELS
    ]
    silent = len(whole) - len(known)
    note = t.ngettext(
        "%(count)s repository has no score and is averaged into nothing.",
        "%(count)s repositories have no score and are averaged into nothing.",
        silent,
    ) % {"count": silent}
    said = t.gettext("Week of %(week)s, %(count)s repositories") % {"week": whole[0]["week"], "count": len(whole)}
    number = html.Div([html.Strong(parts.number(mean, 1)), html.Small(t.gettext("mean score"))], className="hero")
    why = html.Div(
        [
            html.P(said, className="soft"),
            html.Ul(items, className="plain"),
            html.P(note, className="soft") if silent else None,
        ],
        className="hero-why",
    )
    return html.Section([html.H2(t.gettext("Levels"), className="unseen"), number, why], className="card hero-card")


def _trend(request: PageRequest, team_id: int) -> Component:
    t = request.t
    weeks = figures.weeks_of_fleet(request.store.fleet_weeks(request.monday(WEEKS), team_id))
    title = t.gettext("Score over 52 weeks")
    if not weeks:
        return parts.section(title, create_empty(t.gettext("No week is scored yet"), html.Code("elder rescore")))
    texts = {
        "title": title,
        "score": t.gettext("score, points of 100"),
        "week": t.gettext("week"),
        "mean": t.gettext("mean"),
        "half": t.gettext("middle half of repositories"),
    }
    said = t.gettext("Mean score by week: %(first)s at first, %(last)s now, %(count)s repositories") % {
        "first": parts.number(weeks[0]["mean"], 1),
        "last": parts.number(weeks[-1]["mean"], 1),
        "count": parts.number(weeks[-1]["repositories"]),
    }
    rows = [(week["week"], parts.number(week["mean"], 1), str(week["repositories"])) for week in reversed(weeks)]
    columns = (t.gettext("Week"), t.gettext("Mean"), t.gettext("Repositories"))
    return html.Section(
        parts.chart(figures.fleet_trend(weeks, texts), said, columns=columns, rows=rows), className="card"
    )


def _missing(request: PageRequest, whole: Sequence[Mapping[str, Any]]) -> Component | None:
    """What to do first: what keeps most repositories from their next level."""
    t = request.t
    wanting = [row for row in whole if row["missing"] or row["reason"]]
    if not wanting:
        return None
    order = {name: index for index, name in enumerate(LEVEL_NAMES)}
    wanting.sort(
        key=lambda row: (order[row["level"]], row["score"] if row["score"] is not None else -1.0, row["repository"])
    )
    items = [
        html.Li(
            [
                html.A(parts.repository_name(row["repository"]), href=repository_address(row["repository"])),
                " ",
                parts.badge(row["level"] or "none", level_name(request.language, row["level"])),
                html.Small(parts.reason(request, row["missing"] or row["reason"])),
            ]
        )
        for row in wanting[:5]
    ]
    return parts.section(
        t.gettext("First to do: what keeps a repository from its next level"), html.Ul(items, className="list")
    )


def _scorecard(request: PageRequest, rows: Sequence[Mapping[str, Any]]) -> Component:
    t = request.t
    columns = (
        Column(title=t.gettext("Repository")),
        Column(title=t.gettext("Score")),
        Column(title=t.gettext("Level")),
        Column(title=t.gettext("Points a week"), is_number=True, rank=2),
        Column(title=t.gettext("Open"), is_number=True, rank=2),
        Column(title=t.gettext("New"), is_number=True, rank=3),
        Column(title=t.gettext("Fixed"), is_number=True, rank=3),
        Column(title=t.gettext("Gates passed"), is_number=True, rank=3),
        Column(title=t.gettext("Coverage"), is_number=True, rank=3),
    )
    shown: list[tuple[Child, ...]] = []
    for row in rows:
        if row["magic"] == "":
            gates = row["gates_passed"] + row["gates_failed"]
            shown.append(
                (
                    html.A(parts.repository_name(row["repository"]), href=repository_address(row["repository"])),
                    parts.score(row["score"], row["status"])
                    if row["score"] is not None
                    else parts.status_badge(request, row["status"]),
                    parts.badge(row["level"] or "none", level_name(request.language, row["level"])),
                    parts.signed(row["trend"]),
                    parts.number(row["open"]),
                    parts.number(row["new"]),
                    parts.number(row["fixed"]),
                    f"{row['gates_passed']} / {gates}" if gates else "–",
                    parts.percent(row["coverage_pct"] / 100 if row["coverage_pct"] is not None else None),
                )
            )
    title = t.gettext("Scorecard")
    return parts.section(title, parts.table(request, title, columns, shown), aside=parts.export_link(request))


def table(request: PageRequest) -> Table:
    """The scorecard of the newest week, or the hotspots."""
    team = team_of(request)
    if request.value("tab") == "hotspots":
        names = ("repository", "path", "declared_owners", "risk", "changes", "cognitive", "authors", "open")
        rows = [
            {**row, "declared_owners": " ".join(row["declared_owners"] or ())}
            for row in request.store.team_hotspots(team.id, 5_000)
        ]
        return Table(name=f"hotspots-{team.key}", columns=names, rows=rows)
    columns = (
        "week",
        "repository",
        "magic",
        "status",
        "score",
        "level",
        "missing",
        "trend",
        "open",
        "new",
        "fixed",
        "gates_passed",
        "gates_failed",
        "coverage_pct",
        "reason",
    )
    return Table(name=f"team-{team.key}", columns=columns, rows=request.store.scorecard_now(team.id))


PAGES = (
    Page(
        name="teams",
        pattern="/teams",
        title=lambda request: str(request.t.gettext("Teams")),
        layout=layout,
        place=2,
        table=teams_table,
    ),
    Page(
        name="teams_team",
        pattern="/teams/(?P<team>[a-z0-9._-]{1,64})",
        title=lambda request: request.parts["team"],
        layout=team_layout,
        table=table,
    ),
)
