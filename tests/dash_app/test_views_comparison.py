"""What moved a score between two stored snapshots, worked out by hand."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import pytest

from dash_app import figures_operations, views_comparison
from elder_assets.audit.comparison import Difference
from elder_assets.audit.model import Severity, Tier
from elder_assets.audit.ruler import RuleMeasure, Ruler

OLD = Ruler(
    weights={"strict": 1, "tdd": 1},
    rules={
        "STR001": RuleMeasure(version=1, severity=Severity.HIGH, tier=Tier.ADVISE, limits={"lines": 50}),
        "TDD001": RuleMeasure(version=1, severity=Severity.HIGH, tier=Tier.ADVISE),
    },
    extractors={},
)
HEAVY = msgspec.structs.replace(OLD, weights={"strict": 3, "tdd": 1})
STRICTER = msgspec.structs.replace(
    OLD, rules={**OLD.rules, "STR001": msgspec.structs.replace(OLD.rules["STR001"], limits={"lines": 40})}
)


def stored(score: str | None, **affected: int | None) -> dict[str, object]:
    """A snapshot as the store gives it; each rule looked at 10 units, None = it did not apply."""
    outcomes = [
        {
            "rule": rule, "magic": "strict" if rule == "STR001" else "tdd", "reason": "",
            "status": "not applicable" if count is None else "finding" if count else "pass",
            "units": 0 if count is None else 10, "affected": count or 0,
        }
        for rule, count in affected.items()
    ]  # fmt: skip
    severities = {rule: {"high"} for rule, count in affected.items() if count}
    return {
        "commit": "c" * 40, "as_of_seconds": 0, "eligible_files": 1, "analysed_files": 1, "status": "passed",
        "reason": "", "score_exact": score, "outcomes": outcomes, "severities": severities, "scores": {},
    }  # fmt: skip


def parts(split: views_comparison.Split) -> tuple[object, ...]:
    whole = split.differences[""]
    return whole.before, whole.after, whole.code, whole.scope, whole.ruler


def test_code_and_scope_are_told_apart_under_one_ruler():
    # strict 50, tdd 100: 75; then strict 80 (code: 90), then tdd does not apply any more (scope: 80)
    before, after = stored("75", STR001=5, TDD001=0), stored("80", STR001=2, TDD001=None)
    found = views_comparison.split(before, after, OLD, OLD)
    assert found.unsplit == ""
    assert parts(found) == (75, 80, 15, -10, 0)


def test_other_weights_are_the_rulers_part():
    # 75 with equal weights; (3 * 50 + 100) / 4 = 62.5 where strict weighs three
    found = views_comparison.split(stored("75", STR001=5, TDD001=0), stored("125/2", STR001=5, TDD001=0), OLD, HEAVY)
    assert parts(found) == (75, Fraction(125, 2), 0, 0, Fraction(-25, 2))


def test_other_limits_need_the_later_commit_judged_by_the_earlier_ones():
    before, after = stored("75", STR001=5, TDD001=0), stored("65", STR001=7, TDD001=0)
    unsplit = views_comparison.split(before, after, OLD, STRICTER)
    assert unsplit.unsplit == "other limits"
    assert parts(unsplit) == (75, 65, None, None, None)
    again = stored("80", STR001=4, TDD001=0)
    assert parts(views_comparison.split(before, after, OLD, STRICTER, again)) == (75, 65, 5, 0, -15)


@pytest.mark.parametrize("score", ["74", None], ids=["another score", "no score"])
def test_outcomes_that_do_not_give_the_stored_score_split_nothing(score):
    found = views_comparison.split(stored(score, STR001=5, TDD001=0), stored("75", STR001=5, TDD001=0), OLD, OLD)
    assert found.unsplit == "not kept"


def test_steps_stand_on_each_other_and_end_at_the_score():
    difference = Difference(
        before=Fraction(75), after=Fraction(80), code=Fraction(15), scope=Fraction(-10), ruler=Fraction(0)
    )
    assert views_comparison.steps(difference) == [
        ("before", 75.0, 75.0),
        ("code", 75.0, 90.0),
        ("scope", 90.0, 80.0),
        ("ruler", 80.0, 80.0),
        ("after", 80.0, 80.0),
    ]


def test_a_waterfall_has_a_bar_for_each_part_and_a_mark_for_each_score():
    steps = [("before", 75.0, 75.0), ("code", 75.0, 90.0), ("scope", 90.0, 80.0), ("ruler", 80.0, 80.0),
             ("after", 80.0, 80.0)]  # fmt: skip
    texts = {name: name for name in ("title", "score", "before", "code", "scope", "ruler", "after")}
    figure = figures_operations.waterfall(steps, texts)
    bars = next(trace for trace in figure["data"] if trace["type"] == "bar")
    marks = figure["data"][-1]
    assert (list(bars["base"]), list(bars["y"])) == ([75.0, 90.0, 80.0], [15.0, -10.0, 0.0])
    assert (list(marks["x"]), list(marks["y"])) == (["before", "after"], [75.0, 80.0])


def test_rules_that_came_out_differently_are_named_with_the_largest_change_first():
    before, after = stored(None, STR001=5, TDD001=0), stored(None, STR001=2, TDD001=None)
    rows = views_comparison.changed_rules(before, after)
    assert [(row["rule"], row["before"], row["after"], row["change"]) for row in rows] == [
        ("STR001", (5, 10), (2, 10), -3),
        ("TDD001", (0, 10), None, 0),
    ]
    grown = {**before, "outcomes": [{**row, "units": 20} for row in before["outcomes"]]}
    assert views_comparison.changed_rules(before, grown) == []


def test_what_rulers_judge_differently_is_named():
    assert views_comparison.changed_measures(OLD, HEAVY) == [("strict", "weight", "1", "3")]
    assert views_comparison.changed_measures(OLD, STRICTER) == [("STR001", "lines", "50", "40")]
    assert views_comparison.changed_measures(OLD, OLD) == []
