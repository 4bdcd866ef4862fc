"""Go: .go; tests as `go test` collects them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import tree_sitter_go

from elder_assets.audit.facts.grammars import Blob, Language, path_matches
from elder_assets.audit.facts.test_conventions import AGAIN, OPERAND, TestConventions, Unit
from elder_assets.audit.patterns import regex

if TYPE_CHECKING:
    from tree_sitter import Node

_RECEIVER_TYPES = {"type_identifier", "qualified_type"}


def _receiver_type(blob: Blob, function: Node) -> str:
    """Name of the type that a method belongs to, without pointer and type arguments."""
    receiver = function.child_by_field_name("receiver")
    pending = [] if receiver is None else [receiver]
    while pending:
        node = pending.pop()
        if node.type in _RECEIVER_TYPES:
            return blob.source(node)
        inner = node.child_by_field_name("type")
        pending.extend(node.named_children if inner is None else [inner])
    return ""


class GoTests(TestConventions):
    """`go test`, testify and the like. What a test throws away is not looked at: TDD001 needs another query."""

    gate = regex(rb"\bfunc Test")
    query = """
        (function_declaration) @function
        [(interpreted_string_literal) (raw_string_literal) (rune_literal) (comment)] @mask
    """
    oracle = regex(
        rb"\.(?:Error|Fatal|Fail|Skip|Log|Run)\w*\s*\(|\b\w*(?i:assert|require|expect|check|must|verify|test)\w*\s*[.(]"
        rb"|\bpanic\s*\("
    )
    blocks = frozenset({"block", "statement_list"})
    suspect = regex(rb"\b(?:assert|require)\.(?:True|Equal)\s*\(")
    tautologies = (
        regex(r"(?:assert|require)\.True\(\s*\w+\s*,\s*true\s*(?:,.*)?\)", re.DOTALL),
        regex(rf"(?:assert|require)\.Equal\(\s*\w+\s*,\s*{OPERAND}\s*,\s*{AGAIN}\s*(?:,.*)?\)", re.DOTALL),
    )

    def role_of(self, unit: Unit) -> str:
        """A function `TestX(t *testing.T)` is a test; `TestMain` is none."""
        parameters = unit.node.child_by_field_name("parameters")
        taken = "" if parameters is None else unit.blob.source(parameters)
        return "test" if re.match(r"Test(?![a-z])", unit.name) and "testing.T" in taken else "helper"

    def is_reached_marker(self, statement: Node, test: Unit) -> bool:
        """A statement of the body stands in a list of statements, and that in the block."""
        parent, body = statement.parent, self.body_of(test)
        holder = parent.parent if parent is not None and parent.type == "statement_list" else parent
        return holder is None or body is None or holder.id != body.id


LANGUAGE = Language(
    name="go",
    title="Go",
    extensions={".go": "go"},
    grammars={"go": tree_sitter_go.language},
    structure="""
        (type_spec type: [(struct_type) (interface_type)]) @class
        (function_declaration body: (_)) @function
        (method_declaration body: (_)) @function
        (short_var_declaration right: (expression_list (func_literal) @function))
        (assignment_statement right: (expression_list (func_literal) @function))
        (var_spec value: (expression_list (func_literal) @function))
        (keyed_element value: (literal_element (func_literal) @function))
        (func_literal) @closure
        [(if_statement) (for_statement)] @nesting
        (if_statement alternative: (if_statement) @chained)
        (if_statement alternative: (_) @flat)
        [(expression_switch_statement) (type_switch_statement) (select_statement)] @block
        [(expression_case) (type_case) (communication_case)] @branch
        (binary_expression operator: ["&&" "||"]) @boolean
        (break_statement (label_name)) @flat
        (continue_statement (label_name)) @flat
        (goto_statement) @flat
    """,
    comments="(comment) @comment",
    imports="(import_spec path: (_) @module)",
    is_test_path=path_matches(r"_test\.go$"),
    method_owner=_receiver_type,
    tests=GoTests().read,
)
