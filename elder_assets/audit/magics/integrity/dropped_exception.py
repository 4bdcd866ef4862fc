"""INT002."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

import msgspec

from elder_assets.audit.facts.extraction import extractor
from elder_assets.audit.facts.functions import functions
from elder_assets.audit.facts.grammars import Blob, line_of
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.identity import normalise
from elder_assets.audit.model import Checked, FileClass, Found, Outcome, Severity, Tier
from elder_assets.audit.patterns import regex
from elder_assets.audit.registry import repository_rule


class DroppedObject(msgspec.Struct, frozen=True, array_like=True):
    """An object constructed as a statement: nothing keeps it."""

    line: int
    name: str
    """Last name of its class."""
    tokens: str


class DroppedObjects(msgspec.Struct, frozen=True, array_like=True):
    """Objects of a file that are named like exceptions and dropped, in order of position."""

    found: tuple[DroppedObject, ...] = ()


_NEW = """(expression_statement . (new_expression constructor: (_) @name) @object .)"""
_OBJECT_CREATION = """(expression_statement . (object_creation_expression type: (_) @name) @object .)"""
_QUERIES = {
    "python": """(expression_statement . (call function: [(identifier) (attribute)] @name) @object .)""",
    "javascript": _NEW,
    "typescript": _NEW,
    "tsx": _NEW,
    "java": _OBJECT_CREATION,
    "csharp": _OBJECT_CREATION,
}
_BUILTIN = {
    "python": frozenset(
        [
            "BaseException",
            "Exception",
            "ArithmeticError",
            "AssertionError",
            "AttributeError",
            "BufferError",
            "EOFError",
            "ImportError",
            "LookupError",
            "IndexError",
            "KeyError",
            "KeyboardInterrupt",
            "MemoryError",
            "ModuleNotFoundError",
            "NameError",
            "NotImplementedError",
            "OSError",
            "IOError",
            "EnvironmentError",
            "FileExistsError",
            "FileNotFoundError",
            "InterruptedError",
            "IsADirectoryError",
            "NotADirectoryError",
            "PermissionError",
            "ProcessLookupError",
            "TimeoutError",
            "ConnectionError",
            "ConnectionResetError",
            "ReferenceError",
            "RuntimeError",
            "RecursionError",
            "StopIteration",
            "StopAsyncIteration",
            "SyntaxError",
            "SystemError",
            "SystemExit",
            "TypeError",
            "UnboundLocalError",
            "UnicodeError",
            "ValueError",
            "ZeroDivisionError",
            "OverflowError",
        ]
    ),
    "javascript": frozenset(
        ["Error", "AggregateError", "EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError"]
    ),
    "java": frozenset(
        ["Error", "AssertionError", "OutOfMemoryError", "StackOverflowError", "InternalError", "Throwable"]
    ),
    "csharp": frozenset({"Exception"}),
}
_BUILTIN["typescript"] = _BUILTIN["tsx"] = _BUILTIN["javascript"]
_NAMED_ONLY_EXCEPTION = frozenset({"java", "csharp"})
"""Here a name that ends in 'Exception' is one, unless the repository's own class of that name is none."""
_NAME = regex(r"(?:Error|Exception)$|^(?:KeyboardInterrupt|SystemExit|StopIteration|StopAsyncIteration|Throwable)$")
_LITERALS = (b"Error", b"Exception", b"KeyboardInterrupt", b"SystemExit", b"StopIteration", b"StopAsync", b"Throwable")


@extractor(version=1, variants=_QUERIES, file_classes=(FileClass.PRODUCTION,))
def dropped_objects(blob: Blob) -> DroppedObjects:
    """Find objects named like exceptions that are constructed as a statement."""
    if not any(literal in blob.data for literal in _LITERALS):
        return DroppedObjects()
    captures = blob.captures(_QUERIES[blob.variant])
    names = {node.start_byte: node for node in captures.get("name", ())}
    found = []
    for node in sorted(captures.get("object", ()), key=lambda node: node.start_byte):
        name_node = next((names[at] for at in sorted(names) if node.start_byte <= at < node.end_byte), None)
        name = _last_name(blob.source(name_node)) if name_node is not None else ""
        if _NAME.search(name):
            found.append(DroppedObject(line_of(node), name, normalise(blob.source(node))))
    return DroppedObjects(tuple(found))


def _last_name(text: str) -> str:
    return re.split(r"[<(\[]", text, maxsplit=1)[0].rpartition(".")[2].strip()


@repository_rule(
    code="INT002",
    severity=Severity.HIGH,
    tier=Tier.GATE,
    unit="file",
    reads=(dropped_objects, functions),
    fix="suggested",
)
def check(facts: RepositoryFacts) -> Iterator[Outcome]:
    """Flag an exception that is constructed and dropped instead of raised.

    Why: the code reads as if it refused, and goes on.
    Remedy: write `raise` (or `throw`) before it, or delete the statement.
    Source: Pylint W0133; SonarQube S3984.
    Limits: Python, Java, C#, JavaScript and TypeScript production code. The name must be a builtin exception or a
        class of the repository with an exception among its bases.

    Bad:
        def total(prices):
            if not prices:
                ValueError("no prices") #~
            return sum(prices)

    Bad:
        path: shop/errors.py
        class ShopError(Exception):
            pass
        class EmptyBasketError(ShopError):
            pass
        path: shop/basket.py
        def total(prices):
            if not prices:
                errors.EmptyBasketError() #~

    Bad:
        path: src/main/java/shop/Basket.java
        class Basket {
            void pay(int sum) {
                if (sum < 0) {
                    new IllegalArgumentException("sum"); #~
                }
            }
        }

    Bad:
        path: src/basket.js
        function total(prices) {
          if (!prices) new Error("no prices"); #~
        }

    Okay:
        def total(prices):
            if not prices:
                raise ValueError("no prices")
            error = ValueError("kept")
            return sum(prices), error

    Okay:
        class LogError:
            pass
        LogError()

    Okay:
        path: src/basket.js
        function refuse() { throw new Error("no"); }
        const later = () => new Error("later");
    """
    classes = _bases_by_name(facts)
    for file, dropped in facts.each(dropped_objects, FileClass.PRODUCTION):
        yield Checked()
        measured = facts.read(functions, file)
        for item in dropped.found:
            if _is_exception(item.name, file.variant, classes):
                yield Found(
                    path=file.path,
                    line=item.line,
                    symbol=measured.enclosing(item.line) if measured else "",
                    tokens=item.tokens,
                    unit=file.path,
                    message=f"{item.name} is constructed here and dropped: nothing is raised",
                )


_Bases = Mapping[str, list[tuple[str, ...]]]


def _bases_by_name(facts: RepositoryFacts) -> _Bases:
    """Last name of each class of the repository to the bases that each declaration of that name has."""
    found: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for _, measured in facts.each(functions):
        for declared in measured.classes:
            found[declared.symbol.rpartition(".")[2]].append(tuple(_last_name(base) for base in declared.bases))
    return found


def _is_exception(name: str, variant: str, classes: _Bases, seen: frozenset[str] = frozenset()) -> bool:
    """Whether every class of this name is an exception; a name of no class of the repository must be a builtin."""
    if name in seen:
        return False
    declared = classes.get(name)
    if not declared:
        is_named_so = variant in _NAMED_ONLY_EXCEPTION and name.endswith("Exception")
        return name in _BUILTIN[variant] or is_named_so
    above = seen | {name}
    return all(
        any(_is_exception(base, variant, classes, above) or _is_foreign(base, classes) for base in bases)
        for bases in declared
    )


def _is_foreign(base: str, classes: _Bases) -> bool:
    """A base from outside the repository that is named like an exception."""
    return base not in classes and re.search(r"(?:Error|Exception)$", base) is not None
