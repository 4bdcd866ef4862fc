"""Regular expressions that are compiled late: they behave as compiled ones, and all of ours compile."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest

import elder_assets.audit as core
from elder_assets.audit.patterns import _Lazy, regex


def test_a_late_pattern_does_what_a_compiled_one_does():
    late, early = regex(r"(?P<word>[a-z]+)\d", re.IGNORECASE), re.compile(r"(?P<word>[a-z]+)\d", re.IGNORECASE)
    text = "Ab1 cd2 e"
    assert late.findall(text) == early.findall(text)
    assert late.sub("x", text) == early.sub("x", text)
    assert late.search(text)["word"] == "Ab"
    assert (late.pattern, late.flags, late.groups) == (early.pattern, early.flags, early.groups)
    assert regex(rb"a+").fullmatch(b"aa") is not None


def test_a_wrong_pattern_says_so_at_its_first_use():
    late = regex("(")
    with pytest.raises(re.error):
        late.search("")


def test_every_pattern_of_the_core_compiles():
    found = []
    for module in pkgutil.walk_packages(core.__path__, core.__name__ + "."):
        found += [value for value in vars(importlib.import_module(module.name)).values() if isinstance(value, _Lazy)]
    assert len(found) > 100
    assert all(late.pattern for late in found)
