"""The settings of a team: a form, what it would do before it is saved, and who changed what."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from dash import dcc, html
from dash.development.base_component import Component

from dash_app.components import parts
from dash_app.components.attributes import attributes
from dash_app.components.parts import Child, Column
from dash_app.components.states import create_empty, create_error
from dash_app.page import PageRequest, address, repository_address
from elder_assets.audit.errors import ConfigurationError
from elder_assets.audit.levels import NONE
from elder_assets.audit.model import Severity
from elder_assets.audit.policy import LEVELS, PROFILES, Policy
from elder_assets.audit.report import plain
from elder_assets.audit.ruler import default_ruler
from elder_assets.audit.team_settings import (
    LEVEL_FIELDS,
    Change,
    InvalidSettings,
    effective,
    form_of,
    settings_of,
)
from resources.messages.catalogue import level_name, magic_name, status_name
from resources.store.teams import Team
from resources.teams.policy_preview import Preview, Previewed, Side
from resources.teams.settings import (
    REASON_CHARS_MAX,
    REASON_CHARS_MIN,
    Held,
    Version,
    held_settings,
    preview_settings,
    versions_of,
)

PREVIEW, SAVE = "POST /api/v1/teams/{}/settings/preview", "PUT /api/v1/teams/{}/settings"
SHOWN = 25
"""Repositories that a preview lists; the rest is counted."""
FIELD_CHARACTERS_MAX = 4_000


def settings_tab(request: PageRequest, team: Team) -> Component:
    """Everything about a team's settings."""
    held = held_settings(request.store, team.key)
    may_try, may_save = request.may("maintainer", PREVIEW), request.may("admin", SAVE)
    is_asked = may_try and request.value("preview") == "1"
    fields = form_of(held.policy, default_ruler())
    filled = {name: request.query.get(name, "")[:FIELD_CHARACTERS_MAX] for name in fields} if is_asked else fields
    wanted = settings_of(filled)
    errors: dict[str, str] = {}
    shown: Component | None = None
    if is_asked:
        try:
            found = preview_settings(request.store, request.settings, team.key, wanted)
            shown = _preview(request, team, held, found, wanted, may_save=may_save)
        except InvalidSettings as error:
            errors = _beside(request, error.errors, fields)
            shown = _refused(request, errors)
    form = _form(request, held, filled, errors, may_try=may_try)
    return html.Div(
        [
            html.Div([form, shown or _hint(request, may_try=may_try)], className="settings"),
            _history(request, team),
            _document(request, team),
        ]
    )


def _hint(request: PageRequest, *, may_try: bool) -> Component:
    t = request.t
    if not may_try:
        needed = t.gettext("You are %(name)s, with the role %(role)s.") % {
            "name": plain(request.viewer.name),
            "role": request.viewer.role,
        }
        said = t.gettext("Trying settings needs the role maintainer, saving them the role admin.")
        return parts.section(t.gettext("These settings can be read only"), html.P(needed), html.P(said))
    return parts.section(
        t.gettext("What it would do"),
        create_empty(
            t.gettext("Change something, then look at its effect"),
            html.P(t.gettext("All repositories of the team are scored again; nothing is saved by it.")),
        ),
        name="preview",
    )


def _refused(request: PageRequest, errors: Mapping[str, str]) -> Component:
    t = request.t
    said = t.ngettext(
        "%(count)s value is not allowed; it is marked in the form, and nothing of what you typed is lost.",
        "%(count)s values are not allowed; they are marked in the form, and nothing of what you typed is lost.",
        len(errors),
    ) % {"count": len(errors)}
    return parts.section(t.gettext("What it would do"), create_error(t.gettext("Not yet"), said), name="preview")


def _beside(request: PageRequest, errors: Sequence[ConfigurationError], fields: Mapping[str, str]) -> dict[str, str]:
    """What is wrong, by the field that it stands beside."""
    found: dict[str, str] = {}
    for error in errors:
        name = next((field for field in fields if error.key == field or error.key.startswith(f"{field}.")), "rules")
        got = error.key if name == "rules" else str(error.got)
        said = request.t.gettext("%(got)s is not allowed; allowed: %(allowed)s") % {
            "got": plain(got)[:80] or "–",
            "allowed": plain(error.allowed)[:300],
        }
        found[name] = f"{found[name]} {said}" if name in found else said
    return found


# --- the form --------------------------------------------------------------------------------------------


class _Fields(msgspec.Struct, frozen=True):
    """What the fields of the form hold, and what is wrong with them."""

    values: Mapping[str, str]
    errors: Mapping[str, str]

    def text(self, name: str, label: str, hint: str = "", *, unseen: bool = False, kind: str = "") -> Component:
        """A field for a short text or a number."""
        box = dcc.Input(
            id=f"setting-{name}", name=name, type="text", value=self.values.get(name, ""), maxLength=300,
            autoComplete="off", inputMode="url" if kind else "numeric", placeholder=hint,
        )  # fmt: skip
        return self._labelled(name, label, box, unseen=unseen, kind=kind)

    def choice(self, name: str, label: str, options: Mapping[str, str]) -> Component:
        """One of a few values; a value that is none of them is offered too, so that it can be seen."""
        chosen = self.values.get(name, "")
        every = options if chosen in options else {**options, chosen: plain(chosen)[:80]}
        shown = [html.Option(text, value=value, selected=value == chosen) for value, text in every.items()]
        return self._labelled(name, label, html.Select(shown, name=name), unseen=False)

    def lines(self, name: str, label: str, hint: str) -> Component:
        """A field for several lines."""
        box = html.Textarea(
            self.values.get(name, ""), name=name, rows=4, maxLength=FIELD_CHARACTERS_MAX, placeholder=hint
        )
        return self._labelled(name, label, box, unseen=False)

    def _labelled(self, name: str, label: str, box: Component, *, unseen: bool, kind: str = "") -> Component:
        wrong = self.errors.get(name)
        error = html.Small(wrong, className="field-error") if wrong else None
        named = html.Span(label, className="unseen" if unseen else "")
        return html.Label([named, box, error], className=" ".join(filter(None, ("wrong" if wrong else "", kind))))


def _form(
    request: PageRequest, held: Held, values: Mapping[str, str], errors: Mapping[str, str], *, may_try: bool
) -> Component:
    t = request.t
    fields = _Fields(values, errors)
    hidden = [
        dcc.Input(id=f"setting-{name}", name=name, type="hidden", value=value)
        for name, value in (("tab", "settings"), ("preview", "1"), ("base", str(held.version)))
    ]
    buttons = html.Div(
        [
            html.Button(t.gettext("Look at the effect"), type="submit"),
            html.A(
                t.gettext("Start anew"),
                href=address(request.path, tab="settings"),
                className="quiet",
                **attributes(data_plain="1"),
            ),
        ],
        className="actions",
    )
    body = html.Fieldset(
        [
            html.Legend(t.gettext("Settings"), className="unseen"),
            _profile(request, fields),
            _focus(request, fields, values),
            _levels(request, fields),
            _rules(request, fields),
            buttons if may_try else None,
        ],
        disabled=not may_try,
    )
    problem = create_error(t.gettext("The stored policy cannot be read"), held.problem) if held.problem else None
    form = html.Form(
        [*hidden, body], className="form looks", method="get", action=request.path, **attributes(data_to="preview")
    )
    return parts.section(t.gettext("Settings"), problem, form, name="settings")


def _profile(request: PageRequest, fields: _Fields) -> Component:
    t = request.t
    chosen = PROFILES.get(fields.values.get("profile", ""), PROFILES["default"])
    severities = {severity.value: severity_word(request, severity.value) for severity in reversed(Severity)}
    as_profile = t.gettext("as the profile: %(value)s")
    suppressions = {"allowed": t.gettext("count"), "refused": t.gettext("are refused")}
    return html.Fieldset(
        [
            html.Legend(t.gettext("Profile and strictness")),
            fields.choice("profile", t.gettext("Profile"), {name: profile_word(request, name) for name in PROFILES}),
            fields.choice(
                "gate.fails_from",
                t.gettext("A change fails from a new gate finding of severity"),
                {"": as_profile % {"value": severities[chosen.fails_from.value]}, **severities},
            ),
            fields.choice(
                "gate.new_suppressions",
                t.gettext("Suppressions that a change brings along"),
                {"": as_profile % {"value": suppressions[chosen.new_suppressions]}, **suppressions},
            ),
        ],
        className="group",
    )


def profile_word(request: PageRequest, name: str) -> str:
    """A profile for people."""
    t = request.t
    names = {
        "default": t.pgettext("profile", "default"),
        "startup": t.pgettext("profile", "startup"),
        "open source": t.pgettext("profile", "open source"),
        "enterprise": t.pgettext("profile", "enterprise"),
    }
    return str(names.get(name, name))


def severity_word(request: PageRequest, name: str) -> str:
    """A severity of findings for people."""
    t = request.t
    names = {
        "critical": t.pgettext("finding", "critical"),
        "high": t.pgettext("finding", "high"),
        "medium": t.pgettext("finding", "medium"),
        "low": t.pgettext("finding", "low"),
        "info": t.pgettext("finding", "notice"),
    }
    return str(names.get(name, name))


def _focus(request: PageRequest, fields: _Fields, values: Mapping[str, str]) -> Component:
    t, own = request.t, default_ruler()
    profile = values.get("profile", "")
    plain_weights = effective(Policy(version=1, profile=profile if profile in PROFILES else "default"), own)
    boxes = [
        fields.text(f"weights.{magic}", magic_name(request.language, magic), plain_weights[f"weights.{magic}"])
        for magic in own.weights
    ]
    said = t.gettext("How much each magic weighs in the score, 0 to 100; empty: as the profile says (in grey).")
    return html.Fieldset(
        [html.Legend(t.gettext("Focus")), html.P(said, className="soft"), html.Div(boxes, className="weights")],
        className="group",
    )


def asked_word(request: PageRequest, name: str) -> str:
    """What a level asks for, for people."""
    t = request.t
    names = {
        "score": t.gettext("score, at least"),
        "coverage": t.gettext("coverage in per cent, at least"),
        "critical": t.gettext("critical gate findings, at most"),
        "high": t.gettext("high gate findings, at most"),
        "audited_days": t.gettext("audited within days"),
        "magics": t.gettext("magics, at least"),
    }
    return str(names.get(name, name))


def _levels(request: PageRequest, fields: _Fields) -> Component:
    t = request.t
    head = [html.Th(t.gettext("asks for"), scope="col")]
    head += [html.Th(level_name(request.language, level), scope="col") for level in LEVELS]
    rows = []
    for name in (*LEVEL_FIELDS, "magics"):
        cells = [
            html.Td(
                fields.text(
                    f"scorecard.levels.{level}.{name}",
                    f"{level_name(request.language, level)}: {asked_word(request, name)}",
                    "–",
                    unseen=True,
                    kind="wide" if name == "magics" else "",
                )
            )
            for level in LEVELS
        ]
        rows.append(html.Tr([html.Th(asked_word(request, name), scope="row"), *cells]))
    title = t.gettext("Levels")
    table = html.Table([html.Thead(html.Tr(head)), html.Tbody(rows)], className="thresholds")
    share = fields.text(
        "scorecard.repositories",
        t.gettext("Per cent of the repositories that must have a level for the team to have it"),
    )
    scroll = html.Div(table, className="scroll", tabIndex="0", role="region", **attributes(aria_label=title))
    said = t.gettext("Empty: not asked for. Magics as: tdd 80, strict 80.")
    return html.Fieldset([html.Legend(title), html.P(said, className="soft"), scroll, share], className="group")


def _rules(request: PageRequest, fields: _Fields) -> Component:
    t = request.t
    said: list[Child] = [
        t.gettext("One rule a line: its code, then severity=, tier= (gate or advise) or one of its limits."),
        " ",
        html.A(t.gettext("All rules"), href="/rules"),
    ]
    label = t.gettext("Rules that judge differently here")
    box = fields.lines("rules", label, "STR013 severity=low cognitive_max=30")
    return html.Fieldset([html.Legend(t.gettext("Rules")), html.P(said, className="soft"), box], className="group")


# --- what it would do ------------------------------------------------------------------------------------


def _preview(
    request: PageRequest, team: Team, held: Held, found: Preview, wanted: Mapping[str, Any], *, may_save: bool
) -> Component:
    t = request.t
    title = t.gettext("What it would do")
    if not found.changes:
        said = t.gettext("These are the settings that hold; nothing would change")
        return parts.section(title, create_empty(said), name="preview")
    unknown = [one for one in found.repositories if one.unknown]
    return html.Div(
        [
            _overtaken(request, held),
            parts.section(
                title,
                _glance(request, found),
                _changes(request, found.changes),
                _moved(request, found),
                _gates(request, found),
                _unknown(request, unknown),
                html.P(
                    t.gettext("Scored again in %(duration)s; nothing is saved yet.")
                    % {"duration": parts.duration(found.duration_ms)},
                    className="soft",
                ),
                name="preview",
            ),
            _save(request, team, wanted, may_save=may_save),
        ]
    )


def _overtaken(request: PageRequest, held: Held) -> Component | None:
    """Somebody else saved since the form was drawn."""
    t = request.t
    if request.number("base", held.version, 10**9) == held.version:
        return None
    said = html.P(
        [
            parts.plain_text(held.author),
            " ",
            t.gettext("saved other settings meanwhile:"),
            " ",
            parts.moment(held.recorded_at),
            ". ",
            t.gettext("What you see here is your form compared with those; nothing that you typed is lost."),
        ]
    )
    again = html.A(
        t.gettext("Go on with mine, on top of theirs"),
        href=request.link(base=held.version) + "#preview",
        className="quiet",
    )
    theirs = html.A(
        t.gettext("Take theirs"),
        href=address(request.path, tab="settings"),
        className="quiet",
        **attributes(data_plain="1"),
    )
    return parts.section(
        t.gettext("Changed meanwhile"), said, html.Div([again, theirs], className="actions"), kind="alarm"
    )


def _glance(request: PageRequest, found: Preview) -> Component:
    t = request.t
    change = None
    if found.mean_before is not None and found.mean_after is not None:
        change = round(found.mean_after - found.mean_before, 1)
    moved = [one for one in found.repositories if one.before.level != one.after.level]
    up = sum(_rank(one.after) > _rank(one.before) for one in moved)
    scores = f"{parts.number(found.mean_before, 1)} → {parts.number(found.mean_after, 1)}"
    levels = [level_name(request.language, level) for level in (found.level_before, found.level_after)]
    team_level = levels[0] if levels[0] == levels[1] else f"{levels[0]} → {levels[1]}"
    directions = t.gettext("%(up)s up, %(down)s down") % {"up": up, "down": len(moved) - up}
    return html.Div(
        [
            parts.stat(t.gettext("Mean score"), scores, parts.signed(change)),
            parts.stat(t.gettext("Level of the team"), team_level, _level_counts(request, found)),
            parts.stat(t.gettext("Change level"), parts.number(len(moved)), directions),
            parts.stat(
                t.gettext("Gates that would fail"),
                parts.number(len(found.gates)),
                t.gettext("of 30 days, passed before"),
                kind="bad" if found.gates else "",
            ),
        ],
        className="glance inner",
    )


def _rank(side: Side) -> int:
    return (NONE, *LEVELS).index(side.level) if side.level in LEVELS else 0


def _level_counts(request: PageRequest, found: Preview) -> Component:
    """'gold 2 → 1' of each level whose count changes."""
    said = [
        f"{level_name(request.language, level)} {before} → {after}"
        for level in reversed((NONE, *LEVELS))
        if (before := found.levels_before.get(level, 0)) != (after := found.levels_after.get(level, 0))
    ]
    return html.Span(", ".join(said) or request.t.gettext("every level as now"))


def key_word(request: PageRequest, key: str) -> str:
    """A key of elder.yaml for people."""
    t = request.t
    first, *rest = key.split(".")
    if key == "profile":
        return str(t.gettext("Profile"))
    if key == "gate.fails_from":
        return str(t.gettext("A change fails from"))
    if key == "gate.new_suppressions":
        return str(t.gettext("Suppressions that a change brings along"))
    if key == "scorecard.repositories":
        return str(t.gettext("Share of repositories in per cent"))
    if first == "weights":
        return str(t.gettext("Weight of %(magic)s") % {"magic": magic_name(request.language, rest[0])})
    if first == "scorecard" and len(rest) >= 3:
        asked = asked_word(request, rest[2])
        magic = f" ({magic_name(request.language, rest[3])})" if len(rest) > 3 else ""
        return f"{level_name(request.language, rest[1])}: {asked}{magic}"
    if first == "rules":
        return " ".join([rest[0], *(part for part in rest[1:] if part != "limits")])
    return key


def value_word(request: PageRequest, key: str, value: str) -> str:
    """A value of elder.yaml for people; '' stands for nothing."""
    t = request.t
    if not value:
        return str(t.gettext("nothing"))
    if key == "profile":
        return profile_word(request, value)
    if key.endswith((".fails_from", ".severity")):
        return severity_word(request, value)
    if key.endswith(".new_suppressions"):
        return {"allowed": str(t.gettext("count")), "refused": str(t.gettext("are refused"))}.get(value, value)
    return plain(value)


def _changes(request: PageRequest, changes: Sequence[Change]) -> Component:
    """From what to what."""
    rows: list[Component] = []
    for change in changes:
        before, after = (value_word(request, change.key, value) for value in (change.before, change.after))
        rows.append(
            html.Li(
                [
                    html.Span(plain(key_word(request, change.key)), className="what"),
                    html.Span(
                        [
                            html.Del(before),
                            html.Span(" → ", **attributes(aria_hidden="true")),
                            html.Ins(after),
                        ]
                    ),
                ]
            )
        )
    return html.Ul(rows, className="diff")


def _moved(request: PageRequest, found: Preview) -> Component:
    t = request.t
    rows = [one for one in found.repositories if one.before != one.after]
    title = t.gettext("Repositories that move")
    if not rows:
        return html.P(t.gettext("No repository changes its score, level or verdict."))
    rows.sort(key=lambda one: one.before.level == one.after.level and one.before.status == one.after.status)
    columns = (
        Column(title=t.gettext("Repository")),
        Column(title=t.gettext("Score")),
        Column(title=t.gettext("Level")),
    )
    left = len(rows) - SHOWN
    more = t.ngettext("%(count)s more moves less", "%(count)s more move less", left) % {"count": left}
    return html.Div(
        [
            html.H3(title),
            parts.table(request, title, columns, [_moved_row(request, one) for one in rows[:SHOWN]]),
            html.P(more, className="soft") if left > 0 else None,
        ]
    )


def _moved_row(request: PageRequest, one: Previewed) -> tuple[Child, ...]:
    before, after = one.before, one.after
    named: list[Child] = [
        html.A(parts.repository_name(one.repository), href=repository_address(one.repository)),
        html.Small(_why(request, one)),
    ]
    if before.status != after.status:
        words = [status_name(request.language, status) for status in (before.status, after.status)]
        named.append(
            html.Small(
                request.t.gettext("verdict: %(before)s → %(after)s")
                % dict(zip(("before", "after"), words, strict=True))
            )
        )
    score = html.Span(
        [f"{parts.number(before.score, 1)} → {parts.number(after.score, 1)}", html.Br(), parts.signed(one.change)],
        className="moved-score",
    )
    levels = [parts.badge(level or NONE, level_name(request.language, level)) for level in (before.level, after.level)]
    shown: list[Child] = levels[:1] if before.level == after.level else [levels[0], " → ", levels[1]]
    return html.Span(named, className="finding"), score, html.Span(shown, className="moved-level")


def _why(request: PageRequest, one: Previewed) -> str:
    """What moves a repository, with its points."""
    t = request.t
    said = []
    for cause in one.causes:
        if cause.kind == "levels":
            said.append(str(t.gettext("the levels ask for something else")))
            continue
        names = [magic_name(request.language, name) if cause.kind == "weights" else name for name in cause.names]
        shown = ", ".join(names[:4]) + ("…" if len(names) > 4 else "")
        word = t.gettext("focus (%(names)s)") if cause.kind == "weights" else t.gettext("rules (%(names)s)")
        said.append(f"{word % {'names': shown}} {cause.points:+.1f}".replace("-", "\u2212"))
    return " · ".join(said)


def _gates(request: PageRequest, found: Preview) -> Component | None:
    t = request.t
    if not found.gates:
        return None
    items = [
        html.Li(
            [
                html.A(parts.plain_text(gate.title or f"#{gate.change_number or gate.id}"), href=f"/gates/{gate.id}"),
                " ",
                parts.repository_name(gate.repository),
                html.Small(parts.reason(request, gate.reason)),
            ]
        )
        for gate in found.gates[:SHOWN]
    ]
    return html.Div([html.H3(t.gettext("Changes that passed and would fail")), html.Ul(items, className="list")])


def _unknown(request: PageRequest, rows: Sequence[Previewed]) -> Component | None:
    t = request.t
    if not rows:
        return None
    items = [
        html.Li([parts.repository_name(one.repository), html.Small(parts.plain_text(one.unknown))])
        for one in rows[:SHOWN]
    ]
    said = t.ngettext(
        "%(count)s repository cannot be told and counts as unchanged",
        "%(count)s repositories cannot be told and count as unchanged",
        len(rows),
    ) % {"count": len(rows)}
    return html.Details([html.Summary(said), html.Ul(items, className="list")], open=True)


def _save(request: PageRequest, team: Team, wanted: Mapping[str, Any], *, may_save: bool) -> Component:
    t = request.t
    title = t.gettext("Save these settings")
    if not may_save:
        said = t.gettext("Saving needs the role admin; you have %(role)s. Send this address to somebody who has it.")
        return parts.section(title, html.P(said % {"role": request.viewer.role}))
    body = {"settings": wanted, "version": request.number("base", 0, 10**9)}
    box = dcc.Input(
        id="settings-reason", name="reason", type="text", required=True, minLength=REASON_CHARS_MIN,
        maxLength=REASON_CHARS_MAX, autoComplete="off",
    )  # fmt: skip
    form = html.Form(
        [
            html.Label([html.Span(t.gettext("Why? Your team reads it in the history")), box]),
            html.Div(html.Button(t.gettext("Save"), type="submit"), className="actions"),
        ],
        className="form",
        **attributes(
            data_path=f"/api/v1/teams/{team.key}/settings",
            data_method="PUT",
            data_body=json.dumps(body),
            data_done=t.gettext("The settings are saved; they judge from the next audit on"),
            data_next=address(request.path, tab="settings") + "#history",
        ),
    )
    return parts.section(title, form)


# --- history ---------------------------------------------------------------------------------------------


def _history(request: PageRequest, team: Team) -> Component:
    t = request.t
    title = t.gettext("Who changed what")
    versions = versions_of(request.store, team.key)
    if not versions:
        return parts.section(
            title, create_empty(t.gettext("Nobody has changed anything; the built-in policy holds")), name="history"
        )
    viewer = request.viewer
    log = None
    if viewer.may("admin") and viewer.team_id is None:
        log = html.A(t.gettext("Audit log"), href=address("/admin", tab="log", q="policy.set"), className="quiet")
    items = [_version(request, version) for version in versions]
    return parts.section(title, html.Ul(items, className="list versions"), aside=log, name="history")


def _version(request: PageRequest, version: Version) -> Component:
    t = request.t
    head = html.P(
        [
            html.B(parts.plain_text(version.author)),
            " ",
            parts.moment(version.recorded_at),
            " ",
            html.Span(t.gettext("version %(number)s") % {"number": version.id}, className="soft"),
        ]
    )
    reason = parts.plain_text(version.reason) if version.reason else t.gettext("without a reason")
    if version.problem:
        body: Component = html.P(parts.plain_text(version.problem), className="soft")
    elif version.changes:
        body = _changes(request, version.changes)
    else:
        body = html.P(t.gettext("no value changed"), className="soft")
    return html.Li([head, html.P(reason, className="why"), body])


def _document(request: PageRequest, team: Team) -> Component | None:
    """The policy as a file, for the command line and for what no form changes."""
    t = request.t
    versions = request.store.policies(team.key)
    if not versions or not versions[0].document:
        return None
    title = t.gettext("The whole policy as a file")
    shown = html.Pre(
        html.Code(parts.plain_lines(versions[0].document)),
        className="excerpt",
        tabIndex="0",
        **attributes(aria_label=title),
    )
    how = html.P([t.gettext("Set it from a file:"), " ", html.Code(f"elder team policy {team.key} central.yaml")])
    return html.Section(html.Details([html.Summary(title), shown, how]), className="card")
