"""C#: .cs and .csx; tests as xUnit, NUnit and MSTest collect them, and everything in a test project."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import tree_sitter_c_sharp

from elder_assets.audit.facts.grammars import Blob, Language, path_matches
from elder_assets.audit.facts.test_conventions import AGAIN, OPERAND, TestConventions, Unit
from elder_assets.audit.patterns import regex

if TYPE_CHECKING:
    from tree_sitter import Node


def _accessor_owner(blob: Blob, function: Node) -> str:
    """Name of the property that a `get`, `set`, `add` or `remove` belongs to; '' for other functions."""
    if function.type != "accessor_declaration" or function.parent is None or function.parent.parent is None:
        return ""
    name = function.parent.parent.child_by_field_name("name")
    return "this" if name is None else blob.source(name)


class CSharpTests(TestConventions):
    """xUnit, NUnit and MSTest, by attribute. What a test throws away is not looked at."""

    gate = regex(rb"\[(?:\w+\.)*(?:Fact|Theory|Test|TestMethod|TestCase)\b")
    query = """
        (class_declaration) @class
        (method_declaration) @function
        [(string_literal) (verbatim_string_literal) (interpolated_string_expression)] @mask
        [(character_literal) (comment)] @mask
    """
    oracle = regex(rb"\b\w*(?i:assert|should|verify|expect|throw|check|test|must)\w*\s*[.(<]|\bthrow\b")
    oracle_mark = regex(r"Expected|Timeout|Throws")
    skip_mark = regex(r"\bSkip\s*=|\bIgnore\b|\bExplicit\b|\bInconclusive\b")
    discards = (
        "(local_declaration_statement (variable_declaration (variable_declarator name: (identifier) (_)) @store))"
    )
    blocks = frozenset({"block"})
    suspect = regex(rb"\bAssert\.(?:True|IsTrue|False|IsFalse|Equal|AreEqual)\s*\(")
    tautologies = (
        regex(r"Assert\.(?:Is)?True\(\s*true\s*(?:,.*)?\);?", re.DOTALL),
        regex(r"Assert\.(?:Is)?False\(\s*false\s*(?:,.*)?\);?", re.DOTALL),
        regex(rf"Assert\.(?:Are)?Equal\(\s*{OPERAND}\s*,\s*{AGAIN}\s*\);?", re.DOTALL),
    )

    def marks_of(self, unit: Unit) -> str:
        """Attributes, as written."""
        return " ".join(unit.blob.source(child) for child in unit.node.named_children if child.type == "attribute_list")

    def role_of(self, unit: Unit) -> str:
        """Methods with a test attribute and a body are tests."""
        if unit.kind == "class":
            return "group"
        marked = re.search(r"\[(?:\w+\.)*(?:Fact|Theory|Test|TestMethod|TestCase)\b", unit.marks) is not None
        return "test" if marked and unit.body is not None else "helper"

    def may_be_empty(self, unit: Unit) -> bool:
        """A base class may act for the empty body."""
        return any(child.type == "base_list" for owner in unit.owners for child in owner.node.named_children)


LANGUAGE = Language(
    name="csharp",
    title="C#",
    extensions={".cs": "csharp", ".csx": "csharp"},
    grammars={"csharp": tree_sitter_c_sharp.language},
    structure="""
        [(class_declaration) (interface_declaration) (struct_declaration) (record_declaration)
         (enum_declaration)] @class
        (base_list [(identifier) (generic_name) (qualified_name) (alias_qualified_name)] @base)
        (base_list (primary_constructor_base_type type: (_) @base))
        (method_declaration body: (_)) @function
        (constructor_declaration body: (_)) @function
        (destructor_declaration body: (_)) @function
        (operator_declaration body: (_)) @function
        (conversion_operator_declaration body: (_)) @function
        (local_function_statement body: (_)) @function
        (accessor_declaration body: (_)) @function
        (property_declaration value: (arrow_expression_clause)) @function
        (variable_declarator [(lambda_expression) (anonymous_method_expression)] @function)
        (assignment_expression right: [(lambda_expression) (anonymous_method_expression)] @function)
        [(lambda_expression) (anonymous_method_expression)] @closure
        [(if_statement) (for_statement) (foreach_statement) (while_statement) (do_statement)
         (catch_clause)] @nesting
        (if_statement alternative: (if_statement) @chained)
        (if_statement alternative: (_) @flat)
        [(switch_statement) (switch_expression)] @block
        (switch_section "case") @branch
        (switch_expression_arm . [(constant_pattern) (declaration_pattern) (recursive_pattern) (relational_pattern)
            (type_pattern) (and_pattern) (or_pattern) (negated_pattern) (var_pattern) (list_pattern) (tuple_pattern)
            (parenthesized_pattern) (identifier) (qualified_name) (member_access_expression)]) @branch
        [(when_clause) (catch_filter_clause)] @branch
        (conditional_expression) @inline
        (binary_expression operator: ["&&" "||"]) @boolean
        (goto_statement) @flat
    """,
    comments="(comment) @comment (preproc_pragma) @pragma",
    imports="(using_directive [(identifier) (qualified_name) (alias_qualified_name)] @module .)",
    is_test_path=path_matches(
        r"(?:^|/)[\w.-]*\.(?:\w*Tests?|Specs?|Benchmarks?)/"
        r"|(?:^|/)(?:\w*(?:UnitTests?|IntegrationTests?|Tests)|Benchmarks?)/"
        r"|[a-z0-9](?:Tests?|Specs?|TestFixture)\.cs$"
    ),
    method_owner=_accessor_owner,
    tests=CSharpTests().read,
)
