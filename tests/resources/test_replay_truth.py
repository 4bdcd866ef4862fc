"""What the figures of docs/gate.md rest on: where lines and tokens went, worked out by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.alignment import Alignment, aligned, hunk_of, moved_blocks, tokens_of
from benchmarks.identity import Change, Side, Tally, ours, weigh
from elder_assets.audit.model import Finding, Severity, Tier

OLD = "def pay(a, b):\n    return total(a,\n                 b)\n\nassert x == 'shop'\n"
NEW = 'def pay(\n    a,\n    b,\n):\n    return total(a, b)\n\n\nassert x == "shop"\n'


def test_layout_signs_are_no_tokens():
    assert tokens_of("f('a',\n  b);") == [("f", 1), ("a", 1), ("b", 2)]


def test_equal_tokens_are_told_apart_by_their_place():
    left = [("a", 1), ("b", 1), ("a", 2)]
    right = [("a", 1), ("x", 1), ("b", 2), ("a", 3)]
    assert list(aligned([(left, right), (left, left)])) == [{0: 0, 1: 2, 2: 3}, {0: 0, 1: 1, 2: 2}]


def test_a_reformatted_line_goes_to_all_lines_that_hold_its_tokens():
    alignment = Alignment({"a.py": ("b.py", OLD, NEW)})
    assert alignment.equal_share == 1.0
    assert alignment.goes_to("a.py", 1) == ("b.py", {1, 2, 3, 4})
    assert alignment.goes_to("a.py", 2) == ("b.py", {5})
    assert alignment.goes_to("a.py", 5) == ("b.py", {8})
    assert alignment.goes_to("a.py", 4) is None


def test_a_line_whose_tokens_changed_goes_nowhere():
    alignment = Alignment({"a.py": ("a.py", "pay(one, two)\nx = 1\n", "pay(three, four)\nx = 1\n")})
    assert alignment.goes_to("a.py", 1) is None
    assert alignment.goes_to("a.py", 2) == ("a.py", {2})
    assert alignment.equal_share == pytest.approx(2 * 4 / 12)


def test_moved_code_is_known_by_the_lines_around_it_when_these_are_there_once():
    block = ["def pay(prices):", "    total = sum(prices)", "    return total"]
    removed, added = ("a.py", 10, block), ("b.py", 3, ["", *(f"    {line}" for line in block)])
    assert moved_blocks([removed], [added])["a.py", 11] == ("b.py", 5)
    assert moved_blocks([removed], [added, ("c.py", 1, block)]) == {}


def test_a_hunk_that_only_adds_stands_before_its_first_line():
    assert (hunk_of("@@ -4,0 +5,2 @@ def f").old, hunk_of("@@ -4 +5 @@").removed) == (5, 1)


class Fixed(Change):
    """A change that moves line 1 to line 3 and line 2 to line 4 of a file."""

    def __init__(self) -> None:
        self.commit, self.tokens, self._kind = "0" * 40, None, ""
        self.diff = self
        self.touched = {"a.py"}

    def path_after(self, path: str) -> str:
        return path

    def goes_to(self, path: str, line: int) -> tuple[str, int]:
        return path, line + 2


def side(*lines: int, kin: str = "k") -> Side:
    findings = [
        Finding(
            rule="STR001", severity=Severity.LOW, tier=Tier.GATE, path="a.py", line=line, symbol="", message="m",
            remedy="", fingerprint=f"{kin}{line}", kin=kin,
        )
        for line in lines
    ]  # fmt: skip
    return Side(findings, ["x"] * len(lines))


@pytest.mark.parametrize(
    ("pairing", "kept", "false", "losses"),
    [({0: 0, 1: 1}, 2, 0, 0), ({0: 1, 1: 0}, 0, 2, 2), ({0: 0}, 1, 0, 1), ({}, 0, 0, 2)],
    ids=["right", "crossed", "one lost", "both lost"],
)
def test_a_crossed_or_lost_pair_costs(pairing: dict[int, int], kept: int, false: int, losses: int):
    tallies = {"moved lines": Tally()}
    told = list(weigh(tallies, pairing, side(1, 2), side(3, 4), Fixed()))
    tally = tallies["moved lines"]
    assert (tally.expected, tally.kept, tally.false, len(told)) == (2, kept, false, losses)


def test_our_matching_is_weighed_by_index():
    assert ours(side(1, 2), side(3, 4)) == {0: 0, 1: 1}
