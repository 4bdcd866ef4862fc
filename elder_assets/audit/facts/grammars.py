"""What a language module declares, and the blob that is parsed at most once.

A language file says how its syntax maps to the few notions that the extractors know (function, branch,
nesting, comment, test); the extractors are the same code for every language. A missing grammar is an error at
load, never an empty result.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from elder_assets.audit.errors import CatalogueError
from elder_assets.audit.patterns import regex

if TYPE_CHECKING:
    from tree_sitter import Node, Parser, Query, Tree

PARSE_SECONDS_MAX = 10.0
"""Longest time for one parse; a 1 MB file takes about 0.2 s. Chosen by us, see decision 0001."""


class ParseFailed(Exception):
    """A blob could not be parsed within its bounds; becomes a skipped file with this reason."""


class Language(msgspec.Struct, frozen=True, kw_only=True):
    """One programming language, as the extractors need it."""

    name: str
    title: str
    extensions: dict[str, str]
    """File name ending, with its dot, to grammar variant: {'.ts': 'typescript', '.tsx': 'tsx'}."""
    file_names: dict[str, str] = {}
    """Whole file name to grammar variant, for files without an ending: {'Rakefile': 'ruby'}."""
    grammars: dict[str, Callable[[], Any]]
    """Grammar variant to the function that loads its tree-sitter grammar."""
    # The three queries run as one, over every file. No predicates (#eq? and its like): one on a frequent node costs
    # a third of a parse; check the text of the few captured nodes in Python.
    structure: str
    """Query for `functions.py`; its module docstring says what each capture means."""
    comments: str
    """Query for `comments.py`; captures @comment, @docstring (a string that only documents) and
    @pragma (a directive or annotation that may silence a tool)."""
    imports: str
    """Query for `imports.py`; captures @module (the imported module's text), and @called for the string that a call
    has for its first argument: a module where the call is one of `import_calls`."""
    import_calls: tuple[str, ...] = ()
    """Functions that import: {'require'}."""
    wrapper_calls: frozenset[str] = frozenset()
    """Functions whose nameless callback stands for a module or a group of tests: 'define', 'describe'."""
    is_test_path: Callable[[str], bool]
    """Whether the language's test runners would collect the file with this path."""
    tests: Callable[[Blob], Iterable[Any]] | None = None
    """Yields the records of `test_inventory` for a parsed file; see `test_conventions.py`."""
    has_inline_tests: bool = False
    """Tests live beside the code that they test, in production files (Rust)."""
    method_owner: Callable[[Blob, Any], str] | None = None
    """Owner of a function node that is no captured class (Go receiver, Rust impl, C# property); '' if none."""


@functools.cache
def languages() -> tuple[Language, ...]:
    """All languages, by walking `facts/languages/`, in order of name.

    Raises:
        CatalogueError: a module has no LANGUAGE, or two claim one variant or ending.
    """
    from elder_assets.audit.facts import languages as package

    found: list[Language] = []
    claimed: dict[str, str] = {}
    for module_info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{module_info.name}")
        language = getattr(module, "LANGUAGE", None)
        if not isinstance(language, Language):
            msg = f"{module.__name__} has no LANGUAGE record"
            raise CatalogueError(msg)
        for claim in (*language.grammars, *language.extensions, *language.file_names):
            if claim in claimed:
                msg = f"{claim!r} is claimed by {claimed[claim]} and by {language.name}"
                raise CatalogueError(msg)
            claimed[claim] = language.name
        found.append(language)
    return tuple(sorted(found, key=lambda language: language.name))


@functools.cache
def code_variants() -> frozenset[str]:
    """Every grammar variant of a programming language."""
    return frozenset(variant for language in languages() for variant in language.grammars)


@functools.cache
def language_of(variant: str) -> Language | None:
    """The language that a grammar variant belongs to; None for a format that is no programming language."""
    return next((language for language in languages() if variant in language.grammars), None)


@functools.cache
def parser_of(variant: str) -> Parser:
    """The parser of a grammar variant."""
    import tree_sitter

    language = language_of(variant)
    if language is None:
        msg = f"no language claims the grammar variant {variant!r}"
        raise CatalogueError(msg)
    return tree_sitter.Parser(_grammar(variant))


@functools.cache
def query_of(variant: str, text: str) -> Query:
    """A compiled query; compiled once a process."""
    import tree_sitter

    try:
        return tree_sitter.Query(_grammar(variant), text)
    except tree_sitter.QueryError as error:
        msg = f"the query for {variant} does not compile: {error}"
        raise CatalogueError(msg) from error


@functools.cache
def _grammar(variant: str) -> Any:  # tree_sitter.Language; imported late to keep `elder --help` light
    import tree_sitter

    language = language_of(variant)
    assert language is not None  # noqa: S101 - parser_of and query_of are only reached with a known variant
    return tree_sitter.Language(language.grammars[variant]())


class Blob:
    """The bytes of one file, read and parsed at most once, shared by all extractors that want it."""

    __slots__ = ("__dict__", "data", "variant")

    def __init__(self, data: bytes, variant: str) -> None:
        self.data = data
        self.variant = variant

    @functools.cached_property
    def text(self) -> str:
        """The bytes as UTF-8; undecodable bytes become U+FFFD."""
        return self.data.decode("utf-8", errors="replace")

    @functools.cached_property
    def lines(self) -> list[str]:
        """Lines without their ends; line n is `lines[n - 1]`. Split at LF only, as git and parsers count."""
        return [line.removesuffix("\r") for line in self.text.split("\n")]

    @functools.cached_property
    def language(self) -> Language:
        """The programming language of the variant.

        Raises:
            CatalogueError: the variant is a format, not a programming language.
        """
        language = language_of(self.variant)
        if language is None:
            msg = f"{self.variant!r} is no programming language"
            raise CatalogueError(msg)
        return language

    @functools.cached_property
    def tree(self) -> Tree:
        """The syntax tree; it may hold error nodes.

        Raises:
            ParseFailed: the parse took longer than PARSE_SECONDS_MAX.
        """
        parser = parser_of(self.variant)
        data = self.data
        deadline = time.monotonic() + PARSE_SECONDS_MAX
        try:
            # Only a parse from a callable honours the progress callback, our bound on its time (decision 0001).
            return parser.parse(
                lambda offset, _point: data[offset : offset + 65536],
                progress_callback=lambda _offset, _has_error: time.monotonic() > deadline,
            )
        except ValueError as error:
            parser.reset()
            msg = f"parsing took longer than {PARSE_SECONDS_MAX:g} s"
            raise ParseFailed(msg) from error

    def captures(self, query: str, node: Node | None = None) -> dict[str, list[Node]]:
        """Nodes that a query captures in the whole file or below `node`, by capture name."""
        import tree_sitter

        cursor = tree_sitter.QueryCursor(query_of(self.variant, query))
        return cursor.captures(self.tree.root_node if node is None else node)

    @functools.cached_property
    def marked(self) -> dict[str, list[Node]]:
        """What the structure, comments and imports queries of the language capture, in one pass over the tree."""
        language = self.language
        return self.captures(language.structure + language.comments + language.imports)

    def source(self, node: Node) -> str:
        """The text of a node."""
        return self.data[node.start_byte : node.end_byte].decode("utf-8", errors="replace")


def line_of(node: Node) -> int:
    """1-based line of a node's first byte."""
    return int(node.start_point[0]) + 1


def walk(node: Node) -> Iterator[Node]:
    """The named nodes below and including `node`, parents first."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(reversed(current.named_children))


def path_matches(pattern: str) -> Callable[[str], bool]:
    """A predicate: does the regular expression occur in the path?"""
    compiled = regex(pattern)
    return lambda path: compiled.search(path) is not None
