"""FLW002."""

from __future__ import annotations

from collections.abc import Iterator

from elder_assets.audit.facts.ci import READS, Workflow, outside_hint, pipelines, runs_on_changes
from elder_assets.audit.facts.grammars import language_of
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.model import Checked, FileClass, Found, NotApplicable, NotAvailable, Outcome, Severity, Tier
from elder_assets.audit.registry import repository_rule


@repository_rule(
    code="FLW002",
    severity=Severity.HIGH,
    tier=Tier.GATE,
    unit="repository",
    reads=READS,
    evidence="C",
    example_path=".github/workflows/ci.yml",
)
def check(facts: RepositoryFacts) -> Iterator[Outcome]:
    """Flag continuous integration that no change request starts.

    Why: a pipeline that runs after the merge reports the defect when everyone already has it.
    Remedy: add `pull_request` (or `merge_group`, or `push` without a list of branches) to a workflow that tests.
    Source: Fowler, Continuous Integration (2006); OpenSSF Scorecard, CI-Tests.
    Limits: only the triggers of GitHub, Gitea and Forgejo workflows stand in the tree as a whole. Where another system
        is configured, or a workflow is started by events of other systems, the rule says nothing.

    Bad:
        on: #~
          push:
            branches: [main]
          schedule: [{cron: "0 4 * * *"}]
        jobs:
          test:
            runs-on: ubuntu-latest
            steps:
              - run: pytest
        path: shop/basket.py
        total = 0

    Okay:
        on: [push]
        jobs:
          test:
            runs-on: ubuntu-latest
            steps:
              - run: pytest
        path: shop/basket.py
        total = 0

    Okay:
        'on':
          push: {branches: [main]}
        jobs:
          test:
            steps: [{run: pytest}]
        path: .github/workflows/changes.yaml
        on: merge_group
        jobs:
          test:
            steps: [{run: pytest}]
        path: shop/basket.py
        total = 0
    """
    found = facts.derive(pipelines)
    if not found.systems:
        yield NotApplicable("no CI configuration in the tree")
        return
    if not any(file.file_class is FileClass.PRODUCTION and language_of(file.variant) for file in facts.files):
        yield NotApplicable("no source code")
        return
    answers = [runs_on_changes(workflow) for workflow in found.workflows]
    if True not in answers and (found.broken or not answers):
        yield NotAvailable(f"{(found.broken or ('its configuration',))[0]} cannot be read")
        return
    if True not in answers and (None in answers or outside_hint(facts) or _has_unread_system(found.systems)):
        yield NotAvailable("what starts the pipelines is configured outside of the tree")
        return
    yield Checked(1)
    if True not in answers:
        yield _finding(found.workflows)


def _has_unread_system(systems: dict[str, tuple[str, ...]]) -> bool:
    return any(not system.endswith("Actions") for system in systems)


def _finding(workflows: tuple[Workflow, ...]) -> Found:
    testing = [workflow for workflow in workflows if any(job.gate_steps for job in workflow.jobs)]
    first = (testing or list(workflows))[0]
    events = sorted({event for workflow in workflows for event in workflow.triggers})
    on = first.root.get("on")
    return Found(
        path=first.path,
        line=on.line if on else 1,
        message=f"No change request starts any of the {len(workflows)} workflows, only: {', '.join(events)}"
        if len(workflows) > 1
        else f"No change request starts this only workflow, only: {', '.join(events)}",
        tokens="no change request",
    )
