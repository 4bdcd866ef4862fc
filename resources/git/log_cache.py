"""The commits of one repository, read from git once: what is known comes from the facts cache, git adds the rest.

Commits are immutable, so they are kept in packs, one for each audit that met new ones. Which of them count is decided
anew by every audit, by reachability: a force-push or a deleted branch leaves nothing behind in a verdict. A shallow
clone shows commits without their parents; nothing of it is kept.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from elder_assets.audit.facts.commit_log import Commit, CommitGraph, FileChange, Introduction
from elder_assets.audit.facts.extraction import FactStore
from elder_assets.audit.facts.mailmap import Mailmap
from resources.git.history_reader import HistoryUnreadable, Walked, read_changes, read_commits, shallow_boundary

COMMITS = "commits.1"
"""Kind of record that holds packs of commits; the number changes with what a pack holds."""
CHANGES = "changes.1"
PACKS_MAX = 40
"""Packs beyond this number are joined into one; chosen by us."""


class _Pack(msgspec.Struct, frozen=True, array_like=True):
    head: str
    commits: tuple[Commit, ...]
    introductions: bytes
    """Encoded; decoded only when an audit asks what its commits introduced."""


class _Introductions(msgspec.Struct, frozen=True, array_like=True):
    """Paths once, and rows that name them by their place: most paths are introduced many times."""

    paths: tuple[str, ...]
    rows: dict[str, tuple[tuple[bytes, int], ...]]


_ENCODER = msgspec.msgpack.Encoder()
_PACK = msgspec.msgpack.Decoder(_Pack)
_INTRODUCTIONS = msgspec.msgpack.Decoder(_Introductions)
_CHANGES = msgspec.msgpack.Decoder(dict[str, tuple[FileChange, ...]])


class LogCache:
    """Commits, introductions and changes of one bare repository of ours.

    Raises (every method):
        HistoryUnreadable: git failed.
    """

    def __init__(self, git_dir: Path, store: FactStore | None) -> None:
        self._git_dir = git_dir
        self.boundary = shallow_boundary(git_dir)
        """Commits whose parents a shallow clone cut off."""
        self._store = None if self.boundary else store
        self._commits: dict[str, Commit] = {}
        self._packs: list[_Pack] = []
        self._unpacked: dict[str, tuple[Introduction, ...]] | None = None
        self._changes: dict[str, tuple[FileChange, ...]] | None = None

    # --- commits -----------------------------------------------------------------------------------------

    def graph(self, head: str, mailmap: Mailmap) -> CommitGraph:
        """The commits that a commit reaches, names and addresses mapped."""
        self._know(head)
        commits: Iterable[Commit] = self._commits.values()
        if mailmap:
            commits = _mapped(commits, mailmap)
        return CommitGraph(commits, head)

    def _know(self, head: str) -> None:
        if not self._packs and self._store is not None:
            for payload in self._store.records(COMMITS).values():
                self._take(_PACK.decode(payload))
        if head in self._commits and not self._holes(head):
            return
        with contextlib.suppress(HistoryUnreadable):  # a head of old may be gone after a force-push and a clean-up
            self._read(head, [pack.head for pack in self._packs])
        if self._holes(head):  # that, or a pack was lost: everything is read again
            self._commits, self._packs, self._unpacked = {}, [], None
            self._read(head, [])

    def _take(self, pack: _Pack) -> None:
        self._packs.append(pack)
        self._commits.update((commit.id, commit) for commit in pack.commits)

    def _holes(self, head: str) -> bool:
        """Whether a parent of a reachable commit is not known."""
        known = self._commits
        seen = {head}
        stack = [head]
        while stack:
            commit = known.get(stack.pop())
            if commit is None:
                return True
            for parent in commit.parents:
                if parent not in seen:
                    seen.add(parent)
                    stack.append(parent)
        return False

    def _read(self, head: str, known: list[str]) -> None:
        walked = read_commits(self._git_dir, [head], known)
        pack = _Pack(head, walked.commits, _encode_introductions(walked))
        self._unpacked = None
        is_anew = not self._packs
        self._take(pack)
        if self._store is None:
            return
        if len(self._packs) > PACKS_MAX:
            everything = Walked(tuple(self._commits.values()), self.introductions(self._commits))
            pack = _Pack(head, everything.commits, _encode_introductions(everything))
            is_anew = True
        payload = _ENCODER.encode(pack)
        self._store.keep(COMMITS, {_name(payload): payload}, only=is_anew)

    # --- what commits introduced -------------------------------------------------------------------------

    def introductions(self, commits: Iterable[str]) -> dict[str, tuple[Introduction, ...]]:
        """Commit id to the blobs that it introduced; commits without any are absent."""
        if self._unpacked is None:
            self._unpacked = {}
            for pack in self._packs:
                self._unpacked.update(_decode_introductions(pack.introductions))
        unpacked = self._unpacked
        return {commit: unpacked[commit] for commit in commits if commit in unpacked}

    # --- changes -----------------------------------------------------------------------------------------

    def changes(self, commits: Iterable[Commit]) -> Mapping[str, tuple[FileChange, ...]]:
        """What these commits and maybe others did to files."""
        if self._changes is None:
            self._changes = {}
            packs = self._store.records(CHANGES).values() if self._store is not None else ()
            for payload in packs:
                self._changes.update(_CHANGES.decode(payload))
        known = self._changes
        wanted = [commit.id for commit in commits if commit.id not in known and commit.id not in self.boundary]
        if wanted:
            read = read_changes(self._git_dir, wanted)
            new = {commit: read.get(commit, ()) for commit in wanted}
            known.update(new)
            if self._store is not None:
                payload = _ENCODER.encode(new)
                self._store.keep(CHANGES, {_name(payload): payload})
        return known


def _name(payload: bytes) -> bytes:
    return hashlib.blake2b(payload, digest_size=16).digest()


def _encode_introductions(walked: Walked) -> bytes:
    places: dict[str, int] = {}
    rows = {
        commit: tuple((bytes.fromhex(row.oid), places.setdefault(row.path, len(places))) for row in introduced)
        for commit, introduced in walked.introductions.items()
    }
    return _ENCODER.encode(_Introductions(tuple(places), rows))


def _decode_introductions(payload: bytes) -> Iterator[tuple[str, tuple[Introduction, ...]]]:
    found = _INTRODUCTIONS.decode(payload)
    for commit, rows in found.rows.items():
        yield commit, tuple(Introduction(oid.hex(), found.paths[place]) for oid, place in rows)


def _mapped(commits: Iterable[Commit], mailmap: Mailmap) -> Iterator[Commit]:
    @functools.cache
    def resolve(name: str, address: str) -> tuple[str, str]:
        proper_name, proper_address = mailmap.resolve(name, address)
        return proper_name, proper_address.lower()

    for commit in commits:
        author = resolve(commit.author_name, commit.author_email)
        committer = resolve(commit.committer_name, commit.committer_email)
        if author == (commit.author_name, commit.author_email) and committer == (
            commit.committer_name,
            commit.committer_email,
        ):
            yield commit
        else:
            yield Commit(
                commit.id, commit.parents, *author, commit.authored_at, *committer, commit.committed_at, commit.subject
            )
