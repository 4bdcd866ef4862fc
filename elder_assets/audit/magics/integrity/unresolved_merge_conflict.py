"""INT001."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from elder_assets.audit.facts.extraction import extractor
from elder_assets.audit.facts.functions import is_code
from elder_assets.audit.facts.grammars import Blob, code_variants
from elder_assets.audit.facts.markdown import code_block_lines
from elder_assets.audit.facts.repository_facts import FileFacts
from elder_assets.audit.facts.source_tree import READ_BYTES_MAX
from elder_assets.audit.identity import normalise
from elder_assets.audit.model import AUTHORED_CLASSES, Checked, FileClass, Found, Outcome, Severity, Tier
from elder_assets.audit.patterns import regex
from elder_assets.audit.registry import file_rule

CONFLICTS_MAX = 100
"""More in one file say nothing new; chosen by us, decision 0001."""


class Conflict(msgspec.Struct, frozen=True, array_like=True):
    """A conflict as git leaves it: the line that opens it and the labels of both sides."""

    line: int
    ours: str
    theirs: str
    tokens: str
    is_quoted: bool
    """It stands in a string, a here-document or a code block: text about a conflict."""


class Conflicts(msgspec.Struct, frozen=True, array_like=True):
    """All conflicts of one file, in order of position."""

    conflicts: tuple[Conflict, ...] = ()


@extractor(version=1, file_classes=AUTHORED_CLASSES, max_bytes=READ_BYTES_MAX)
def conflict_markers(blob: Blob) -> Conflicts:
    """Find the three markers of a merge conflict, each at the start of a line and in order."""
    if not _may_hold_conflict(blob.data):
        return Conflicts()
    found: list[Conflict] = []
    quoted = _quoted_lines(blob)
    for start, separator, end in _marker_triples(blob.lines):
        if len(found) == CONFLICTS_MAX:
            break
        ours, theirs = blob.lines[start - 1][8:].strip(), blob.lines[end - 1][8:].strip()
        sides = " ".join(blob.lines[start - 1 : min(end, start + 40)])
        is_quoted = start in quoted or separator in quoted or _is_in_string(blob, start)
        found.append(Conflict(start, ours[:80], theirs[:80], normalise(sides), is_quoted))
    return Conflicts(tuple(found))


def _may_hold_conflict(data: bytes) -> bool:
    return b"<<<<<<< " in data and b"\n=======" in data and b"\n>>>>>>> " in data


def _marker_triples(lines: list[str]) -> Iterator[tuple[int, int, int]]:
    """1-based lines of the opening, separating and closing marker of each conflict."""
    start = separator = 0
    for number, line in enumerate(lines, start=1):
        if line.startswith("<<<<<<< "):
            start, separator = number, 0
        elif start and not separator and line == "=======":
            separator = number
        elif separator and line.startswith(">>>>>>> "):
            yield start, separator, number
            start = separator = 0


_DELIMITER = regex(r"(?:-{4,}|\.{4,}|`{3,}|~{3,})\s*$")
_HERE_DOCUMENT = regex(r"<<[-~]?\s*(?:[\"'\\])?([A-Za-z_]\w*)")


def _quoted_lines(blob: Blob) -> frozenset[int]:
    """Lines in code blocks and here-documents of a file that no grammar reads."""
    if blob.variant == "markdown":
        return code_block_lines(blob.text)
    if blob.variant in code_variants() or blob.variant == "rst":
        return frozenset()  # a literal block of reStructuredText is indented: no marker starts its line
    quoted: set[int] = set()
    opened, closing = 0, ""
    for number, line in enumerate(blob.lines, start=1):
        if opened and line.strip() == closing:
            quoted.update(range(opened, number))
            opened, closing = 0, ""
        elif not opened and _DELIMITER.match(line):
            opened, closing = number, line.strip()
        elif not opened and not line.startswith("<<<<<<<") and (here := _HERE_DOCUMENT.search(line)):
            opened, closing = number, here.group(1)
    return frozenset(quoted)


def _is_in_string(blob: Blob, line: int) -> bool:
    """Whether a string literal other than a docstring covers the line."""
    if blob.variant not in code_variants():
        return False
    node = blob.tree.root_node.descendant_for_point_range((line - 1, 0), (line - 1, 7))
    while node is not None:
        if "string" in node.type or node.type in {"heredoc_body", "text_block"}:
            is_statement = node.parent is not None and node.parent.type == "expression_statement"
            return not (blob.variant == "python" and node.type == "string" and is_statement)
        node = node.parent
    return False


_PATCH_NAME = regex(r"\.(?:patch|diff|rej|orig)$", re.IGNORECASE)
_ABOUT_CONFLICTS = regex(r"conflict|unmerged|mergetool|merge[_-]?(?:driver|marker|head)|diff3|rerere", re.IGNORECASE)
_TEST_DATA = regex(
    r"(?:^|/)(?:[\w.-]*fixtures?|test-?_?data|data|corpus|expected|golden|snapshots?|cases|inputs?|outputs?"
    r"|resources|__snapshots__)/",
    re.IGNORECASE,
)
_EDIT_LABELS = frozenset({"SEARCH", "ORIGINAL", "REPLACE", "UPDATED", "OLD", "NEW"})


@file_rule(
    code="INT001",
    severity=Severity.CRITICAL,
    tier=Tier.GATE,
    unit="file",
    reads=(conflict_markers,),
    file_classes=AUTHORED_CLASSES,
)
def check(file: FileFacts) -> Iterator[Outcome]:
    """Flag a merge conflict that was committed unresolved.

    Why: the file holds two versions of the same lines and the markers between them; whatever reads it fails or
    reads nonsense.
    Remedy: choose or combine the two sides and delete the three marker lines.
    Source: git-merge(1), "How conflicts are presented".
    Limits: patches, strings, here-documents, code blocks of documents, test data and files named after conflicts
    hold such lines on purpose and are not looked at; nor are SEARCH/REPLACE blocks of editing tools.

    Bad:
        path: shop/prices.yaml
        <<<<<<< HEAD #~
        price: 12
        =======
        price: 13
        >>>>>>> new-prices
    Bad:
        def total(prices):
        <<<<<<< HEAD #~
            return sum(prices)
        ||||||| merged common ancestors
            return 0
        =======
            return sum(price for price in prices)
        >>>>>>> 1f0c2aa (sum lazily)
    Okay:
        path: docs/merging.md
        Git shows both sides:

        ```
        <<<<<<< HEAD
        ours
        =======
        theirs
        >>>>>>> topic
        ```
    Okay:
        path: tests/test_merge.py
        EXPECTED = '''
        <<<<<<< HEAD
        ours
        =======
        theirs
        >>>>>>> topic
        '''
    Okay:
        path: docs/title.rst
        =======
        A title
        =======
    """
    markers = file.read(conflict_markers)
    if markers is None or _holds_conflicts_on_purpose(file):
        return
    yield Checked()
    for conflict in markers.conflicts:
        if conflict.is_quoted or {conflict.ours, conflict.theirs} <= _EDIT_LABELS:
            continue
        yield Found(
            line=conflict.line,
            tokens=conflict.tokens,
            unit="file",
            message=f"unresolved merge conflict between {conflict.ours!r} and {conflict.theirs!r}",
        )


def _holds_conflicts_on_purpose(file: FileFacts) -> bool:
    if _PATCH_NAME.search(file.path) or _ABOUT_CONFLICTS.search(file.path):
        return True
    return file.file_class is FileClass.TEST and (_TEST_DATA.search(file.path) is not None or not is_code(file.file))
