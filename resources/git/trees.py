"""Listing trees: every entry of a tree, in order of path, with sizes. What two trees share is read once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from elder_assets.audit.errors import SourceError
from elder_assets.audit.model import TreeEntry
from resources.git.objects import ObjectReader

DEPTH_MAX = 400
ENTRIES_MAX = 3_000_000
"""More folders inside each other, or more entries, are no source code but an attack (a tree can name itself a billion
times in a few kilobytes); chosen by us."""
_TREE = 0o40000
_SUBMODULE = 0o160000


class _Row(msgspec.Struct, frozen=True, gc=False):
    name: str
    mode: int
    oid: str


_Listed = dict[tuple[str, str], tuple[TreeEntry, ...]]
"""(folder with its final '/', tree id) to all entries below."""


class TreeReader:
    """Listings of trees of one repository. It remembers the trees of the last listing, and sizes."""

    def __init__(self, objects: ObjectReader) -> None:
        self._objects = objects
        self._rows: dict[str, tuple[_Row, ...]] = {}
        self._entries: _Listed = {}
        self._sizes: dict[str, int] = {}

    def listing(self, tree: str) -> Sequence[TreeEntry]:
        """Every entry of a tree but folders, in order of path; an empty tree has none.

        Raises:
            SourceError: the tree, or one below it, is missing or corrupt.
        """
        self._read([tree])
        used: _Listed = {}
        below = self._below("", tree, used)
        self._entries = used
        kept = {oid for _, oid in used}
        self._rows = {oid: rows for oid, rows in self._rows.items() if oid in kept}
        return sorted(below, key=lambda entry: entry.path)

    def _read(self, trees: Iterable[str]) -> None:
        """Read trees that are not known, level by level, and the sizes of the blobs in them."""
        level = [tree for tree in trees if tree not in self._rows]
        unsized: dict[str, None] = {}
        while level:
            following: dict[str, None] = {}
            for oid, content in self._objects.contents(level):
                if content is None:
                    msg = f"the tree {oid[:12]} is missing or corrupt"
                    raise SourceError(msg)
                rows = self._rows[oid] = tuple(_parse(content, len(oid) // 2))
                for row in rows:
                    if row.mode == _TREE:
                        if row.oid not in self._rows:
                            following[row.oid] = None
                    elif row.mode != _SUBMODULE and row.oid not in self._sizes:
                        unsized[row.oid] = None
            level = list(following)
        for oid, (_, kind, size) in zip(unsized, self._objects.check(unsized), strict=True):
            if kind == "blob":
                self._sizes[oid] = size

    def _below(self, folder: str, tree: str, used: _Listed) -> tuple[TreeEntry, ...]:
        key = (folder, tree)
        if key in used:
            return used[key]
        known = self._entries.get(key)
        if known is not None:
            self._keep_below(key, used)
            return known
        if folder.count("/") > DEPTH_MAX:
            msg = f"folders lie more than {DEPTH_MAX} deep"
            raise SourceError(msg)
        found: list[TreeEntry] = []
        for row in self._rows[tree]:
            path = folder + row.name
            if row.mode == _TREE:
                found.extend(self._below(path + "/", row.oid, used))
            elif row.mode == _SUBMODULE:
                found.append(TreeEntry(path, row.mode, row.oid, 0))
            else:
                found.append(TreeEntry(path, row.mode, row.oid, self._sizes.get(row.oid, -1)))
        if len(found) > ENTRIES_MAX:
            msg = f"it has more than {ENTRIES_MAX} entries"
            raise SourceError(msg)
        used[key] = tuple(found)
        return used[key]

    def _keep_below(self, key: tuple[str, str], used: _Listed) -> None:
        """An unchanged folder, and all folders below it, stay known."""
        used[key] = self._entries[key]
        folder, tree = key
        for row in self._rows[tree]:
            if row.mode == _TREE:
                self._keep_below((f"{folder}{row.name}/", row.oid), used)


def _parse(content: bytes, id_bytes: int) -> Iterator[_Row]:
    """Rows of a raw tree object: mode, blank, name, NUL, id in bytes."""
    place = 0
    while place < len(content):
        blank = content.index(b" ", place)
        end = content.index(b"\0", blank)
        mode, name = int(content[place:blank], 8), content[blank + 1 : end].decode("utf-8", errors="backslashreplace")
        place = end + 1 + id_bytes
        yield _Row(name, mode, content[end + 1 : place].hex())
