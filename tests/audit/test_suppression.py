"""Suppressions: reason and end are asked for, they hold until their last day, and blankets buy no score."""

from __future__ import annotations

import datetime as dt
import functools
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elder_assets.audit.engine import audit_judged
from elder_assets.audit.facts.extraction import MemoryFactStore
from elder_assets.audit.judgement import Directed, verdict_of
from elder_assets.audit.model import Finding, RuleOutcome, Severity, Status, Tier, Verdict
from elder_assets.audit.ruler import default_ruler
from elder_assets.audit.scoring import score_magic, score_overall
from elder_assets.audit.suppression import Problem, Suppression, apply, read_comment
from elder_assets.audit.testing import MemorySource

RULER = default_ruler()
DAY = dt.date(2026, 3, 10)
COMMENTS = [
    ('ignore STR013 reason="a table of cases" until=2026-12-31', ("STR013",), ""),
    ("ignore STR013, STR014 reason='a table of cases' until=2026-12-31", ("STR013", "STR014"), ""),
    ('ignore str013 until="2026-12-31" reason="a table of cases"', ("STR013",), ""),
    ('ignore EXT:bandit:B101 reason="asserts are ours" until=2026-12-31', ("EXT:bandit:B101",), ""),
    ("ignore", (), "it names no rule"),
    ('ignore reason="a table of cases" until=2026-12-31', (), "it names no rule"),
    ("ignore * reason='all of them' until=2026-12-31", (), "it names no rule"),
    ("ignore STR013 until=2026-12-31", (), "reason: got ''"),
    ('ignore STR013 reason="wip" until=2026-12-31', (), "at least 8 characters"),
    ('ignore STR013 reason="a table of cases"', (), "until: got ''"),
    ('ignore STR013 reason="a table of cases" until=soon', (), "YYYY-MM-DD"),
    ('ignore STR013 reason="a table of cases" until=2026-02-30', (), "YYYY-MM-DD"),
    ('ignore STR999 reason="a table of cases" until=2026-12-31', (), "near: STR"),
    ('ignore STR013 reason="a table of cases" till=2026-12-31', (), "unknown word 'till'"),
]


@pytest.mark.parametrize(("text", "rules", "problem"), COMMENTS, ids=[case[0] for case in COMMENTS])
def test_a_comment_is_read_or_says_what_is_wrong(text: str, rules: tuple[str, ...], problem: str):
    found = read_comment(Directed("shop/basket.py", 3, 4, 4, text), RULER.rules)
    if problem:
        assert isinstance(found, Problem)
        assert (found.kind, found.place) == ("malformed", "shop/basket.py:3")
        assert problem in found.reason
    else:
        assert isinstance(found, Suppression)
        assert (found.rules, found.until, found.first) == (rules, dt.date(2026, 12, 31), 4)


@given(st.text(max_size=200))
def test_no_comment_breaks_the_reader(text: str):
    assert isinstance(read_comment(Directed("a.py", 1, 1, 1, text), RULER.rules), Problem | Suppression)


def wish(**changes) -> Suppression:
    made = Suppression(
        rules=("STR013",), reason="a table of cases", until=DAY, origin="elder.yaml", place="elder.yaml, suppression 1"
    )
    return msgspec.structs.replace(made, **changes)


def finding(path: str = "shop/basket.py", line: int = 4, rule: str = "STR013", unit: str = "") -> Finding:
    mark = f"v1:{abs(hash((path, line, rule))):064x}"[:67]
    return Finding(
        rule=rule, severity=Severity.MEDIUM, tier=Tier.ADVISE, path=path, line=line, symbol="", message="long",
        remedy="cut", fingerprint=mark, unit=unit or f"{path}:{line}",
    )  # fmt: skip


PATHS = [
    ("shop/basket.py", True), ("shop/*.py", True), ("**", True), ("**/*.py", True), ("shop/**", True),
    ("*.py", False), ("shop", False), ("shop/basket", False), ("other/**", False), ("shop/basket.p?", True),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "is_covered"), PATHS)
def test_a_path_is_a_pattern_of_whole_paths(pattern: str, *, is_covered: bool):
    assert wish(path=pattern).covers(finding()) is is_covered


def test_a_comment_covers_its_lines_and_findings_of_the_whole_file():
    comment = wish(path="shop/basket.py", first=4, last=5)
    assert [comment.covers(finding(line=line)) for line in (3, 4, 5, 6, 0)] == [False, True, True, False, True]


@functools.cache
def verdict(affected: int, units: int) -> Verdict:
    """A real verdict whose STR013 has so many findings of so many functions."""
    judged = audit_judged(MemorySource({"shop/basket.py": "x = 1\n"}), MemoryFactStore(), RULER)
    plain = verdict_of(judged, RULER)
    outcome = RuleOutcome(rule="STR013", status=Status.FINDING, units=units, affected=affected)
    strict = score_magic("strict", [outcome], [], RULER)
    findings = tuple(finding(line=line) for line in range(1, affected + 1))
    status, reason, score = score_overall([strict], findings, RULER.weights)
    return msgspec.structs.replace(
        plain, magics=(strict,), findings=findings, status=status, reason=reason, score=score
    )


def test_it_holds_on_its_last_day_and_ends_with_it():
    before, after = (apply(verdict(1, 100), [wish()], RULER, day) for day in (DAY, DAY + dt.timedelta(days=1)))
    assert (len(before.suppressed), before.problems) == (1, ())
    assert len(after.suppressed) == 0
    assert [(p.kind, p.place) for p in after.problems] == [("expired", "elder.yaml, suppression 1")]
    assert after.verdict == verdict(1, 100)


def test_an_end_more_than_a_year_away_is_refused():
    applied = apply(verdict(1, 100), [wish(until=DAY + dt.timedelta(days=367))], RULER, DAY)
    assert [problem.kind for problem in applied.problems] == ["malformed"]


def test_suppressed_units_leave_both_sides():
    # 4 of 100 affected, 3 suppressed: 1 of 97 is left.
    applied = apply(verdict(4, 100), [wish(first=1, last=3)], RULER, DAY)
    (outcome,) = applied.verdict.magics[0].outcomes
    assert (outcome.units, outcome.affected, outcome.status) == (97, 1, Status.FINDING)
    assert applied.verdict.score == 100 * (1 - Fraction(1, 97))


def test_a_blanket_buys_no_score():
    # 40 of 100 affected and all of them suppressed: 5 may go, 35 of 95 count as affected.
    blanket = apply(verdict(40, 100), [wish()], RULER, DAY)
    assert (len(blanket.suppressed), blanket.verdict.findings) == (40, ())
    assert blanket.verdict.score == 100 * (1 - Fraction(35, 95))
    assert [(p.kind, p.place) for p in blanket.problems] == [("beyond 5 %", "STR013")]
    assert "35 of them count" in blanket.problems[0].reason


def test_few_units_leave_no_room_for_a_suppression():
    applied = apply(verdict(1, 19), [wish()], RULER, DAY)
    assert applied.verdict.score == verdict(1, 19).score


def test_a_unit_with_an_open_finding_stays_affected():
    two = verdict(2, 100)
    two = msgspec.structs.replace(two, findings=tuple(msgspec.structs.replace(f, unit="one") for f in two.findings))
    applied = apply(two, [wish(first=1, last=1)], RULER, DAY)
    assert applied.verdict.magics[0].outcomes[0].affected == 2  # the verdict says 2; nothing was excused
    assert len(applied.suppressed) == 1


def test_a_suppression_that_holds_nothing_back_is_named():
    applied = apply(verdict(1, 100), [wish(path="other/**")], RULER, DAY)
    assert [problem.kind for problem in applied.problems] == ["unused"]


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(-2, 2)), max_size=8))
def test_findings_are_open_or_suppressed_and_never_lost(ranges):
    wishes = [wish(first=first, last=last, until=DAY + dt.timedelta(days=days)) for first, last, days in ranges]
    whole = verdict(10, 40)
    applied = apply(whole, wishes, RULER, DAY)
    both = [*applied.verdict.findings, *(item.finding for item in applied.suppressed)]
    assert sorted(f.line for f in both) == sorted(f.line for f in whole.findings)
    assert applied.verdict.score >= whole.score


def test_the_first_suppression_that_covers_a_finding_is_named_whether_it_names_the_file_or_a_pattern():
    file = functools.partial(wish, path="shop/basket.py")
    pattern = functools.partial(wish, path="shop/*.py")
    for wanted in ([file(place="1"), pattern(place="2")], [pattern(place="1"), file(place="2")]):
        applied = apply(verdict(1, 100), wanted, RULER, DAY)
        assert [item.by.place for item in applied.suppressed] == ["1"]
    elsewhere = apply(verdict(1, 100), [file(place="1", first=9, last=9), pattern(place="2")], RULER, DAY)
    assert [item.by.place for item in elsewhere.suppressed] == ["2"]


def test_a_comment_is_asked_about_findings_of_its_own_file_alone(monkeypatch: pytest.MonkeyPatch):
    asked = []
    monkeypatch.setattr(Suppression, "covers", lambda self, found: asked.append((self.path, found.path)) or False)
    files = [f"shop/part_{number}.py" for number in range(100)]
    whole = msgspec.structs.replace(verdict(1, 100), findings=tuple(finding(path) for path in files))
    apply(whole, [wish(path=path, first=4, last=4) for path in files], RULER, DAY)
    assert asked == [(path, path) for path in files]
