"""Events say how things stand after an audit; what was not measured says nothing."""

from __future__ import annotations

import pytest

from elder_assets.audit.alert_events import (
    AuditSummary,
    Event,
    MagicSummary,
    ScorePoint,
    Suppression,
    TopFinding,
    derive_events,
    expiring_events,
    summary_of,
)
from elder_assets.audit.engine import audit
from elder_assets.audit.facts.extraction import MemoryFactStore
from elder_assets.audit.model import Status
from elder_assets.audit.ruler import default_ruler
from elder_assets.audit.testing import MemorySource

DAY = 86_400
NOW = 1_000 * DAY


def finding(name: str) -> TopFinding:
    return TopFinding(finding_id=name, rule="STR010", place="a.py:1", message=f"secret {name}")


def summary(
    *, at: int = NOW, status: Status = Status.PASSED, score: float | None = 90.0, **fields: object
) -> AuditSummary:
    base = AuditSummary(
        repository="host/shop", team="pay", commit="c" * 40, as_of=at, audited_at=at, status=status, score=score
    )
    return AuditSummary(**{name: getattr(base, name) for name in base.__struct_fields__} | fields)


def one(events: list[Event], kind: str, what: str | None = None) -> Event:
    found = [event for event in events if event.kind == kind and what in {None, event.what}]
    assert len(found) == 1, events
    return found[0]


def kinds(events: list[Event]) -> set[str]:
    return {event.kind for event in events}


def test_a_status_carries_what_it_was():
    event = one(derive_events(summary(), summary(status=Status.FAILED, at=NOW + 60)), "status_changed")
    assert (event.before, event.after, event.from_at, event.at) == ("passed", "failed", NOW, NOW + 60)


def test_an_audit_that_failed_says_only_that_and_clears_nothing():
    before = summary(criticals=(finding("a"),), gate="failed")
    after = summary(status=Status.ERROR, score=None, reason="tdd: TDD002: broken", at=NOW + 1)
    events = derive_events(before, after)
    assert kinds(events) == {"cannot_audit"}
    assert (events[0].before, events[0].after, events[0].reason) == ("audited", "error", "tdd: TDD002: broken")


def test_after_an_error_the_last_judged_audit_is_what_is_compared_with():
    judged = summary(criticals=(finding("a"),), at=NOW - 100)
    broken = summary(status=Status.ERROR, score=None, at=NOW - 50)
    events = derive_events(broken, summary(criticals=(finding("a"), finding("b"))), judged=judged)
    assert [f.finding_id for f in one(events, "critical_finding").findings] == ["b"]
    assert one(events, "cannot_audit").after == "audited"


def test_a_drop_is_measured_from_the_best_score_inside_the_window():
    points = [ScorePoint(NOW - 8 * DAY, 99.0), ScorePoint(NOW - 3 * DAY, 92.0), ScorePoint(NOW - DAY, 88.0)]
    events = derive_events(summary(at=NOW - DAY, score=88.0), summary(score=80.0), points=points, windows_days=(7, 30))
    week, month = one(events, "score_dropped", "7d"), one(events, "score_dropped", "30d")
    assert (week.before, week.after, week.from_at) == (92.0, 80.0, NOW - 3 * DAY)
    assert (month.before, month.from_at) == (99.0, NOW - 8 * DAY)


def test_a_first_audit_has_no_drop_and_no_status_before():
    events = derive_events(None, summary())
    assert "score_dropped" not in kinds(events)
    assert one(events, "status_changed").before is None


def test_rates_are_shares_of_units_per_magic_and_of_all():
    def magics(affected: int) -> tuple[MagicSummary, ...]:
        return (
            MagicSummary(magic="tdd", status=Status.WARNING, score=70.0, units=40, affected=affected),
            MagicSummary(magic="flow", status=Status.PASSED, score=100.0, units=10, affected=0),
            MagicSummary(magic="git", status=Status.NOT_APPLICABLE, score=None, units=0, affected=0),
        )

    events = derive_events(summary(magics=magics(2)), summary(magics=magics(10)))
    assert {e.what: (e.before, e.after) for e in events if e.kind == "violation_rate"} == {
        "": (0.04, 0.2),
        "tdd": (0.05, 0.25),
        "flow": (0.0, 0.0),
    }


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("", "a", (["a"], 1)),
        ("a", "a", None),
        ("a", "ab", (["b"], 1)),
        ("", "abcde", (["a", "b", "c"], 5)),
        ("ab", "a", None),
        ("ab", "", ([], 0)),
        ("", "", None),
    ],
    ids=["first", "same", "one more", "many: three of five", "one fewer", "none left", "never any"],
)
def test_critical_findings_are_told_when_they_are_new_and_when_none_is_left(before, after, told):
    events = derive_events(
        summary(criticals=tuple(map(finding, before))), summary(criticals=tuple(map(finding, after)))
    )
    found = [([f.finding_id for f in e.findings], e.found) for e in events if e.kind == "critical_finding"]
    assert found == ([told] if told else [])


def test_the_same_new_findings_in_another_order_are_the_same_thing():
    first, second = (
        one(derive_events(None, summary(criticals=tuple(map(finding, order)))), "critical_finding")
        for order in ("ab", "ba")
    )
    assert first.what == second.what


def test_suppressions_that_end_on_one_day_are_one_event_and_ended_ones_are_none():
    def suppression(name: str, until: int) -> Suppression:
        return Suppression(suppression_id=name, rule="TDD001", place="t.py:3", reason="later", until=until)

    events = expiring_events(
        "host/shop",
        "pay",
        [
            suppression("late", NOW + 9 * DAY + 5),
            suppression("b", NOW + 2 * DAY + 50),
            suppression("a", NOW + 2 * DAY + 10),
            suppression("gone", NOW - 1),
        ],
        NOW,
    )
    assert [(e.after, [f.finding_id for f in e.findings]) for e in events] == [(2.0, ["a", "b"]), (9.0, ["late"])]


def test_two_repositories_are_no_pair():
    with pytest.raises(ValueError, match="no pair"):
        derive_events(summary(), summary(repository="host/other"))


def test_a_verdict_becomes_a_summary():
    source = MemorySource({"shop/basket.py": "def total(prices):\n    return sum(prices)\n"})
    verdict = audit(source, MemoryFactStore(), default_ruler())
    made = summary_of(verdict, team="pay", audited_at=NOW, gate="passed", link="/projects/1")
    assert (made.status, made.audited_at, made.gate, len(made.magics)) == (verdict.status, NOW, "passed", 8)
    assert {m.magic: m.units for m in made.magics}["strict"] == sum(
        o.units for m in verdict.magics if m.magic == "strict" for o in m.outcomes
    )
