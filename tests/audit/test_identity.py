"""Fingerprints survive what does not change the defect, and only that."""

from __future__ import annotations

import pytest

from elder_assets.audit.identity import fingerprint, fingerprints, kin, normalise
from elder_assets.audit.model import Found


def found(path: str, line: int, symbol: str = "", tokens: str = "") -> Found:
    return Found(message="m", path=path, line=line, symbol=symbol, tokens=tokens)


def test_moved_lines_and_renamed_files_keep_the_fingerprint():
    before = fingerprints("STR013", [found("a.py", 10, "f", "x == x")])
    after = fingerprints("STR013", [found("lib/b.py", 99, "f", "x == x")])
    assert before == after


def test_equal_places_are_told_apart_by_their_order_not_by_the_order_of_the_list():
    first, second = found("a.py", 1, "f", "x"), found("a.py", 5, "f", "x")
    assert fingerprints("R", [first, second]) == list(reversed(fingerprints("R", [second, first])))
    assert len(set(fingerprints("R", [first, second]))) == 2


def test_parts_do_not_run_into_each_other():
    assert fingerprint("R", "ab", "c", 0) != fingerprint("R", "a", "bc", 0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("assert  x==1", "assert x == 1"),
        ("f(a,\n  b,\n)", "f(a, b)"),
        ("x = 'shop'", 'x = "shop"'),
        ("done();", "done()"),
        ("[1, 2,]", "[1,2]"),
    ],
)
def test_reformatting_does_not_change_the_tokens(one: str, other: str):
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("one", "other"), [("x == 1", "x == 2"), ("'a b'", "'ab'"), ("ab", "a b"), ("f(a)", "f(a, b)")]
)
def test_another_meaning_has_other_tokens(one: str, other: str):
    assert normalise(one) != normalise(other)


def test_long_texts_are_cut_but_stay_distinct():
    one, other = normalise("x + " * 500 + "1"), normalise("x + " * 500 + "2")
    assert one != other
    assert len(one) < 450


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("from shop import (Basket, pay)  # NOQA", "from shop import Basket, pay  # NOQA"),
        ("x => x", "(x) => x"),
        ('{"shop": 1}', "{shop: 1,}"),
        (r"say('it\'s')", 'say("it\'s")'),
        ("say(u'shop')", 'say("shop")'),
        ("return (a and\n b)", "return a and b"),
    ],
)
def test_what_formatters_do_beyond_layout_keeps_the_kin(one: str, other: str):
    assert kin("R", "f", normalise(one)) == kin("R", "f", normalise(other))


@pytest.mark.parametrize(("one", "other"), [("x == 1", "x == 2"), ("u + 1", "v + 1"), ("a[0]", "a"), ("not x", "x")])
def test_another_meaning_has_another_kin(one: str, other: str):
    assert kin("R", "f", normalise(one)) != kin("R", "f", normalise(other))


def test_another_rule_or_symbol_has_another_kin():
    assert len({kin("R", "f", "x"), kin("S", "f", "x"), kin("R", "g", "x")}) == 3
