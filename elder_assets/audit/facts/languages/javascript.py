"""JavaScript: .js, .jsx, .mjs and .cjs; tests as jest, vitest, mocha, jasmine and `node --test` collect them."""

from __future__ import annotations

import tree_sitter_javascript

from elder_assets.audit.facts.grammars import Language, path_matches

FUNCTIONS = """
    [(function_declaration) (generator_function_declaration) (method_definition)] @function
    (function_expression name: (_)) @function
    (variable_declarator value: [(arrow_function) (function_expression) (generator_function)] @function)
    (assignment_expression right: [(arrow_function) (function_expression) (generator_function)] @function)
    (pair value: [(arrow_function) (function_expression) (generator_function)] @function)
    [(arrow_function) (function_expression) (generator_function)] @closure

    (call_expression function: [
        (function_expression) @wrapper
        (parenthesized_expression [(function_expression) (arrow_function)] @wrapper)
        (member_expression object: [
            (function_expression) @wrapper
            (parenthesized_expression (function_expression) @wrapper)])])
    (call_expression
        function: [(function_expression) (parenthesized_expression (function_expression))]
        arguments: (arguments [(function_expression) (arrow_function)] @wrapper))
"""
"""Shared with TypeScript. A @wrapper stands for a module: `(function () {...})()`, and the factory given to it."""

WRAPPER_CALLS = frozenset(("define", "require", "describe", "context", "suite", "jQuery", "$"))
"""AMD, groups of tests, and jQuery's `$(function () {...})`."""

CONTROL_FLOW = """
    [(if_statement) (for_statement) (for_in_statement) (while_statement) (do_statement) (catch_clause)] @nesting
    (else_clause (if_statement) @chained)
    (else_clause) @flat
    (switch_statement) @block
    (switch_case) @branch
    (ternary_expression) @inline
    (binary_expression operator: ["&&" "||"]) @boolean
    (break_statement label: (_)) @flat
    (continue_statement label: (_)) @flat
"""

IMPORTS = """
    (import_statement source: (string) @module)
    (export_statement source: (string) @module)
    (call_expression function: (import) arguments: (arguments . (string) @module))
    (call_expression function: (identifier) arguments: (arguments . (string) @called .))
"""

is_test_path = path_matches(
    r"(?:^|/)(?:[^/]*[._-])?(?:test|tests|spec|specs|cy|e2e)\.[cm]?[jt]sx?$"
    r"|[a-z0-9](?:Spec|Test|Tests)\.[cm]?[jt]sx?$"
    r"|(?:^|/)test-[^/]*\.[cm]?[jt]sx?$"
    r"|(?:^|/)__tests__/"
)

LANGUAGE = Language(
    name="javascript",
    title="JavaScript",
    extensions=dict.fromkeys((".js", ".jsx", ".mjs", ".cjs"), "javascript"),
    grammars={"javascript": tree_sitter_javascript.language},
    structure=FUNCTIONS
    + CONTROL_FLOW
    + """
    [(class_declaration) (class)] @class
    (class_heritage (_) @base)
    (field_definition value: [(arrow_function) (function_expression) (generator_function)] @function)
    """,
    comments="[(comment) (html_comment)] @comment",
    imports=IMPORTS,
    import_calls=("require",),
    wrapper_calls=WRAPPER_CALLS,
    is_test_path=is_test_path,
)
