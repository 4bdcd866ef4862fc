"""History as records: commits, their changes, their authors. Reading git is `resources/git/reader.py`'s work.

Windows end at `as_of`, never at the wall clock. Merges carry no changes of their own: their lines are counted
where they were written. Renames are followed (`-M`), so a moved file is one change with an old path.
"""

from __future__ import annotations

import msgspec

DAY_SECONDS = 86_400
HISTORY_WINDOW_DAYS = 731
"""Commits in this window carry their changes: the longest window that a rule reads (SRV005, 24 months)."""


class FileChange(msgspec.Struct, frozen=True, array_like=True):
    """What one commit did to one file."""

    status: str
    """A added, M modified, D deleted, R renamed, C copied, T type changed."""
    path: str
    old_path: str
    """Path before a rename or copy, else ''."""
    added: int
    """Lines; 0 for a binary file."""
    deleted: int
    is_binary: bool = False


class Commit(msgspec.Struct, frozen=True, array_like=True):
    """One commit; names and addresses after mailmap."""

    id: str
    parents: tuple[str, ...]
    author_name: str
    author_email: str
    authored_at: int
    """Seconds since the epoch, UTC."""
    committer_name: str
    committer_email: str
    committed_at: int
    subject: str
    body: str = ""
    changes: tuple[FileChange, ...] = ()
    """Empty for merges and outside of the window."""

    @property
    def is_merge(self) -> bool:
        return len(self.parents) > 1


class History(msgspec.Struct, frozen=True):
    """The commits that the audited commit reaches, newest first (topological order).

    `changes_since` is the time from which commits carry changes. `unavailable` says why the history as a whole
    cannot be judged ('' when it can): a shallow clone, a staged tree. A shallow clone still holds every commit
    from `complete_since` on, so a rule whose window lies inside asks `gap` instead.
    """

    commits: tuple[Commit, ...] = ()
    changes_since: int = 0
    unavailable: str = ""
    complete_since: int = 0
    """Seconds since the epoch; 0 means that nothing is cut off (or, when unavailable, that all may be)."""

    def gap(self, since: int) -> str:
        """Why the history cannot be judged from this time on; '' when it can."""
        return "" if 0 < self.complete_since <= since else self.unavailable


class HistoryBlob(msgspec.Struct, frozen=True, array_like=True):
    """A blob that some reachable commit holds, and one path under which it stood."""

    oid: str
    path: str
    size: int
