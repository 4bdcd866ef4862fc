"""The ruler: one document of everything that judges, and its hash (decision D3).

Two verdicts are comparable when their rulers are equal. The built-in ruler comes from the catalogue and the
committed calibration file; `--ruler FILE` and the server give others.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any

import msgspec

from elder_assets.audit.errors import ConfigurationError
from elder_assets.audit.model import Severity, Tier

if TYPE_CHECKING:
    from elder_assets.audit.registry import Catalogue

RULER_SCHEMA = 1


class RuleMeasure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one rule judges under a ruler."""

    version: int
    severity: Severity
    tier: Tier
    """The effective tier."""
    limits: dict[str, int] = {}


class Ruler(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that judges. Equal documents have equal digests, whatever the order of their keys."""

    schema_version: int = RULER_SCHEMA
    profile: str = "default"
    weights: dict[str, int]
    """Magic to its weight in the overall score, in whole units."""
    rules: dict[str, RuleMeasure]
    extractors: dict[str, int]
    """Extractor to version."""
    models: dict[str, str] = {}

    @property
    def digest(self) -> str:
        """sha256 of the canonical JSON document."""
        return hashlib.sha256(self.document()).hexdigest()

    def document(self) -> bytes:
        """Canonical JSON: sorted keys, no blanks."""
        return msgspec.json.encode(self, order="sorted")


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """What our labelled corpus says about one rule (`tools/label`)."""

    true: int
    false: int
    tier: Tier
    """The effective tier that these verdicts earn."""

    @property
    def n(self) -> int:
        """Number of verdicts."""
        return self.true + self.false

    @property
    def is_provisional(self) -> bool:
        """Too few verdicts to be sure (D4)."""
        return self.n < PROVISIONAL_BELOW

    @property
    def precision(self) -> float | None:
        """True / all, 0-1; None without verdicts."""
        return self.true / self.n if self.n else None


PROVISIONAL_BELOW = 100
"""Verdicts below which a tier is provisional (magics.md, section 1)."""


@functools.cache
def calibration() -> Mapping[str, Calibration]:
    """The committed calibration file: rule code to what the corpus says. Written by `tools/label`.

    A rule that is absent from it was never sampled.
    """
    text = resources.files("elder_assets.audit").joinpath("calibration.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, Calibration])


def effective_tier(declared: Tier, measured: Calibration | None) -> Tier:
    """The weaker of what a rule may reach and what its verdicts earn; advise at most until it is sampled (D4)."""
    earned = Tier.ADVISE if measured is None else measured.tier
    return declared if declared.rank >= earned.rank else earned


def _all_rules() -> Catalogue:
    from elder_assets.audit.registry import catalogue  # rules bring the parsers along; a kept ruler needs neither

    return catalogue()


def default_ruler(rules: Catalogue | None = None) -> Ruler:
    """The built-in ruler: declared severities and limits, calibrated tiers, equal weights."""
    rules = rules or _all_rules()
    measured = calibration()
    extractors = {e.name: e.version for e in rules.extractors()}
    return Ruler(
        weights={magic.name: 1 for magic in rules.magics},
        rules={
            rule.code: RuleMeasure(
                version=rule.version,
                severity=rule.severity,
                tier=effective_tier(rule.tier, measured.get(rule.code)),
                limits=rule.limits,
            )
            for rule in rules.rules
        },
        extractors=extractors,
    )


def load_ruler(content: bytes, name: str, own: Ruler | None = None) -> Ruler:
    """Read a ruler document and check it against our own ruler (default: the built-in one).

    Raises:
        ConfigurationError: it is no ruler, names rules, limits or magics that do not exist, or lacks some.
    """
    own = own or default_ruler()
    try:
        ruler = msgspec.json.decode(content, type=Ruler)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ConfigurationError(name, str(error), "a ruler document, as `elder rules --ruler` prints it") from error
    _same_keys(f"{name}: rules", ruler.rules, own.rules)
    _same_keys(f"{name}: weights", ruler.weights, own.weights)
    for code, measure in ruler.rules.items():
        _same_keys(f"{name}: limits of {code}", measure.limits, own.rules[code].limits)
        if measure.version != own.rules[code].version:
            allowed = f"{own.rules[code].version}, the version that this Elder has"
            raise ConfigurationError(f"{name}: version of {code}", measure.version, allowed)
    if negative := {magic: weight for magic, weight in ruler.weights.items() if weight < 0}:
        raise ConfigurationError(f"{name}: weights", negative, "whole numbers from 0")
    return ruler


def _same_keys(key: str, got: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    unknown, lacking = sorted(set(got) - set(own)), sorted(set(own) - set(got))
    if unknown or lacking:
        raise ConfigurationError(key, {"unknown": unknown, "lacking": lacking}, sorted(own))
