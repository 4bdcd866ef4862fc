"""TypeScript: .ts, .mts and .cts with one grammar, .tsx with another; its runners are those of JavaScript."""

from __future__ import annotations

import tree_sitter_typescript

from elder_assets.audit.facts.grammars import Language
from elder_assets.audit.facts.languages.javascript import (
    CONTROL_FLOW,
    FUNCTIONS,
    IMPORTS,
    WRAPPER_CALLS,
    JavaScriptTests,
    is_test_path,
)

LANGUAGE = Language(
    name="typescript",
    title="TypeScript",
    extensions={".ts": "typescript", ".mts": "typescript", ".cts": "typescript", ".tsx": "tsx"},
    grammars={
        "typescript": tree_sitter_typescript.language_typescript,
        "tsx": tree_sitter_typescript.language_tsx,
    },
    structure=FUNCTIONS
    + CONTROL_FLOW
    + """
    [(class_declaration) (abstract_class_declaration) (class) (interface_declaration)] @class
    (extends_clause value: (_) @base)
    (implements_clause (_) @base)
    (extends_type_clause type: (_) @base)
    (public_field_definition value: [(arrow_function) (function_expression) (generator_function)] @function)
    """,
    comments="[(comment) (html_comment)] @comment",
    imports=IMPORTS + "(import_require_clause source: (string) @module)",
    import_calls=("require",),
    wrapper_calls=WRAPPER_CALLS,
    is_test_path=is_test_path,
    tests=JavaScriptTests().read,
)
