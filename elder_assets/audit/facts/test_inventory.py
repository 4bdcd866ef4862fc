"""Tests of a source file: which there are, what they prove, what they throw away.

The rules of each framework stand in the language's own file (`languages/<language>.py: tests`), what they have in
common in `test_conventions.py`; this module holds what they yield.
"""

from __future__ import annotations

import re

import msgspec

from elder_assets.audit.facts.extraction import extractor
from elder_assets.audit.facts.grammars import Blob, language_of
from elder_assets.audit.model import CODE_CLASSES, FileClass, SourceFile
from elder_assets.audit.patterns import regex


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
    """() when it asserts itself."""
    is_empty: bool
    """Its body holds nothing but no-ops, a docstring and comments, and nothing acts in its place: no fixture,
    base class or decorator."""
    is_skipped: bool
    """Skipped, expected to fail, or marked as to do."""
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
    runner: str = ""
    """The runner whose rule it is ('pytest'); '' when no runner would run it."""


class TestInventory(msgspec.Struct, frozen=True, array_like=True):
    """All tests, helpers and never-run tests of one file, in order of position."""

    __test__ = False

    tests: tuple[TestCase, ...] = ()
    helpers: tuple[Helper, ...] = ()
    uncollected: tuple[Uncollected, ...] = ()
    focused: tuple[Mark, ...] = ()
    """Marks that keep all other tests from running."""
    imported: tuple[str, ...] = ()
    """Words of the import lines, where tests of one file may be collected through another (Python)."""


def may_hold_tests(file: SourceFile) -> bool:
    """Whether tests of the file's language may stand in it: test code, and all code where tests live beside it."""
    language = language_of(file.variant)
    if language is None or language.tests is None:
        return False
    return file.file_class is FileClass.TEST or (language.has_inline_tests and file.file_class in CODE_CLASSES)


@extractor(version=5, wants=may_hold_tests)
def test_inventory(blob: Blob) -> TestInventory:
    """List the tests of a test file by the conventions of its language."""
    read = blob.language.tests
    items = list(read(blob)) if read is not None else []
    return TestInventory(
        tests=tuple(item for item in items if isinstance(item, TestCase)),
        helpers=tuple(item for item in items if isinstance(item, Helper)),
        uncollected=tuple(item for item in items if isinstance(item, Uncollected)),
        focused=tuple(item for item in items if isinstance(item, Mark)),
        imported=_imported(blob),
    )


_IMPORT_LINE = regex(rb"^[ \t]*(?:from[ \t]+\S+[ \t]+)?import[ \t]+(?:\([^)]{0,2000}\)|[^\n]*)", re.MULTILINE)


def _imported(blob: Blob) -> tuple[str, ...]:
    if blob.variant != "python":
        return ()
    lines = _IMPORT_LINE.findall(blob.data)
    return tuple(sorted({word.decode() for line in lines for word in re.findall(rb"\w+", line, re.ASCII)}))


test_inventory.__test__ = False  # type: ignore[attr-defined]
