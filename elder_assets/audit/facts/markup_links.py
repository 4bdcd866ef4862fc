"""Links, images and includes of reStructuredText and AsciiDoc, as far as a line reader can be sure of them.

What stands in literal blocks, listings, comments, conditions and inline code is left out; so is every target that is
computed. Anchors are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from elder_assets.audit.patterns import regex


class Target(NamedTuple):
    """Where a link leads, as written."""

    line: int
    path: str
    is_image: bool


LINE_CHARS_MAX = 2000
"""Longer lines are data; chosen by us, decision 0001."""


# --- reStructuredText ---------------------------------------------------------------------------------------

_RST_DIRECTIVE = regex(r"\s*\.\. (?:\|[^|]+\| )?([\w-]+)::\s*(.*)$")
_RST_TARGET = regex(r"\s*\.\. _(?:`[^`]{1,200}`|[^:`]{1,200}):\s+(\S.*)$")
_RST_PHRASE = regex(r"(?<![`\w:])`[^`<>]{0,300}<([^`<>]{1,300})>`__?")
_RST_INLINE = regex(r"``.*?``")
_RST_IMAGES = frozenset({"image", "figure"})
_RST_OPENS = frozenset({"note", "warning", "tip", "important", "hint", "caution", "attention", "danger", "error",
                        "seealso", "admonition", "versionadded", "versionchanged", "deprecated", "topic", "sidebar",
                        "container", "compound", "epigraph", "list-table", "class", "rst-class", "figure"})  # fmt: skip
"""Directives whose content is text with links; that of any other is left out."""


def rst_targets(text: str) -> list[Target]:
    """Images, includes and links by path of a reStructuredText document, in order of line."""
    found: list[Target] = []
    plain: list[str] = []
    skipped = -1  # indentation above which lines are left out
    for number, line in enumerate(text.split("\n"), start=1):
        indent = len(line) - len(line.lstrip())
        plain.append("")
        if not line.strip() or (skipped >= 0 and indent > skipped) or len(line) > LINE_CHARS_MAX:
            continue
        skipped = -1
        if directive := _RST_DIRECTIVE.match(line):
            found += _of_directive(number, directive.group(1).lower(), directive.group(2).strip())
            skipped = -1 if directive.group(1).lower() in _RST_OPENS else indent
        elif target := _RST_TARGET.match(line):
            found += _of_named_target(number, target.group(1).strip())
        elif line.lstrip().startswith(".. "):
            skipped = indent  # a comment, footnote or citation
        elif not line.lstrip().startswith((">>>", "|", ":")):
            skipped = indent if line.rstrip().endswith("::") else -1
            plain[-1] = _RST_INLINE.sub("", line)
    found += _phrases(plain)
    return sorted(found)


def _of_directive(number: int, name: str, argument: str) -> Iterator[Target]:
    if argument and (name in _RST_IMAGES or name == "include"):
        yield Target(number, argument, name in _RST_IMAGES)


def _of_named_target(number: int, written: str) -> Iterator[Target]:
    is_alias = written.endswith("_") or written.startswith("`")
    if not is_alias and " " not in written:
        yield Target(number, written, False)


def _phrases(lines: Sequence[str]) -> Iterator[Target]:
    text = "\n".join(lines)
    for match in _RST_PHRASE.finditer(text):
        written = re.sub(r"\s+", "", match.group(1))
        is_alias = written.endswith("_") or "\n\n" in match.group()
        if not is_alias and "@" not in written:
            yield Target(text.count("\n", 0, match.start(1)) + 1, written, False)


# --- AsciiDoc -----------------------------------------------------------------------------------------------

_ADOC_FENCE = regex(r"(-{4,}|\.{4,}|\+{4,}|/{4,}|`{3,}|~{3,})\w*\s*$")
_ADOC_ATTRIBUTE = regex(r":!?([\w-]+)!?:(?:\s+(.*))?$")
_ADOC_BLOCK = regex(r"(image|include)::([^\s\[][^\[]*)\[([^\]]*)\]\s*$")
_ADOC_INLINE = regex(r"(?<![\w\\:])(image|link|xref):(?!:)([^\s\[\]:]+)\[")
_ADOC_CROSS = regex(r"<<([\w./-]+\.(?:adoc|asciidoc)(?:#[\w.-]*)?)(?:,[^<>]*)?>>")
_ADOC_CODE = regex(r"`[^`]*`|\+\+.*?\+\+|pass:\w*\[[^\]]*\]")


def asciidoc_targets(text: str) -> list[Target]:
    """Images, includes, links and cross references by path of an AsciiDoc document, in order of line."""
    return list(_AsciiDoc().read(text))


class _AsciiDoc:
    def __init__(self) -> None:
        self._images = ""
        self._is_image_base_known = True
        self._fence = ""
        self._conditions = 0

    def read(self, text: str) -> Iterator[Target]:
        for number, line in enumerate(text.split("\n"), start=1):
            if len(line) > LINE_CHARS_MAX or self._is_left_out(line.rstrip()):
                continue
            if attribute := _ADOC_ATTRIBUTE.match(line):
                if attribute.group(1) == "imagesdir":
                    self._images = (attribute.group(2) or "").strip()
                continue
            yield from self._of_line(number, line)

    def _is_left_out(self, line: str) -> bool:
        if self._fence:
            self._fence = "" if line == self._fence else self._fence
            return True
        if fence := _ADOC_FENCE.match(line):
            self._fence = fence.group(1)
            return True
        if line.startswith(("ifdef::", "ifndef::", "ifeval::")):
            self._conditions += line.endswith("[]") or line.startswith("ifeval::")
            return True
        if line.startswith("endif::"):
            self._conditions = max(0, self._conditions - 1)
            return True
        if self._conditions and ":imagesdir:" in line:
            self._is_image_base_known = False
        return self._conditions > 0 or line.startswith(("//", " ", "\t"))

    def _of_line(self, number: int, line: str) -> Iterator[Target]:
        if block := _ADOC_BLOCK.match(line):
            name, path, attributes = block.groups()
            if "optional" not in attributes:
                yield from self._of_macro(number, name, path)
            return
        line = _ADOC_CODE.sub("", line)
        for name, path in _ADOC_INLINE.findall(line):
            yield from self._of_macro(number, name, path)
        for path in _ADOC_CROSS.findall(line):
            yield Target(number, path, False)

    def _of_macro(self, number: int, name: str, path: str) -> Iterator[Target]:
        if name == "image" and self._is_image_base_known:
            is_joined = self._images and not re.match(r"/|[a-z]+:", path)
            yield Target(number, f"{self._images.rstrip('/')}/{path}" if is_joined else path, True)
        elif name == "include" or (name == "link" and path != "++") or (name == "xref" and ".adoc" in path):
            yield Target(number, path, False)
