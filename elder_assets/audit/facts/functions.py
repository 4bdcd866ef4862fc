"""Functions and classes of a source file: where they are, how long, how complex.

Definitions (the same for every language; a language file maps its syntax to the capture names):

- *Cyclomatic complexity* (McCabe, 1976): 1 + decision points: @branch and @nesting captures and each operator
  in a @boolean capture.
- *Cognitive complexity* (Campbell, SonarSource, 2018): each @nesting adds 1 + its depth of nesting, each @flat
  (else, elif, labelled jump) adds 1, each sequence of like boolean operators adds 1. Recursion is not counted.
- A nested function counts for itself, not for the function around it; a lambda counts for the function
  around it and nests.
- *Nesting* counts blocks (@nesting captures that are statements), not comprehensions or ternaries.
- *Code lines* are lines that hold a token other than a comment; a docstring counts as comment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from elder_assets.audit.facts.extraction import extractor
from elder_assets.audit.facts.grammars import Blob, code_variants
from elder_assets.audit.model import CODE_CLASSES, SourceFile

if TYPE_CHECKING:
    from tree_sitter import Node


class Function(msgspec.Struct, frozen=True, array_like=True):
    """One function, method or named closure."""

    symbol: str
    """Path of enclosing symbols and own name: 'Basket.total'."""
    line: int
    end_line: int
    code_lines: int
    positional: int
    """Parameters that a caller may pass by position, without self/cls/this/receiver."""
    cyclomatic: int
    cognitive: int
    nesting: int


class Class(msgspec.Struct, frozen=True, array_like=True):
    """One class-like type and the names it declares as its bases."""

    symbol: str
    line: int
    end_line: int
    bases: tuple[str, ...]


class Functions(msgspec.Struct, frozen=True, array_like=True):
    """All functions and classes of a file, in order of position."""

    functions: tuple[Function, ...] = ()
    classes: tuple[Class, ...] = ()
    has_errors: bool = False
    """The parser met something that it could not read; a fact, not a verdict (D23)."""


def is_code(file: SourceFile) -> bool:
    """Whether a grammar of a programming language reads the file."""
    return file.variant in code_variants()


@extractor(version=1, file_classes=CODE_CLASSES, wants=is_code)
def functions(blob: Blob) -> Functions:
    """Measure the functions and classes of a source file."""
    captures = blob.captures(blob.language.structure)
    sweep = _Sweep(blob)
    events: list[tuple[int, int, int, str, Node]] = []
    for name, nodes in captures.items():
        if name in _ORDER:
            order = _ORDER[name]
            events.extend((node.start_byte, -node.end_byte, order, name, node) for node in nodes)
    events.sort(key=lambda event: event[:3])
    for start, negative_end, _, name, node in events:
        sweep.take(name, start, -negative_end, node)
    return Functions(tuple(sweep.finished_functions()), tuple(sweep.classes), has_errors=blob.tree.root_node.has_error)


_ORDER = {"class": 0, "function": 1, "block": 2, "nesting": 3, "branch": 4, "flat": 5, "boolean": 6, "lambda": 7}


class _Open:
    """A function under measurement."""

    __slots__ = ("cognitive", "cyclomatic", "end", "nesting_ends", "nesting_max", "node", "symbol")

    def __init__(self, symbol: str, node: Node, end: int) -> None:
        self.symbol = symbol
        self.node = node
        self.end = end
        self.cyclomatic = 1
        self.cognitive = 0
        self.nesting_max = 0
        self.nesting_ends: list[tuple[int, bool]] = []


class _Sweep:
    """One pass over captured nodes in order of position; enclosing things are a stack of end bytes."""

    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        self._scopes: list[tuple[int, str]] = []
        self._open: list[_Open] = []
        self._done: list[_Open] = []
        self._boolean_parents: dict[int, str] = {}
        self.classes: list[Class] = []

    def take(self, name: str, start: int, end: int, node: Node) -> None:
        while self._scopes and self._scopes[-1][0] <= start:
            self._scopes.pop()
        while self._open and self._open[-1].end <= start:
            self._done.append(self._open.pop())
        if name == "class":
            self._enter_class(node, end)
            return
        if name == "function":
            self._enter_function(node, end)
            return
        if self._open:
            self._count(self._open[-1], name, start, end, node)

    def _enter_class(self, node: Node, end: int) -> None:
        own = _name_of(self._blob, node)
        symbol = self._symbol(own)
        self._scopes.append((end, own))
        bases: tuple[str, ...] = ()
        for field in ("superclasses", "superclass", "bases", "interfaces"):
            child = node.child_by_field_name(field)
            if child is not None:
                bases += tuple(self._blob.source(base) for base in child.named_children) or (self._blob.source(child),)
        if not bases:
            heritage = next((c for c in node.named_children if c.type in {"class_heritage", "base_list"}), None)
            if heritage is not None:
                bases = tuple(self._blob.source(base).removeprefix("extends ") for base in heritage.named_children)
        self.classes.append(Class(symbol, node.start_point[0] + 1, node.end_point[0] + 1, bases))

    def _enter_function(self, node: Node, end: int) -> None:
        own = _name_of(self._blob, node)
        language = self._blob.language
        if language.method_owner is not None and (owner := language.method_owner(self._blob, node)):
            own = f"{owner}.{own}"
        symbol = self._symbol(own)
        self._scopes.append((end, own))
        self._open.append(_Open(symbol, node, end))

    def _symbol(self, own: str) -> str:
        return ".".join([scope for _, scope in self._scopes] + [own])

    def _count(self, function: _Open, name: str, start: int, end: int, node: Node) -> None:
        ends = function.nesting_ends
        while ends and ends[-1][0] <= start:
            ends.pop()
        if name == "branch":
            function.cyclomatic += 1
        elif name == "flat":
            function.cognitive += 1
        elif name == "boolean":
            function.cyclomatic += 1
            operator = node.child_by_field_name("operator")
            sign = "" if operator is None else operator.type
            if self._boolean_parents.get(start) != sign:
                function.cognitive += 1
            # In a left-leaning chain `a and b and c` every operand node starts where the chain starts.
            self._boolean_parents[start] = sign
        else:
            if name == "nesting":
                function.cyclomatic += 1
                function.cognitive += 1 + len(ends)
            elif name == "block":
                function.cognitive += 1 + len(ends)
            ends.append((end, name != "lambda" and _is_block(node)))
            depth = sum(is_block for _, is_block in ends)
            function.nesting_max = max(function.nesting_max, depth)

    def finished_functions(self) -> list[Function]:
        self._done.extend(reversed(self._open))
        self._open.clear()
        found = [self._measure(function) for function in self._done]
        found.sort(key=lambda function: (function.line, function.symbol))
        return found

    def _measure(self, function: _Open) -> Function:
        node = function.node
        line, end_line = node.start_point[0] + 1, node.end_point[0] + 1
        return Function(
            symbol=function.symbol,
            line=line,
            end_line=end_line,
            code_lines=_code_lines(self._blob, line, end_line),
            positional=_positional(self._blob, node),
            cyclomatic=function.cyclomatic,
            cognitive=function.cognitive,
            nesting=function.nesting_max,
        )


def _is_block(node: Node) -> bool:
    return not node.type.endswith(("expression", "comprehension", "ternary", "conditional"))


def _name_of(blob: Blob, node: Node) -> str:
    name = node.child_by_field_name("name")
    if name is None:
        # Anonymous function given to a name: `const total = () => ...`, `total: function () {...}`
        parent = node.parent
        for field in ("name", "key", "left", "property"):
            name = parent.child_by_field_name(field) if parent is not None else None
            if name is not None:
                break
    return "<anonymous>" if name is None else blob.source(name)[:200]


def _positional(blob: Blob, node: Node) -> int:
    parameters = node.child_by_field_name("parameters")
    if parameters is None:
        return 0
    count = 0
    for index, child in enumerate(parameters.named_children):
        kind = child.type
        if kind in {"keyword_separator", "list_splat_pattern", "variadic_parameter_declaration"}:
            break
        if kind in {"comment", "dictionary_splat_pattern", "positional_separator", "self_parameter", "block_parameter"}:
            continue
        if kind in {"keyword_parameter", "hash_splat_parameter"}:
            continue
        if index == 0 and blob.source(child) in {"self", "cls", "mcs", "metacls"}:
            continue
        if kind == "parameter_declaration":  # Go: `a, b int` is one declaration of two parameters
            count += max(1, len(child.children_by_field_name("name")))
            continue
        count += 1
    return count


def _code_lines(blob: Blob, line: int, end_line: int) -> int:
    silent = blob.__dict__.get("_silent_lines")
    if silent is None:
        silent = blob.__dict__["_silent_lines"] = _silent_lines(blob)
    return end_line - line + 1 - sum(1 for number in silent if line <= number <= end_line)


def _silent_lines(blob: Blob) -> frozenset[int]:
    """Lines that hold nothing, only a comment, or only (part of) a docstring."""
    lines = blob.lines
    silent = {number for number, text in enumerate(lines, start=1) if not text.strip()}
    captures = blob.captures(blob.language.comments)
    for name in ("comment", "docstring"):
        for node in captures.get(name, ()):
            first, last = node.start_point[0] + 1, node.end_point[0] + 1
            if lines[first - 1][: node.start_point[1]].strip():
                first += 1
            silent.update(range(first, last + 1))
    return frozenset(silent)
