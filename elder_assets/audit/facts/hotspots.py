"""Hotspots: production files that change often and are complex (Tornhill, Your Code as a Crime Scene, 2015)."""

from __future__ import annotations

from collections import Counter

import msgspec

from elder_assets.audit.facts.changes import recent_changes, recent_commits
from elder_assets.audit.facts.functions import functions
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.model import FileClass

WINDOW_DAYS = 365


class Hotspot(msgspec.Struct, frozen=True):
    """One file of the top decile of frequency x complexity over twelve months."""

    path: str
    changes: int
    cognitive: int
    """Sum over its functions."""
    authors: int
    main_share: float
    """Share of the file's commits by its most active author, 0-1."""


def hotspots(facts: RepositoryFacts) -> tuple[Hotspot, ...]:
    """The riskiest tenth of the production files that changed, riskiest first."""
    frequency = Counter(path for change in recent_changes(facts, WINDOW_DAYS) for path in change.paths)
    risk = {}
    complexity = {}
    for file, measured in facts.each(functions, FileClass.PRODUCTION):
        complexity[file.path] = sum(function.cognitive for function in measured.functions)
        if score := frequency[file.path] * complexity[file.path]:
            risk[file.path] = score
    ranked = sorted(risk, key=lambda path: (-risk[path], path))[: max(1, len(risk) // 10) if risk else 0]
    authors: dict[str, Counter[str]] = {path: Counter() for path in ranked}
    for commit in recent_commits(facts, WINDOW_DAYS):
        for path in {change.path for change in facts.history.changes.get(commit.id, ())} & authors.keys():
            authors[path][commit.author_email] += 1
    return tuple(
        Hotspot(
            path,
            frequency[path],
            complexity[path],
            len(authors[path]),
            max(authors[path].values(), default=0) / (authors[path].total() or 1),
        )
        for path in ranked
    )
