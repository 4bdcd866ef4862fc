"""`elder.yaml`: what is allowed, what is refused with the nearest allowed word, and what it moves."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elder_assets.audit.errors import ConfigurationError
from elder_assets.audit.model import Severity, Tier
from elder_assets.audit.policy import (
    DEFAULT_LEVELS,
    PROFILES,
    gate_terms,
    judging_policy,
    levels_of,
    read_policy,
    ruler_under,
    suppressions_of,
)
from elder_assets.audit.ruler import default_ruler

OWN = default_ruler()
ROOT = Path(__file__).parents[2]
WHOLE = b"""
version: 1
team: payments
profile: startup
weights: {tdd: 5}
rules:
  STR013: {severity: low, limits: {cognitive_max: 40}}
  FLW010: {tier: advise}
gate: {fails_from: medium}
suppressions:
  - {rule: SAG002, path: "docs/**", reason: "written by another team", until: 2026-12-31}
scorecard:
  repositories: 60
  levels:
    gold: {score: 95, magics: {tdd: 90}}
"""


def test_a_whole_policy_moves_what_it_names_and_nothing_else():
    policy = read_policy(WHOLE, OWN)
    moved = ruler_under(OWN, policy)
    assert moved.weights == {**dict.fromkeys(OWN.weights, 1), "tdd": 5, "flow": 2}
    assert (moved.rules["STR013"].severity, moved.rules["STR013"].limits["cognitive_max"]) == (Severity.LOW, 40)
    assert moved.rules["FLW010"].tier is Tier.ADVISE
    assert {code for code in OWN.rules if moved.rules[code] != OWN.rules[code]} == {"STR013", "FLW010"}
    assert (moved.profile, moved.digest == OWN.digest) == ("startup", False)
    assert gate_terms(policy).fails_from is Severity.MEDIUM
    assert [item.path for item in suppressions_of(policy, OWN)] == ["docs/**"]
    assert levels_of(policy)["gold"].score == 95
    assert levels_of(policy)["bronze"] == DEFAULT_LEVELS["bronze"]


def test_the_policy_of_the_page_and_our_own_are_policies():
    page = (ROOT / "docs" / "policy.md").read_text()
    assert read_policy(page.split("```yaml\n")[1].split("```")[0].encode(), OWN).team == "payments"
    assert read_policy((ROOT / "elder.yaml").read_bytes(), OWN).profile == "open source"


def test_every_profile_of_the_page_is_one_that_we_have():
    text = (ROOT / "docs" / "policy.md").read_text()
    rows = [row for row in text.partition("| profile |")[2].partition("\n\n")[0].split("\n") if row.startswith("| ")]
    shown = {cells[1].strip(): cells[3].strip() for row in rows if (cells := row.split("|"))}
    assert shown == {profile.name: f"{profile.fails_from}" for profile in PROFILES.values()}


def test_an_empty_policy_is_our_own_ruler():
    assert ruler_under(OWN, read_policy(b"version: 1\n", OWN)).digest == OWN.digest


@pytest.mark.parametrize(
    ("name", "fails_from", "new"),
    [
        ("startup", "high", "allowed"),
        ("open source", "medium", "allowed"),
        ("enterprise", "low", "refused"),
        ("default", "high", "allowed"),
    ],
)
def test_a_profile_says_what_fails_a_change(name: str, fails_from: str, new: str):
    terms = gate_terms(read_policy(f"version: 1\nprofile: {name}\n".encode(), OWN))
    assert (terms.fails_from, terms.new_suppressions) == (Severity(fails_from), new)


def test_no_profile_hides_a_finding():
    for name in PROFILES:
        moved = ruler_under(OWN, read_policy(f"version: 1\nprofile: {name}\n".encode(), OWN))
        assert moved.rules == OWN.rules


REFUSED = [
    ("profil: startup", "did you mean 'profile'?"),
    ("rules: {STR013: {severty: low}}", "did you mean 'severity'?"),
    ("rules: {STR01: {severity: low}}", "did you mean 'STR0"),
    ("weights: {ttd: 2}", "did you mean 'tdd'?"),
    ("weights: {tdd: 500}", "from 0 to 100"),
    ("profile: enterprice", "did you mean 'enterprise'?"),
    ("rules: {STR013: {tier: shadow}}", "no rule can be switched off"),
    ("rules: {STR013: {limits: {depth: 3}}}", "allowed:"),
    ("gate: {fails_form: low}", "did you mean 'fails_from'?"),
    ("gate: {fails_from: huge}", "Invalid enum value 'huge'"),
    ("scorecard: {levels: {platinum: {score: 1}}}", "platinum"),
    ("scorecard: {levels: {gold: {scor: 1}}}", "did you mean 'score'?"),
    ("scorecard: {levels: {gold: {score: 101}}}", "0 to 100"),
    ("suppressions: [{rule: SAG002, path: a, reason: 'long enough'}]", "missing required field `until`"),
    ("suppressions: [{rule: SAG002, path: a, reason: x, until: 2026-01-01}]", "suppression 1: reason"),
    ("suppressions: [{rule: SAG2, path: a, reason: 'long enough', until: 2026-01-01}]", "near:"),
    ("a: &x 1\nb: *x", "without anchors"),
    ("- 1", "keys and values"),
    ("team: [", "YAML"),
    ("version: 2", "policy"),
]


@pytest.mark.parametrize(("text", "named"), REFUSED, ids=[case[0] for case in REFUSED])
def test_what_is_not_allowed_is_refused_by_name(text: str, named: str):
    content = text if "version" in text or text[0] == "-" else f"version: 1\n{text}"
    with pytest.raises(ConfigurationError) as error:
        read_policy(content.encode(), OWN)
    assert named in str(error.value)


def test_a_file_without_version_or_too_large_or_no_text_is_refused():
    for content, named in (
        (b"team: a\n", "version"),
        (b" " * 300_000, "at most"),
        (b"\xff\xfe", "UTF-8"),
        (b"", "version"),
    ):
        with pytest.raises(ConfigurationError, match=named):
            read_policy(content, OWN)


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: ("version: 1\n" + text).encode()))
def test_nothing_but_a_configuration_error_comes_out(content: bytes):
    try:
        read_policy(content, OWN)
    except ConfigurationError:
        return


def test_the_central_policy_judges_and_the_stricter_gate_holds():
    lax = read_policy(b"version: 1\nprofile: startup\nrules: {STR001: {severity: low}}\n", OWN)
    central = read_policy(b"version: 1\nprofile: open source\n", OWN)
    assert ruler_under(OWN, judging_policy(lax, central)).digest == ruler_under(OWN, central).digest
    assert gate_terms(lax, central).fails_from is Severity.MEDIUM
    strict = read_policy(b"version: 1\nprofile: enterprise\n", OWN)
    assert gate_terms(strict, central) == gate_terms(strict)


def test_a_policy_lifts_no_rule_above_what_its_verdicts_earn():
    advising = next(code for code, measure in OWN.rules.items() if measure.tier is Tier.ADVISE)
    moved = ruler_under(OWN, read_policy(f"version: 1\nrules: {{{advising}: {{tier: gate}}}}\n".encode(), OWN))
    assert moved.rules[advising].tier is Tier.ADVISE
