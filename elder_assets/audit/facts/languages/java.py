"""Java: .java; tests as Surefire and Failsafe collect them, and everything in a test source folder."""

from __future__ import annotations

import tree_sitter_java

from elder_assets.audit.facts.grammars import Language, path_matches

LANGUAGE = Language(
    name="java",
    title="Java",
    extensions={".java": "java"},
    grammars={"java": tree_sitter_java.language},
    structure="""
        [(class_declaration) (interface_declaration) (enum_declaration) (record_declaration)
         (annotation_type_declaration)] @class
        (superclass (_) @base)
        (super_interfaces (type_list (_) @base))
        (extends_interfaces (type_list (_) @base))
        (method_declaration body: (_)) @function
        [(constructor_declaration) (compact_constructor_declaration)] @function
        (variable_declarator value: (lambda_expression) @function)
        (assignment_expression right: (lambda_expression) @function)
        (lambda_expression) @closure
        [(if_statement) (for_statement) (enhanced_for_statement) (while_statement) (do_statement)
         (catch_clause)] @nesting
        (if_statement alternative: (if_statement) @chained)
        (if_statement alternative: (_) @flat)
        (switch_expression) @block
        (switch_label . (_)) @branch
        (ternary_expression) @inline
        (binary_expression operator: ["&&" "||"]) @boolean
        (break_statement (identifier)) @flat
        (continue_statement (identifier)) @flat
    """,
    comments="[(line_comment) (block_comment)] @comment (annotation) @pragma",
    imports="(import_declaration [(scoped_identifier) (identifier)] @module)",
    is_test_path=path_matches(
        r"(?:^|/)src/(?:test\w*|it|integration[-_]?test|functional[-_]?test|androidTest|jmh)/"
        r"|^(?!(?:.*/)?src/main/).*(?:Test|Tests|TestCase|IT)\.java$"
        r"|^(?!(?:.*/)?src/main/)(?:.*/)?Test[A-Z]\w*\.java$"
    ),
)
