"""GitSource: one repository at one commit, or at one staged tree, read through git's own streams without a checkout."""

from __future__ import annotations

import contextlib
import difflib
import functools
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from elder_assets.audit.errors import SourceError, UnknownRevision
from elder_assets.audit.facts.commit_log import (
    DAY_SECONDS,
    HISTORY_WINDOW_DAYS,
    Commit,
    CommitGraph,
    FileChange,
    History,
    Introduction,
)
from elder_assets.audit.facts.extraction import FactStore
from elder_assets.audit.facts.mailmap import Mailmap
from elder_assets.audit.model import Snapshot, TreeEntry
from resources.git.commands import run
from resources.git.history_reader import HistoryUnreadable, is_partial
from resources.git.log_cache import LogCache
from resources.git.objects import ObjectReader
from resources.git.trees import TreeReader

MAILMAP_BYTES_MAX = 1_000_000
FILE_BYTES_MAX = 1_000_000


class GitSource:
    """A BlobSource over a bare repository of ours. Close it, or use it in a `with` statement.

    Args:
        git_dir: the bare repository.
        repository: its key.
        ref: branch, tag or commit to audit.
        store: where commits that were read once are kept; without one everything is read from git.
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
        store: FactStore | None = None,
        notes: Sequence[str] = (),
        staged_index: Path | None = None,
    ) -> None:
        self._git_dir = git_dir
        self._repository = repository
        self._notes = tuple(notes)
        self._objects = ObjectReader(git_dir)
        self._trees = TreeReader(self._objects)
        self._log = LogCache(git_dir, store)
        self._graphs: dict[bytes, CommitGraph] = {}
        """Content of a mailmap to the commits under it, from the audited commit."""
        self._staged_tree = None if staged_index is None else self._write_tree(staged_index)
        self._commit = self._resolve(ref, is_needed=staged_index is None)
        self._newest = self._commit
        """The commit whose history holds all commits that this source was asked for."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the git processes."""
        self._objects.close()

    @property
    def git_dir(self) -> Path:
        """The bare repository that is read: ours, with objects of another one where it was a path."""
        return self._git_dir

    @property
    def commit(self) -> str:
        """The audited commit; '' for a staged tree before the first commit."""
        return self._commit

    @property
    def is_staged(self) -> bool:
        """Whether what is staged is audited instead of a commit."""
        return self._staged_tree is not None

    @property
    def notes(self) -> tuple[str, ...]:
        """What limits the audit, in words."""
        return self._notes

    @property
    def is_complete(self) -> bool:
        """Whether nothing is cut off: no shallow and no partial clone."""
        return not self._log.boundary and not is_partial(self._git_dir)

    def at(self, commit: str) -> GitSource:
        """The same repository at a commit of the first-parent line; it shares everything that was read."""
        view = object.__new__(GitSource)
        view.__dict__.update(self.__dict__)
        for cached in ("_history", "_head_tree"):
            view.__dict__.pop(cached, None)
        view._commit = commit
        return view

    def _resolve(self, ref: str, *, is_needed: bool) -> str:
        if "\n" not in ref and "\0" not in ref:
            ((oid, kind, _),) = self._objects.check([ref + "^{commit}"])
            if kind == "commit":
                return oid
        if not is_needed:
            return ""
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

    def snapshot(self) -> Snapshot:
        """See BlobSource."""
        history = self.history()
        return Snapshot(
            repository=self._repository,
            commit=None if self._staged_tree else self._commit,
            tree=self._staged_tree or self._head_tree,
            as_of=self._as_of(),
            kind="adhoc" if self._staged_tree else "default",
            is_shallow=bool(self._log.boundary),
            is_partial="partial" in history.unavailable,
            notes=self._notes,
        )

    @functools.cached_property
    def _head_tree(self) -> str:
        content = self._objects.content(self._commit) or b""
        return content[5 : content.find(b"\n")].decode() if content.startswith(b"tree ") else ""

    def _as_of(self) -> int:
        if not self._commit:
            return 0
        with contextlib.suppress(HistoryUnreadable):
            graph, place = self._place()
            return graph.as_of(place)
        content = self._objects.content(self._commit) or b""
        committer = next((line for line in content.split(b"\n") if line.startswith(b"committer ")), b"")
        seconds = committer.split()[-2:-1]
        return int(seconds[0]) if seconds and seconds[0].isdigit() else 0

    def tree(self, commit: str | None = None) -> Sequence[TreeEntry]:
        """See BlobSource."""
        if commit is None:
            treeish = self._staged_tree or self._head_tree
            try:
                return self._trees.listing(treeish)
            except SourceError as error:
                msg = f"the tree of {(self._commit or treeish)[:12]} cannot be read: {error}"
                raise SourceError(msg) from error
        ((oid, kind, _),) = self._objects.check([commit + "^{tree}"])
        if kind != "tree":
            msg = f"{commit!r} is no branch, tag or commit of {self._repository}"
            raise UnknownRevision(msg)
        return self._trees.listing(oid)

    def blobs(self, oids: Iterable[str], bytes_max: int | None = None) -> Iterator[tuple[str, bytes | None]]:
        """See BlobSource."""
        return self._objects.contents(oids, bytes_max)

    def history(self) -> History:
        """See BlobSource."""
        return self._history

    @functools.cached_property
    def _history(self) -> History:
        if self._staged_tree:
            return History(unavailable="a staged tree has no history of its own")
        try:
            graph, place = self._place()
            if is_partial(self._git_dir):
                return graph.view(place, {}, unavailable="a partial clone: objects are missing")
            since = graph.as_of(place) - HISTORY_WINDOW_DAYS * DAY_SECONDS
            changes = self._changes(graph, place, since)
        except HistoryUnreadable as error:
            return History(unavailable=f"git cannot read the history: {error}")
        boundary = self._log.boundary
        cut = [commit.committed_at for commit in graph.commits if commit.id in boundary]
        if not cut:
            return graph.view(place, changes)
        reason = f"a shallow clone: commits before {time.strftime('%Y-%m-%d', time.gmtime(max(cut)))} are missing"
        return graph.view(place, changes, boundary=boundary, unavailable=reason, complete_since=max(cut) + 1)

    def _changes(self, graph: CommitGraph, place: int, since: int) -> Mapping[str, tuple[FileChange, ...]]:
        """Changes of the window; later commits' too, in the same reading, for the points that will ask for them."""
        try:
            return self._log.changes(graph.changing(since))
        except HistoryUnreadable:  # an object that only a later commit needs may be missing
            own = [commit for commit in graph.changing(since) if graph.position[commit.id] <= place]
            return self._log.changes(own)

    def _place(self) -> tuple[CommitGraph, int]:
        """The commits, and the place of the audited one among the first parents."""
        mailmap = self._mailmap()
        if mailmap not in self._graphs:
            text = Mailmap(mailmap.decode("utf-8", errors="replace"))
            self._graphs[mailmap] = self._log.graph(self._newest, text)
        graph = self._graphs[mailmap]
        return graph, graph.place(self._commit)

    def _mailmap(self) -> bytes:
        return self._objects.content(f"{self._commit}:.mailmap", MAILMAP_BYTES_MAX) or b""

    def file_at(self, path: str, commit: str | None = None, bytes_max: int = FILE_BYTES_MAX) -> bytes | None:
        """Content of a file of the audited tree (or of another commit's); None when it is not there or is larger."""
        treeish = commit or self._staged_tree or self._commit
        return self._objects.content(f"{treeish}:{path}", bytes_max) if treeish else None

    def merge_base(self, ref: str) -> str:
        """The commit where the audited one left another ref.

        Raises:
            UnknownRevision: the ref does not exist, or the two have no commit in common.
        """
        other = self._resolve(ref, is_needed=True)
        found = run(self._git_dir, "merge-base", self._commit, other, allowed=(0, 1)).decode().split()
        if not found:
            msg = f"{ref!r} and {self._commit[:12]} have no commit in common; fetch more history"
            raise UnknownRevision(msg)
        return found[0]

    def first_parents(self) -> Sequence[Commit]:
        """The audited commit and its first parents, newest first.

        Raises:
            HistoryUnreadable: git failed.
        """
        graph, place = self._place()
        return graph.line[: place + 1][::-1]

    def introductions(self, commits: Iterable[str]) -> Mapping[str, Sequence[Introduction]]:
        """See BlobSource."""
        return self._log.introductions(commits)

    def is_ancestor(self, commit: str) -> bool:
        """See BlobSource."""
        with contextlib.suppress(HistoryUnreadable):
            graph, place = self._place()  # commits alone: what they changed may be unreadable
            return graph.position.get(commit, place + 1) <= place
        return False
