"""Histories in memory, for rules that read them: one straight line of commits, or one with merges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from elder_assets.audit.facts.commit_log import DAY_SECONDS, Commit, CommitGraph, FileChange
from elder_assets.audit.testing import AS_OF, MemorySource


class Made(msgspec.Struct, frozen=True):
    """A commit and what it did."""

    commit: Commit
    changes: tuple[FileChange, ...]


def change(path: str, added: int = 1, deleted: int = 0, status: str = "M") -> FileChange:
    return FileChange(status, path, "", added, deleted)


def commit(
    number: int,
    *,
    days_ago: float = 0,
    author: str = "ann",
    subject: str = "",
    parents: Iterable[int] | None = None,
    paths: Iterable[str | FileChange] = (),
) -> Made:
    """Commit `number`; its parent is the one before it unless others are named."""
    time = AS_OF - int(days_ago * DAY_SECONDS)
    given = [number - 1] if parents is None and number > 1 else list(parents or ())
    made = Commit(
        f"{number:040x}", tuple(f"{parent:040x}" for parent in given), author.title(), f"{author}@example.org", time,
        author.title(), f"{author}@example.org", time, subject or f"feat: step {chr(96 + number % 26 + 1)} of many words",
    )  # fmt: skip
    return Made(made, tuple(path if isinstance(path, FileChange) else change(path) for path in paths))


def source(commits: Iterable[Made], files: Mapping[str, str] | None = None, **options) -> MemorySource:
    """A source whose history is these commits, given oldest first."""
    made = list(commits)
    graph = CommitGraph((one.commit for one in made), made[-1].commit.id) if made else CommitGraph((), "")
    changes = {one.commit.id: one.changes for one in made if one.changes}
    history = graph.view(len(graph.line) - 1, changes)
    return MemorySource(files or {"shop/basket.py": "x = 1\n"}, history=history, **options)
