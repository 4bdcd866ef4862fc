"""GIT001."""

from __future__ import annotations

from collections.abc import Iterator

from elder_assets.audit.facts.changes import recent_changes, why_unavailable
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.identity import normalise
from elder_assets.audit.model import Checked, Found, NotApplicable, Outcome, Severity, Tier
from elder_assets.audit.patterns import regex
from elder_assets.audit.registry import repository_rule

_UNFINISHED = regex(
    r"^(?:(?:fixup|squash|amend)! |\[?(?:WIP|wip)\]?(?::| -| \S|\]|$)|(?i:do not merge|don't merge|\[?dnm\]?)\b)"
)


@repository_rule(code="GIT001", severity=Severity.MEDIUM, tier=Tier.GATE, unit="landed change", evidence="H")
def check(facts: RepositoryFacts, *, window_days: int = 365) -> Iterator[Outcome]:
    """Flag a change on the default branch whose subject says that it was not finished.

    Why: a fixup or work-in-progress commit was meant to be folded into another one; the history now hides why.
    Remedy: fold such commits before they land (`git rebase --autosquash`), and refuse their subjects in CI.
    Source: git-rebase(1), --autosquash.
    Limits: looks at the first parents of the last year before the audited commit; merges and mirrors are left out.
    """
    if reason := why_unavailable(facts, window_days):
        yield NotApplicable(reason)
        return
    for change in recent_changes(facts, window_days):
        if change.commit.is_merge:
            continue
        yield Checked(1)
        if _UNFINISHED.match(change.commit.subject):
            yield Found(
                message=f"{change.commit.id[:10]} landed unfinished: {change.commit.subject[:80]!r}",
                tokens=f"{change.commit.id} {normalise(change.commit.subject)}",
            )
