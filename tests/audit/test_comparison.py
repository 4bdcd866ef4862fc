"""Differences of scores, split by hand: changed code, changed scope, changed ruler."""

from __future__ import annotations

from fractions import Fraction

import msgspec

from elder_assets.audit.comparison import Difference, compare
from elder_assets.audit.judgement import Point, Tally, open_findings
from elder_assets.audit.model import Severity, Status, Tier
from elder_assets.audit.ruler import RuleMeasure, Ruler

RULER = Ruler(
    weights={"strict": 1, "tdd": 1},
    rules={
        code: RuleMeasure(version=1, severity=severity, tier=Tier.ADVISE)
        for code, severity in (("STR001", Severity.HIGH), ("STR002", Severity.HIGH), ("TDD001", Severity.MEDIUM))
    },
    extractors={},
)


def tally(rule: str, units: int, affected: int, status: Status | None = None) -> Tally:
    return Tally(
        rule=rule,
        magic="tdd" if rule.startswith("TDD") else "strict",
        severity=RULER.rules[rule].severity,
        limits={},
        status=status or (Status.FINDING if affected else Status.PASS),
        reason="",
        units=units,
        affected={"": affected} if affected else {},
        findings={"": affected} if affected else {},
    )


def absent(rule: str) -> Tally:
    return tally(rule, 0, 0, Status.NOT_APPLICABLE)


def point(*tallies: Tally) -> Point:
    return Point(commit="c", as_of=0, eligible=1, analysed=1, has_code=True, magics=("strict", "tdd"), tallies=tallies)


def test_changed_code_alone():
    before = point(tally("STR001", 10, 5), absent("STR002"), absent("TDD001"))
    after = point(tally("STR001", 10, 2), absent("STR002"), absent("TDD001"))
    parts = compare(before, after, RULER)
    assert parts["strict"] == Difference(
        before=Fraction(50), after=Fraction(80), code=Fraction(30), scope=Fraction(0), ruler=Fraction(0)
    )
    assert parts[""].code == 30
    assert parts["tdd"] == Difference(before=None, after=None, code=None, scope=None, ruler=None)


def test_a_rule_that_comes_into_scope_is_no_change_of_code():
    before = point(tally("STR001", 10, 5), absent("STR002"), absent("TDD001"))
    after = point(tally("STR001", 10, 0), tally("STR002", 4, 4), absent("TDD001"))
    # code: 50 to 100; then STR002 with no unit passing joins at equal weight: 100 to 50
    assert compare(before, after, RULER)["strict"] == Difference(
        before=Fraction(50), after=Fraction(50), code=Fraction(50), scope=Fraction(-50), ruler=Fraction(0)
    )


def test_a_changed_ruler_alone():
    same = point(tally("STR001", 10, 5), tally("STR002", 10, 0), tally("TDD001", 2, 0))
    rules = {**RULER.rules, "STR002": msgspec.structs.replace(RULER.rules["STR002"], severity=Severity.MEDIUM)}
    other = msgspec.structs.replace(RULER, rules=rules)
    # weights 8 and 8 become 8 and 4: (8 * 1/2 + 4) / 12 = 2/3
    parts = compare(same, same, RULER, new_ruler=other)
    assert parts["strict"] == Difference(
        before=Fraction(75), after=Fraction(200, 3), code=Fraction(0), scope=Fraction(0), ruler=Fraction(-25, 3)
    )
    assert parts[""].ruler == Fraction(-25, 6)


def test_the_parts_add_up_exactly_and_so_do_the_shown_ones():
    before = point(tally("STR001", 7, 3), tally("STR002", 11, 2), absent("TDD001"))
    after = point(tally("STR001", 9, 2), absent("STR002"), tally("TDD001", 13, 6))
    rules = {**RULER.rules, "STR001": msgspec.structs.replace(RULER.rules["STR001"], tier=Tier.GATE)}
    parts = compare(before, after, RULER, new_ruler=msgspec.structs.replace(RULER, rules=rules))
    for part in (parts[""], parts["strict"]):
        assert part.code + part.scope + part.ruler == part.after - part.before
        shown = part.shown()
        assert round(sum(shown.values()) * 10) == round((part.after - part.before) * 10)
        for name, exact in (("code", part.code), ("scope", part.scope), ("ruler", part.ruler)):
            assert abs(Fraction(shown[name]) - exact) < Fraction(1, 10)


def test_largest_remainders_take_what_rounding_leaves():
    third = Fraction(1, 30)
    part = Difference(before=Fraction(0), after=Fraction(1, 10), code=third, scope=third, ruler=third)
    assert part.shown() == {"code": 0.1, "scope": 0.0, "ruler": 0.0}


def test_notices_are_no_open_findings_and_a_lowered_rule_has_none():
    counted = msgspec.structs.replace(tally("TDD001", 9, 3), findings={"": 2, "info": 4, "low": 1})
    assert open_findings(counted, RULER) == 3
    measure = msgspec.structs.replace(RULER.rules["TDD001"], severity=Severity.INFO)
    lowered = msgspec.structs.replace(RULER, rules={**RULER.rules, "TDD001": measure})
    assert open_findings(counted, lowered) == 0
