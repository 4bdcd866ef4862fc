"""What the core asks of a repository. Implemented by `resources/git/reader.py` and, in memory, by `testing.py`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from elder_assets.audit.facts.commit_log import History, HistoryBlob
from elder_assets.audit.model import Snapshot, TreeEntry


class BlobSource(Protocol):
    """One repository at one commit, read without a checkout."""

    def snapshot(self) -> Snapshot:
        """Which repository, commit and time this is."""
        ...

    def tree(self, commit: str | None = None) -> Sequence[TreeEntry]:
        """Every entry of the audited tree (or another commit's), in order of path.

        Raises:
            UnknownRevision: the other commit is not in the repository.
        """
        ...

    def blobs(self, oids: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Content of each blob, in the order asked; None where the object is missing or corrupt."""
        ...

    def history(self) -> History:
        """Commits that the audited commit reaches."""
        ...

    def history_blobs(self) -> Sequence[HistoryBlob]:
        """Blobs of reachable commits that are not in the audited tree, in order of id."""
        ...

    def is_ancestor(self, commit: str) -> bool:
        """Whether the commit is reachable from the audited one; False also when it no longer exists."""
        ...
