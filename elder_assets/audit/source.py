"""What the core asks of a repository. Implemented by `resources/git/reader.py` and, in memory, by `testing.py`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from elder_assets.audit.facts.commit_log import History, Introduction
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

    def blobs(self, oids: Iterable[str], bytes_max: int | None = None) -> Iterator[tuple[str, bytes | None]]:
        """Content of each blob, in the order asked; None where the object is missing, corrupt or over the limit."""
        ...

    def history(self) -> History:
        """Commits that the audited commit reaches."""
        ...

    def introductions(self, commits: Iterable[str]) -> Mapping[str, Sequence[Introduction]]:
        """Commit id to the blobs that it introduced; commits without any are absent."""
        ...

    def is_ancestor(self, commit: str) -> bool:
        """Whether the commit is reachable from the audited one; False also when it no longer exists."""
        ...
