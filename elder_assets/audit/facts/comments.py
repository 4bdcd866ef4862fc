"""Comments of a source file: debt markers and suppressions of other tools; only real comment tokens count."""

from __future__ import annotations

import re

import msgspec

from elder_assets.audit.facts.extraction import extractor
from elder_assets.audit.facts.functions import is_code
from elder_assets.audit.facts.grammars import Blob
from elder_assets.audit.identity import normalise
from elder_assets.audit.model import CODE_CLASSES


class DebtMarker(msgspec.Struct, frozen=True, array_like=True):
    """A TODO, FIXME, HACK or XXX in a comment."""

    line: int
    word: str
    has_reference: bool
    """An owner `TODO(ann)`, a ticket `#12` / `ABC-12` or a link stands in the same comment line."""
    tokens: str
    """Normalised text of the marker's line, for identity."""


class Suppression(msgspec.Struct, frozen=True, array_like=True):
    """A comment that silences another tool."""

    line: int
    tool: str
    has_code: bool
    """It names what it silences."""
    tokens: str


class Comments(msgspec.Struct, frozen=True, array_like=True):
    """What the comments of one file say, in order of position."""

    comment_lines: int = 0
    debt: tuple[DebtMarker, ...] = ()
    suppressions: tuple[Suppression, ...] = ()
    directives: tuple[tuple[int, str], ...] = ()
    """`elder:` comments: line and text behind 'elder:'."""


_DEBT = re.compile(r"(?<![\w`'\"/.-])(TODO|FIXME|HACK|XXX)(?![\w`'\"/=-])")
_REFERENCE = re.compile(
    r"(?:TODO|FIXME|HACK|XXX)\s*[(\[@]\s*[\w@.#:/-]+"
    r"|(?<!\w)#\d+\b|\b[A-Z][A-Z0-9]+-\d+\b|https?://|\b(?:gh|issue|bug|ticket|pr)[- #]*\d+\b",
    re.IGNORECASE,
)
_SUPPRESSIONS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("noqa", re.compile(r"#\s*noqa\b(?P<code>\s*:\s*[A-Z]+\d+)?", re.IGNORECASE)),
    ("flake8", re.compile(r"#\s*(?:flake8|ruff)\s*[:=]\s*noqa\b(?P<code>\s*:\s*[A-Z]+\d+)?", re.IGNORECASE)),
    ("mypy", re.compile(r"#\s*type:\s*ignore\b(?P<code>\s*\[[^\]]+\])?")),
    ("pyright", re.compile(r"#\s*pyright:\s*ignore\b(?P<code>\s*\[[^\]]+\])?")),
    ("pylint", re.compile(r"#\s*pylint:\s*(?:disable(?:-next|-line)?)\s*=\s*(?P<code>(?!all\b)[\w-]+)?")),
    ("nosec", re.compile(r"#\s*nosec\b(?P<code>\s*:?\s*B\d{3})?")),
    (
        "eslint",
        re.compile(r"^[/*\s]*eslint-disable(?:-next-line|-line)?\b(?P<code>\s+(?!--)[@\w][\w@/-]+)?"),
    ),
    ("typescript", re.compile(r"^[/*\s]*@ts-(?:ignore|nocheck)\b(?P<code>(?!x)x)?")),
    ("golangci", re.compile(r"^//\s*nolint\b(?P<code>\s*:\s*(?!all\b)[\w-]+)?")),
    ("clang-tidy", re.compile(r"\bNOLINT(?:NEXTLINE|BEGIN)?\b(?P<code>\s*\(\s*(?!\*)[\w.-]+)?")),
    ("rubocop", re.compile(r"#\s*rubocop\s*:\s*(?:disable|todo)\s+(?P<code>(?!all\b)[A-Z][\w/]+)?")),
    ("resharper", re.compile(r"//\s*ReSharper\s+disable\s+(?P<code>(?!All\b)\w+)?")),
    ("pragma-warning", re.compile(r"#pragma\s+warning\s+disable(?P<code>\s+\w+)?")),
)
_DIRECTIVE = re.compile(r"\belder:\s*(.{1,400})")


@extractor(version=1, file_classes=CODE_CLASSES, wants=is_code)
def comments(blob: Blob) -> Comments:
    """Read debt markers, suppressions and our own directives from a file's comment tokens."""
    nodes = blob.marked.get("comment", [])
    debt: list[DebtMarker] = []
    suppressions: list[Suppression] = []
    directives: list[tuple[int, str]] = []
    lines: set[int] = set()
    for node in sorted(nodes, key=lambda node: node.start_byte):
        first = node.start_point[0] + 1
        lines.update(range(first, node.end_point[0] + 2))
        text = blob.source(node)
        if not _worth_reading(text):
            continue
        for offset, line in enumerate(text.split("\n")):
            number = first + offset
            if marker := _DEBT.search(line):
                has_reference = _REFERENCE.search(line) is not None
                debt.append(DebtMarker(number, marker.group(1), has_reference, normalise(line)))
            for tool, pattern in _SUPPRESSIONS:
                if silenced := pattern.search(line):
                    has_code = silenced.group("code") is not None
                    suppressions.append(Suppression(number, tool, has_code, normalise(line)))
                    break
            if directive := _DIRECTIVE.search(line):
                directives.append((number, directive.group(1).rstrip("*/- \r")))
    return Comments(len(lines), tuple(debt), tuple(suppressions), tuple(directives))


_WORDS = ("TODO", "FIXME", "HACK", "XXX", "elder:", "NOLINT")
_WORDS_ANY_CASE = (
    "noqa", "ignore", "pylint", "nosec", "eslint-", "@ts-", "nolint", "rubocop", "resharper", "pragma",
)  # fmt: skip


def _worth_reading(text: str) -> bool:
    if any(word in text for word in _WORDS):
        return True
    lowered = text.lower()
    return any(word in lowered for word in _WORDS_ANY_CASE)
