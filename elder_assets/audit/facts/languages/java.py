"""Java: .java; tests as Surefire and Failsafe collect them, and everything in a test source folder."""

from __future__ import annotations

import re

import tree_sitter_java

from elder_assets.audit.facts.grammars import Language, path_matches
from elder_assets.audit.facts.test_conventions import AGAIN, OPERAND, TestConventions, Unit
from elder_assets.audit.patterns import regex


class JavaTests(TestConventions):
    """JUnit 4 and 5 and TestNG, by annotation. What a test throws away is not looked at."""

    gate = regex(rb"@(?:\w+\.)*(?:Test|ParameterizedTest|RepeatedTest)\b")
    query = """
        (class_declaration) @class
        (method_declaration) @function
        [(string_literal) (character_literal) (line_comment) (block_comment)] @mask
    """
    oracle = regex(rb"\b\w*(?i:assert|fail|verify|expect|should|must|check|throw|that|test)\w*\s*[.(]|\bthrow\b")
    oracle_mark = regex(r"expected\w*\s*=|timeout")
    skip_mark = regex(r"@(?:Disabled|Ignore)|enabled\s*=\s*false")
    discards = "(local_variable_declaration declarator: (variable_declarator name: (identifier) value: (_)) @store)"
    blocks = frozenset({"block"})
    suspect = regex(rb"\bassert(?:True|False|Equals|Same)\s*\(")
    tautologies = (
        regex(r"(?:\w+\.)?assertTrue\(\s*(?:\"[^\"]*\"\s*,\s*)?true\s*(?:,.*)?\);?", re.DOTALL),
        regex(r"(?:\w+\.)?assertFalse\(\s*(?:\"[^\"]*\"\s*,\s*)?false\s*(?:,.*)?\);?", re.DOTALL),
        regex(rf"(?:\w+\.)?assert(?:Equals|Same)\(\s*{OPERAND}\s*,\s*{AGAIN}\s*\);?", re.DOTALL),
    )

    def marks_of(self, unit: Unit) -> str:
        """Annotations and modifiers."""
        return " ".join(unit.blob.source(child) for child in unit.node.named_children if child.type == "modifiers")

    def role_of(self, unit: Unit) -> str:
        """Annotated methods with a body are tests."""
        if unit.kind == "class":
            return "group"
        is_marked = re.search(r"@(?:\w+\.)*(?:Test|ParameterizedTest|RepeatedTest)\b", unit.marks) is not None
        return "test" if is_marked and unit.body is not None else "helper"

    def may_be_empty(self, unit: Unit) -> bool:
        """An override switches a test off; a runner or a base class may act for the empty body."""
        acts = regex(r"Spring|RunWith|ExtendWith|Quarkus|Micronaut|DataJpa|WebMvc|Arquillian")
        return "@Override" in unit.marks or any(
            acts.search(owner.marks) or owner.node.child_by_field_name("superclass") for owner in unit.owners
        )


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
    tests=JavaTests().read,
)
