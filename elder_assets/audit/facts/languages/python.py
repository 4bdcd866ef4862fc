"""Python: .py and .pyi; tests as pytest and unittest collect them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import tree_sitter_python

from elder_assets.audit.facts.grammars import Language, path_matches
from elder_assets.audit.facts.test_conventions import (
    AGAIN,
    ASSERTING_WORDS,
    OPERAND,
    TestConventions,
    Unit,
    duplicates,
)
from elder_assets.audit.facts.test_inventory import Uncollected
from elder_assets.audit.patterns import regex

if TYPE_CHECKING:
    from tree_sitter import Node

_TEST_NAME = regex(r"test(?:_|[A-Z0-9]|$)")
_HARMLESS_MARK = regex(r"\s*(?:@(?:pytest\.mark\.\w+|(?:mock\.)?patch|staticmethod|override)\b[^@]*)*", re.DOTALL)
_TRUE = r"(?:True|1|not (?:False|0|None)|\"[^\"]+\"|'[^']+')"
_FALSE = r"(?:False|0|None|not True)"
_MESSAGE = r"(?:\s*,\s*(?:msg\s*=\s*)?[frb]*[\"'].*)?\s*,?\s*"
_SAME = r"(?:Equals?|Is|DictEqual|ListEqual|TupleEqual|SetEqual|MultiLineEqual|SequenceEqual|CountEqual|AlmostEqual)"


class PythonTests(TestConventions):
    """Functions `test*` of modules and of classes that pytest or unittest collect."""

    gate = regex(rb"\bdef\s")
    query = """
        (class_definition) @class
        (function_definition) @function
        [(string) (comment)] @mask
    """
    oracle = regex(
        rb"\bassert\b|\braise\b|\b\w*(?:" + ASSERTING_WORDS + rb"|raises|warns)\w*\s*\("
        rb"|\.(?:fail\w*|skipTest|exit|should\w*|must\w*)\b|\bpytest\.(?:raises|warns|fail|skip|xfail)\b|\bshould\b|\bthat\("
    )
    oracle_mark = regex(r"given\(|raises|xfail|expectedFailure|compar|check|assert|benchmark|expect", re.IGNORECASE)
    skip_mark = regex(r"skip|xfail|expectedFailure|todo|disable", re.IGNORECASE)
    no_ops = frozenset({"comment", "pass_statement"})
    blocks = frozenset({"block", "module"})
    suspect = regex(
        rb"\bassert\b\s*\(?\s*(?:True\b|1\b|not\b|\"|'|([\w.]+|\"[^\"\n]*\"|'[^'\n]*')\s*(?:==|is)\s*\1(?![\w.(\[]))"
        rb"|\bassert\b\s*\(.{0,200},"
        rb"|\.(?:assert(?:_|True|False|Is(?:Not)?None)\s*\(\s*(?:True|False|not|1|0|None|\"|')"
        rb"|assert\w*(?:Equals?|Is)\s*\(\s*([\w.]+|\"[^\"\n]*\"|'[^'\n]*')\s*,\s*\2\s*[,)])"
    )
    tautologies = tuple(
        regex(pattern, re.DOTALL)
        for pattern in (
            rf"assert\s*(?:{_TRUE}|\(\s*{_TRUE}\s*\)){_MESSAGE}",
            rf"assert\s*{OPERAND}\s*(?:==|is)\s*{AGAIN}{_MESSAGE}",
            rf"assert\s*\(\s*{OPERAND}\s*(?:==|is)\s*{AGAIN}\s*\){_MESSAGE}",
            rf"(?:self|cls|case)\.assert(?:_|True)\(\s*{_TRUE}{_MESSAGE}\)",
            rf"(?:self|cls|case)\.assertFalse\(\s*{_FALSE}{_MESSAGE}\)",
            rf"(?:self|cls|case)\.assertIsNone\(\s*None{_MESSAGE}\)",
            rf"(?:self|cls|case)\.assert{_SAME}\(\s*{OPERAND}\s*,\s*{AGAIN}{_MESSAGE}\)",
        )
    )
    discards = """
        (expression_statement (comparison_operator)) @compare
        (expression_statement (assignment left: (identifier) right: (_) !type) @store)
        (expression_statement (call function: (identifier)) @print)
    """
    printer = regex(r"(?:print|pprint|pp)\s*\(")

    def marks_of(self, unit: Unit) -> str:
        """Decorators, as written."""
        parent = unit.node.parent
        if parent is None or parent.type != "decorated_definition":
            return ""
        return unit.blob.data[parent.start_byte : unit.start].decode(errors="replace")

    def role_of(self, unit: Unit) -> str:
        """Classes that may hold tests are groups; functions are tests by name and place, else helpers."""
        if unit.is_inside("test", "helper", "other"):
            return "other"
        if unit.kind == "class":
            return "group" if _is_suite(unit) else ""
        is_test = (
            _TEST_NAME.match(unit.name) is not None
            and all(owner.role == "group" for owner in unit.owners)
            and not re.search(r"fixture|property|contextmanager", unit.marks)
        )
        return "test" if is_test else "helper"

    def is_no_op(self, node: Node) -> bool:
        """`pass`, `...`, a docstring, `return` without a value."""
        if node.type == "expression_statement":
            return all(child.type in {"string", "ellipsis", "none"} for child in node.named_children)
        if node.type == "return_statement":
            return all(child.type in {"none", "comment"} for child in node.named_children)
        return node.type in self.no_ops

    def may_be_empty(self, unit: Unit) -> bool:
        """A fixture, a decorator or a base class may act for the empty body; an override may switch a test off."""
        parameters = unit.node.child_by_field_name("parameters")
        names = [] if parameters is None else [unit.blob.source(child) for child in parameters.named_children]
        has_fixture = bool(set(names) - {"self", "cls", "mcs"}) and "parametrize" not in unit.marks
        return (
            has_fixture
            or "usefixtures" in unit.marks
            or _HARMLESS_MARK.fullmatch(unit.marks) is None
            or any(_is_open_suite(owner) for owner in unit.owners)
        )

    def tautology_in(self, statement: str, test: Unit) -> bool:
        """Also `assert (condition, message)`: a non-empty tuple is always true."""
        return super().tautology_in(statement, test) or _is_tuple_assertion(statement)

    def uncollected(self, units: Sequence[Unit]) -> Iterator[Uncollected]:
        """Tests and suites that a later one replaces, suites with a constructor, tests inside of functions."""
        tests = [unit for unit in units if unit.role == "test" and _is_plain(unit)]
        suites = {unit.owner.start: unit.owner for unit in tests if unit.owner is not None}
        for earlier, later in duplicates([unit for unit in units if unit in tests or unit.start in suites]):
            if _is_plain(earlier) and _is_plain(later) and {earlier.role, later.role} == {later.role}:
                yield Uncollected(earlier.symbol, earlier.line, f"line {later.line} defines the same name again")
        for unit in units:
            if unit.name == "__init__" and unit.owner is not None and unit.owner.start in suites:
                owner = unit.owner
                if _bases(owner) in {"", "()", "(object)"} and owner.masked.count(owner.name.encode()) == 1:
                    reason = "pytest passes over a class that has a constructor"
                    yield Uncollected(owner.symbol, owner.line, reason, "pytest")
        yield from _nested(units)


def _bases(unit: Unit) -> str:
    bases = unit.node.child_by_field_name("superclasses")
    return "" if bases is None else unit.blob.source(bases)


def _is_suite(unit: Unit) -> bool:
    if re.search(rb"__test__\s*=\s*False", unit.tokens):
        return False
    return unit.name.startswith("Test") or "Test" in _bases(unit)


_KNOWN_BASES = regex(
    r"\(\s*(?:object|(?:unittest2?\.|\w+\.)?(?:Isolated\w*|Async|Simple|Transaction|LiveServer|API)?TestCase|)\s*,?\s*\)"
)


def _is_open_suite(unit: Unit) -> bool:
    """Whether tests of the class may come from, or be meant for, another class."""
    bases = _bases(unit)
    is_base = re.search(r"Base|Abstract|Mixin|Interface|Common", unit.name) is not None
    return is_base or bool(unit.marks) or (bases != "" and _KNOWN_BASES.fullmatch(bases) is None)


def _is_plain(unit: Unit) -> bool:
    """Whether the definition stands directly in its module or class and no unknown decorator registers it."""
    node = unit.node.parent
    if node is not None and node.type == "decorated_definition":
        node = node.parent
    expected = "module" if unit.owner is None else "block"
    if node is None or node.type != expected:
        return False
    is_direct = unit.owner is None or (node.parent is not None and node.parent.id == unit.owner.node.id)
    return is_direct and _HARMLESS_MARK.fullmatch(unit.marks) is not None


def _nested(units: Sequence[Unit]) -> Iterator[Uncollected]:
    """Functions named as tests inside of a function that never mentions them."""
    for unit in units:
        outer = unit.owner
        if unit.kind != "function" or unit.role != "other" or outer is None or outer.kind != "function":
            continue
        if not re.match(r"test_\w", unit.name) or unit.marks or outer.marks:
            continue
        whole = outer
        for owner in unit.owners:
            whole = owner if owner.kind == "function" else whole
        mentions = len(re.findall(rb"\b" + re.escape(unit.name.encode()) + rb"\b", unit.masked))
        if mentions == 1 and not re.search(rb"\b(?:locals|globals|inspect|exec|eval|nonlocal)\b", whole.tokens):
            yield Uncollected(unit.symbol, unit.line, f"it is defined inside of {outer.name} and never called")


def _is_tuple_assertion(statement: str) -> bool:
    """`assert (a, "b")`; the parentheses must be the whole condition and hold a comma of their own level."""
    condition = statement.removeprefix("assert").strip()
    if condition == statement or not (condition.startswith("(") and condition.endswith(")")):
        return False
    depth = 0
    has_comma = False
    plain = re.sub(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", "0", condition)
    for match in re.finditer(r"[()\[\]{},]|\bfor\b|\blambda\b", plain):
        sign = match.group()
        if sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
            if depth == 0 and match.end() != len(plain):
                return False
        elif depth == 1 and sign == ",":
            has_comma = True
        elif depth == 1:
            return False
    return has_comma


LANGUAGE = Language(
    name="python",
    title="Python",
    extensions={".py": "python", ".pyi": "python", ".pyw": "python"},
    grammars={"python": tree_sitter_python.language},
    structure="""
        (class_definition) @class
        (class_definition superclasses: (argument_list [(identifier) (attribute) (subscript) (call)] @base))
        (function_definition) @function
        (assignment left: (_) right: (lambda) @function)
        (lambda) @lambda
        [(if_statement) (for_statement) (while_statement) (except_clause)] @nesting
        (conditional_expression) @inline
        (match_statement) @block
        (case_clause . (case_pattern . (_))) @branch
        [(if_clause) (for_in_clause)] @branch
        (elif_clause) @branch
        (elif_clause) @flat
        (if_statement alternative: (else_clause) @flat)
        (for_statement alternative: (else_clause) @flat)
        (while_statement alternative: (else_clause) @flat)
        (boolean_operator) @boolean
    """,
    comments="""
        (comment) @comment
        (module . (expression_statement . (string) @docstring .))
        (block . (expression_statement . (string) @docstring .))
    """,
    imports="""
        (import_statement name: (dotted_name) @module)
        (import_statement name: (aliased_import name: (dotted_name) @module))
        (import_from_statement module_name: (_) @module)
    """,
    is_test_path=path_matches(r"(?:^|/)(?:test_[^/]*|[^/]*_test|conftest)\.py$"),
    tests=PythonTests().read,
)
