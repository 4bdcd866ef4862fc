"""PRD005."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations

from elder_assets.audit.facts.changes import recent_changes, why_unavailable
from elder_assets.audit.facts.components import component_of
from elder_assets.audit.facts.imports import imports
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.model import Checked, FileClass, Found, NotApplicable, Outcome, Severity, Tier
from elder_assets.audit.registry import repository_rule

FILES_MAX = 20
"""Larger changes couple everything with everything (magics.md)."""


@repository_rule(code="PRD005", severity=Severity.LOW, tier=Tier.ADVISE, unit="file", evidence="H,T", reads=(imports,))
def check(
    facts: RepositoryFacts, *, together_min: int = 10, share_pct: int = 60, sample_min: int = 20
) -> Iterator[Outcome]:
    """Flag two files of different components that keep changing together though neither imports the other.

    Why: who changes one must know to change the other, and nothing in the code says so.
    Remedy: move the shared knowledge into one place that both import, or write down why they belong together.
    Source: D'Ambros, Lanza and Robbes, On the Relationship Between Change Coupling and Software Defects (2009).
    Limits: production files; changes of at most twenty files in twelve months; needs twenty changes.
    """
    if reason := why_unavailable(facts, 365):
        yield NotApplicable(reason)
        return
    production = {file.path for file in facts.files if file.file_class is FileClass.PRODUCTION}
    component = facts.derive(component_of)
    single: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    changes = [change.paths for change in recent_changes(facts, 365)]
    if len(changes) < sample_min:
        yield NotApplicable(f"{len(changes)} changes in twelve months, fewer than {sample_min}")
        return
    for paths in changes:
        if len(paths) > FILES_MAX:
            continue
        touched = sorted(paths & production)
        single.update(touched)
        pairs.update(combinations(touched, 2))
    imported = {file.path: " ".join(i.module for i in found.modules) for file, found in facts.each(imports)}
    yield Checked(len(single))
    for (one, other), count in sorted(pairs.items()):
        rarer = min(single[one], single[other])
        if max(single[one], single[other]) * 2 > len(changes):
            continue  # a version or settings file that most changes touch is coupled with nothing
        if count < together_min or count * 100 < share_pct * rarer or component(one) == component(other):
            continue
        if one in imported and other in imported and not _imports(imported, one, other):
            yield Found(
                path=one,
                message=f"changed together with {other} in {count} of {rarer} changes, and neither imports the other",
                symbol=one.rpartition("/")[2],
                tokens=other.rpartition("/")[2],
                unit=one,
            )


def _imports(imported: dict[str, str], one: str, other: str) -> bool:
    """Whether either names the other's stem or folder in an import: generous, so that a link is not missed."""
    return any(_stem(b) in imported[a] or b.split("/")[-2:][0] in imported[a] for a, b in ((one, other), (other, one)))


def _stem(path: str) -> str:
    return path.rpartition("/")[2].partition(".")[0]
