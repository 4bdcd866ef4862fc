"""Ruby: .rb, .rake, .ru, .gemspec, Rakefile and its like; tests as RSpec and minitest collect them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import tree_sitter_ruby

from elder_assets.audit.facts.grammars import Language, path_matches
from elder_assets.audit.facts.test_conventions import (
    AGAIN,
    ASSERTING_WORDS,
    OPERAND,
    TITLE_CHARS_MAX,
    TestConventions,
    Unit,
    duplicates,
)
from elder_assets.audit.facts.test_inventory import Uncollected
from elder_assets.audit.patterns import regex

if TYPE_CHECKING:
    from tree_sitter import Node

_GROUPS = frozenset({"describe", "context", "feature", "xdescribe", "xcontext", "fdescribe", "fcontext"}) | {
    "shared_examples",
    "shared_examples_for",
    "shared_context",
}
_TESTS = frozenset({"it", "specify", "example", "scenario", "test", "should", "pending"}) | {
    "xit",
    "xspecify",
    "xexample",
    "xscenario",
    "fit",
    "fspecify",
}
_TEST_CLASS = regex(r"\b(?:Minitest|MiniTest|Test|\w*TestCase|\w*Test|\w*Spec)\b")
_TRUE = r"(?:true|1|\"[^\"]+\"|'[^']+'|:\w+)"


class RubyTests(TestConventions):
    """RSpec, minitest and its spec style, test-unit, ActiveSupport and shoulda.

    Focus marks are no fact: whether they keep other tests from running is a matter of RSpec's configuration.
    """

    gate = regex(rb"\b(?:describe|context|it|specify|scenario|test|should|feature|example)\b|\bdef\s+test_|Test\b")
    query = """
        (class) @class
        (method) @function
        (call block: [(block) (do_block)]) @block
        [(string) (comment) (regex) (heredoc_body) (symbol_array) (string_array)] @mask
    """
    oracle = regex(
        rb"\b\w*(?:"
        + ASSERTING_WORDS
        + rb"|refute|flunk|wont_|must_|is_expected|are_expected|behaves?_like|include_examples|behave_like)\w*"
        rb"|\b(?:raise|fail|pass|abort|receive\w*)\b|\b(?:have|be|match|eq|satisfy)_\w+|\b(?:mock|stub)\w*\b"
        rb"|\bpage\b|\bwithin\b|\bclick_\w+"
        rb"|\bfind\w*[ (]|\b(?:t|test)\.\w+"
    )
    call = regex(rb"\b([a-z_]\w*)")
    skip_mark = regex(r"^x|^pending|\b(?:skip|pending|todo|broken)\b")
    no_ops = frozenset({"comment", "nil", "empty_statement"})
    blocks = frozenset({"body_statement", "block_body", "program", "then", "else", "ensure", "do_block", "block"})
    suspect = regex(
        rb"\bexpect\(\s*(?:true|1|\"|'|:|([\w.]+)\s*\)\s*\.to\s+\w+[ (]+\s*\1\b)"
        rb"|\bassert\s*[( ]\s*(?:true|1|\"|'|:)|\bassert_equal\b|\btrue\.(?:should|must_)"
    )
    tautologies = tuple(
        regex(pattern, re.DOTALL)
        for pattern in (
            rf"expect\(\s*{_TRUE}\s*\)\.to\s+(?:be[ (]+true\)?|be_truthy|be_true|be_present|eq[l]?[ (]+true\)?|be)",
            rf"expect\(\s*{OPERAND}\s*\)\.to\s+(?:eq|eql|be|equal)[ (]+{AGAIN}\s*\)?",
            rf"assert[ (]+{_TRUE}(?:\s*,.*)?\)?",
            rf"assert_equal[ (]+{OPERAND}\s*,\s*{AGAIN}(?:\s*,\s*[\"'].*)?\s*\)?",
            r"true\.(?:should(?:\s*==\s*|\.eql?[ (]+|\s+be[ _]+|\s+eq[ (]+)true\)?|must_equal[ (]+true\)?)",
        )
    )
    discards = """
        (body_statement (binary operator: ["==" "!=" "==="]) @compare)
        (block_body (binary operator: ["==" "!=" "==="]) @compare)
        (assignment left: (identifier) right: (call)) @store
        (call !receiver method: (identifier) @_print arguments: (_) (#any-of? @_print "puts" "p" "pp")) @print
    """
    printer = regex(r"(?:puts|pp?)\b[ (]*")

    def name_of(self, unit: Unit) -> str:
        """A class's or method's name, a block's title."""
        if unit.kind != "block":
            return super().name_of(unit)
        if self._callee(unit) not in _GROUPS | _TESTS:
            return ""
        arguments = unit.node.child_by_field_name("arguments")
        first = arguments.named_children[0] if arguments is not None and arguments.named_children else None
        return "" if first is None else " ".join(unit.blob.source(first).strip("'\"").split())[:TITLE_CHARS_MAX]

    def _callee(self, unit: Unit) -> str:
        """Name of the called method, where nothing or `RSpec` receives it."""
        receiver = unit.node.child_by_field_name("receiver")
        if receiver is not None and unit.blob.source(receiver) not in {"RSpec", "RSpec::Core"}:
            return ""
        method = unit.node.child_by_field_name("method")
        return "" if method is None else unit.blob.source(method)[:40]

    def marks_of(self, unit: Unit) -> str:
        """What a block calls, and the options beside its title; the class that a class inherits from."""
        if unit.kind == "class":
            parent = unit.node.child_by_field_name("superclass")
            return "" if parent is None else unit.blob.source(parent)[:200]
        if unit.kind != "block":
            return ""
        arguments = unit.node.child_by_field_name("arguments")
        options = [] if arguments is None else [c for c in arguments.named_children[1:] if c.type != "string"]
        return " ".join((self._callee(unit), *(unit.blob.source(option)[:200] for option in options)))

    def role_of(self, unit: Unit) -> str:
        """Groups, tests and helpers by the name of the block or method; nothing inside a test is asked."""
        if unit.is_inside("test", "helper"):
            return "other"
        if unit.kind == "class":
            return "group" if _TEST_CLASS.search(unit.marks) else "helper" if not unit.owner else ""
        if unit.kind == "function":
            owner = unit.owner
            has_parameters = unit.node.child_by_field_name("parameters") is not None
            is_test = (
                unit.name.startswith("test_") and owner is not None and owner.role == "group" and not has_parameters
            )
            return "test" if is_test else "helper"
        callee = self._callee(unit)
        if callee in _GROUPS:
            return "group"
        return "test" if callee in _TESTS and (callee != "pending" or unit.name) else ""

    def body_of(self, unit: Unit) -> Node | None:
        """The statements of a block or method; the block or method itself when it has none."""
        holder = unit.node.child_by_field_name("block") if unit.kind == "block" else unit.node
        return None if holder is None else holder.child_by_field_name("body") or holder

    def is_no_op(self, node: Node) -> bool:
        """Comments and nil; also the name of a method that has no statements."""
        is_heading = node.type in {"identifier", "method_parameters", "block_parameters", "constant"}
        return node.type in self.no_ops or (
            is_heading and node.parent is not None and node.parent.type in {"method", "do_block", "block"}
        )

    def is_skipped(self, unit: Unit) -> bool:
        """By its name or options, or by a call of `skip`, `pending` or `omit` inside."""
        return super().is_skipped(unit) or re.search(rb"(?<![.\w:])(?:skip|pending|omit)\b", unit.tokens) is not None

    def uncollected(self, units: Sequence[Unit]) -> Iterator[Uncollected]:
        """Test methods that a later one of the same name and class replaces."""
        methods = [unit for unit in units if unit.role == "test" and unit.kind == "function"]
        for first, second in duplicates(methods):
            yield Uncollected(
                first.symbol, first.line, f"line {second.line} defines it again, and the later one replaces it"
            )


_FILE_NAMES = (
    "Appraisals Berksfile Brewfile Capfile Dangerfile Fastfile Gemfile Guardfile Podfile Rakefile Steepfile Thorfile "
    "Vagrantfile"
)

LANGUAGE = Language(
    name="ruby",
    title="Ruby",
    extensions=dict.fromkeys((".rb", ".rake", ".ru", ".gemspec"), "ruby"),
    file_names=dict.fromkeys(_FILE_NAMES.split(), "ruby"),
    grammars={"ruby": tree_sitter_ruby.language},
    structure="""
        [(class) (module)] @class
        (superclass (_) @base)
        [(method) (singleton_method)] @function
        (assignment right: (lambda) @function)
        (lambda) @lambda
        (call block: [(block) (do_block)] @lambda)
        [(if) (unless) (while) (until) (for) (rescue)] @nesting
        [(if_modifier) (unless_modifier) (while_modifier) (until_modifier) (rescue_modifier) (conditional)] @inline
        (elsif) @branch
        (elsif) @flat
        (if alternative: (else) @flat)
        (elsif alternative: (else) @flat)
        (unless alternative: (else) @flat)
        [(case) (case_match)] @block
        [(when) (in_clause)] @branch
        (binary operator: ["&&" "||" "and" "or"]) @boolean
    """,
    comments="(comment) @comment",
    imports="(call !receiver arguments: (argument_list . (string) @called .))",
    import_calls=("require", "require_relative", "load"),
    is_test_path=path_matches(
        r"(?:^|/)(?:[^/]*_(?:test|spec)|(?:spec|test|rails)_helper)\.rb$"
        r"|^(?:[^/]+/)*spec/(?:support|factories|fixtures|dummy|mocks|shared)/|^spec/"
        r"|^test_[^/]*\.rb$|(?:^|/)tests?/(?:.*/)?test_[^/]*\.rb$"
        r"|(?:^|/)features/(?:step_definitions|support)/"
    ),
    tests=RubyTests().read,
)
