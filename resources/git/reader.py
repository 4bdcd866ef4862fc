"""GitSource: one repository at one commit, read through git's own streams without a checkout."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from elder_assets.audit.errors import UnknownRevision
from elder_assets.audit.facts.commit_log import History, HistoryBlob
from elder_assets.audit.model import Snapshot, TreeEntry
from resources.git.history_reader import as_of, read_history, read_history_blobs


class GitSource:
    """A BlobSource over a bare repository."""

    def __init__(self, git_dir: Path, repository: str, ref: str = "HEAD") -> None:
        self._git_dir = git_dir
        self._repository = repository
        self._commit = self._text("rev-parse", "--verify", "--quiet", "--end-of-options", ref + "^{commit}").strip()

    def _run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        return subprocess.run(
            ["git", "--git-dir", str(self._git_dir), *arguments], input=stdin, capture_output=True, check=True
        ).stdout

    def _text(self, *arguments: str) -> str:
        return self._run(*arguments).decode("utf-8", errors="backslashreplace")

    def snapshot(self) -> Snapshot:
        """See BlobSource."""
        committed, tree = self._text("log", "-1", "--format=%ct %T", self._commit).split()
        time = as_of(self.history().commits) or int(committed)
        return Snapshot(repository=self._repository, commit=self._commit, tree=tree, as_of=time)

    def tree(self, commit: str | None = None) -> Sequence[TreeEntry]:
        """See BlobSource."""
        try:
            listing = self._run("ls-tree", "-r", "-l", "-z", "--full-tree", commit or self._commit)
        except subprocess.CalledProcessError as error:
            raise UnknownRevision(str(commit)) from error
        entries = []
        for row in listing.split(b"\0")[:-1]:
            fields, _, path = row.partition(b"\t")
            mode, _, oid, size = fields.split()
            entries.append(
                TreeEntry(
                    path.decode("utf-8", errors="backslashreplace"),
                    int(mode, 8),
                    oid.decode(),
                    int(size) if size.isdigit() else 0 if mode == b"160000" else -1,
                )
            )
        return sorted(entries, key=lambda entry: entry.path)

    def blobs(self, oids: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """See BlobSource."""
        wanted = list(oids)
        if not wanted:
            return
        output = self._run("cat-file", "--batch", "--buffer", stdin="".join(f"{oid}\n" for oid in wanted).encode())
        start = 0
        for oid in wanted:
            end = output.index(b"\n", start)
            header = output[start:end].split()
            if header[-1] == b"missing":
                yield oid, None
                start = end + 1
                continue
            size = int(header[2])
            yield oid, output[end + 1 : end + 1 + size]
            start = end + 2 + size

    def history(self) -> History:
        """See BlobSource."""
        return self._history

    @functools.cached_property
    def _history(self) -> History:
        return read_history(self._git_dir, self._commit)

    def history_blobs(self) -> Sequence[HistoryBlob]:
        """See BlobSource."""
        return read_history_blobs(self._git_dir, self._commit, {entry.oid for entry in self.tree()})

    def is_ancestor(self, commit: str) -> bool:
        """See BlobSource."""
        result = subprocess.run(
            ["git", "--git-dir", str(self._git_dir), "merge-base", "--is-ancestor", commit, self._commit],
            capture_output=True,
            check=False,
        )
        return result.returncode == 0
