"""Go: .go; tests as `go test` collects them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tree_sitter_go

from elder_assets.audit.facts.grammars import Blob, Language, path_matches

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
)
