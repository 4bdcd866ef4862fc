"""History as records: commits, their changes, their authors. Reading git is `resources/git/history_reader.py`'s work.

Windows end at `as_of`, never at the wall clock. Merges carry no changes of their own: their lines are counted
where they were written. Renames are followed (`-M`), so a moved file is one change with an old path.

Everything here depends on the commits that the audited commit reaches and on nothing else: not on the order in which
git printed them, not on which of them were known before. So an audit, an audit after a push and a point of the past
read equal histories.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence

import msgspec

DAY_SECONDS = 86_400
HISTORY_WINDOW_DAYS = 731
"""Commits in this window carry their changes: the longest window that a rule reads (SRV005, 24 months)."""
CLOCK_SKEW_SECONDS = 30 * DAY_SECONDS
"""A parent dated further ahead of its child has a broken clock (GIT010's limit) and does not move `as_of`."""


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


class Commit(msgspec.Struct, frozen=True, array_like=True, gc=False):
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

    @property
    def is_merge(self) -> bool:
        return len(self.parents) > 1


class Landing(msgspec.Struct, frozen=True, gc=False):
    """One unit landed on the default branch: a first-parent commit and, for a merge, the commits it brought in."""

    commit: Commit
    members: tuple[Commit, ...]
    """The commit itself first."""


class History:
    """The commits that the audited commit reaches, newest first.

    `changes` holds the commits of the window only. `unavailable` says why the history as a whole cannot be judged
    ('' when it can): a shallow clone, a staged tree. A shallow clone still holds every commit from `complete_since`
    on, so a rule whose window lies inside asks `gap` instead.
    """

    def __init__(
        self,
        commits: Sequence[Commit] = (),
        changes: Mapping[str, tuple[FileChange, ...]] | None = None,
        *,
        changes_since: int = 0,
        unavailable: str = "",
        complete_since: int = 0,
        landings: Sequence[Landing] | None = None,
    ) -> None:
        self.commits = tuple(commits)
        """Newest first: by date, made monotone along parents, then by id; the audited commit leads."""
        self.changes = changes or {}
        """Commit id to what it did; merges and commits before `changes_since` are absent."""
        self.changes_since = changes_since
        """Seconds since the epoch from which commits carry changes."""
        self.unavailable = unavailable
        self.complete_since = complete_since
        """Seconds since the epoch; 0 means that nothing is cut off (or, when unavailable, that all may be)."""
        self._landings = None if landings is None else tuple(landings)

    @functools.cached_property
    def landings(self) -> tuple[Landing, ...]:
        """What landed, commit by commit along the first parents, newest first."""
        if self._landings is not None:
            return self._landings
        return CommitGraph(self.commits, self.commits[0].id).landings if self.commits else ()

    def gap(self, since: int) -> str:
        """Why the history cannot be judged from this time on; '' when it can."""
        return "" if 0 < self.complete_since <= since else self.unavailable


class CommitGraph:
    """The commits that one commit reaches, put in order once; any of its first parents can be viewed as a head.

    A commit belongs to the first landing that reached it, so the past of the head has the same landings as the head.
    """

    def __init__(self, commits: Iterable[Commit], head: str) -> None:
        known = {commit.id: commit for commit in commits}
        self.line = _first_parents(known, head)
        """First parents, oldest first; the head is the last."""
        self.position: dict[str, int] = {}
        """Commit id to the place in `line` of the landing that brought it in."""
        self.missing: frozenset[str] = frozenset()
        """Parents that are named and not known: cut off by a shallow clone, or not read yet."""
        self._order(known)
        self._as_of: dict[int, int] = {}
        self._landings: list[Landing] = []

    def _order(self, known: Mapping[str, Commit]) -> None:
        dates: dict[str, int] = {}
        missing: set[str] = set()
        for place, landed in enumerate(self.line):
            stack = [landed]
            while stack:
                commit = stack[-1]
                if commit.id in self.position:
                    stack.pop()
                    continue
                waiting = []
                date = commit.committed_at
                for parent in commit.parents:
                    if parent in dates:
                        date = max(date, dates[parent] + 1)
                    elif parent in known:
                        waiting.append(known[parent])
                    else:
                        missing.add(parent)
                if waiting:
                    stack.extend(waiting)
                    continue
                dates[commit.id] = date
                self.position[commit.id] = place
                stack.pop()
        self.missing = frozenset(missing)
        order = sorted(dates, key=lambda identifier: (-dates[identifier], identifier))
        self.commits = tuple(known[identifier] for identifier in order)
        """Every reachable commit, newest first."""

    @functools.cached_property
    def landings(self) -> tuple[Landing, ...]:
        """See `History.landings`."""
        members: list[list[Commit]] = [[] for _ in self.line]
        for commit in self.commits:
            members[self.position[commit.id]].append(commit)
        found = []
        for commit, brought in zip(self.line, members, strict=True):
            others = tuple(member for member in brought if member is not commit)
            found.append(Landing(commit, (commit, *others)))
        return tuple(reversed(found))

    def place(self, commit: str) -> int:
        """The place of a first parent in `line`.

        Raises:
            KeyError: the commit is no first parent of the head.
        """
        place = self.position[commit]
        if self.line[place].id != commit:
            raise KeyError(commit)
        return place

    def as_of(self, place: int = -1) -> int:
        """Committer date of a first parent, made monotone along the line (D11), in seconds.

        Dates that run ahead of it by more than CLOCK_SKEW_SECONDS come from a broken clock and are passed over.
        """
        place = place if place >= 0 else len(self.line) - 1
        if place < 0:
            return 0
        if place not in self._as_of:
            latest = self.line[place].committed_at + CLOCK_SKEW_SECONDS
            dates = (commit.committed_at for commit in self.line[: place + 1])
            self._as_of[place] = max(date for date in dates if date <= latest)
        return self._as_of[place]

    def changing(self, since: int) -> list[Commit]:
        """Commits whose own changes are read: from a time on, and no merges."""
        return [commit for commit in self.commits if commit.committed_at >= since and not commit.is_merge]

    def view(
        self,
        place: int,
        changes: Mapping[str, tuple[FileChange, ...]],
        *,
        boundary: frozenset[str] = frozenset(),
        window_days: int = HISTORY_WINDOW_DAYS,
        unavailable: str = "",
        complete_since: int = 0,
    ) -> History:
        """The history of a first parent, by its place in `line`."""
        commits = [commit for commit in self.commits if self.position[commit.id] <= place]
        since = self.as_of(place) - window_days * DAY_SECONDS
        own = {
            commit.id: changes[commit.id]
            for commit in commits
            if commit.committed_at >= since and commit.id in changes and commit.id not in boundary
        }
        return History(
            commits,
            own,
            changes_since=since,
            unavailable=unavailable,
            complete_since=complete_since,
            landings=self.landings[len(self.line) - 1 - place :],
        )


def _first_parents(known: Mapping[str, Commit], head: str) -> tuple[Commit, ...]:
    line = []
    current = known.get(head)
    while current is not None:
        line.append(current)
        current = known.get(current.parents[0]) if current.parents else None
    return tuple(reversed(line))


class Introduction(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A blob that a commit put at a path: the commit's parents have another one there, or none."""

    oid: str
    path: str
