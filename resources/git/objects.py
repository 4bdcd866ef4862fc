"""Reading git objects through long-lived processes: `cat-file --batch` for contents, `--batch-check` for sizes.

Starting git costs 2 to 3 ms; a repository is read with one process of each kind, however many trees and blobs are
asked for. Requests go out in portions that fit into a pipe, so neither side ever waits for the other.
"""

from __future__ import annotations

import contextlib
import itertools
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Self

from elder_assets.audit.errors import CheckoutFailed, SourceError
from resources.git.commands import ENVIRONMENT, command

CORRUPT_MAX = 100
"""Corrupt objects after which reading is given up: the repository needs repair, not an audit."""
_PORTION = 200
"""Requests sent at a time: 200 ids are 13 kB at most, the smallest pipe that we know of holds 16."""
_DROPPED_BYTES = 1 << 20


class ObjectReader:
    """Objects of one bare repository of ours. Close it, or use it in a `with` statement."""

    def __init__(self, git_dir: Path) -> None:
        self._git_dir = git_dir
        self._contents: subprocess.Popen[bytes] | None = None
        self._checks: subprocess.Popen[bytes] | None = None
        self._corrupt = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes."""
        self._stop_contents()
        if self._checks is not None:
            _end(self._checks)
            self._checks = None

    def _stop_contents(self) -> None:
        if self._contents is not None:
            _end(self._contents)
            self._contents = None

    def _start(self, kind: str) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                command(self._git_dir, "cat-file", kind),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=ENVIRONMENT,
                bufsize=1 << 18,
            )
        except FileNotFoundError as error:
            raise CheckoutFailed("git is not installed") from error

    # --- contents ----------------------------------------------------------------------------------------

    def contents(self, oids: Iterable[str], bytes_max: int | None = None) -> Iterator[tuple[str, bytes | None]]:
        """Content of each object, in the order asked; None where it is missing, corrupt or over the limit.

        Raises:
            SourceError: more than CORRUPT_MAX objects are corrupt.
        """
        for portion in _portions(oids):
            left = portion
            while left:
                done = 0
                for row in self._portion(left, bytes_max):
                    done += 1
                    yield row
                if done < len(left):  # a corrupt object ended git; what follows it is asked of a new one
                    self._stop_contents()
                    self._corrupt += 1
                    if self._corrupt > CORRUPT_MAX:
                        msg = f"more than {CORRUPT_MAX} objects are corrupt"
                        raise SourceError(msg)
                    yield left[done], None
                    done += 1
                left = left[done:]

    def _portion(self, oids: Sequence[str], bytes_max: int | None) -> Iterator[tuple[str, bytes | None]]:
        """Contents of one portion, up to the first object that kills git."""
        if self._contents is None:
            self._contents = self._start("--batch")
        asked, answered = self._contents.stdin, self._contents.stdout
        if asked is None or answered is None:  # pragma: no cover - PIPE was asked for
            return
        is_whole = False
        try:
            try:
                asked.write("".join(f"{oid}\n" for oid in oids).encode())
                asked.flush()
            except BrokenPipeError:
                return
            for oid in oids:
                found, data = _read_object(answered, bytes_max)
                if not found:
                    return
                yield oid, data
            is_whole = True
        finally:
            if not is_whole:  # given up in the middle: what is still in the pipe belongs to nobody
                self._stop_contents()

    def content(self, name: str, bytes_max: int | None = None) -> bytes | None:
        """Content of one object, by id or by any name that git resolves; None as in `contents`."""
        ((_, data),) = self.contents([name], bytes_max)
        return data

    # --- sizes -------------------------------------------------------------------------------------------

    def check(self, names: Iterable[str]) -> Iterator[tuple[str, str, int]]:
        """Id, kind and size in bytes of each object, in the order asked; ('', '', -1) where it cannot be read."""
        for portion in _portions(names):
            if self._checks is None:
                self._checks = self._start("--batch-check")
            asked, answered = self._checks.stdin, self._checks.stdout
            if asked is None or answered is None:  # pragma: no cover - PIPE was asked for
                return
            asked.write("".join(f"{name}\n" for name in portion).encode("utf-8", errors="surrogateescape"))
            asked.flush()
            for index in range(len(portion)):
                fields = answered.readline().split()
                if not fields:  # git died of a corrupt object
                    _end(self._checks)
                    self._checks = None
                    yield "", "", -1
                    self._corrupt += 1
                    if self._corrupt > CORRUPT_MAX:
                        msg = f"more than {CORRUPT_MAX} objects are corrupt"
                        raise SourceError(msg)
                    yield from self.check(portion[index + 1 :])
                    break
                if len(fields) == 3 and fields[2].isdigit():
                    yield fields[0].decode(), fields[1].decode(), int(fields[2])
                else:
                    yield "", "", -1


def _portions(names: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(names)
    while portion := list(itertools.islice(iterator, _PORTION)):
        yield portion


def _read_object(stream: IO[bytes], bytes_max: int | None) -> tuple[bool, bytes | None]:
    """Whether git answered, and the content, None for a missing object or one over the limit."""
    header = stream.readline().split()
    if not header:
        return False, None
    if len(header) != 3 or not header[2].isdigit():
        return True, None
    size = int(header[2])
    if bytes_max is not None and size > bytes_max:
        left = size + 1
        while left and (dropped := stream.read(min(left, _DROPPED_BYTES))):
            left -= len(dropped)
        return not left, None
    data = stream.read(size)
    if len(data) < size:
        return False, None
    stream.read(1)
    return True, data


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()
    process.wait()
