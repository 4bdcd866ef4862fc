"""The initiatives of a team: how far each is, when it will be there at the present pace, what is left, its history."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from dash_app.components import parts
from dash_app.components.attributes import attributes
from dash_app.components.parts import Child
from dash_app.components.states import create_empty
from dash_app.page import PageRequest, address, repository_address
from elder_assets.audit.initiatives import TITLE_CHARACTERS_MAX, Goal, Point
from elder_assets.audit.policy import LEVELS
from elder_assets.audit.report import plain
from elder_assets.audit.ruler import default_ruler
from resources.messages.catalogue import level_name, magic_name
from resources.store.initiatives import Initiative, InitiativeEvent
from resources.store.teams import Team
from resources.teams.initiatives import NAME_CHARACTERS_MAX, REASON_CHARS_MIN, Seen, seen_by

ADD = "POST /api/v1/teams/{}/initiatives"
LEFT_SHOWN = 12
WIDTH, HEIGHT, MARGIN = 260, 84, 6
STATE_KINDS = {"planned": "low", "active": "low", "reached": "passed", "missed": "failed", "withdrawn": "none"}


def initiatives_tab(request: PageRequest, team: Team) -> Component:
    """All of them: those that go on, then those that are over."""
    t = request.t
    seen = seen_by(request.store, team)
    may = request.may("maintainer", ADD)
    on = [one for one in seen if one.initiative.state in {"planned", "active", "missed"}]
    over = [one for one in seen if one not in on]
    listed: list[Child] = [_card(request, team, one, may=may) for one in on]
    if not seen:
        listed = [
            create_empty(
                t.gettext("There is no initiative yet"),
                html.P(t.gettext("A goal, a deadline and who sees to it; Elder counts the repositories every week.")),
            )
        ]
    ended = html.Section(
        [
            html.H2(t.gettext("Over")),
            html.Div([_card(request, team, one, may=False) for one in over], className="goals"),
        ],
        className="over",
    )
    return html.Div(
        [
            _glance(request, seen) if seen else None,
            html.Div(listed, className="goals" if on else "card"),
            _new(request, team) if may else _reading(request),
            ended if over else None,
        ]
    )


def initiatives_strip(request: PageRequest, team: Team) -> Component | None:
    """The initiatives that go on, in a line each, for the scorecard."""
    t = request.t
    on = [one for one in seen_by(request.store, team) if one.initiative.state in {"active", "missed"}]
    if not on:
        return None
    items = [
        html.Li(
            [
                html.Span([parts.plain_text(one.initiative.title), " ", _state(request, one)]),
                html.Span(
                    [_meter(one), html.B(f"{one.done} / {one.total}"), html.Small(_deadline(request, one))],
                    className="strip-progress",
                ),
            ]
        )
        for one in on[:5]
    ]
    more = html.A(t.gettext("All initiatives"), href=address(request.path, tab="initiatives"), className="quiet")
    return parts.section(t.gettext("Initiatives"), html.Ul(items, className="list strip"), aside=more)


def _glance(request: PageRequest, seen: Sequence[Seen]) -> Component:
    t = request.t
    active = [one for one in seen if one.initiative.state == "active"]
    overdue = sum(one.is_overdue for one in seen)
    late = sum(
        one.pace.reached_on is None or one.pace.reached_on > one.initiative.deadline for one in active if one.left
    )
    return html.Div(
        [
            parts.stat(t.gettext("Going on"), parts.number(len(active)), t.gettext("initiatives")),
            parts.stat(t.gettext("Behind"), parts.number(late), t.gettext("not there in time at the present pace")),
            parts.stat(
                t.gettext("Overdue"),
                parts.number(overdue),
                t.gettext("past the deadline"),
                kind="bad" if overdue else "",
            ),
            parts.stat(
                t.gettext("Reached"),
                parts.number(sum(one.initiative.state == "reached" for one in seen)),
                t.gettext("of %(count)s") % {"count": len(seen)},
            ),
        ],
        className="glance",
    )


def goal_words(request: PageRequest, goal: Goal) -> str:
    """A goal for people."""
    t = request.t
    if goal.kind == "rule":
        return str(t.gettext("no finding of %(rule)s is open") % {"rule": goal.subject})
    if goal.kind == "level":
        return str(t.gettext("level %(level)s or above") % {"level": level_name(request.language, goal.subject)})
    least = f"{goal.least:g}"
    if goal.kind == "score":
        return str(t.gettext("overall score of at least %(least)s") % {"least": least})
    named = {"magic": magic_name(request.language, goal.subject), "least": least}
    return str(t.gettext("%(magic)s has a score of at least %(least)s") % named)


def state_word(request: PageRequest, state: str) -> str:
    """A state for people."""
    t = request.t
    names = {
        "planned": t.pgettext("initiative", "planned"),
        "active": t.pgettext("initiative", "active"),
        "reached": t.pgettext("initiative", "reached"),
        "missed": t.pgettext("initiative", "missed"),
        "withdrawn": t.pgettext("initiative", "withdrawn"),
        "made": t.pgettext("initiative", "made"),
        "changed": t.pgettext("initiative", "changed"),
    }
    return str(names.get(state, state))


def _state(request: PageRequest, one: Seen) -> Component:
    if one.is_overdue:
        return parts.badge("failed", request.t.gettext("overdue"))
    state = one.initiative.state
    return parts.badge(STATE_KINDS[state], state_word(request, state))


def _meter(one: Seen) -> Component:
    share = 100 * one.done / one.total if one.total else 0
    kind = "meter done" if one.total and one.done == one.total else "meter"
    return html.Span(html.Span(style={"width": f"{share:.0f}%"}), className=kind, **attributes(aria_hidden="true"))


def _deadline(request: PageRequest, one: Seen) -> str:
    t = request.t
    days = (one.initiative.deadline - request.now.date()).days
    if days < 0:
        return str(t.ngettext("%(count)s day over", "%(count)s days over", -days) % {"count": -days})
    if days == 0:
        return str(t.gettext("today is the last day"))
    return str(t.ngettext("%(count)s day left", "%(count)s days left", days) % {"count": days})


def _card(request: PageRequest, team: Team, one: Seen, *, may: bool) -> Component:
    t, known = request.t, one.initiative
    days = "" if known.state in {"reached", "withdrawn"} else _deadline(request, one)
    whose = t.gettext("of the platform") if one.is_platform else parts.plain_text(team.name)
    head = html.Div([html.H3(parts.plain_text(known.title)), _state(request, one)], className="magic-head")
    facts = html.P(
        [
            html.Span(goal_words(request, known.goal)),
            html.Span([t.gettext("until"), " ", str(known.deadline), f" ({days})" if days else ""]),
            html.Span([t.gettext("sees to it:"), " ", parts.plain_text(known.owner)]),
            html.Span(whose),
        ],
        className="facts",
    )
    number = html.P(
        [
            html.Strong(f"{one.done} / {one.total}"),
            " ",
            t.ngettext("repository", "repositories", one.total),
            _meter(one),
        ],
        className="goal-number",
    )
    course = None if known.state in {"reached", "withdrawn"} else _burn_down(request, one)
    may_change = may and (not one.is_platform or request.viewer.team_id is None)
    return html.Article(
        [
            head,
            facts,
            html.Div([html.Div([number, _projection(request, one)]), course], className="goal-course"),
            _left(request, one),
            _history(request, one.events),
            _change(request, team, known) if may_change else None,
        ],
        className="card goal",
    )


def _projection(request: PageRequest, one: Seen) -> Component:
    """When it will be there at the present pace, or honestly that nobody can tell."""
    t, known, pace = request.t, one.initiative, one.pace
    if known.state in {"reached", "withdrawn"} and known.settled_at is not None:
        return html.P(
            [state_word(request, known.state), " ", parts.moment(known.settled_at, is_day=True)], className="soft"
        )
    if not one.total:
        return html.P(t.gettext("it asks nothing of these repositories"), className="soft")
    if not one.left:
        return html.P(t.gettext("nothing is left to do"), className="up")
    if known.state == "planned":
        return html.P(t.gettext("begins on %(day)s") % {"day": known.starts_on}, className="soft")
    if pace.reached_on is None:
        return html.P(t.gettext("no pace yet: nothing moved in the last weeks"), className="soft")
    said = t.gettext("at the present pace (%(pace)s a week) done on %(day)s") % {
        "pace": f"{pace.per_week:.1f}",
        "day": pace.reached_on,
    }
    late = pace.reached_on > known.deadline
    return html.P([said, html.Br(), html.B(t.gettext("after the deadline") if late else t.gettext("in time"))],
                  className="down-wrap" if late else "up-wrap")  # fmt: skip


def _burn_down(request: PageRequest, one: Seen) -> Component | None:
    """What was left, week by week, and the straight way from the start to the deadline."""
    t, points = request.t, one.points
    if len(points) < 2:
        return html.P(t.gettext("The first weeks are being counted."), className="soft")
    said = t.gettext("Left: %(first)s in the week of %(start)s, %(last)s in the week of %(end)s") % {
        "first": points[0].total - points[0].done,
        "start": points[0].week,
        "last": points[-1].total - points[-1].done,
        "end": points[-1].week,
    }
    image = html.Img(
        src=_drawn(points, one.initiative), alt=said, className="burn", width=str(WIDTH), height=str(HEIGHT)
    )
    head = html.Thead(html.Tr([html.Th(t.gettext("Week"), scope="col"), html.Th(t.gettext("Left"), scope="col")]))
    rows = html.Tbody(
        [html.Tr([html.Td(point.week), html.Td(str(point.total - point.done))]) for point in reversed(points)]
    )
    numbers = html.Details(
        [html.Summary(t.gettext("Left, week by week")), html.Table([head, rows])], className="numbers"
    )
    return html.Div([image, numbers])


def _drawn(points: Sequence[Point], known: Initiative) -> str:
    start = min(known.starts_on, dt.date.fromisoformat(points[0].week))
    span = max((known.deadline - start).days, 7)
    most = max(*(point.total - point.done for point in points), 1)

    def place(day: dt.date, left: float) -> str:
        x = MARGIN + (WIDTH - 2 * MARGIN) * min((day - start).days / span, 1.0)
        return f"{x:.1f},{MARGIN + (HEIGHT - 2 * MARGIN) * (1 - left / most):.1f}"

    weeks = [(dt.date.fromisoformat(point.week), point.total - point.done) for point in points]
    line = " ".join(place(max(day, start), left) for day, left in weeks)
    last = place(max(weeks[-1][0], start), weeks[-1][1])
    ideal = f"{place(start, weeks[0][1])} {place(known.deadline, 0)}"
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}">'
        f'<path d="M{MARGIN} {HEIGHT - MARGIN}H{WIDTH - MARGIN}" stroke="#8a94a6" stroke-width="1"/>'
        f'<polyline points="{ideal}" fill="none" stroke="#8a94a6" stroke-width="1.2" stroke-dasharray="4 4"/>'
        f'<polyline points="{line}" fill="none" stroke="#5b84e8" stroke-width="2" stroke-linejoin="round"/>'
        f'<circle cx="{last.split(",")[0]}" cy="{last.split(",")[1]}" r="3" fill="#5b84e8"/></svg>'
    )
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _left(request: PageRequest, one: Seen) -> Component | None:
    t = request.t
    if not one.left or one.initiative.state in {"reached", "withdrawn"}:
        return None
    items: list[Child] = [
        html.Li(html.A(parts.repository_name(key), href=repository_address(key))) for key in one.left[:LEFT_SHOWN]
    ]
    if len(one.left) > LEFT_SHOWN:
        items.append(html.Li(t.gettext("and %(count)s more") % {"count": len(one.left) - LEFT_SHOWN}, className="soft"))
    said = t.ngettext("%(count)s repository lacks it", "%(count)s repositories lack it", len(one.left))
    return html.Details([html.Summary(said % {"count": len(one.left)}), html.Ul(items, className="plain")])


def _history(request: PageRequest, events: Sequence[InitiativeEvent]) -> Component:
    items = [html.Li(_event(request, event)) for event in reversed(events)]
    return html.Details([html.Summary(request.t.gettext("History")), html.Ul(items, className="list")])


def _event(request: PageRequest, event: InitiativeEvent) -> list[Child]:
    said: list[Child] = [
        html.B(state_word(request, event.event)),
        " ",
        parts.moment(event.at),
        " ",
        parts.plain_text(event.actor or "Elder"),
    ]
    if "total" in event.detail:
        said.append(f" {event.detail['done']} / {event.detail['total']}")
    if reason := event.detail.get("reason"):
        said.append(html.Small(parts.plain_text(reason)))
    for name, (before, after) in dict(event.detail.get("changes", {})).items():
        said.append(
            html.Small([f"{field_word(request, name)}: ", html.Del(plain(before)), " → ", html.Ins(plain(after))])
        )
    return said


def field_word(request: PageRequest, name: str) -> str:
    """A field of an initiative for people."""
    t = request.t
    names = {"title": t.gettext("Title"), "owner": t.gettext("Who sees to it"), "deadline": t.gettext("Last day")}
    return str(names.get(name, name))


# --- changing --------------------------------------------------------------------------------------------


def _reading(request: PageRequest) -> Component:
    said = request.t.gettext("Making and changing initiatives needs the role maintainer; you have %(role)s.")
    return html.P(said % {"role": request.viewer.role}, className="soft")


def _text(name: str, number: object, **options: Any) -> Component:
    return dcc.Input(id=f"initiative-{number}-{name}", name=name, autoComplete="off", **{"type": "text", **options})


def _change(request: PageRequest, team: Team, known: Initiative) -> Component:
    t = request.t
    path = f"/api/v1/teams/{team.key}/initiatives/{known.id}"
    reason = {"required": True, "minLength": REASON_CHARS_MIN, "maxLength": 500}
    change = html.Form(
        [
            _field(
                field_word(request, "deadline"), _text("deadline", known.id, type="date", value=str(known.deadline))
            ),
            _field(
                field_word(request, "owner"),
                _text("owner", known.id, value=plain(known.owner), maxLength=NAME_CHARACTERS_MAX),
            ),
            _field(t.gettext("Why?"), _text("reason", known.id, **reason)),
            html.Button(t.gettext("Change"), type="submit", className="quiet"),
        ],
        className="form row",
        **attributes(
            data_path=path, data_method="PATCH", data_done=t.gettext("The initiative is changed"), data_sparse="1"
        ),
    )
    give_up = html.Form(
        [
            _field(t.gettext("Why?"), _text("reason", f"{known.id}-withdraw", **reason)),
            html.Button(t.gettext("Withdraw"), type="submit", className="danger"),
        ],
        className="form row",
        **attributes(
            data_path=f"{path}/withdraw", data_done=t.gettext("The initiative is withdrawn; it stays with its history")
        ),
    )
    return html.Details([html.Summary(t.gettext("Change or withdraw")), change, give_up])


def _field(label: str, box: Component) -> Component:
    return html.Label([html.Span(label), box])


def _new(request: PageRequest, team: Team) -> Component:
    t, own = request.t, default_ruler()
    groups: Mapping[str, Sequence[tuple[str, str]]] = {
        t.gettext("Level"): [
            (f"level,{level}", goal_words(request, Goal(kind="level", subject=level))) for level in LEVELS
        ],
        t.gettext("Score (say how much beside it)"): [
            ("score,", t.gettext("overall score")),
            *((f"magic,{magic}", magic_name(request.language, magic)) for magic in own.weights),
        ],
        t.gettext("Rule"): [
            (f"rule,{code}", goal_words(request, Goal(kind="rule", subject=code))) for code in own.rules
        ],
    }
    options = [
        html.Optgroup([html.Option(text, value=value) for value, text in members], label=label)
        for label, members in groups.items()
    ]
    form = html.Form(
        [
            _field(
                field_word(request, "title"),
                _text("title", "new", required=True, minLength=3, maxLength=TITLE_CHARACTERS_MAX),
            ),
            _field(t.gettext("What a repository must have"), html.Select(options, name="kind,subject")),
            _field(t.gettext("Score of at least"), _text("least", "new", type="number", min=0, max=100, step="any")),
            _field(
                field_word(request, "deadline"),
                _text("deadline", "new", type="date", required=True, min=str(request.now.date())),
            ),
            _field(
                field_word(request, "owner"),
                _text("owner", "new", maxLength=NAME_CHARACTERS_MAX, placeholder=plain(request.viewer.name)),
            ),
            html.Button(t.gettext("Make the initiative"), type="submit"),
        ],
        className="form row",
        **attributes(
            data_path=f"/api/v1/teams/{team.key}/initiatives",
            data_done=t.gettext("The initiative is made"),
            data_sparse="1",
        ),
    )  # fmt: skip
    return parts.section(t.gettext("A new initiative"), form, name="new")
