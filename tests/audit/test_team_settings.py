"""Settings as a form and as a diff: what is filled in comes back, what is wrong is named, what changed is listed."""

from __future__ import annotations

import pytest

from elder_assets.audit.policy import NO_POLICY, LevelPolicy, read_policy
from elder_assets.audit.ruler import default_ruler
from elder_assets.audit.team_settings import (
    Change,
    InvalidSettings,
    changes,
    document_of,
    form_of,
    merged,
    settings_of,
)

OWN = default_ruler()
FULL = b"""
version: 1
team: payments
profile: startup
weights: {tdd: 3, git: 0}
rules: {STR013: {severity: low, limits: {cognitive_max: 30}}, FLW010: {tier: advise}}
gate: {fails_from: medium, new_suppressions: refused}
suppressions:
- {rule: SAG002, path: docs/**, reason: written by hand for now, until: 2027-03-31}
scorecard: {repositories: 75.5, levels: {bronze: {}, gold: {score: 95, magics: {tdd: 80, git: 50.5}}}}
"""


@pytest.mark.parametrize("document", [b"version: 1\n", FULL], ids=["built in", "full"])
def test_a_form_that_nobody_touched_asks_for_what_holds(document: bytes):
    policy = read_policy(document, OWN)
    assert merged(policy, settings_of(form_of(policy, OWN)), OWN) == policy


@pytest.mark.parametrize("document", [b"version: 1\n", FULL], ids=["built in", "full"])
def test_a_policy_comes_back_from_its_own_document(document: bytes):
    policy = read_policy(document, OWN)
    assert read_policy(document_of(policy).encode(), OWN) == policy


def test_a_built_in_policy_says_nothing_but_its_version():
    assert document_of(NO_POLICY) == "version: 1\n"


def test_an_emptied_level_asks_for_nothing_instead_of_what_is_built_in():
    form = form_of(NO_POLICY, OWN) | {
        f"scorecard.levels.bronze.{name}": "" for name in ("score", "critical", "audited_days")
    }
    assert merged(NO_POLICY, settings_of(form), OWN).scorecard.levels == {"bronze": LevelPolicy()}


@pytest.mark.parametrize(
    ("field", "text", "key"),
    [
        ("weights.tdd", "many", "weights.tdd"),
        ("weights.tdd", "1.5", "weights.tdd"),
        ("weights.tdd", "-1", "weights.tdd"),
        ("scorecard.repositories", "101", "scorecard.repositories"),
        ("scorecard.levels.gold.audited_days", "soon", "scorecard.levels.gold.audited_days"),
        ("scorecard.levels.gold.magics", "tdd", "scorecard.levels.gold.magics.tdd"),
        ("scorecard.levels.gold.magics", "tddd 80", "scorecard.levels.gold.magics.tddd"),
        ("rules", "STR999 severity=low", "rules.STR999.severity"),
        ("rules", "STR013 cognitive=3", "rules.STR013.limits.cognitive"),
        ("rules", "STR013 tier=shadow", "rules.STR013.tier"),
        ("rules", "gibberish", "rules.gibberish"),
        ("gate.fails_from", "<script>", "gate.fails_from"),
    ],
)  # fmt: skip
def test_a_field_that_is_wrong_is_named_and_the_others_are_not(field: str, text: str, key: str):
    with pytest.raises(InvalidSettings) as raised:
        merged(NO_POLICY, settings_of(form_of(NO_POLICY, OWN) | {field: text}), OWN)
    assert [error.key for error in raised.value.errors] == [key]


def test_a_change_says_what_holds_before_and_after_the_profile_included():
    after = merged(NO_POLICY, {"profile": "startup", "rules": {"STR013": {"severity": "low"}}}, OWN)
    assert changes(NO_POLICY, after, OWN) == [
        Change(key="profile", before="default", after="startup"),
        Change(key="weights.tdd", before="1", after="2"),
        Change(key="weights.flow", before="1", after="2"),
        Change(key="rules.STR013.severity", before="", after="low"),
    ]
    assert changes(after, after, OWN) == []
