"""GIT007."""

from __future__ import annotations

from collections.abc import Iterator

from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.model import Checked, Found, NotAvailable, Outcome, Severity, Tier
from elder_assets.audit.registry import repository_rule


@repository_rule(code="GIT007", severity=Severity.HIGH, tier=Tier.GATE, unit="audit", evidence="S")
def check(facts: RepositoryFacts) -> Iterator[Outcome]:
    """Flag a default branch that was rewritten since the last audit.

    Why: commits that were published are gone or replaced; reviews, releases and blame no longer match.
    Remedy: protect the branch against force-pushes; restore the lost commits from the named commit.
    Source: git-push(1), --force; OpenSSF Scorecard, Branch-Protection.
    Limits: says nothing where the history is cut off or cannot be read.
    """
    if facts.baseline is None:
        yield NotAvailable("no earlier audit")
        return
    unknown = "the clone is shallow" if facts.snapshot.is_shallow else facts.history.unavailable
    if unknown and not facts.baseline.is_ancestor:
        yield NotAvailable(f"whether the history was rewritten cannot be told: {unknown}")
        return
    yield Checked(1)
    if not facts.baseline.is_ancestor:
        commit = facts.baseline.commit
        yield Found(message=f"{commit[:10]}, the last audited commit, is no ancestor of this one", tokens=commit)
