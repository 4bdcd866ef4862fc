"""What a work tree has that HEAD has not, told from the index alone: no filter, hook or fsmonitor can run."""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator
from pathlib import Path

ENTRIES_MAX = 500_000


def count_uncommitted(git_dir: Path, work_tree: Path) -> int:
    """Tracked files whose size, or whose time of change, differs from what the index says, or that are gone.

    A file that was only touched counts too; links are not followed. 0 when there is no index that can be read.
    """
    try:
        data = (git_dir / "index").read_bytes()
        return sum(_differs(work_tree / path, seconds, size, mode) for path, seconds, size, mode in _entries(data))
    except (OSError, struct.error, ValueError, IndexError):
        return 0


def _differs(path: Path, seconds: int, size: int, mode: int) -> bool:
    if stat.S_IFMT(mode) not in {stat.S_IFREG, stat.S_IFLNK}:
        return False  # a submodule
    try:
        found = path.lstat()
    except OSError:
        return True
    return found.st_size & 0xFFFFFFFF != size or int(found.st_mtime) & 0xFFFFFFFF != seconds


def _entries(data: bytes) -> Iterator[tuple[str, int, int, int]]:
    """Path, seconds of change, size in bytes and mode of each index entry (versions 2 to 4)."""
    signature, version, count = struct.unpack_from(">4sII", data)
    if signature != b"DIRC" or version not in {2, 3, 4} or count > ENTRIES_MAX:
        return
    offset, previous = 12, b""
    for _ in range(count):
        fields = struct.unpack_from(">10I20sH", data, offset)
        flags = fields[11]
        start = offset + 62 + (2 if version >= 3 and flags & 0x4000 else 0)
        if version == 4:
            strip, start = _offset_varint(data, start)
            end = data.index(b"\0", start)
            name = previous[: len(previous) - strip] + data[start:end]
            offset, previous = end + 1, name
        else:
            end = data.index(b"\0", start)
            name = data[start:end]
            offset += (end - offset + 8) // 8 * 8
        yield name.decode("utf-8", errors="surrogateescape"), fields[2], fields[9], fields[6]


def _offset_varint(data: bytes, start: int) -> tuple[int, int]:
    value = data[start] & 0x7F
    while data[start] & 0x80:
        start += 1
        value = ((value + 1) << 7) | (data[start] & 0x7F)
    return value, start + 1
