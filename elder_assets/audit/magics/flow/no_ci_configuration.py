"""FLW001."""

from __future__ import annotations

from collections.abc import Iterator

from elder_assets.audit.facts.changes import is_mirror, recent_changes
from elder_assets.audit.facts.ci import READS, outside_hint, pipelines
from elder_assets.audit.facts.grammars import language_of
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.model import Checked, FileClass, Found, NotApplicable, NotAvailable, Outcome, Severity, Tier
from elder_assets.audit.registry import repository_rule


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
    changes = len(recent_changes(facts, window_days))
    if len(code) < source_files_min:
        yield NotApplicable(f"{len(code)} source files, fewer than {source_files_min}")
    elif changes < changes_min:
        yield NotApplicable(f"{changes} changes in {window_days} days, fewer than {changes_min}")
    elif facts.derive(is_mirror):
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
