"""FLW001."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from elder_assets.audit.facts.ci import READS, outside_hint, pipelines
from elder_assets.audit.facts.commit_log import DAY_SECONDS, Commit
from elder_assets.audit.facts.grammars import language_of
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.model import Checked, FileClass, Found, NotApplicable, NotAvailable, Outcome, Severity, Tier
from elder_assets.audit.registry import repository_rule

_MIRROR_SAMPLE = 200
_MIRROR_SHARE = 0.8


@repository_rule(code="FLW001", severity=Severity.HIGH, tier=Tier.GATE, unit="repository", reads=READS, evidence="CH")
def check(
    facts: RepositoryFacts, *, source_files_min: int = 10, changes_min: int = 5, window_days: int = 180
) -> Iterator[Outcome]:
    """Flag a repository under development that configures no continuous integration.

    Why: nothing checks a change before it lands, so every defect that a machine would catch reaches users.
    Remedy: add a workflow that builds the code and runs its tests on every change request.
    Source: Fowler, Continuous Integration (2006); OpenSSF Scorecard, CI-Tests.
    Limits: a system that is configured outside of the tree is unknown to Elder; a folder of CI scripts or an OWNERS
        file counts as a sign of one. Mirrors and repositories with little code or few changes are out of scope.
    """
    if facts.history.unavailable:
        yield NotAvailable(facts.history.unavailable)
        return
    code = [
        file
        for file in facts.files
        if file.file_class in {FileClass.PRODUCTION, FileClass.TEST} and language_of(file.variant)
    ]
    changes = _recent_changes(facts, window_days)
    if len(code) < source_files_min:
        yield NotApplicable(f"{len(code)} source files, fewer than {source_files_min}")
    elif changes < changes_min:
        yield NotApplicable(f"{changes} changes in {window_days} days, fewer than {changes_min}")
    elif _is_mirror(facts):
        yield NotApplicable("a mirror: its changes land elsewhere")
    elif not facts.derive(pipelines).systems and (hint := outside_hint(facts)):
        yield NotApplicable(f"{hint} belongs to a CI system that is configured outside of the tree")
    else:
        yield Checked(1)
        if not facts.derive(pipelines).systems:
            yield Found(
                message=f"No CI configuration, with {len(code)} source files and {changes} changes"
                f" in the last {window_days} days",
                tokens="no ci",
            )


def _recent_changes(facts: RepositoryFacts, window_days: int) -> int:
    """Landed changes, that is first-parent commits, in the window that ends at `as_of`."""
    by_id = {commit.id: commit for commit in facts.history.commits}
    since = facts.snapshot.as_of - window_days * DAY_SECONDS
    current: Commit | None = by_id.get(facts.snapshot.commit or "")
    count = 0
    while current is not None:
        count += current.committed_at >= since
        current = by_id.get(current.parents[0]) if current.parents else None
    return count


def _is_mirror(facts: RepositoryFacts) -> bool:
    subjects = [re.sub(r"\b[0-9a-f]*\d[0-9a-f]*\b", "#", c.subject) for c in facts.history.commits[:_MIRROR_SAMPLE]]
    return bool(subjects) and Counter(subjects).most_common(1)[0][1] >= _MIRROR_SHARE * len(subjects)
