"""Modules that a source file imports, as written."""

from __future__ import annotations

import functools
import re

import msgspec

from elder_assets.audit.facts.extraction import extractor
from elder_assets.audit.facts.functions import is_code
from elder_assets.audit.facts.grammars import Blob
from elder_assets.audit.model import CODE_CLASSES
from elder_assets.audit.patterns import regex


class Import(msgspec.Struct, frozen=True, array_like=True):
    """One imported module: the line, and its name as written, without quotes."""

    line: int
    module: str


class Imports(msgspec.Struct, frozen=True, array_like=True):
    """The imports of one file, in order of position."""

    modules: tuple[Import, ...] = ()


@extractor(version=2, file_classes=CODE_CLASSES, wants=is_code)
def imports(blob: Blob) -> Imports:
    """Read the imported module names of a source file."""
    nodes = list(blob.marked.get("module", []))
    calls = blob.language.import_calls
    if calls and (called := blob.marked.get("called")):
        pattern, data = _call_before(calls), blob.data
        nodes += [node for node in called if pattern.search(data, max(0, node.start_byte - 80), node.start_byte)]
    return Imports(
        tuple(
            Import(node.start_point[0] + 1, blob.source(node).strip("\"'`<>"))
            for node in sorted(nodes, key=lambda node: node.start_byte)
        )
    )


@functools.cache
def _call_before(calls: tuple[str, ...]) -> re.Pattern[bytes]:
    """A call of one of these functions, up to its first argument."""
    return regex(rb"(?<![\w.$])(?:" + "|".join(calls).encode() + rb")\s{0,20}\(?\s{0,40}\Z")
