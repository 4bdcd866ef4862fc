"""Comments of a source file: debt markers and suppressions of other tools; only real comment tokens count."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from elder_assets.audit.facts.extraction import extractor
from elder_assets.audit.facts.functions import is_code
from elder_assets.audit.facts.grammars import Blob
from elder_assets.audit.facts.suppressions import Suppression, may_suppress, silenced_tools
from elder_assets.audit.identity import normalise
from elder_assets.audit.model import CODE_CLASSES
from elder_assets.audit.patterns import regex

if TYPE_CHECKING:
    from tree_sitter import Node


class DebtMarker(msgspec.Struct, frozen=True, array_like=True):
    """A TODO, FIXME, HACK or XXX in a comment."""

    line: int
    word: str
    has_reference: bool
    """An owner `TODO(ann)`, a ticket `#12` / `ABC-12` or a link stands in the same remark: the marker's line and the
    comment lines that follow it directly."""
    tokens: str
    """Normalised text of the marker's line, for identity."""


class Comments(msgspec.Struct, frozen=True, array_like=True):
    """What the comments of one file say, in order of position."""

    comment_lines: int = 0
    debt: tuple[DebtMarker, ...] = ()
    suppressions: tuple[Suppression, ...] = ()


@extractor(version=4, file_classes=CODE_CLASSES, wants=is_code)
def comments(blob: Blob) -> Comments:
    """Read debt markers and suppressions from a file's comment tokens."""
    nodes = sorted(blob.marked.get("comment", ()), key=lambda node: node.start_byte)
    lines: set[int] = set()
    for node in nodes:
        lines.update(_lines_of(node))
    return Comments(len(lines), tuple(_debt(blob, nodes)), tuple(_suppressions(blob, nodes)))


def _lines_of(node: Node) -> range:
    """1-based lines of a node; some grammars let a line comment end at the start of the next line."""
    (first, _), (last, column) = node.start_point, node.end_point
    return range(first + 1, last + (2 if column or first == last else 1))


def _text_by_line(blob: Blob, nodes: list[Node]) -> dict[int, str]:
    found: dict[int, str] = {}
    for node in nodes:
        for line, text in zip(_lines_of(node), blob.source(node).split("\n"), strict=False):
            found[line] = found.get(line, "") + text
    return found


_DEBT_WORDS = (b"TODO", b"FIXME", b"HACK", b"XXX")
# At the start of a remark, or with a colon or an owner: "the TODO list" in a sentence is no marker.
_DEBT = regex(
    r"(?:^[\s/*#!;<>=-]*[@\\]?(?P<first>TODO|FIXME|HACK|XXX)(?![\w`'\"/=-])"
    r"|(?<![\w`'\"/.-])(?P<later>TODO|FIXME|HACK|XXX)(?=\s?[:(\[]))"
)
_INLINE_REFERENCE = regex(
    r"(?:TODO|FIXME|HACK|XXX)\s*[(\[@]\s*[\w@.#:/-]+"
    r"|(?<![\w&])#\d+\b"
    r"|(?<![\w.])@[A-Za-z][\w-]+"
    r"|https?://"
    r"|\b(?:gh|issue|bug|ticket|pr|bpo|jira)s?[- #:]{0,2}\d+\b",
    re.IGNORECASE,
)
_TICKET = regex(r"\b(?!(?:UTF|ISO|SHA|RFC|MD|CVE|HTTP|PEP|IEEE|EN|AES|RSA|X)-)[A-Z][A-Z0-9]{1,9}-\d+\b")
_REMARK_LINES_MAX = 6
"""Comment lines that are read for the reference of one marker; chosen by us, decision 0001."""


def _debt(blob: Blob, nodes: list[Node]) -> list[DebtMarker]:
    if not any(word in blob.data for word in _DEBT_WORDS):
        return []
    texts = _text_by_line(blob, nodes)
    words = {line: match[1] or match[2] for line, text in texts.items() if (match := _DEBT.search(text))}
    return [
        DebtMarker(line, word, _has_reference(texts, words, line), normalise(texts[line]))
        for line, word in sorted(words.items())
    ]


def _has_reference(texts: dict[int, str], words: dict[int, str], line: int) -> bool:
    remark = texts[line]
    for following in range(line + 1, line + _REMARK_LINES_MAX):
        if following not in texts or following in words:
            break
        remark += "\n" + texts[following]
    return _INLINE_REFERENCE.search(remark) is not None or _TICKET.search(remark) is not None


def _suppressions(blob: Blob, nodes: list[Node]) -> list[Suppression]:
    language = blob.language.name
    if not may_suppress(language, blob.data):
        return []
    found = []
    for node in sorted([*nodes, *blob.marked.get("pragma", ())], key=lambda node: node.start_byte):
        if not may_suppress(language, blob.data[node.start_byte : node.end_byte]):
            continue
        line = node.start_point[0] + 1
        line_start = blob.data.rfind(b"\n", 0, node.start_byte) + 1
        is_trailing = bool(blob.data[line_start : node.start_byte].strip())
        for tool, directive, has_code in silenced_tools(language, blob.source(node), is_trailing=is_trailing):
            found.append(Suppression(line, tool, has_code, _tokens(blob, line, directive), directive))
    return found


def _tokens(blob: Blob, line: int, directive: str) -> str:
    is_about_next = "next" in directive or directive in {"@ts-ignore", "@SuppressWarnings"}
    return normalise("\n".join(blob.lines[line - 1 : line + is_about_next]))
