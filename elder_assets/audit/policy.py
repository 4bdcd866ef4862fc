"""`elder.yaml`: how a team wants to be judged. Read, checked, and turned into the ruler and the gate that it asks for.

A policy weighs and lowers, it hides nothing: severities and limits may move, a gate rule may be lowered to advice, but
no rule can be switched off; what should be left alone is suppressed with a reason and an end. Two policies may hold at
once: the file of the repository and the central one of its team. The central one then judges, and of the gates the
stricter one holds (decision D12).
"""

from __future__ import annotations

import datetime as dt
import difflib
import typing
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from elder_assets.audit.errors import ConfigurationError
from elder_assets.audit.former_codes import current_code
from elder_assets.audit.model import Severity, Tier
from elder_assets.audit.ruler import Ruler
from elder_assets.audit.suppression import Suppression, suppression

POLICY_FILE = "elder.yaml"
POLICY_BYTES_MAX = 200_000
Level = Literal["bronze", "silver", "gold"]
LEVELS: tuple[Level, ...] = ("bronze", "silver", "gold")


class RulePolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one rule is moved."""

    severity: Severity | None = None
    tier: Tier | None = None
    """`gate` or `advise`; never above what the rule's verdicts earn."""
    limits: dict[str, int] = {}


class GatePolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What fails a change."""

    fails_from: Severity | None = None
    """Lowest severity of a new finding of tier gate that fails; default: that of the profile."""
    new_suppressions: Literal["allowed", "refused"] | None = None
    """Whether comments that the change itself brings count; default: that of the profile."""


class SuppressionEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `suppressions`."""

    rule: str
    path: str
    reason: str
    until: dt.date


class LevelPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a repository must have for a level; what is left out is not asked for."""

    score: float | None = None
    """At least, 0-100."""
    coverage: float | None = None
    """At least, in per cent of eligible files."""
    critical: int | None = None
    """At most so many open findings of tier gate and severity critical."""
    high: int | None = None
    """At most so many open findings of tier gate and severity high."""
    magics: dict[str, float] = {}
    """Magic to the score that it must have at least; a magic that does not apply asks for nothing."""
    audited_days: int | None = None
    """Audited within so many days."""


class ScorecardPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the team's scorecard is made."""

    repositories: float = 80
    """Per cent of the team's repositories that must have a level for the team to have it; those that could not be
    audited count as without."""
    levels: dict[Level, LevelPolicy] = {}


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    version: Literal[1]
    team: str = ""
    """Key of the team that owns the repository."""
    profile: str = "default"
    weights: dict[str, int] = {}
    """Magic to its weight in the overall score."""
    rules: dict[str, RulePolicy] = {}
    gate: GatePolicy = GatePolicy()
    suppressions: tuple[SuppressionEntry, ...] = ()
    scorecard: ScorecardPolicy = ScorecardPolicy()


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A built-in set of answers."""

    name: str
    strictness: float
    """0-1, for people: what it stands for is `fails_from` and `new_suppressions`."""
    focus: tuple[str, ...]
    """Magics that weigh twice."""
    fails_from: Severity
    new_suppressions: Literal["allowed", "refused"] = "allowed"


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(name="default", strictness=0.8, focus=(), fails_from=Severity.HIGH),
        Profile(name="startup", strictness=0.7, focus=("tdd", "flow"), fails_from=Severity.HIGH),
        Profile(name="open source", strictness=0.85, focus=("git", "sages"), fails_from=Severity.MEDIUM),
        Profile(
            name="enterprise",
            strictness=0.95,
            focus=("integrity", "servant", "strict"),
            fails_from=Severity.LOW,
            new_suppressions="refused",
        ),
    )
}
"""Source: magics.md, section 1. Strictness says what fails a change; no profile hides a finding."""
FOCUS_WEIGHT = 2

DEFAULT_LEVELS: Mapping[Level, LevelPolicy] = {
    "bronze": LevelPolicy(score=60, critical=0, audited_days=30),
    "silver": LevelPolicy(score=75, coverage=90, critical=0, high=0, audited_days=14),
    "gold": LevelPolicy(score=90, coverage=95, critical=0, high=0, magics={"tdd": 80, "strict": 80}, audited_days=7),
}
"""Chosen by us: bronze has nothing that is broken now, silver nothing ungated, gold is kept so."""
NO_POLICY = Policy(version=1)
NAMED_MAX = 12
"""Allowed words that an error lists beside the nearest one."""


class GateTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What fails a change, after profiles and policies are put together."""

    fails_from: Severity
    new_suppressions: Literal["allowed", "refused"]


# --- reading ---------------------------------------------------------------------------------------------


def read_policy(content: bytes, own: Ruler, name: str = POLICY_FILE) -> Policy:
    """Read and check a policy.

    Args:
        content: of the file.
        own: our own ruler; which rules, limits and magics there are.
        name: of the file, for errors.

    Raises:
        ConfigurationError: it is no YAML, or a key or value is not allowed; the nearest allowed one is named.
    """
    return policy_of(_document(content, name), own, name)


def policy_of(document: Mapping[str, Any], own: Ruler, name: str = POLICY_FILE) -> Policy:
    """Check a policy that was read already; see `read_policy`.

    Raises:
        ConfigurationError: a key or value is not allowed; the nearest allowed one is named.
    """
    _known_keys(document, Policy, name)
    try:
        policy = msgspec.convert(document, Policy, strict=True)
    except msgspec.ValidationError as error:
        raise ConfigurationError(name, _short(document), f"a policy ({error})") from error
    policy = msgspec.structs.replace(policy, rules={current_code(code): moved for code, moved in policy.rules.items()})
    _check(policy, own, name)
    return policy


def _document(content: bytes, name: str) -> Any:
    import yaml  # costs 40 ms, which a repository without a policy does not pay

    if len(content) > POLICY_BYTES_MAX:
        raise ConfigurationError(name, f"{len(content)} bytes", f"at most {POLICY_BYTES_MAX} bytes")
    try:
        text = content.decode("utf-8-sig")
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise ConfigurationError(name, "an alias (*name)", "plain YAML without anchors and aliases")
        document = yaml.safe_load(text)
    except UnicodeDecodeError as error:
        raise ConfigurationError(name, f"byte {error.start}", "UTF-8 text") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError(name, " ".join(str(error).split())[:200], "YAML") from error
    if not isinstance(document, dict):
        raise ConfigurationError(name, _short(document), "keys and values; the first one is `version: 1`")
    return document


def _short(value: object) -> str:
    return str(value)[:80]


def _known_keys(document: Any, record: Any, where: str) -> None:
    """Refuse keys that a record has no field for, by name, with the nearest one."""
    if not isinstance(document, Mapping):
        return
    fields = typing.get_type_hints(record)
    for key, value in document.items():
        if key not in fields:
            raise ConfigurationError(f"{where}: key", key, nearest(str(key), fields))
        for inner, is_map in _records_in(fields[key]):
            items = value.items() if is_map and isinstance(value, Mapping) else enumerate(_listed(value), 1)
            for label, item in items:
                _known_keys(item, inner, f"{where}: {key}" + (f".{label}" if is_map else ""))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _records_in(hint: Any) -> list[tuple[Any, bool]]:
    """Records within a field's type, and whether they are values of a mapping."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return [(hint, False)]
    inner = [argument for argument in typing.get_args(hint) if isinstance(argument, type)]
    is_map = typing.get_origin(hint) is dict
    return [(argument, is_map) for argument in inner if issubclass(argument, msgspec.Struct)]


def nearest(got: str, allowed: Mapping[str, object] | typing.Iterable[str]) -> str:
    """What is allowed, in words: the nearest first, else all of it."""
    names = sorted(allowed)
    near = difflib.get_close_matches(got, names, 1)
    if near:
        rest = f" ({', '.join(names)})" if len(names) <= NAMED_MAX else ""
        return f"did you mean {near[0]!r}?{rest}"
    return ", ".join(names)


def _check(policy: Policy, own: Ruler, name: str) -> None:
    if policy.profile not in PROFILES:
        raise ConfigurationError(f"{name}: profile", policy.profile, nearest(policy.profile, PROFILES))
    for magic, weight in policy.weights.items():
        _one_of(f"{name}: weights", magic, own.weights)
        if not 0 <= weight <= 100:
            raise ConfigurationError(f"{name}: weights.{magic}", weight, "a whole number from 0 to 100")
    for code, moved in policy.rules.items():
        _one_of(f"{name}: rules", code, own.rules)
        if moved.tier is Tier.SHADOW:
            allowed = "gate, advise; no rule can be switched off, suppress what should be left alone"
            raise ConfigurationError(f"{name}: rules.{code}.tier", "shadow", allowed)
        for limit, value in moved.limits.items():
            _one_of(f"{name}: rules.{code}.limits", limit, own.rules[code].limits)
            if value < 0:
                raise ConfigurationError(f"{name}: rules.{code}.limits.{limit}", value, "a whole number from 0")
    _check_scorecard(policy.scorecard, own, f"{name}: scorecard")
    suppressions_of(policy, own, name)


def _one_of(key: str, got: str, allowed: Mapping[str, object]) -> None:
    if got not in allowed:
        raise ConfigurationError(key, got, nearest(got, allowed) if allowed else "nothing: there is none")


def _check_scorecard(card: ScorecardPolicy, own: Ruler, where: str) -> None:
    shares: dict[str, float | None] = {"repositories": card.repositories}
    for level, asked in card.levels.items():
        shares |= {f"levels.{level}.score": asked.score, f"levels.{level}.coverage": asked.coverage}
        for magic, score in asked.magics.items():
            _one_of(f"{where}.levels.{level}.magics", magic, own.weights)
            shares[f"levels.{level}.magics.{magic}"] = score
        for key in ("critical", "high", "audited_days"):
            if (getattr(asked, key) or 0) < 0:
                raise ConfigurationError(f"{where}.levels.{level}.{key}", getattr(asked, key), "a number from 0")
    for key, value in shares.items():
        if value is not None and not 0 <= value <= 100:
            raise ConfigurationError(f"{where}.{key}", value, "0 to 100")


def suppressions_of(policy: Policy, own: Ruler, name: str = POLICY_FILE) -> list[Suppression]:
    """The suppressions of a policy.

    Raises:
        ConfigurationError: one of them is not allowed.
    """
    found = []
    for number, entry in enumerate(policy.suppressions, 1):
        place = f"{name}, suppression {number}"
        try:
            found.append(
                suppression(
                    [entry.rule],
                    entry.reason,
                    entry.until,
                    own.rules,
                    origin="elder.yaml",
                    place=place,
                    path=entry.path,
                )
            )
        except ConfigurationError as error:
            raise ConfigurationError(f"{place}: {error.key}", error.got, error.allowed) from error
    return found


# --- judging ---------------------------------------------------------------------------------------------


def ruler_under(own: Ruler, policy: Policy) -> Ruler:
    """Our ruler as a policy moves it; our own when the policy moves nothing."""
    focus = PROFILES[policy.profile].focus
    weights = {
        magic: policy.weights.get(magic, FOCUS_WEIGHT if magic in focus else weight)
        for magic, weight in own.weights.items()
    }
    rules = dict(own.rules)
    for code, moved in policy.rules.items():
        measure = rules[code]
        tier = measure.tier if moved.tier is None or moved.tier.rank < measure.tier.rank else moved.tier
        rules[code] = msgspec.structs.replace(
            measure, severity=moved.severity or measure.severity, tier=tier, limits=measure.limits | moved.limits
        )
    return msgspec.structs.replace(own, profile=policy.profile, weights=weights, rules=rules)


def judging_policy(repository: Policy, central: Policy | None) -> Policy:
    """The policy that judges: the central one where the team has one; the file's suppressions stay."""
    if central is None:
        return repository
    return msgspec.structs.replace(central, suppressions=(*central.suppressions, *repository.suppressions))


def gate_terms(repository: Policy, central: Policy | None = None) -> GateTerms:
    """What fails a change: the stricter answers of both policies."""
    answers = [_terms(policy) for policy in (repository, central) if policy is not None]
    return GateTerms(
        fails_from=max((terms.fails_from for terms in answers), key=lambda severity: severity.rank),
        new_suppressions="refused" if any(t.new_suppressions == "refused" for t in answers) else "allowed",
    )


def _terms(policy: Policy) -> GateTerms:
    profile = PROFILES[policy.profile]
    return GateTerms(
        fails_from=policy.gate.fails_from or profile.fails_from,
        new_suppressions=policy.gate.new_suppressions or profile.new_suppressions,
    )


def levels_of(policy: Policy) -> dict[Level, LevelPolicy]:
    """What each level asks for: the built-in rules where the policy names none."""
    return {level: policy.scorecard.levels.get(level, DEFAULT_LEVELS[level]) for level in LEVELS}
