"""`elder:` comments of a file: where people speak to Elder itself. What they say is read by `audit/suppression.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from elder_assets.audit.facts.extraction import extractor
from elder_assets.audit.facts.functions import is_code
from elder_assets.audit.facts.grammars import Blob, code_variants
from elder_assets.audit.model import AUTHORED_CLASSES, SourceFile
from elder_assets.audit.patterns import regex

if TYPE_CHECKING:
    from tree_sitter import Node

FORMATS = frozenset({
    "yaml", "toml", "markdown", "rst", "asciidoc", "dockerfile", "makefile", "requirements", "ini", "shell",
    "jenkinsfile", "go-mod", "owners", "xml",
})  # fmt: skip
"""Formats without a grammar of ours whose comments are found by how a line looks."""
SEARCHED_MAX = 20
"""Lines behind a comment of its own in which the code that it speaks about is looked for."""
DIRECTIVES_MAX = 1_000


class Directive(msgspec.Struct, frozen=True, array_like=True):
    """One `elder:` comment and the lines that it speaks about."""

    line: int
    first: int
    """First line that it speaks about: its own behind code, else the next one with code."""
    last: int
    """Last one: further than the first where that only decorates what follows."""
    text: str
    """What stands behind 'elder:'."""


class Directives(msgspec.Struct, frozen=True, array_like=True):
    """Every directive of one file, in order of line."""

    found: tuple[Directive, ...] = ()


def _wants(file: SourceFile) -> bool:
    return is_code(file) or file.variant in FORMATS


@extractor(version=1, file_classes=AUTHORED_CLASSES, wants=_wants)
def directives(blob: Blob) -> Directives:
    """Read a file's `elder:` comments: from comment tokens where there is a grammar, else from comment lines."""
    if b"elder:" not in blob.data:
        return Directives()
    comments = _tokens(blob) if blob.variant in code_variants() else _lines(blob)
    found = []
    for line, is_alone, text in comments[:DIRECTIVES_MAX]:
        first = _next_code(blob, line, {number for number, alone, _ in comments if alone}) if is_alone else line
        found.append(Directive(line, first, _last(blob, first), text))
    return Directives(tuple(found))


_DIRECTIVE = regex(r"\belder:\s*(?P<text>ignore\b.{0,400})")
_COMMENT_LINE = regex(r"(?:^\s*(?:#|//|;|<!--|--|/\*)|\s#|\s<!--)\s*elder:\s*(?P<text>ignore\b.{0,400})")
_DOCUMENT_COMMENTS = {
    "markdown": regex(r"(?:^|\s)<!--\s*elder:\s*(?P<text>ignore\b.{0,400})"),
    "rst": regex(r"^\s*\.\.\s+elder:\s*(?P<text>ignore\b.{0,400})"),
    "asciidoc": regex(r"^//\s*elder:\s*(?P<text>ignore\b.{0,400})"),
}
"""Documents show code of other languages, whose comments are examples there."""
_COMMENT_START = ("#", "//", ";", "<!--", "--", "/*", "*", "..")


def _tokens(blob: Blob) -> list[tuple[int, bool, str]]:
    found = []
    for node in sorted(blob.marked.get("comment", ()), key=lambda node: node.start_byte):
        for offset, text in enumerate(blob.source(node).split("\n")):
            if match := _DIRECTIVE.search(text):
                line = node.start_point[0] + 1 + offset
                found.append((line, bool(offset) or _stands_alone(blob, node), _cleaned(match["text"])))
    return found


def _stands_alone(blob: Blob, node: Node) -> bool:
    start = blob.data.rfind(b"\n", 0, node.start_byte) + 1
    return not blob.data[start : node.start_byte].strip()


def _lines(blob: Blob) -> list[tuple[int, bool, str]]:
    found = []
    pattern = _DOCUMENT_COMMENTS.get(blob.variant, _COMMENT_LINE)
    for number, line in enumerate(blob.lines, 1):
        if "elder:" in line and (match := pattern.search(line)):
            found.append((number, not line[: match.start()].strip(), _cleaned(match["text"])))
    return found


def _cleaned(text: str) -> str:
    return text.rstrip("\r").removesuffix("-->").rstrip("*/- ")


def _next_code(blob: Blob, line: int, comments: set[int]) -> int:
    for number in range(line + 1, min(line + SEARCHED_MAX, len(blob.lines)) + 1):
        text = blob.lines[number - 1].strip()
        if text and number not in comments and not text.startswith(_COMMENT_START):
            return number
    return line


def _last(blob: Blob, first: int) -> int:
    """Decorators and annotations belong to what they stand before."""
    last = first
    while last < len(blob.lines) and last - first < SEARCHED_MAX and blob.lines[last - 1].lstrip().startswith("@"):
        last += 1
    return last
