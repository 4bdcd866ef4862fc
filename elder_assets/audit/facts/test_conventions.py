"""How the tests of a file are read: the part that is the same for every language.

A language declares its conventions as a subclass of `TestConventions`, mostly data: a query for classes, functions and
blocks that may be tests, and patterns for what asserts, skips and prints. One query a file finds the units; whatever
is asked of a unit's inside is asked of its bytes with strings and comments blanked out, so that nothing but tokens
counts and no node is visited for it. Only a test without an oracle and a suspected tautology are looked at as nodes.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from elder_assets.audit.facts.grammars import Blob, line_of
from elder_assets.audit.facts.test_inventory import Helper, Mark, TestCase, Uncollected
from elder_assets.audit.identity import normalise
from elder_assets.audit.patterns import regex

if TYPE_CHECKING:
    from tree_sitter import Node

TITLE_CHARS_MAX = 120
"""Longer titles of tests are cut in a symbol."""

CALLS_MAX = 200
"""A test that calls more names than this is not followed further."""

ASSERTING_WORDS = (
    rb"[Aa]ssert|[Ee]xpect|[Ss]hould|[Vv]erif(?:y|ies)|[Cc]heck|[Ee]nsure|[Vv]alidate|[Ss]napshot|[Aa]pprov|[Gg]olden"
)
"""Words that make a call an oracle in every language (magics.md, section 1)."""

OPERAND = r"(?P<a>[\w.]+|\"[^\"\n]{0,80}\"|'[^'\n]{0,80}')"
"""A literal, name or attribute: evaluating it has no effect."""

AGAIN = r"(?P=a)"


class Unit:
    """A class, function or block of a test file while it is read."""

    __slots__ = ("blob", "end", "kind", "marks", "masked", "name", "node", "owner", "role", "start")

    def __init__(self, kind: str, node: Node, owner: Unit | None, blob: Blob, masked: bytes) -> None:
        self.kind = kind
        """'class', 'function' or 'block', as the query captured it."""
        self.node = node
        self.owner = owner
        self.blob = blob
        self.masked = masked
        """The whole file without strings and comments."""
        self.start: int = node.start_byte
        self.end: int = node.end_byte
        self.name = ""
        self.marks = ""
        """Decorators, annotations or attributes as written."""
        self.role = ""
        """'test', 'group' (holds tests), 'helper' (may assert for tests), or '' (nothing of it is asked)."""

    @property
    def symbol(self) -> str:
        """Path of enclosing units and own name."""
        names = [unit.name for unit in (*reversed(list(self.owners)), self) if unit.name]
        return ".".join(names)

    @property
    def owners(self) -> Iterator[Unit]:
        """Enclosing units, innermost first."""
        unit = self.owner
        while unit is not None:
            yield unit
            unit = unit.owner

    @property
    def tokens(self) -> bytes:
        """Its bytes without strings and comments."""
        return self.masked[self.start : self.end]

    @property
    def body(self) -> Node | None:
        """What it executes."""
        return self.node.child_by_field_name("body")

    @property
    def line(self) -> int:
        return line_of(self.node)

    def is_inside(self, *roles: str) -> bool:
        """Whether an enclosing unit plays one of these roles."""
        return any(unit.role in roles for unit in self.owners)


class TestConventions:
    """The conventions of a language's test frameworks; a language sets the data and overrides what differs."""

    __test__ = False

    gate: re.Pattern[bytes]
    """A file without a match holds nothing that we ask for and is not parsed for it."""
    query: str
    """Captures @class, @function, @block (a call that may be a test) and @mask (strings and comments)."""
    oracle: re.Pattern[bytes]
    """Asserting tokens in the bytes of a test or helper."""
    call = regex(rb"([A-Za-z_]\w*)\s*(?=[(!]|<[\w<>, ]{1,60}>\()")
    """Names that are called."""
    oracle_mark: re.Pattern[str] = regex(r"(?!)")
    """Decorators and attributes that assert: an expected failure, a property-based test."""
    skip_mark: re.Pattern[str] = regex(r"(?!)")
    focus: re.Pattern[bytes] = regex(rb"(?!)")
    """Tokens that keep other tests from running; group 1 is what a report names."""
    no_ops: frozenset[str] = frozenset({"comment", "line_comment", "block_comment", "empty_statement"})
    """Types of nodes in a body that do nothing."""
    blocks: frozenset[str]
    """Types of nodes whose children are statements."""
    suspect: re.Pattern[bytes]
    """Where a tautology may be; cheap and too wide."""
    tautologies: Sequence[re.Pattern[str]]
    """What a tautological statement is, as a whole, on its normalised source."""
    discards: str = ""
    """Query below a test: @store (a definition with a name and a value), @compare, @print."""
    printer: re.Pattern[str] = regex(r"(?!)")
    """Whole calls captured as @print that print a value."""

    # --- what a language says ----------------------------------------------------------------------------

    def name_of(self, unit: Unit) -> str:
        """Own name of a unit."""
        name = unit.node.child_by_field_name("name")
        return "" if name is None else unit.blob.source(name)[:TITLE_CHARS_MAX]

    def marks_of(self, unit: Unit) -> str:  # noqa: ARG002 - for languages with marks
        """Decorators, annotations or attributes of a unit."""
        return ""

    def role_of(self, unit: Unit) -> str:
        """The role of a unit whose owners have theirs."""
        raise NotImplementedError

    def body_of(self, unit: Unit) -> Node | None:
        """What a test executes."""
        return unit.body

    def is_no_op(self, node: Node) -> bool:
        """Whether a statement of a body does nothing."""
        return node.type in self.no_ops

    def may_be_empty(self, unit: Unit) -> bool:  # noqa: ARG002 - for languages where something else acts
        """Whether an empty body still says something: a fixture, a base class, a decorator acts."""
        return False

    def is_skipped(self, unit: Unit) -> bool:
        """Whether a test is skipped, expected to fail or to do, by itself or by its group."""
        return any(self.skip_mark.search(each.marks) is not None for each in (unit, *unit.owners))

    def is_reached_marker(self, statement: Node, test: Unit) -> bool:
        """Whether a tautology stands where only some runs come: it says 'reached', which may be meant."""
        body = self.body_of(test)
        return statement.parent is None or body is None or statement.parent.id != body.id

    def is_test_of_equality(self, operand: str, test: Unit) -> bool:
        """Whether comparing something with itself is the point: a test of equality itself."""
        if re.fullmatch(r"[\d.]+|[\"'].*|true|false|True|False|None|nil|null", operand):
            return False
        if _EQUALITY_WORDS.search(test.name) or any(_EQUALITY_WORDS.search(unit.name) for unit in test.owners):
            return True
        return len(re.findall(rb"\b" + re.escape(operand.encode()) + rb"\b", test.tokens)) > _MENTIONS_MAX

    def uncollected(self, units: Sequence[Unit]) -> Iterator[Uncollected]:  # noqa: ARG002
        """Tests that never run, whatever the runner's configuration."""
        return iter(())

    def tautology_in(self, statement: str, test: Unit) -> bool:
        """Whether the source of a statement is an assertion that can never fail."""
        for pattern in self.tautologies:
            if match := pattern.fullmatch(statement):
                operand = match.groupdict().get("a")
                return operand is None or not self.is_test_of_equality(operand, test)
        return False

    # --- the reading ---------------------------------------------------------------------------------------

    def read(self, blob: Blob) -> Iterator[TestCase | Helper | Uncollected | Mark]:
        """Tests, helpers, never-run tests and focus marks of one file, in order of position."""
        if self.gate.search(blob.data) is None:
            return
        captures = blob.captures(self.query)
        masked = _masked(blob.data, captures.get("mask", ()))
        units = self._units(blob, captures, masked)
        tests = [unit for unit in units if unit.role == "test"]
        tautologies = self._tautologies(blob, masked, tests)
        for unit in units:
            if unit.role == "test":
                yield self._test(unit, tautologies.get(unit.start, ()))
            elif unit.role == "helper":
                yield Helper(unit.symbol, *self._oracle(unit))
        yield from self.uncollected(units)
        if tests:
            yield from self._focused(blob, masked)

    def _units(self, blob: Blob, captures: dict[str, list[Node]], masked: bytes) -> list[Unit]:
        nodes = [(node.start_byte, -node.end_byte, kind, node) for kind in _KINDS for node in captures.get(kind, ())]
        nodes.sort(key=lambda item: item[:3])
        units: list[Unit] = []
        open_units: list[Unit] = []
        for start, _, kind, node in nodes:
            while open_units and open_units[-1].end <= start:
                open_units.pop()
            unit = Unit(kind, node, open_units[-1] if open_units else None, blob, masked)
            unit.name = self.name_of(unit)
            unit.marks = self.marks_of(unit)
            unit.role = self.role_of(unit)
            units.append(unit)
            open_units.append(unit)
        return units

    def _oracle(self, unit: Unit) -> tuple[bool, tuple[str, ...]]:
        """Whether a unit asserts, and what it calls in case it does not."""
        body = self.body_of(unit)
        tokens = unit.tokens if body is None else unit.masked[body.start_byte : body.end_byte]
        if self.oracle.search(tokens) or self.oracle_mark.search(unit.marks):
            return True, ()
        return False, tuple(sorted({name.decode() for name in self.call.findall(tokens)})[:CALLS_MAX])

    def _test(self, unit: Unit, tautologies: Iterable[Mark]) -> TestCase:
        is_asserting, calls = self._oracle(unit)
        body = self.body_of(unit)
        is_empty = body is not None and all(self.is_no_op(child) for child in body.named_children)
        return TestCase(
            symbol=unit.symbol,
            line=unit.line,
            end_line=int(unit.node.end_point[0]) + 1,
            is_asserting=is_asserting,
            calls=calls,
            is_empty=is_empty and not self.may_be_empty(unit) and _DUMMY.search(unit.name) is None,
            is_skipped=self.is_skipped(unit),
            discards=() if is_asserting or is_empty or body is None else tuple(self._discards(unit, body)),
            tautologies=tuple(tautologies),
        )

    def _focused(self, blob: Blob, masked: bytes) -> Iterator[Mark]:
        for match in self.focus.finditer(masked):
            line = blob.data.count(b"\n", 0, match.start(1)) + 1
            if self.is_focus(blob, match):
                yield Mark(line, normalise(match.group(1).decode()))

    def is_focus(self, blob: Blob, match: re.Match[bytes]) -> bool:  # noqa: ARG002
        """Whether a match of `focus` stands where it focuses."""
        return True

    def _tautologies(self, blob: Blob, masked: bytes, tests: Sequence[Unit]) -> dict[int, list[Mark]]:
        """Tautological statements by the start of the test they stand in."""
        found: dict[int, list[Mark]] = {}
        seen: set[int] = set()
        for match in self.suspect.finditer(blob.data):
            position = match.start()
            if masked[position] != blob.data[position]:
                continue  # in a string or a comment
            test = next((unit for unit in tests if unit.start <= position < unit.end), None)
            statement = self._statement_at(blob, position)
            if test is None or statement.start_byte in seen or statement.start_byte <= test.start:
                continue
            seen.add(statement.start_byte)
            source = normalise(blob.source(statement))
            text = _plain(blob.source(statement))
            is_marker = _REACHED.search(text) is not None or self.is_reached_marker(statement, test)
            if self.tautology_in(text, test) and not is_marker:
                found.setdefault(test.start, []).append(Mark(line_of(statement), source))
        return found

    def _statement_at(self, blob: Blob, position: int) -> Node:
        node = blob.tree.root_node.descendant_for_byte_range(position, position + 1) or blob.tree.root_node
        while node.parent is not None and node.parent.type not in self.blocks:
            node = node.parent
        return node

    def _discards(self, unit: Unit, body: Node) -> Iterator[Mark]:
        if not self.discards:
            return
        found = unit.blob.captures(self.discards, body)
        marks = [self._mark(unit, node) for node in found.get("compare", ())]
        marks += [self._mark(unit, node) for node in found.get("print", ()) if self._prints_value(unit, node)]
        marks += [self._mark(unit, node) for node in found.get("store", ()) if _is_never_read(unit, node)]
        yield from sorted(marks, key=lambda mark: (mark.line, mark.tokens))

    def _mark(self, unit: Unit, node: Node) -> Mark:
        return Mark(line_of(node), normalise(unit.blob.source(node)))

    def _prints_value(self, unit: Unit, node: Node) -> bool:
        source = unit.blob.source(node)
        match = self.printer.match(source)
        if match is None:
            return False
        arguments = unit.masked[node.start_byte + len(match.group().encode()) : node.end_byte]
        return re.search(rb"[A-Za-z_]", arguments) is not None


_KINDS = ("class", "function", "block")
_DUMMY = regex(r"(?i)dummy|nothing|no_?op\b|placeholder")
"""Names of tests that say that they do nothing: a runner wants one test at least."""
_MENTIONS_MAX = 3
"""A name that a test mentions more often takes part in other comparisons, too."""
_EQUALITY_WORDS = regex(
    r"(?i)eq|hash|compar|same|ident|reflex|nan\b|order|cmp|sort|symmetr|clone|copy|singleton|cach|memo|lazy"
)
_REACHED = regex(
    r"(?i)[\"'].*(?:reach|g[eo]t here|without (?:an? )?(?:exception|error|crash)|no (?:exception|error)"
    r"|not (?:throw|crash|raise|fail))"
)
"""What a constant assertion says that only marks where the test has come to."""


def _masked(data: bytes, nodes: Iterable[Node]) -> bytes:
    """The bytes with the given nodes blanked out."""
    blank = bytearray(data)
    for node in nodes:
        start, end = node.start_byte, node.end_byte
        blank[start:end] = b" " * (end - start)
    return bytes(blank)


def _plain(source: str) -> str:
    """A statement on one line, without layout and final semicolon."""
    return " ".join(source.split()).rstrip("; ")


def _is_never_read(unit: Unit, node: Node) -> bool:
    """Whether a name is given the result of a call and never mentioned again in the test."""
    name = _first_field(node, ("left", "name", "pattern"))
    value = _first_field(node, ("right", "value")) or (node.named_children[-1] if node.named_children else None)
    if name is None or value is None or name.id == value.id or "identifier" not in name.type:
        return False
    text = unit.blob.source(name)
    is_call = value.type == "call" or b"(" in unit.masked[value.start_byte : value.end_byte]
    if text.startswith(("_", "ignore", "unused", "dummy")) or not is_call:
        return False
    raw = unit.blob.data[unit.start : unit.end]
    return len(re.findall(rb"(?<![\w.])" + re.escape(text.encode()) + rb"\b", raw)) == 1


def _first_field(node: Node, fields: Iterable[str]) -> Node | None:
    return next((child for field in fields if (child := node.child_by_field_name(field)) is not None), None)


def duplicates(units: Sequence[Unit]) -> Iterator[tuple[Unit, Unit]]:
    """Pairs of units of one name and owner of which the later replaces the earlier, in order of position.

    A name that is mentioned anywhere but in those definitions is used on purpose and yields no pair.
    """
    by_name: dict[tuple[int, str], list[Unit]] = {}
    for unit in units:
        by_name.setdefault((unit.owner.start if unit.owner else -1, unit.name), []).append(unit)
    mentions: Counter[bytes] | None = None
    for (_, name), same in by_name.items():
        if len(same) < 2 or not name:
            continue
        if mentions is None:
            mentions = Counter(re.findall(rb"\w+", same[0].masked))
        definitions = sum(unit.name == name for unit in units)
        if mentions[name.encode()] == definitions:
            yield from itertools.pairwise(same)
