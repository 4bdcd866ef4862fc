"""GitSource: one repository at one commit, or at one staged tree, read through git's own streams without a checkout."""

from __future__ import annotations

import difflib
import functools
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from elder_assets.audit.errors import CheckoutFailed, SourceError, UnknownRevision
from elder_assets.audit.facts.commit_log import History, HistoryBlob
from elder_assets.audit.model import Snapshot, TreeEntry
from resources.git.commands import ENVIRONMENT, command, run
from resources.git.history_reader import HistoryUnreadable, as_of, read_history, read_history_blobs

CORRUPT_MAX = 100
"""Corrupt objects after which reading is given up: the repository needs repair, not an audit."""


class GitSource:
    """A BlobSource over a bare repository of ours.

    Args:
        git_dir: the bare repository.
        repository: its key.
        ref: branch, tag or commit to audit.
        notes: what limits the audit, for the snapshot.
        staged_index: audit this index's tree instead of a commit (decision D10).

    Raises:
        UnknownRevision: the ref does not exist, or there is no commit at all.
    """

    def __init__(
        self,
        git_dir: Path,
        repository: str,
        ref: str = "HEAD",
        *,
        notes: Sequence[str] = (),
        staged_index: Path | None = None,
    ) -> None:
        self._git_dir = git_dir
        self._repository = repository
        self._notes = tuple(notes)
        self._staged_tree = None if staged_index is None else self._write_tree(staged_index)
        self._commit = self._resolve(ref, is_needed=staged_index is None)

    def _resolve(self, ref: str, *, is_needed: bool) -> str:
        arguments = ("rev-parse", "--verify", "--quiet", "--end-of-options", ref + "^{commit}")
        found = run(self._git_dir, *arguments, allowed=(0, 1, 128)).decode().strip()
        if found or not is_needed:
            return found
        known = run(self._git_dir, "for-each-ref", "--format=%(refname:short)", "--count=5000").decode().splitlines()
        if not known:
            raise UnknownRevision("the repository has no commits yet")
        near = difflib.get_close_matches(ref, known, 3) or known[:3]
        msg = f"{ref!r} is no branch, tag or commit of {self._repository}; near: {', '.join(near)}"
        raise UnknownRevision(msg)

    def _write_tree(self, index: Path) -> str:
        copy = self._git_dir / "elder-index"
        shutil.copyfile(index, copy)
        return run(self._git_dir, "write-tree", environment={"GIT_INDEX_FILE": str(copy)}).decode().strip()

    @property
    def commit(self) -> str:
        """The full id of the commit; '' for a staged audit of a repository without commits."""
        return self._commit

    @functools.cache  # noqa: B019 - a source lives as long as one audit
    def snapshot(self) -> Snapshot:
        """See BlobSource."""
        tree, time = self._staged_tree or "", 0
        if self._commit:
            committed, commit_tree = run(self._git_dir, "log", "-1", "--format=%ct %T", self._commit).decode().split()
            time = as_of(self.history().commits) or int(committed)
            tree = tree or commit_tree
        return Snapshot(
            repository=self._repository,
            commit=None if self._staged_tree else self._commit,
            tree=tree,
            as_of=time,
            kind="adhoc" if self._staged_tree else "default",
            is_shallow=(self._git_dir / "shallow").is_file(),
            is_partial="partial" in self.history().unavailable,
            notes=self._notes,
        )

    @functools.cache  # noqa: B019 - as above
    def tree(self, commit: str | None = None) -> Sequence[TreeEntry]:
        """See BlobSource."""
        treeish = commit or self._staged_tree or self._commit
        try:
            listing = run(self._git_dir, "ls-tree", "-r", "-l", "-z", "--full-tree", treeish)
        except CheckoutFailed as error:
            if commit:
                raise UnknownRevision(commit) from error
            msg = f"the tree of {treeish[:12]} cannot be read: {error}"
            raise SourceError(msg) from error
        return sorted(map(_entry, listing.split(b"\0")[:-1]), key=lambda entry: entry.path)

    def blobs(self, oids: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """See BlobSource. A corrupt object ends git; what follows it is asked of a new one."""
        left = list(oids)
        for _ in range(CORRUPT_MAX):
            done = 0
            for oid, data in self._stream(left):
                yield oid, data
                done += 1
            if done == len(left):
                return
            yield left[done], None
            left = left[done + 1 :]
        msg = f"more than {CORRUPT_MAX} objects are corrupt"
        raise SourceError(msg)

    def _stream(self, oids: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
        """Blobs from one `cat-file`, up to the first that kills it."""
        if not oids:
            return
        with tempfile.TemporaryFile() as wanted:
            # A file, not a pipe: neither side ever waits for the other, and memory holds one blob at a time.
            wanted.write("".join(f"{oid}\n" for oid in oids).encode())
            wanted.seek(0)
            arguments = command(self._git_dir, "cat-file", "--batch", "--buffer")
            process = subprocess.Popen(
                arguments,
                stdin=wanted,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=ENVIRONMENT,
                bufsize=1 << 18,
            )
            try:
                if process.stdout is not None:
                    yield from _read_batch(process.stdout, oids)
            finally:
                process.kill()
                process.communicate()

    def history(self) -> History:
        """See BlobSource."""
        return self._history

    @functools.cached_property
    def _history(self) -> History:
        if self._staged_tree:
            return History(unavailable="a staged tree has no history of its own")
        try:
            return read_history(self._git_dir, self._commit)
        except HistoryUnreadable as error:
            return History(unavailable=f"the history cannot be read: {error}")

    def history_blobs(self) -> Sequence[HistoryBlob]:
        """See BlobSource."""
        return read_history_blobs(self._git_dir, self._commit, {entry.oid for entry in self.tree()})

    def is_ancestor(self, commit: str) -> bool:
        """See BlobSource."""
        process = subprocess.run(
            command(self._git_dir, "merge-base", "--is-ancestor", commit, self._commit),
            capture_output=True,
            check=False,
            env=ENVIRONMENT,
        )
        return process.returncode == 0

    @property
    def refs_digest(self) -> str:
        """sha256 over all heads and tags: part of the audit key for rules that read refs (D2)."""
        listing = run(self._git_dir, "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags")
        return hashlib.sha256(listing).hexdigest()


def _entry(row: bytes) -> TreeEntry:
    fields, _, path = row.partition(b"\t")
    mode, kind, oid, size = fields.split()
    missing = 0 if kind == b"commit" else -1
    return TreeEntry(
        path.decode("utf-8", errors="backslashreplace"),
        int(mode, 8),
        oid.decode(),
        int(size) if size.isdigit() else missing,
    )


def _read_batch(stream: IO[bytes], oids: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
    for oid in oids:
        header = stream.readline().split()
        if not header:
            return
        if header[-1] == b"missing" or len(header) != 3:
            yield oid, None
            continue
        size = int(header[2])
        data = stream.read(size)
        if len(data) < size:
            return
        stream.read(1)
        yield oid, data
