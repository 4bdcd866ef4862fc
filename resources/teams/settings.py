"""A team's settings in the results store: what holds, what a change would do, saving it, and who changed what.

The page, the API and the command line all come through here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from elder_assets.audit.errors import ConfigurationError
from elder_assets.audit.policy import LEVELS, NO_POLICY, Policy
from elder_assets.audit.ruler import Ruler, default_ruler
from elder_assets.audit.team_settings import KEYS, Change, changes, document_of, merged, plain_level, policy_in
from resources.settings import Settings
from resources.store import Store
from resources.store.teams import TeamPolicy
from resources.teams.policy_preview import Preview, preview

REASON_CHARS_MIN, REASON_CHARS_MAX = 8, 500
"""Of the reason of a change; chosen by us: a few words, as for suppressions."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that hold."""

    version: int
    """Of the policy; 0 = the team has none, each repository's own file judges."""
    policy: Policy
    author: str = ""
    recorded_at: dt.datetime | None = None
    problem: str = ""
    """Why the stored policy cannot be read by this Elder; then `policy` is the built-in one."""


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a team's settings, and what it changed."""

    id: int
    author: str
    reason: str
    recorded_at: dt.datetime
    changes: tuple[Change, ...]
    problem: str = ""
    """Why it cannot be compared with the one before."""


def held_settings(store: Store, team: str) -> Held:
    """What holds for a team.

    Raises:
        UnknownRecord: there is no such team.
    """
    versions = store.policies(team)
    if not versions:
        return Held(version=0, policy=NO_POLICY)
    newest = versions[0]
    problem, policy = "", NO_POLICY
    try:
        policy = policy_in(newest.document, default_ruler(), f"version {newest.id}")
    except ConfigurationError as error:
        problem = str(error)
    return Held(version=newest.id, policy=policy, author=newest.author, recorded_at=newest.recorded_at, problem=problem)


def central_now(store: Store, team: str) -> Policy | None:
    """The policy that judges a team's repositories; None where each one's own file does."""
    versions = store.policies(team)
    return held_settings(store, team).policy if versions and versions[0].document.strip() else None


def preview_settings(store: Store, settings: Settings, team: str, wanted: Mapping[str, Any]) -> Preview:
    """What other settings would do; nothing is saved.

    Args:
        store: where results are kept.
        settings: of this process.
        team: its key.
        wanted: the settings, as `merged` takes them.

    Raises:
        UnknownRecord: there is no such team.
        InvalidSettings: values are not allowed.
    """
    held = held_settings(store, team)
    after = merged(held.policy, wanted, default_ruler())
    return preview(store, settings, team, central_now(store, team), after, version=held.version)


def save_settings(
    store: Store, team: str, wanted: Mapping[str, Any], *, by: str, reason: str, based_on: int
) -> TeamPolicy:
    """Keep other settings as a new version of the team's policy.

    Args:
        store: where policies are kept.
        team: its key.
        wanted: the settings, as `merged` takes them.
        by: who saves them.
        reason: why.
        based_on: the version that whoever saves has seen; 0 = none.

    Raises:
        UnknownRecord: there is no such team.
        InvalidSettings: values are not allowed.
        ConfigurationError: the reason says nothing, or nothing would change.
        Conflict: somebody else has saved meanwhile.
    """
    held = held_settings(store, team)
    after = merged(held.policy, wanted, default_ruler())
    said = " ".join(reason.split())
    if not REASON_CHARS_MIN <= len(said) <= REASON_CHARS_MAX:
        raise ConfigurationError("reason", reason[:80], f"why, in {REASON_CHARS_MIN} to {REASON_CHARS_MAX} characters")
    if after == held.policy and held.version == based_on and held.version:
        raise ConfigurationError("settings", "what holds already", "at least one other value")
    return store.set_policy(team, document_of(after), by, said, based_on=based_on)


def versions_of(store: Store, team: str, limit: int = 50) -> list[Version]:
    """Who changed a team's settings, why, and from what to what; newest first.

    Raises:
        UnknownRecord: there is no such team.
    """
    kept, own = store.policies(team), default_ruler()
    return [
        _version(policy, kept[place + 1] if place + 1 < len(kept) else None, own)
        for place, policy in enumerate(kept[:limit])
    ]


def _version(policy: TeamPolicy, before: TeamPolicy | None, own: Ruler) -> Version:
    moved: list[Change] = []
    problem = ""
    try:
        old = policy_in(before.document, own, f"version {before.id}") if before else NO_POLICY
        moved = changes(old, policy_in(policy.document, own, f"version {policy.id}"), own)
    except ConfigurationError as error:
        problem = str(error)
    return Version(
        id=policy.id,
        author=policy.author,
        reason=policy.comment,
        recorded_at=policy.recorded_at,
        changes=tuple(moved),
        problem=problem,
    )


def with_values(policy: Policy, values: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Settings with single values set, in the form that `merged` takes.

    Args:
        policy: what holds.
        values: (key, value) as 'weights.tdd', 3; None takes a value away, so that the built-in one holds.

    Raises:
        ConfigurationError: a key is none of a setting.
    """
    import yaml  # as in policy.py

    document: dict[str, Any] = yaml.safe_load(document_of(policy))
    touched = set()
    for key, value in values:
        first, *rest = key.split(".")
        if first not in KEYS:
            raise ConfigurationError("key", key, f"one that begins with {', '.join(KEYS)}")
        touched.add(first)
        place = document
        for depth, part in enumerate([first, *rest][:-1]):
            level = next((known for known in LEVELS if known == part and depth == 2 and first == "scorecard"), None)
            inner = place.setdefault(part, plain_level(level) if level else {})
            if not isinstance(inner, dict):
                raise ConfigurationError("key", key, f"{part} holds no values of its own")
            place = inner
        name = rest[-1] if rest else first
        if value is None:
            place.pop(name, None)
        else:
            place[name] = value
    return {key: document.get(key, _nothing(key)) for key in touched}


def _nothing(key: str) -> Any:
    return "default" if key == "profile" else {}
