"""Modules that a source file imports, as written."""

from __future__ import annotations

import msgspec

from elder_assets.audit.facts.extraction import extractor
from elder_assets.audit.facts.functions import is_code
from elder_assets.audit.facts.grammars import Blob
from elder_assets.audit.model import CODE_CLASSES


class Import(msgspec.Struct, frozen=True, array_like=True):
    """One imported module: the line, and its name as written, without quotes."""

    line: int
    module: str


class Imports(msgspec.Struct, frozen=True, array_like=True):
    """The imports of one file, in order of position."""

    modules: tuple[Import, ...] = ()


@extractor(version=1, file_classes=CODE_CLASSES, wants=is_code)
def imports(blob: Blob) -> Imports:
    """Read the imported module names of a source file."""
    nodes = blob.captures(blob.language.imports).get("module", [])
    return Imports(
        tuple(
            Import(node.start_point[0] + 1, blob.source(node).strip("\"'`<>"))
            for node in sorted(nodes, key=lambda node: node.start_byte)
        )
    )
