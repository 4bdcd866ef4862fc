"""Where facts caches stay between runs whose own disk does not: an object store, or a folder of any file system.

SQLite in WAL mode must not lie on a network file system (decision D21), so a run works on a file of its own. It is
pulled when the run has none, and pushed, whole and compressed, when it was changed. One run a repository at a time
keeps two from pushing over each other; where they do, the later one stays, and what the other knew is measured again.
A result never depends on it, and no audit fails by it: what cannot be pulled or pushed is logged.

Whoever may write to the depot can write facts: give that right to run pods alone.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import sqlite3
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from elder_assets.audit.errors import PLATFORM_SETUP, StoreError
from elder_assets.audit.judgement import code_prefix
from resources.facts.cache import SqliteFactStore
from resources.settings import Settings

PIECE = 1024 * 1024
BYTES_MAX = 4 * 1024**3
"""Largest cache that is pulled or pushed; the largest of our corpus has 0.2 GiB."""
SUFFIX, COMPRESSION = ".db.zst", "zstd"
logger = logging.getLogger(__name__)


class FactsDepot:
    """The caches at an address, one compressed file a repository."""

    def __init__(self, address: str) -> None:
        with _failing(address, "opened"):
            from pyarrow import fs

            self._files: Any
            self._files, self._root = fs.FileSystem.from_uri(address)
            self._is_folder = isinstance(self._files, fs.LocalFileSystem)
        self._address = address.partition("?")[0]

    def pull(self, repository: str, target: Path) -> bool:
        """Bring a repository's cache; False when there is none.

        Raises:
            StoreError: it is too large, or cannot be read or written here.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}-{secrets.token_hex(4)}.part")
        try:
            with _failing(self._address, "read"):
                try:
                    stream = self._files.open_input_stream(self._path(repository), compression=COMPRESSION)
                except FileNotFoundError:
                    return False
                with stream, part.open("wb") as out:
                    _copy(stream.read, out.write)
                part.replace(target)
                return True
        finally:
            part.unlink(missing_ok=True)

    def push(self, repository: str, source: Path) -> None:
        """Keep a repository's cache as it is now, without what this version of Elder does not ask for.

        Raises:
            StoreError: it is too large, damaged, or cannot be written.
        """
        from resources.store.copying import copy_sqlite

        with tempfile.TemporaryDirectory(prefix="elder-depot-") as folder, _failing(self._address, "written"):
            copy = Path(folder) / "facts.db"
            copy_sqlite(source, copy)
            _drop_old(copy)
            if copy.stat().st_size > BYTES_MAX:
                self.forget(repository)
                msg = f"{copy.stat().st_size} bytes, {BYTES_MAX} are kept"
                raise StoreError(msg)
            with copy.open("rb") as file:
                self._write(self._path(repository), file.read)

    def forget(self, repository: str) -> None:
        """Delete a repository's cache, where there is one.

        Raises:
            StoreError: it cannot be deleted.
        """
        with _failing(self._address, "written"), contextlib.suppress(FileNotFoundError):
            self._files.delete_file(self._path(repository))

    def _path(self, repository: str) -> str:
        return f"{self._root.rstrip('/')}/{repository}{SUFFIX}"

    def _write(self, path: str, read: Callable[[int], bytes]) -> None:
        """Whole or not at all: an object appears when it is complete, a file when it takes its name."""
        place = path
        if self._is_folder:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            place = f"{path}.{secrets.token_hex(4)}.part"
        try:
            with self._files.open_output_stream(place, compression=COMPRESSION) as out:
                _copy(read, out.write)
            if self._is_folder:
                Path(place).replace(path)
        except BaseException:
            if self._is_folder:
                Path(place).unlink(missing_ok=True)
            raise


def pulled(settings: Settings, repository: str, path: Path) -> None:
    """Bring the cache of a repository into a run that has none; a failure costs time only."""
    try:
        FactsDepot(settings.facts_depot).pull(repository, path)
    except StoreError as error:
        logger.warning("the facts of %s are measured anew: %s", repository, error)


def pushed(settings: Settings, repository: str, path: Path) -> None:
    """Keep the cache of a repository for the next run; a failure costs that one time."""
    try:
        FactsDepot(settings.facts_depot).push(repository, path)
    except StoreError as error:
        logger.warning("the facts of %s are not kept: %s", repository, error)


def _copy(read: Callable[[int], bytes], write: Callable[[bytes], object]) -> None:
    size = 0
    while piece := read(PIECE):
        size += len(piece)
        if size > BYTES_MAX:
            msg = f"more than {BYTES_MAX} bytes"
            raise StoreError(msg)
        write(piece)


def _drop_old(copy: Path) -> None:
    """Let go of what other versions kept, once a version: the file carries the mark of the last that did."""
    from resources.facts.upkeep import extractors

    slots = set(extractors())
    mark = zlib.crc32(code_prefix() + "\0".join(sorted(slots)).encode()) >> 1  # an application_id has 31 bits to use
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        (found,) = connection.execute("PRAGMA application_id").fetchone()
    if found == mark:
        return
    store = SqliteFactStore(copy)
    try:
        store.prune(slots, code_prefix())
    finally:
        store.close()
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        connection.execute(f"PRAGMA application_id = {mark}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextlib.contextmanager
def _failing(address: str, what: str) -> Iterator[None]:
    """Turn what the file systems raise into a StoreError.

    Raises:
        StoreError: instead.
    """
    try:
        from pyarrow import ArrowException
    except ModuleNotFoundError as error:
        msg = f"the facts depot needs {error.name}, which is not installed; {PLATFORM_SETUP}"
        raise StoreError(msg) from error
    try:
        yield
    except (OSError, ArrowException, sqlite3.DatabaseError) as error:
        said = " ".join(str(error).split())[:200]
        msg = f"the facts depot {address.partition('?')[0]} cannot be {what}: {said}"
        raise StoreError(msg) from error
