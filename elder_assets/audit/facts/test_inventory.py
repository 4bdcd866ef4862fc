"""Tests of a source file: which there are, what they prove, what they throw away.

The rules of each framework stand in the language's own file (`languages/<language>.py: tests`); this module only
holds what they yield.
"""

from __future__ import annotations

import msgspec

from elder_assets.audit.facts.extraction import extractor
from elder_assets.audit.facts.functions import is_code
from elder_assets.audit.facts.grammars import Blob
from elder_assets.audit.model import FileClass


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """A place in a test and its normalised text."""

    line: int
    tokens: str


class TestCase(msgspec.Struct, frozen=True, array_like=True):
    """One test as its framework collects it. Benchmarks and fixtures are none."""

    __test__ = False  # the name is the field's word; pytest must not collect the record

    symbol: str
    line: int
    end_line: int
    is_asserting: bool
    """Holds an oracle of its own: an assertion, an expected failure, a snapshot (magics.md, section 1)."""
    calls: tuple[str, ...]
    """Last names of what it calls: candidates for helpers that assert."""
    is_empty: bool
    """Its body holds nothing but no-ops, a docstring and comments."""
    is_skipped: bool
    """Skipped, expected to fail, or marked as to do."""
    is_focused: bool
    """Marked so that the other tests do not run."""
    discards: tuple[Mark, ...]
    """Evidence thrown away: a result stored and never read, printed, or compared without an assertion."""
    tautologies: tuple[Mark, ...]
    """Assertions that can never fail."""


class Helper(msgspec.Struct, frozen=True, array_like=True):
    """A function of a test file that is no test: it may assert on behalf of tests."""

    symbol: str
    is_asserting: bool
    calls: tuple[str, ...]


class Uncollected(msgspec.Struct, frozen=True, array_like=True):
    """Something written as a test that its runner never runs, and why."""

    symbol: str
    line: int
    reason: str


class TestInventory(msgspec.Struct, frozen=True, array_like=True):
    """All tests, helpers and never-run tests of one file, in order of position."""

    __test__ = False

    tests: tuple[TestCase, ...] = ()
    helpers: tuple[Helper, ...] = ()
    uncollected: tuple[Uncollected, ...] = ()


@extractor(version=1, file_classes=(FileClass.TEST,), wants=is_code)
def test_inventory(blob: Blob) -> TestInventory:
    """List the tests of a test file by the conventions of its language."""
    read = blob.language.tests
    items = list(read(blob)) if read is not None else []
    return TestInventory(
        tests=tuple(item for item in items if isinstance(item, TestCase)),
        helpers=tuple(item for item in items if isinstance(item, Helper)),
        uncollected=tuple(item for item in items if isinstance(item, Uncollected)),
    )


test_inventory.__test__ = False  # type: ignore[attr-defined]
