"""Rulers: one document, one digest; anything that does not fit is refused by name."""

from __future__ import annotations

import json

import msgspec
import pytest

from elder_assets.audit.errors import ConfigurationError
from elder_assets.audit.model import Tier
from elder_assets.audit.ruler import Calibration, default_ruler, effective_tier, load_ruler


def test_the_digest_does_not_depend_on_the_order_of_keys():
    document = json.loads(default_ruler().document())
    shuffled = json.dumps(dict(reversed(document.items()))).encode()
    assert load_ruler(shuffled, "ruler.json").digest == default_ruler().digest


def test_any_changed_limit_is_another_ruler():
    document = json.loads(default_ruler().document())
    document["rules"]["STR013"]["limits"]["cognitive_max"] = 30
    assert load_ruler(json.dumps(document).encode(), "ruler.json").digest != default_ruler().digest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda d: d["rules"].update(XXX001=d["rules"]["STR013"]), "XXX001", id="unknown rule"),
        pytest.param(lambda d: d["rules"].pop("STR013"), "STR013", id="lacking rule"),
        pytest.param(lambda d: d["rules"]["STR013"]["limits"].update(depth=1), "depth", id="unknown limit"),
        pytest.param(lambda d: d["weights"].update(tdd=-1), "whole numbers from 0", id="negative weight"),
        pytest.param(lambda d: d["rules"]["STR013"].update(tier="block"), "block", id="unknown tier"),
        pytest.param(lambda d: d.update(extra=1), "extra", id="unknown key"),
        pytest.param(lambda d: d["rules"]["STR013"].update(version=99), "99", id="version of another Elder"),
    ],
)
def test_a_ruler_that_does_not_fit_is_refused_by_name(change, message: str):
    document = json.loads(default_ruler().document())
    change(document)
    with pytest.raises(ConfigurationError, match=message):
        load_ruler(json.dumps(document).encode(), "ruler.json")


@pytest.mark.parametrize(
    ("declared", "earned", "effective"),
    [
        (Tier.GATE, Tier.GATE, Tier.GATE),
        (Tier.GATE, Tier.ADVISE, Tier.ADVISE),
        (Tier.ADVISE, Tier.GATE, Tier.ADVISE),
        (Tier.GATE, Tier.SHADOW, Tier.SHADOW),
        (Tier.GATE, None, Tier.ADVISE),
        (Tier.SHADOW, None, Tier.SHADOW),
    ],
)
def test_the_effective_tier_is_the_weaker_of_declared_and_earned(declared: Tier, earned: Tier | None, effective: Tier):
    measured = None if earned is None else Calibration(true=1, false=0, tier=earned)
    assert effective_tier(declared, measured) is effective


def test_a_ruler_is_a_round_trip():
    ruler = default_ruler()
    assert msgspec.json.decode(ruler.document(), type=type(ruler)) == ruler
