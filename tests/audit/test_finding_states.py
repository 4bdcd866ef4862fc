"""What becomes of findings from audit to audit; every one is counted once."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elder_assets.audit.finding_states import ACTIVE, Count, Evidence, Known, Move, advance, counted
from elder_assets.audit.model import Finding, RuleOutcome, Severity, Status, Tier
from elder_assets.audit.suppression import Suppressed, Suppression

BY = Suppression(
    rules=("STR001",), reason="a template of ours", until=dt.date(2026, 3, 10), origin="comment", place="a.py:1"
)


def finding(name: str = "a", path: str = "", rule: str = "STR001", **changes) -> Finding:
    made = Finding(
        rule=rule, severity=Severity.HIGH, tier=Tier.GATE, path=path or f"{name}.py", line=3, symbol="", message="torn",
        remedy="mend", fingerprint=f"v1:{name}", kin=name, unit=name,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def evidence(status: Status = Status.FINDING, rule: str = "STR001", **changes) -> Evidence:
    made = Evidence(
        outcomes=(RuleOutcome(rule=rule, status=status, units=9),),
        paths=frozenset({"a.py", "b.py", "c.py"}),
        asked_before=frozenset({"STR001"}),
    )
    return msgspec.structs.replace(made, **changes)


def known(standing: str, name: str = "a", number: int = 1) -> Known:
    return Known(id=number, finding=finding(name), standing=standing)


def only(moves: list[Move]) -> tuple:
    (move,) = moves
    return move.known, move.standing, move.events


CASES = [
    ("the code brought it", [], [finding()], {}, (None, "open", ("new",))),
    ("first audit", [], [finding()], {"is_first": True}, (None, "open", ("unveiled",))),
    ("a new rule", [], [finding()], {"asked_before": frozenset()}, (None, "open", ("unveiled",))),
    ("a new limit, old code", [], [finding()], {"earlier": (finding(),)}, (None, "open", ("unveiled",))),
    ("a new limit, new code", [], [finding()], {"earlier": (finding("b"),)}, (None, "open", ("new",))),
    ("as before", [known("open")], [finding()], {}, (1, "open", ())),
    ("moved file", [known("open")], [finding(path="c.py")], {}, (1, "open", ("moved",))),
    ("weighed anew", [known("open")], [finding(tier=Tier.ADVISE)], {}, (1, "open", ("weighed anew",))),
    ("mended", [known("open")], [], {}, (1, "fixed", ("fixed",))),
    ("put back", [known("fixed")], [finding()], {}, (1, "open", ("reopened",))),
    ("back in scope", [known("removed")], [finding()], {"earlier": (finding(),)}, (1, "open", ("unveiled",))),
    ("file gone", [known("open")], [], {"paths": frozenset({"b.py"})}, (1, "removed", ("removed",))),
    ("rule gone", [known("open")], [], {"outcomes": ()}, (1, "removed", ("removed",))),
    ("limit moved away", [known("open")], [], {"earlier": ()}, (1, "removed", ("removed",))),
    ("limit moved, code mended", [known("open")], [], {"earlier": (finding(),)}, (1, "fixed", ("fixed",))),
    ("now a notice", [known("open")], [finding(severity=Severity.INFO)], {}, (1, "removed", ("removed",))),
]  # fmt: skip


@pytest.mark.parametrize(("name", "before", "now", "changes", "move"), CASES, ids=[case[0] for case in CASES])
def test_each_finding_moves_by_what_happened(name: str, before, now, changes, move):
    moves, count = advance(before, now, [], evidence(**changes))
    assert only(moves) == move
    assert count.is_conserved


@pytest.mark.parametrize("status", [Status.ERROR, Status.NOT_AVAILABLE])
def test_what_was_not_measured_is_not_fixed(status: Status):
    moves, count = advance([known("open")], [], [], evidence(status))
    assert only(moves) == (1, "open", ())
    assert count == Count(previous=1, open=1, not_answered=1)


def test_a_rule_that_does_not_apply_any_more_fixed_nothing():
    moves, _ = advance([known("open")], [], [], evidence(Status.NOT_APPLICABLE))
    assert only(moves) == (1, "removed", ("removed",))


def test_a_suppression_comes_and_ends():
    one = finding()
    moves, count = advance([known("open")], [one], [Suppressed(one, BY)], evidence())
    assert only(moves) == (1, "suppressed", ("suppressed",))
    assert (moves[0].by, count) == (BY, Count(previous=1, suppressed=1))
    moves, count = advance([known("suppressed")], [one], [], evidence())
    assert only(moves) == (1, "open", ("suppression ended",))
    assert count == Count(previous=1, open=1)


def test_a_new_finding_may_come_suppressed():
    one = finding()
    moves, count = advance([], [one], [Suppressed(one, BY)], evidence())
    assert only(moves) == (None, "suppressed", ("new", "suppressed"))
    assert count.is_conserved


def test_notices_and_shadow_findings_have_no_life():
    moves, count = advance([], [finding(severity=Severity.INFO), finding("b", tier=Tier.SHADOW)], [], evidence())
    assert (moves, count) == ([], Count())


NAMES = st.sampled_from("abcdef")
STANDINGS = st.sampled_from(["open", "suppressed", "fixed", "removed"])


@given(
    before=st.dictionaries(NAMES, STANDINGS),
    now=st.lists(NAMES, max_size=8),
    held=st.sets(st.integers(0, 7)),
    earlier=st.none() | st.lists(NAMES, max_size=4),
    paths=st.sets(NAMES.map(lambda name: f"{name}.py")),
    status=st.sampled_from([Status.FINDING, Status.PASS, Status.ERROR, Status.NOT_APPLICABLE]),
    is_first=st.booleans(),
)
def test_nothing_is_lost_or_doubled(before, now, held, earlier, paths, status, is_first):  # noqa: PLR0917
    recorded = [known(standing, name, number) for number, (name, standing) in enumerate(sorted(before.items()), 1)]
    found = [finding(name, fingerprint=f"v1:{name}{number}") for number, name in enumerate(now)]
    suppressed = [Suppressed(one, BY) for number, one in enumerate(found) if number in held]
    was = None if earlier is None else tuple(finding(name) for name in earlier)
    moves, count = advance(
        recorded, found, suppressed, evidence(status, paths=frozenset(paths), earlier=was, is_first=is_first)
    )
    assert count.is_conserved
    assert count.previous == sum(item.standing in ACTIVE for item in recorded)
    ids = [move.known for move in moves if move.known is not None]
    assert len(ids) == len(set(ids))
    assert {item.id for item in recorded if item.standing in ACTIVE} <= set(ids)
    active = [move for move in moves if move.standing in ACTIVE and move.is_answered]
    assert sorted(move.finding.fingerprint for move in active) == sorted(one.fingerprint for one in found)


def test_notices_and_findings_of_shadow_rules_are_not_counted():
    told = [finding(), finding("b", severity=Severity.LOW, tier=Tier.ADVISE)]
    silent = [finding("c", severity=Severity.INFO), finding("d", tier=Tier.SHADOW)]
    assert (counted(told + silent), counted(silent)) == (2, 0)
