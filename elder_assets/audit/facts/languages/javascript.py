"""JavaScript: .js, .jsx, .mjs and .cjs; tests as jest, vitest, mocha, jasmine and `node --test` collect them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import tree_sitter_javascript

from elder_assets.audit.facts.grammars import Language, path_matches
from elder_assets.audit.facts.test_conventions import (
    AGAIN,
    ASSERTING_WORDS,
    OPERAND,
    TITLE_CHARS_MAX,
    TestConventions,
    Unit,
)
from elder_assets.audit.patterns import regex

if TYPE_CHECKING:
    from tree_sitter import Node

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

_NAMES = [
    "it",
    "test",
    "specify",
    "fit",
    "xit",
    "xtest",
    "xspecify",
    "iit",
    "describe",
    "context",
    "suite",
    "fdescribe",
    "xdescribe",
    "ddescribe",
    "xcontext",
    "fcontext",
    "QUnit",
    "tape",
]
_GROUP = regex(r"(?:test\.)?(?:[fxd]?describe|[fx]?context|suite)(?:\.|$)|QUnit\.module|test\.describe")
_TEST = regex(r"(?:[fx]?it|i{2}t|x?test|x?specify|QUnit\.test|tape)(?:\.|$)")
_HOOK = regex(r"\.(?:before|after|use|step|extend|setup|teardown|config\w*|beforeEach|afterEach)\b")
_FUNCTIONS = {"arrow_function", "function_expression", "generator_function", "function"}
_TRUE = r"(?:true|1|!0|!false|!!1|'[^']+'|\"[^\"]+\")"
_IS_TRUE = (
    r"\.(?:to(?:Be|Equal|StrictEqual)\(\s*true\s*\)|toBeTruthy\(\)|toBeDefined\(\)"
    r"|to\.(?:be\.(?:true|ok)|(?:equal|eql|be|eq)\(\s*true\s*\))(?:\(\))?)"
)
_SAME = r"\.(?:to(?:Be|Equal|StrictEqual)|to\.(?:deep\.)?(?:equal|eql|eq|be)|to\.be\.equal)"
_EQUAL = r"(?:equals?|strictEqual|deepEqual|deepStrictEqual|is|same|eq)"
_MESSAGE = r"(?:\s*,\s*[`'\"].*)?\s*,?\s*"


_PLANNED = regex(rb"\b(?:assert|t)\s*\.\s*(?:expect|plan)\s*\(\s*\d")


class JavaScriptTests(TestConventions):
    """Calls of `it`, `test` and their like with a title and a function, in jest, vitest, mocha, jasmine, node:test."""

    gate = regex(rb"\b(?:it|test|specify|describe|suite|QUnit|tape|assert|expect|should)\b")
    query = f"""
        (call_expression function: (identifier) @_name
            (#any-of? @_name {" ".join(f'"{name}"' for name in _NAMES)})) @block
        (call_expression function: (member_expression object: (identifier) @_name)
            (#any-of? @_name {" ".join(f'"{name}"' for name in _NAMES)})) @block
        (call_expression function: (member_expression object: (member_expression object: (identifier) @_name))
            (#any-of? @_name "it" "test" "describe")) @block
        (call_expression function: (call_expression function: (member_expression object: (identifier) @_name))
            (#any-of? @_name "it" "test" "describe" "xit" "fit" "xtest")) @block
        [(function_declaration) (method_definition)] @function
        (variable_declarator value: [(arrow_function) (function_expression)]) @function
        (pair value: [(arrow_function) (function_expression)]) @function
        [(string) (template_string) (comment) (regex)] @mask
    """
    oracle = regex(
        rb"\b\w*(?:"
        + ASSERTING_WORDS
        + rb")\w*\s*(?:[(.<]|$)|\.(?:should|must)\b|\bthrow\b|\bcy\.|\b(?:get|find)(?:All)?By[A-Z]"
        rb"|\bwaitFor\w*\(|\b(?:t|tap|test|QUnit|tt|st|q|ctx)\.(?:is|not|deepEqual|true|false|truthy|falsy|pass|fail|throws\w*|equals?|ok"
        rb"|notOk|same|match|regex|like|ifError|error|strictEqual|deepStrictEqual|rejects|resolves|doesNot\w+|not\w+|type"
        rb"|has|plan|end|is\w+|strict\w*|contains|teq|eq\w*|snapshot)\b"
        rb"|\b(?:done|next|cb|callback|reject|end|fail|equal|deepEqual|strictEqual|ok|eq|throws|is|isTrue)\s*\(|\bdone\b"
    )
    skip_mark = regex(
        r"\.(?:skip|todo|fixme|fails?|failing|skipIf)\b|^x(?:it|test|describe|specify|context)|skip|todo|pending"
    )
    focus = regex(
        rb"(?<![\w.$])((?:(?:describe|it|test|context|suite|specify)(?:\.\w+){0,2}\.only)(?=\s*[.(`])"
        rb"|(?:fit|fdescribe|fcontext|iit|ddescribe)(?=\s*\())"
    )
    no_ops = frozenset({"comment", "empty_statement"})
    blocks = frozenset({"statement_block", "program", "class_body", "switch_case"})
    suspect = regex(
        rb"\bexpect\(\s*(?:true|1|!0|!false|'|\"|([\w.]+)\s*\)\s*\.[\w.]+\(\s*\1\s*\))"
        rb"|\bassert(?:\.\w+)?\(\s*(?:true|1|!0|'|\"|([\w.]+|'[^'\n]*'|\"[^\"\n]*\")\s*,\s*\2\s*[,)])"
        rb"|\bt\.(?:is|true|ok|truthy|equals?)\(\s*(?:true\s*[,)]|([\w.]+)\s*,\s*\3\s*[,)])"
    )
    tautologies = tuple(
        regex(pattern, re.DOTALL)
        for pattern in (
            rf"expect\(\s*{_TRUE}\s*\){_IS_TRUE}",
            rf"expect\(\s*{OPERAND}\s*\){_SAME}\(\s*{AGAIN}\s*\)",
            rf"assert(?:\.(?:ok|isTrue|isOk))?\(\s*{_TRUE}{_MESSAGE}\)",
            rf"assert\.{_EQUAL}\(\s*{OPERAND}\s*,\s*{AGAIN}{_MESSAGE}\)",
            rf"t\.(?:true|ok|truthy)\(\s*true{_MESSAGE}\)",
            rf"t\.{_EQUAL}\(\s*{OPERAND}\s*,\s*{AGAIN}{_MESSAGE}\)",
        )
    )
    discards = """
        (expression_statement (binary_expression operator: ["==" "===" "!=" "!=="])) @compare
        (variable_declarator name: (identifier) value: (_)) @store
        (expression_statement (call_expression function: (member_expression object: (identifier) @_console)
            (#eq? @_console "console")) @print)
    """
    printer = regex(r"console\.\w+\(")

    def is_reached_marker(self, statement: Node, test: Unit) -> bool:
        """Also where the test plans how many assertions run (QUnit, tape): a constant one says 'reached'."""
        return _PLANNED.search(test.tokens) is not None or super().is_reached_marker(statement, test)

    def name_of(self, unit: Unit) -> str:
        """A block's title, a function's or variable's name."""
        if unit.kind != "block":
            name = unit.node.child_by_field_name("name") or unit.node.child_by_field_name("key")
            return "" if name is None else unit.blob.source(name)[:TITLE_CHARS_MAX]
        arguments = unit.node.child_by_field_name("arguments")
        first = arguments.named_children[0] if arguments is not None and arguments.named_children else None
        return "" if first is None else " ".join(unit.blob.source(first).strip("'\"`").split())[:TITLE_CHARS_MAX]

    def marks_of(self, unit: Unit) -> str:
        """What is called, and the options between title and function."""
        if unit.kind != "block":
            return ""
        callee = unit.node.child_by_field_name("function")
        text = "" if callee is None else unit.blob.source(callee)[:200]
        arguments = unit.node.child_by_field_name("arguments")
        options = [] if arguments is None else [c for c in arguments.named_children[1:] if c.type == "object"]
        return " ".join((text, *(unit.blob.source(option)[:200] for option in options)))

    def role_of(self, unit: Unit) -> str:
        """`describe` and its like are groups; `it` and its like with a function are tests; functions are helpers."""
        if unit.is_inside("test", "helper", "other"):
            return "other"
        if unit.kind == "function":
            return "helper"
        if unit.kind != "block" or self._callback(unit) is None:
            return ""
        callee = re.split(r"[(\s`]", unit.marks, maxsplit=1)[0]
        if _GROUP.match(callee):
            return "" if _HOOK.search(callee) else "group"
        return "test" if _TEST.match(callee) and not _HOOK.search(callee) else ""

    def _callback(self, unit: Unit) -> Node | None:
        arguments = unit.node.child_by_field_name("arguments")
        if arguments is None or arguments.type != "arguments" or len(arguments.named_children) < 2:
            return None
        return next((child for child in arguments.named_children[1:] if child.type in _FUNCTIONS), None)

    def body_of(self, unit: Unit) -> Node | None:
        """The body of the function that the block is given."""
        if unit.kind == "block":
            callback = self._callback(unit)
            return None if callback is None else callback.child_by_field_name("body")
        value = unit.node.child_by_field_name("value")
        return (unit.node if value is None else value).child_by_field_name("body")

    def is_no_op(self, node: Node) -> bool:
        """Nothing, `;` or `return` without a value."""
        return node.type in self.no_ops or (node.type == "return_statement" and not node.named_children)

    def may_be_empty(self, unit: Unit) -> bool:
        """An arrow function whose body is an expression does something: `() => {}` is a block, `() => x` is not."""
        body = self.body_of(unit)
        return body is None or body.type != "statement_block" or "each" in unit.marks or unit.name == ""

    def tautology_in(self, statement: str, test: Unit) -> bool:
        """Where assertions are counted (`expect.assertions(1)`, `t.plan(1)`), a constant one says 'reached'."""
        if re.search(rb"\bexpect\.(?:assertions|hasAssertions)\(|\.plan\(|\bdone\b", test.tokens):
            return False
        return super().tautology_in(re.sub(r"^(?:return|await) ", "", statement), test)


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
    tests=JavaScriptTests().read,
)
