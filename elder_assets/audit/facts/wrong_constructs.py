"""Constructs that cannot mean what they say, in languages that our Python linter does not read.

Tree-sitter queries find the few shapes; only what is wrong whatever the program does is a fact. Compilers of Go,
Java, C# and Rust refuse repeated keys and cases themselves, so those are looked for in JavaScript, TypeScript and Ruby.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from elder_assets.audit.facts.extraction import extractor
from elder_assets.audit.facts.grammars import Blob, line_of
from elder_assets.audit.identity import normalise
from elder_assets.audit.model import FileClass

if TYPE_CHECKING:
    from tree_sitter import Node


class WrongConstruct(msgspec.Struct, frozen=True, array_like=True):
    """One place and what is wrong there."""

    kind: str
    line: int
    tokens: str


class WrongConstructs(msgspec.Struct, frozen=True, array_like=True):
    """All wrong constructs of a file, in order of position."""

    found: tuple[WrongConstruct, ...] = ()


# `x >= x` asks whether x is a number at all: it is false for NaN.
_SELF = """(({node} left: (_) @_l operator: ["<" ">"] right: (_) @_r) @self (#eq? @_l @_r))"""
_SELF_BINARY = _SELF.format(node="binary_expression")
_SCRIPT = (
    _SELF_BINARY
    + """
    (object) @keys
    (switch_body) @cases
    (binary_expression
        left: (unary_expression operator: "typeof") operator: ["==" "===" "!=" "!=="] right: (string) @typeof)
    (binary_expression
        left: (string) @typeof operator: ["==" "===" "!=" "!=="] right: (unary_expression operator: "typeof"))
    ((binary_expression operator: ["==" "===" "!=" "!=="] right: (identifier) @_n) @nan (#eq? @_n "NaN"))
    (binary_expression left: (unary_expression operator: "!") operator: ["in" "instanceof"]) @negation
    (binary_expression operator: ["===" "!=="] right: [(array) (object)]) @fresh
    """
)
_QUERIES = {
    "javascript": _SCRIPT,
    "typescript": _SCRIPT,
    "tsx": _SCRIPT,
    "go": _SELF_BINARY,
    "rust": _SELF_BINARY,
    "csharp": _SELF_BINARY,
    "java": _SELF_BINARY
    + """
    (binary_expression operator: ["==" "!="] right: (string_literal)) @identity
    (binary_expression left: (string_literal) operator: ["==" "!="]) @identity
    """,
    "ruby": _SELF.format(node="binary") + "(hash) @keys",
}
_TYPES = frozenset(
    {"undefined", "object", "boolean", "number", "string", "function", "symbol", "bigint", "unknown", "xml"}
)
"""What `typeof` gives; the last two are of browsers that are no more."""


@extractor(version=2, variants=_QUERIES, file_classes=(FileClass.PRODUCTION,))
def wrong_constructs(blob: Blob) -> WrongConstructs:
    """Find constructs that cannot mean what they say."""
    captures = blob.captures(_QUERIES[blob.variant])
    found: list[tuple[int, WrongConstruct]] = []
    for kind, nodes in captures.items():
        if not kind.startswith("_"):
            found.extend((node.start_byte, _at(blob, kind, node)) for node in _wrong(blob, kind, nodes))
    found.sort(key=lambda pair: (pair[0], pair[1].kind))
    return WrongConstructs(tuple(construct for _, construct in found))


def _at(blob: Blob, kind: str, node: Node) -> WrongConstruct:
    return WrongConstruct(kind, line_of(node), normalise(blob.source(node)))


def _wrong(blob: Blob, kind: str, nodes: Iterable[Node]) -> Iterator[Node]:
    for node in nodes:
        if node.has_error:
            continue
        if kind == "keys":
            yield from _repeated_keys(blob, node)
        elif kind == "cases":
            yield from _repeated_cases(blob, node)
        elif kind == "typeof":
            if blob.source(node).strip("'\"") not in _TYPES:
                yield node
        elif kind != "self" or _is_pure(blob, node):
            yield node


def _is_pure(blob: Blob, comparison: Node) -> bool:
    """Both sides give the same; and it is a comparison: the type arguments of a dialect (Flow) look like one."""
    if blob.tree.root_node.has_error:
        return False
    return not any(sign in blob.source(comparison) for sign in ("(", "++", "--"))


def _repeated_keys(blob: Blob, literal: Node) -> Iterator[Node]:
    """Later pairs whose key an earlier pair has with another value; what a spread may change starts anew."""
    values: dict[str, str] = {}
    for member in literal.named_children:
        if member.type in {"spread_element", "hash_splat_argument"}:
            values.clear()
        key_node, value_node = member.child_by_field_name("key"), member.child_by_field_name("value")
        if member.type != "pair" or key_node is None or value_node is None or key_node.type not in _PLAIN_KEYS:
            continue
        key, value = _plain_key(blob, key_node), normalise(blob.source(value_node))
        if values.setdefault(key, value) != value and key != "__proto__":
            yield member


_PLAIN_KEYS = frozenset({"property_identifier", "string", "number", "hash_key_symbol", "simple_symbol", "integer"})


def _plain_key(blob: Blob, node: Node) -> str:
    text = blob.source(node)
    if node.type == "string":
        return text[1:-1] if blob.variant != "ruby" else "text " + text[1:-1]
    return text.strip(":")


def _repeated_cases(blob: Blob, switch: Node) -> Iterator[Node]:
    seen: set[str] = set()
    for case in switch.named_children:
        value = case.child_by_field_name("value") if case.type == "switch_case" else None
        if value is None or value.type not in {"string", "number", "identifier", "member_expression"}:
            continue
        label = normalise(blob.source(value))
        if label in seen:
            yield value
        seen.add(label)
