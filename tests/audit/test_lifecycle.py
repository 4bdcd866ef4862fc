"""Which findings are new: pairs worked out by hand."""

from __future__ import annotations

import msgspec
import pytest

from elder_assets.audit import lifecycle
from elder_assets.audit.former_codes import FORMER_CODES
from elder_assets.audit.lifecycle import match
from elder_assets.audit.model import Finding, Severity, Tier


def finding(path: str, line: int, name: str = "k", ordinal: int = 0, **changed: object) -> Finding:
    values = {
        "rule": "STR001", "severity": Severity.HIGH, "tier": Tier.GATE, "path": path, "line": line, "symbol": "",
        "message": f"{name} is wrong", "remedy": "", "fingerprint": f"{name}-{ordinal}", "kin": name, **changed,
    }  # fmt: skip
    return Finding(**values)


def told(before: list[Finding], after: list[Finding]) -> tuple[list[str], list[str], list[str]]:
    changes = match(before, after)
    place = lambda found: f"{found.path}:{found.line}"  # noqa: E731 - short
    pairs = [f"{place(pair.before)}>{place(pair.after)}" for pair in changes.existing]
    assert len(before) == len(changes.existing) + len(changes.fixed)
    assert len(after) == len(changes.existing) + len(changes.new)
    return [place(found) for found in changes.new], pairs, [place(found) for found in changes.fixed]


def test_moved_lines_are_the_same_finding():
    assert told([finding("a.py", 3)], [finding("a.py", 30)]) == ([], ["a.py:3>a.py:30"], [])


def test_a_renamed_file_and_a_moved_folder_take_their_findings_along():
    before = [finding("shop/basket.py", 3), finding("shop/pay.py", 5, ordinal=1)]
    after = [finding("store/basket.py", 3), finding("store/pay.py", 5, ordinal=1)]
    assert told(before, after) == ([], ["shop/basket.py:3>store/basket.py:3", "shop/pay.py:5>store/pay.py:5"], [])


def test_a_copied_file_brings_new_findings_and_the_old_ones_stay():
    before = [finding("shop/basket.py", 3)]
    after = [finding("copy/basket.py", 3), finding("shop/basket.py", 3, ordinal=1)]
    assert told(before, after) == (["copy/basket.py:3"], ["shop/basket.py:3>shop/basket.py:3"], [])


def test_of_several_alike_in_a_file_the_nearest_are_paired():
    before = [finding("a.py", 10), finding("a.py", 20, ordinal=1)]
    after = [finding("a.py", 12), finding("a.py", 15, ordinal=1), finding("a.py", 22, ordinal=2)]
    assert told(before, after) == (["a.py:15"], ["a.py:10>a.py:12", "a.py:20>a.py:22"], [])


def test_alike_findings_of_a_file_keep_their_order_when_lines_are_put_before_them():
    """By the nearest line alone the first would take the place of the second."""
    before = [finding("a.py", 16), finding("a.py", 21, ordinal=1)]
    after = [finding("a.py", 21), finding("a.py", 26, ordinal=1)]
    assert told(before, after) == ([], ["a.py:16>a.py:21", "a.py:21>a.py:26"], [])
    moved = [finding("lib/a.py", 21), finding("lib/a.py", 26, ordinal=1)]
    assert told(before, moved) == ([], ["a.py:16>lib/a.py:21", "a.py:21>lib/a.py:26"], [])


def test_a_changed_path_root_takes_all_findings_along_and_back():
    """Two packages with a file of the same name and the same findings: each stays with its own folder."""
    inside = [finding("core/io.py", 3), finding("core/io.py", 9, ordinal=1), finding("web/io.py", 4, ordinal=2)]
    below = [msgspec.structs.replace(one, path=f"src/{one.path}") for one in inside]
    pairs = ["core/io.py:3>src/core/io.py:3", "core/io.py:9>src/core/io.py:9", "web/io.py:4>src/web/io.py:4"]
    assert told(inside, below) == ([], pairs, [])
    back = [">".join(reversed(pair.split(">"))) for pair in pairs]
    assert told(below, inside) == ([], back, [])


def test_a_function_whose_owner_went_is_known_by_its_name_in_its_file():
    """A parser that did not understand a new syntax told an owner that is none; the suffix may change along."""
    before = [finding("web/panel.js", 68, "old", symbol="<anonymous>.Panel", message="<anonymous>.Panel has 254 lines")]
    after = [finding("web/panel.tsx", 70, "new", symbol="Panel", message="Panel has 254 lines")]
    assert told(before, after) == ([], ["web/panel.js:68>web/panel.tsx:70"], [])
    elsewhere = [finding("web/other.js", 70, "new", symbol="Panel", message="Panel has 254 lines")]
    assert told(before, elsewhere) == (["web/other.js:70"], [], ["web/panel.js:68"])


def test_edited_code_of_the_same_symbol_with_the_same_message_is_the_same_finding():
    before = [finding("a.py", 3, "old", symbol="Basket.total", message="total is too long")]
    after = [finding("a.py", 5, "new", symbol="Basket.total", message="total is too long")]
    assert told(before, after) == ([], ["a.py:3>a.py:5"], [])


def test_a_renamed_class_takes_the_findings_of_its_members_along():
    before = [finding("shop/a.py", 3, "old", symbol="Basket.total", message="Basket.total has 90 lines")]
    after = [finding("shop/b.py", 3, "new", symbol="Cart.total", message="Cart.total has 90 lines")]
    assert told(before, after) == ([], ["shop/a.py:3>shop/b.py:3"], [])
    elsewhere = [finding("pay/b.py", 3, "new", symbol="Cart.total", message="Cart.total has 90 lines")]
    assert told(before, elsewhere) == (["pay/b.py:3"], [], ["shop/a.py:3"])


def test_another_text_is_another_finding():
    assert told([finding("a.py", 3)], [finding("a.py", 3, "other")]) == (["a.py:3"], [], ["a.py:3"])


def test_a_renamed_rule_keeps_its_findings():
    """Kin and fingerprint hold the code under which the rule was born; an added twin shifts the ordinals."""
    before = [finding("a.py", 3, ordinal=0), finding("b.py", 3, ordinal=1)]
    after = [
        finding("0.py", 1, rule="STR099", ordinal=0),
        finding("a.py", 4, rule="STR099", ordinal=1),
        finding("b.py", 4, rule="STR099", ordinal=2),
    ]
    assert told(before, after) == (["0.py:1"], ["a.py:3>a.py:4", "b.py:3>b.py:4"], [])


@pytest.mark.parametrize("later", ["shop/a.py", "shop/b.py"], ids=["edited code", "renamed class"])
def test_a_finding_under_a_retired_code_is_known_by_its_words(monkeypatch: pytest.MonkeyPatch, later: str):
    owner = "Basket" if later == "shop/a.py" else "Cart"
    before = [finding("shop/a.py", 3, "old", symbol="Basket.total", message="Basket.total is long")]
    after = [finding(later, 5, "new", rule="STR099", symbol=f"{owner}.total", message=f"{owner}.total is long")]
    assert told(before, after) == ([f"{later}:5"], [], ["shop/a.py:3"])
    monkeypatch.setitem(FORMER_CODES, "STR001", "STR099")
    assert told(before, after) == ([], [f"shop/a.py:3>{later}:5"], [])


def test_findings_that_were_stored_without_kin_are_known_by_their_fingerprint():
    """Frames and exports keep no kin: nothing may be held for the same only because both lack it."""
    before = [finding("a.py", 3, "one", kin=""), finding("a.py", 9, "two", kin="")]
    after = [finding("a.py", 3, "three"), finding("b.py", 9, "two")]
    assert told(before, after) == (["a.py:3"], ["a.py:9>b.py:9"], ["a.py:3"])


def test_thousands_of_equal_findings_are_told_in_time():
    before = [finding("a.py", line, ordinal=line) for line in range(3000)]
    changes = match(before, before[:-1])
    assert (len(changes.new), len(changes.fixed), len(changes.existing)) == (0, 1, 2999)


def test_of_many_files_that_moved_each_keeps_its_findings():
    """More files than are compared one by one, all with the same finding: ends of paths tell which is which."""
    before = [finding(f"shop/part_{number}/{name}.py", 3) for number in range(40) for name in ("io", "total")]
    after = [msgspec.structs.replace(one, path=f"src/{one.path}", line=5) for one in before if one.path[-5:] != "io.py"]
    after += [finding(f"src/shop/part_{number}/io.py", 7) for number in range(1, 40)]
    changes = match(before, after)
    assert all(pair.after.path == f"src/{pair.before.path}" for pair in changes.existing)
    assert (len(changes.existing), changes.new) == (79, ())
    assert [found.path for found in changes.fixed] == ["shop/part_0/io.py"]


def test_many_files_without_a_common_end_are_paired_in_order_of_their_paths():
    before = [finding(f"shop/a{number:02}.py", 3) for number in range(50)]
    after = [finding(f"shop/b{number:02}.py", 3) for number in range(30)]
    changes = match(before, after)
    assert (len(changes.existing), len(changes.new), len(changes.fixed)) == (30, 0, 20)
    assert all(pair.before.path[-5:] == pair.after.path[-5:] for pair in changes.existing)


@pytest.mark.parametrize("files", [200, 2_000])
def test_paths_are_compared_as_often_as_there_are_findings_not_as_their_square(
    monkeypatch: pytest.MonkeyPatch, files: int
):
    compared = []
    monkeypatch.setattr(lifecycle, "_alike", lambda *paths: compared.append(paths) or 0.5)
    before = [finding(f"old/part_{number % 7}/module_{number}.py", 3) for number in range(files)]
    after = [msgspec.structs.replace(one, path=one.path.replace("old/", "new/")) for one in before]
    assert len(match(before, after).existing) == files
    assert len(compared) <= 10 * 2 * files
