"""Python: .py and .pyi; tests as pytest and unittest collect them."""

from __future__ import annotations

import tree_sitter_python

from elder_assets.audit.facts.grammars import Language, path_matches

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
)
