"""Functions and classes of a source file: where they are, how long, how complex.

Definitions (the same for every language; a language file maps its syntax to the capture names):

- *Cyclomatic complexity* (McCabe, 1976): 1 + decision points: each @nesting, @inline and @branch, and each operator
  in a @boolean expression. A case label is a decision, the default is none.
- *Cognitive complexity* (Campbell, SonarSource, 2018): each @nesting, @inline and @block (switch, match) adds
  1 + its depth of nesting, each @flat (else, elif, labelled jump) adds 1, each sequence of like boolean operators
  adds 1. An `if` that continues a chain (@chained) adds what its `else` adds, and no depth. Recursion and
  null-coalescing are not counted.
- A function that is nested or given a name (@function) counts for itself, its lines too, not for the function
  around it. A nameless one (@lambda, @closure) counts for the function around it and nests; without one, a
  @closure is measured as `<anonymous>`, unless it stands for the module as a whole (@wrapper).
- *Nesting* counts blocks (@nesting and @block), not comprehensions, ternaries or lambdas.
- *Code lines* are lines that hold a token other than a comment; a docstring counts as comment.
- *Positional parameters*: a destructured or variadic one counts as one; the receiver and keyword-only ones do not.
"""

from __future__ import annotations

import re
from itertools import accumulate
from operator import itemgetter
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
    """Without those of functions nested in it, which count for themselves."""
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
    """As written, without type arguments: 'models.Model'."""


class Functions(msgspec.Struct, frozen=True, array_like=True):
    """All functions and classes of a file, in order of position."""

    functions: tuple[Function, ...] = ()
    classes: tuple[Class, ...] = ()
    has_errors: bool = False
    """The parser met something that it could not read; a fact, not a verdict (D23)."""

    def enclosing(self, line: int) -> str:
        """Symbol of the innermost function or class that holds the line; '' outside of all."""
        around = [
            (item.line, item.symbol) for item in self.functions + self.classes if item.line <= line <= item.end_line
        ]
        return max(around, default=(0, ""))[1]


def is_code(file: SourceFile) -> bool:
    """Whether a grammar of a programming language reads the file."""
    return file.variant in code_variants()


@extractor(version=2, file_classes=CODE_CLASSES, wants=is_code)
def functions(blob: Blob) -> Functions:
    """Measure the functions and classes of a source file."""
    sweep = _Sweep(blob)
    for start, negative_end, _, name, node in _events(blob):
        sweep.take(name, start, -negative_end, node)
    return Functions(sweep.finished_functions(), sweep.finished_classes(), has_errors=blob.tree.root_node.has_error)


_ORDER = {
    name: order
    for order, name in enumerate(
        ("class", "base", "wrapper", "function", "closure", "lambda", "block", "nesting", "inline", "branch", "flat",
         "boolean")
    )
}  # fmt: skip


def _events(blob: Blob) -> list[tuple[int, int, int, str, Node]]:
    """(start, -end, order, capture name, node) of all captures, outer nodes before inner ones."""
    captures = blob.marked
    ids = {name: {node.id for node in captures.get(name, ())} for name in ("function", "chained", "wrapper")}
    nameless = {
        "closure": ids["function"] | ids["wrapper"],
        "lambda": ids["function"],
        "wrapper": ids["function"],
    }
    events: list[tuple[int, int, int, str, Node]] = []
    for name, nodes in captures.items():
        order = _ORDER.get(name)
        if order is None:
            continue
        known = nameless.get(name)
        unknown = [node for node in nodes if node.id not in known] if known else nodes
        events += [(node.start_byte, -node.end_byte, order, name, node) for node in unknown]
    if ids["chained"]:
        events = [
            (*event[:3], "branch", event[4]) if event[3] == "nesting" and event[4].id in ids["chained"] else event
            for event in events
        ]
    events.sort(key=itemgetter(0, 1, 2))
    return events


class _Open:
    """A function under measurement."""

    __slots__ = ("blocks", "cognitive", "cyclomatic", "end", "nested_lines", "nesting_ends", "nesting_max", "node",
                 "symbol")  # fmt: skip

    def __init__(self, symbol: str, node: Node, end: int) -> None:
        self.symbol = symbol
        self.node = node
        self.end = end
        self.cyclomatic = 1
        self.cognitive = 0
        self.nesting_max = 0
        self.nesting_ends: list[tuple[int, bool]] = []
        """End byte of each open thing that nests, and whether it is a block."""
        self.blocks = 0
        """How many of them are blocks."""
        self.nested_lines: list[tuple[int, int]] = []
        """First and last line of each function nested directly in this one."""


class _Sweep:
    """One pass over captured nodes in order of position; enclosing things are a stack of end bytes."""

    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        self._scopes: list[tuple[int, str]] = []
        self._open: list[_Open] = []
        self._done: list[_Open] = []
        self._classes: list[tuple[str, Node, list[str]]] = []
        self._counted: set[int] = set()
        """Ids of the boolean expressions that a sequence has counted already."""

    def take(self, name: str, start: int, end: int, node: Node) -> None:
        while self._scopes and self._scopes[-1][0] <= start:
            self._scopes.pop()
        while self._open and self._open[-1].end <= start:
            self._done.append(self._open.pop())
        if name == "class":
            self._enter_class(node, end)
        elif name == "base":
            if self._classes and end <= self._classes[-1][1].end_byte:  # a broken file has bases without a class
                self._classes[-1][2].append(_base_name(self._blob.source(node)))
        elif name == "function":
            self._enter_function(node, end, _name_of(self._blob, node))
        elif name == "closure" and not self._open:
            if not _is_wrapper(self._blob, node):
                self._enter_function(node, end, ANONYMOUS)
        elif self._open:
            self._count(self._open[-1], name, start, end, node)

    def _enter_class(self, node: Node, end: int) -> None:
        own = _name_of(self._blob, node)
        self._classes.append((self._symbol(own), node, []))
        self._scopes.append((end, own))

    def _enter_function(self, node: Node, end: int, own: str) -> None:
        language = self._blob.language
        if language.method_owner is not None and (owner := language.method_owner(self._blob, node)):
            own = f"{owner}.{own}"
        symbol = self._symbol(own)
        if self._open:
            self._open[-1].nested_lines.append((node.start_point[0] + 1, node.end_point[0] + 1))
        self._scopes.append((end, own))
        self._open.append(_Open(symbol, node, end))

    def _symbol(self, own: str) -> str:
        return ".".join([scope for _, scope in self._scopes] + [own])

    def _count(self, function: _Open, name: str, start: int, end: int, node: Node) -> None:
        if name == "branch":
            function.cyclomatic += 1
        elif name == "flat":
            function.cognitive += 1
        elif name == "boolean":
            if node.id not in self._counted:
                self._count_operators(function, node)
        else:
            self._nest(function, name, start, end)

    def _nest(self, function: _Open, name: str, start: int, end: int) -> None:
        ends = function.nesting_ends
        while ends and ends[-1][0] <= start:
            function.blocks -= ends.pop()[1]
        if name in {"nesting", "inline"}:
            function.cyclomatic += 1
        if name in {"nesting", "inline", "block"}:
            function.cognitive += 1 + len(ends)
        is_block = name in {"nesting", "block"}
        ends.append((end, is_block))
        function.blocks += is_block
        function.nesting_max = max(function.nesting_max, function.blocks)

    def _count_operators(self, function: _Open, node: Node) -> None:
        """Count one maximal boolean expression: its operators, and the sequences of like ones as they are read."""
        signs: list[str] = []
        pending: list[Node | str] = [node]
        while pending:
            item = pending.pop()
            if isinstance(item, str):
                signs.append(item)
                continue
            while item.type in _PARENTHESES and item.named_child_count == 1:
                item = item.named_children[0]
            operator = item.child_by_field_name("operator") if item.type in _BOOLEAN else None
            if operator is None or operator.type not in _OPERATORS:
                continue
            self._counted.add(item.id)
            left, right = item.child_by_field_name("left"), item.child_by_field_name("right")
            if left is not None and right is not None:
                pending += (right, operator.type, left)
        function.cyclomatic += len(signs)
        function.cognitive += sum(sign != before for before, sign in zip(["", *signs], signs, strict=False))

    def finished_classes(self) -> tuple[Class, ...]:
        return tuple(
            Class(symbol, node.start_point[0] + 1, node.end_point[0] + 1, tuple(bases))
            for symbol, node, bases in self._classes
        )

    def finished_functions(self) -> tuple[Function, ...]:
        self._done.extend(reversed(self._open))
        self._open.clear()
        lines = _CodeLines(self._blob) if self._done else None
        found = [] if lines is None else [self._measure(function, lines) for function in self._done]
        found.sort(key=lambda function: (function.line, function.symbol))
        return tuple(found)

    def _measure(self, function: _Open, lines: _CodeLines) -> Function:
        node = function.node
        line, end_line = node.start_point[0] + 1, node.end_point[0] + 1
        return Function(
            symbol=function.symbol,
            line=line,
            end_line=end_line,
            code_lines=lines.outside(line, end_line, function.nested_lines),
            positional=_positional(self._blob, node),
            cyclomatic=function.cyclomatic,
            cognitive=function.cognitive,
            nesting=function.nesting_max,
        )


ANONYMOUS = "<anonymous>"
"""Own name of a function that has none."""

_PARENTHESES = {"parenthesized_expression", "parenthesized_statements"}
_BOOLEAN = {"binary_expression", "boolean_operator", "binary"}
_OPERATORS = {"&&", "||", "and", "or"}


def _base_name(text: str) -> str:
    return re.split(r"[<\[(]", text, maxsplit=1)[0].strip()[:200]


def _name_of(blob: Blob, node: Node) -> str:
    name = node.child_by_field_name("name")
    parent = node.parent if name is None else None
    if parent is not None and parent.type in {"expression_list", "literal_element"}:
        parent = parent.parent  # Go wraps both sides of an assignment
    if parent is not None:
        # `const total = () => ...`, `total: function () {...}`, `total := func() {...}`
        for field in ("name", "key", "left", "property", "pattern"):
            name = parent.child_by_field_name(field)
            if name is not None:
                break
    return ANONYMOUS if name is None else blob.source(name).strip("\"'")[:200]


def _is_wrapper(blob: Blob, node: Node) -> bool:
    """Whether a nameless function is the callback of `define`, `describe` and their like."""
    calls = blob.language.wrapper_calls
    call = node.parent.parent if calls and node.parent is not None else None
    callee = None if call is None else call.child_by_field_name("function")
    return callee is not None and blob.source(callee).partition(".")[0] in calls


_NOT_POSITIONAL = {
    "attribute_item", "block_comment", "block_parameter", "comment", "dictionary_splat_pattern", "hash_splat_nil",
    "hash_splat_parameter", "keyword_parameter", "line_comment", "positional_separator", "receiver_parameter",
    "self_parameter",
}  # fmt: skip
_RECEIVERS = {"self", "cls", "mcs", "mcls", "metacls"}


def _positional(blob: Blob, node: Node) -> int:
    if node.child_by_field_name("parameter") is not None:  # x => x + 1
        return 1
    parameters = node.child_by_field_name("parameters")
    if parameters is None:
        return 0
    if not parameters.named_child_count:
        return int(parameters.type in {"identifier", "implicit_parameter"})  # Java and C#: x -> x
    if blob.variant == "csharp":
        return _csharp_positional(blob, parameters)
    count = 0
    for index, child in enumerate(parameters.named_children):
        kind = child.type
        if kind == "keyword_separator":
            break
        if kind in _NOT_POSITIONAL or (index == 0 and _is_receiver(blob, child)):
            continue
        if kind == "parameter_declaration":  # Go: `a, b int` is one declaration of two parameters
            count += max(1, len(child.children_by_field_name("name")))
            continue
        if kind == "typed_parameter":  # Python: `*rest: int`
            kind = child.named_children[0].type
        count += kind != "dictionary_splat_pattern"
        if kind == "list_splat_pattern":
            break
    return count


def _is_receiver(blob: Blob, parameter: Node) -> bool:
    if blob.variant == "python":
        return re.split(r"\W", blob.source(parameter), maxsplit=1)[0] in _RECEIVERS
    pattern = parameter.child_by_field_name("pattern")  # TypeScript: `this: Basket`
    return pattern is not None and pattern.type == "this"


def _csharp_positional(blob: Blob, parameters: Node) -> int:
    found = [child for child in parameters.named_children if child.type == "parameter"]
    extends = bool(found) and blob.source(found[0]).startswith("this ")
    variadic = parameters.child_by_field_name("name") is not None  # `params` has no node of its own
    return len(found) - extends + variadic


class _CodeLines:
    """How many lines between two lines hold code."""

    def __init__(self, blob: Blob) -> None:
        self._before = list(accumulate(map(bool, _without_comments(blob).split(b"\n")), initial=0))

    def outside(self, line: int, end_line: int, nested: list[tuple[int, int]]) -> int:
        """Code lines from `line` to `end_line` that lie in none of the nested ranges (in order of position)."""
        count = self._between(line, end_line)
        seen = line - 1
        for first, last in nested:
            count -= self._between(max(first, seen + 1), last)
            seen = max(seen, last)
        return count

    def _between(self, line: int, end_line: int) -> int:
        return max(0, self._before[end_line] - self._before[line - 1]) if line <= end_line else 0


def _without_comments(blob: Blob) -> bytes:
    """The file with comments, docstrings and blanks left out; its line ends stay."""
    captures = blob.marked
    spans = sorted(
        (node.start_byte, node.end_byte) for name in ("comment", "docstring") for node in captures.get(name, ())
    )
    data = blob.data
    kept: list[bytes] = []
    seen = 0
    for start, end in spans:
        if start >= seen:
            kept += (data[seen:start], b"\n" * data.count(b"\n", start, end))
            seen = end
    kept.append(data[seen:])
    return b"".join(kept).translate(None, b" \t\r\f\v")
