"""Rust: .rs; tests as cargo collects them from `tests/`, `benches/` and test modules in files of their own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import tree_sitter_rust

from elder_assets.audit.facts.grammars import Blob, Language, path_matches
from elder_assets.audit.facts.test_conventions import AGAIN, OPERAND, TestConventions, Unit
from elder_assets.audit.patterns import regex

if TYPE_CHECKING:
    from tree_sitter import Node


def _impl_type(blob: Blob, function: Node) -> str:
    """Name of the type in whose `impl` block a function stands, without type arguments."""
    body = function.parent
    if body is None or body.type != "declaration_list" or body.parent is None or body.parent.type != "impl_item":
        return ""
    owner = body.parent.child_by_field_name("type")
    return "" if owner is None else blob.source(owner).partition("<")[0].lstrip("&")


class RustTests(TestConventions):
    """`cargo test` in files below `tests/`. What a test throws away is not looked at."""

    gate = regex(rb"#\[(?:\w+::)*test\b")
    query = """
        (function_item) @function
        [(string_literal) (raw_string_literal) (char_literal) (line_comment) (block_comment)] @mask
    """
    oracle = regex(rb"\b\w*(?:assert|panic|unwrap|expect|check|should|must|verify|unreachable|test)\w*\s*[!.(]|\?")
    oracle_mark = regex(r"should_panic|quickcheck|proptest|rstest|case")
    skip_mark = regex(r"\bignore\b")
    blocks = frozenset({"block"})
    suspect = regex(rb"\bassert(?:_eq)?!\s*\(")
    tautologies = (
        regex(r"assert!\(\s*true\s*(?:,.*)?\);?", re.DOTALL),
        regex(rf"assert_eq!\(\s*{OPERAND}\s*,\s*{AGAIN}\s*\);?", re.DOTALL),
    )

    def marks_of(self, unit: Unit) -> str:
        """Outer attributes, as written."""
        found = []
        sibling = unit.node.prev_named_sibling
        while sibling is not None and sibling.type in {"attribute_item", "line_comment"}:
            found.append(unit.blob.source(sibling))
            sibling = sibling.prev_named_sibling
        return " ".join(found)

    def role_of(self, unit: Unit) -> str:
        """Functions with a test attribute are tests."""
        return "test" if re.search(r"#\[(?:\w+::)*test\b", unit.marks) else "helper"


LANGUAGE = Language(
    name="rust",
    title="Rust",
    extensions={".rs": "rust"},
    grammars={"rust": tree_sitter_rust.language},
    structure="""
        [(struct_item) (enum_item) (union_item) (trait_item)] @class
        (trait_item bounds: (trait_bounds [(type_identifier) (generic_type) (scoped_type_identifier)] @base))
        (function_item) @function
        (let_declaration pattern: (identifier) value: (closure_expression) @function)
        (closure_expression) @closure
        [(if_expression) (for_expression) (while_expression) (loop_expression)] @nesting
        (else_clause (if_expression) @chained)
        (else_clause) @flat
        (let_declaration alternative: (block) @nesting)
        (match_expression) @block
        (match_arm pattern: (match_pattern . (_))) @branch
        (binary_expression operator: ["&&" "||"]) @boolean
        (let_chain) @flat
        (let_chain "&&" @branch)
        (break_expression (label)) @flat
        (continue_expression (label)) @flat
    """,
    comments="""
        [(line_comment) (block_comment)] @comment
        [(attribute_item) (inner_attribute_item)] @pragma
    """,
    imports="""
        (use_declaration argument: [
            (identifier) @module
            (scoped_identifier) @module
            (use_as_clause path: (_) @module)
            (scoped_use_list path: (_) @module)
            (use_wildcard (_) @module)])
        (extern_crate_declaration name: (_) @module)
    """,
    is_test_path=path_matches(r"(?:^|/)(?:tests|benches)/|(?:^|/)(?:tests?|[^/]+_tests?)\.rs$"),
    method_owner=_impl_type,
    tests=RustTests().read,
)
