"""A team's settings: the part of its central policy that a form can change, checked value by value, and its changes.

Pure. The keys are those of `elder.yaml` (docs/policy.md): `profile`, `gate` (strictness), `weights` (focus), and
`scorecard` with `rules` (thresholds). What else the policy says, suppressions above all, stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from elder_assets.audit.errors import ConfigurationError
from elder_assets.audit.model import Severity
from elder_assets.audit.policy import (
    DEFAULT_LEVELS,
    FOCUS_WEIGHT,
    LEVELS,
    NO_POLICY,
    PROFILES,
    Level,
    LevelPolicy,
    Policy,
    levels_of,
    policy_of,
    read_policy,
)
from elder_assets.audit.ruler import Ruler

KEYS = ("profile", "gate", "weights", "scorecard", "rules")
LEAVES_MAX = 500
"""Values that one change of settings may hold; the rules with their limits are about 120."""


class InvalidSettings(ConfigurationError):
    """Several values are not allowed; `errors` names each with what is allowed. The first one is the error itself."""

    def __init__(self, errors: list[ConfigurationError]) -> None:
        self.errors = tuple(errors)
        super().__init__(errors[0].key, errors[0].got, errors[0].allowed)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One value that a version of the settings changed."""

    key: str
    """As in elder.yaml: 'weights.tdd', 'scorecard.levels.gold.score'."""
    before: str
    """'' = nothing was said."""
    after: str


def merged(policy: Policy, settings: Mapping[str, Any], own: Ruler) -> Policy:
    """A policy with other settings; keys that the settings do not name stay as they are.

    Args:
        policy: what holds now.
        settings: some of KEYS, in the form of elder.yaml.
        own: which rules, limits and magics there are.

    Raises:
        InvalidSettings: values are not allowed; every wrong one is named.
    """
    errors = list(_wrong(settings, own))
    if errors:
        raise InvalidSettings(errors)
    wanted = policy_of({"version": 1, **settings}, own, "settings")
    return msgspec.structs.replace(policy, **{key: getattr(wanted, key) for key in KEYS if key in settings})


def _wrong(settings: Mapping[str, Any], own: Ruler) -> Iterator[ConfigurationError]:
    """Every value that is not allowed: each is checked as if it stood alone, so one mistake hides no other."""
    if unknown := [key for key in settings if key not in KEYS]:
        yield ConfigurationError(str(unknown[0])[:80], settings[unknown[0]], KEYS)
        return
    leaves = list(_leaves((), settings))
    if len(leaves) > LEAVES_MAX:
        yield ConfigurationError("settings", f"{len(leaves)} values", f"at most {LEAVES_MAX}")
        return
    for path, value in leaves:
        alone: Any = value
        for key in reversed(path):
            alone = {key: alone}
        try:
            policy_of({"version": 1, **alone}, own, "settings")
        except ConfigurationError as error:
            allowed = _allowed(path) if "a policy (" in error.allowed else error.allowed
            yield ConfigurationError(".".join(path)[:200], value, allowed)


def _leaves(path: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping) and value and len(path) < 8:
        for key, inner in value.items():
            yield from _leaves((*path, str(key)), inner)
    elif path:
        yield path, value


def _allowed(path: tuple[str, ...]) -> str:
    """What a value of the wrong type should have been."""
    last = path[-1]
    if last in {"fails_from", "severity"}:
        return ", ".join(severity.value for severity in Severity)
    words = {
        "new_suppressions": "allowed, refused",
        "tier": "gate, advise",
        "profile": ", ".join(PROFILES),
        "score": "a number from 0 to 100",
        "coverage": "a number from 0 to 100, in per cent",
        "repositories": "a number from 0 to 100, in per cent",
    }
    if last in words:
        return words[last]
    if path[0] == "weights":
        return "a whole number from 0 to 100"
    return "a number from 0 to 100" if "magics" in path else "a whole number from 0"


# --- as text ---------------------------------------------------------------------------------------------


def document_of(policy: Policy) -> str:
    """A policy as YAML: the keys that differ from the built-in policy, in the order of docs/policy.md."""
    import yaml  # as in policy.py

    plain = msgspec.to_builtins(policy)
    said = {"version": 1, **_said(plain, msgspec.to_builtins(NO_POLICY))}
    for level, asked in policy.scorecard.levels.items():
        if asked == LevelPolicy():  # asks for nothing: left out, it would ask for what is built in
            said.setdefault("scorecard", {}).setdefault("levels", {})[level] = {}
    return str(yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=120))


def _said(plain: Mapping[str, Any], silent: Mapping[str, Any]) -> dict[str, Any]:
    """What a record says beyond its defaults; records in maps are pruned of None."""
    found: dict[str, Any] = {}
    for key, value in plain.items():
        if key in silent and value == silent[key]:
            continue
        inner = silent.get(key)
        kept = _said(value, inner if isinstance(inner, Mapping) else {}) if isinstance(value, Mapping) else value
        if kept is not None and kept != {}:
            found[key] = int(kept) if isinstance(kept, float) and kept.is_integer() else kept
    return found


def policy_in(document: str, own: Ruler, name: str) -> Policy:
    """The policy of a stored version; the built-in one where there is none.

    Raises:
        ConfigurationError: it names what this Elder no longer has.
    """
    return read_policy(document.encode(), own, name) if document.strip() else NO_POLICY


# --- as a form -------------------------------------------------------------------------------------------

LEVEL_FIELDS = ("score", "coverage", "critical", "high", "audited_days")
_RULE = re.compile(r"\s*(?P<code>\S+)\s+(?P<moves>.*\S)\s*")


def form_of(policy: Policy, own: Ruler) -> dict[str, str]:
    """The fields of a form, filled with what holds: '' where the profile decides or nothing is asked for."""
    fields = {
        "profile": policy.profile,
        "gate.fails_from": str(policy.gate.fails_from or ""),
        "gate.new_suppressions": policy.gate.new_suppressions or "",
        **{f"weights.{magic}": str(policy.weights.get(magic, "")) for magic in own.weights},
        "scorecard.repositories": f"{policy.scorecard.repositories:g}",
    }
    for level, asked in levels_of(policy).items():
        for name in LEVEL_FIELDS:
            value = getattr(asked, name)
            fields[f"scorecard.levels.{level}.{name}"] = "" if value is None else f"{value:g}"
        shown = ", ".join(f"{magic} {score:g}" for magic, score in asked.magics.items())
        fields[f"scorecard.levels.{level}.magics"] = shown
    fields["rules"] = "\n".join(f"{code} {_moves(moved)}" for code, moved in policy.rules.items())
    return fields


def _moves(moved: Any) -> str:
    said = {"severity": moved.severity, "tier": moved.tier, **moved.limits}
    return " ".join(f"{name}={value}" for name, value in said.items() if value is not None)


def settings_of(form: Mapping[str, str]) -> dict[str, Any]:
    """The settings that a filled form asks for, in the form of elder.yaml; a text that is no number stays a text.

    Levels that ask for what the built-in ones ask for are left out, and fields that are not there count as empty.
    """
    given = {name: value.strip() for name, value in form.items()}
    card: dict[str, Any] = {"levels": {}}
    if given.get("scorecard.repositories"):
        card["repositories"] = _number(given["scorecard.repositories"])
    for level in LEVELS:
        asked = _level(given, level)
        if asked != plain_level(level):
            card["levels"][level] = asked
    weights = {
        name.partition(".")[2]: _number(value) for name, value in given.items() if name.startswith("weights.") and value
    }
    return {
        "profile": given.get("profile", "default"),
        "gate": {key: given[f"gate.{key}"] for key in ("fails_from", "new_suppressions") if given.get(f"gate.{key}")},
        "weights": weights,
        "scorecard": card,
        "rules": _rules(given.get("rules", "")),
    }


def _level(given: Mapping[str, str], level: Level) -> dict[str, Any]:
    asked: dict[str, Any] = {}
    for name in LEVEL_FIELDS:
        if text := given.get(f"scorecard.levels.{level}.{name}", ""):
            asked[name] = _number(text)
    magics: dict[str, Any] = {}
    for part in given.get(f"scorecard.levels.{level}.magics", "").split(","):
        if words := part.replace("=", " ").split():
            magics[words[0]] = _number(" ".join(words[1:]))
    if magics:
        asked["magics"] = magics
    return asked


def plain_level(level: Level) -> dict[str, Any]:
    """What a built-in level asks for, in the form of elder.yaml."""
    return _said(msgspec.to_builtins(DEFAULT_LEVELS[level]), msgspec.to_builtins(LevelPolicy()))


def _rules(text: str) -> dict[str, Any]:
    """'STR013 severity=low cognitive_max=30' a line; a line that is none stays a text, which the check refuses."""
    found: dict[str, Any] = {}
    for line in filter(str.strip, text.splitlines()):
        match = _RULE.fullmatch(line)
        moved: dict[str, Any] = {}
        limits: dict[str, Any] = {}
        for word in match["moves"].split() if match else ():
            name, _, value = word.partition("=")
            (moved if name in {"severity", "tier"} else limits)[name] = (
                value if name in {"severity", "tier"} else _number(value)
            )
        if limits:
            moved["limits"] = limits
        found[match["code"] if match else line.strip()] = moved
    return found


def _number(text: str) -> int | float | str:
    """A number as YAML would read it, else the text itself."""
    if re.fullmatch(r"[+-]?\d{1,9}", text):
        return int(text)
    return float(text) if re.fullmatch(r"[+-]?\d{1,9}\.\d{1,9}", text) else text


# --- what changed ----------------------------------------------------------------------------------------


def effective(policy: Policy, own: Ruler) -> dict[str, str]:
    """Every value that a policy makes hold, by key, as text: what the profile decides is said as its value."""
    profile = PROFILES[policy.profile]
    said = {
        "profile": policy.profile,
        "gate.fails_from": str(policy.gate.fails_from or profile.fails_from),
        "gate.new_suppressions": policy.gate.new_suppressions or profile.new_suppressions,
        "scorecard.repositories": f"{policy.scorecard.repositories:g}",
    }
    for magic, weight in own.weights.items():
        said[f"weights.{magic}"] = str(policy.weights.get(magic, FOCUS_WEIGHT if magic in profile.focus else weight))
    for level, asked in levels_of(policy).items():
        for path, value in _leaves((), msgspec.to_builtins(asked)):
            if value is not None and value != {}:
                said[".".join(("scorecard.levels", level, *path))] = f"{value:g}"
    for code, moved in policy.rules.items():
        for path, value in _leaves((), msgspec.to_builtins(moved)):
            if value is not None and value != {}:
                said[".".join(("rules", code, *path))] = str(value)
    for entry in policy.suppressions:
        said[f"suppressions.{entry.rule} {entry.path}"] = f"{entry.until}: {entry.reason}"
    return said


def changes(before: Policy, after: Policy, own: Ruler) -> list[Change]:
    """What holds differently under another policy, in order of key."""
    old, new = effective(before, own), effective(after, own)
    keys = [*old, *(key for key in new if key not in old)]
    return [
        Change(key=key, before=old.get(key, ""), after=new.get(key, ""))
        for key in keys
        if old.get(key, "") != new.get(key, "")
    ]
