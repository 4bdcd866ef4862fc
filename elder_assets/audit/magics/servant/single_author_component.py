"""SRV005."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from elder_assets.audit.facts.changes import recent_commits, why_unavailable
from elder_assets.audit.facts.components import component_of
from elder_assets.audit.facts.functions import functions
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.model import Checked, FileClass, Found, NotApplicable, Outcome, Severity, Tier
from elder_assets.audit.registry import repository_rule


@repository_rule(
    code="SRV005", severity=Severity.MEDIUM, tier=Tier.ADVISE, unit="component", evidence="H", reads=(functions,)
)
def check(
    facts: RepositoryFacts, *, lines_min: int = 500, changes_min: int = 10, share_pct: int = 80, authors_min: int = 3
) -> Iterator[Outcome]:
    """Flag a component that one person alone keeps.

    Why: when that person leaves, nobody knows how the component works.
    Remedy: let a second person review and change it; pair on the next change.
    Source: Avelino et al., A Novel Approach for Estimating Truck Factors (2016).
    Limits: counts commits of 24 months, bots out, aliases merged by mailmap; a project of fewer than three active
        authors is told once, as a notice. No person is named.
    """
    if reason := why_unavailable(facts, 731):
        yield NotApplicable(reason)
        return
    commits = recent_commits(facts, 731)
    active = len({commit.author_email for commit in commits})
    component = facts.derive(component_of)
    code_lines: Counter[str] = Counter()
    for file, measured in facts.each(functions, FileClass.PRODUCTION):
        code_lines[component(file.path)] += max((function.end_line for function in measured.functions), default=0)
    by_component: dict[str, Counter[str]] = defaultdict(Counter)
    for commit in commits:
        for name in {component(change.path) for change in facts.history.changes.get(commit.id, ())}:
            by_component[name][commit.author_email] += 1
    large = [n for n in sorted(code_lines) if code_lines[n] >= lines_min and by_component[n].total() >= changes_min]
    if large and active < authors_min:
        yield Checked(1)
        people = "one person" if active == 1 else f"{active} people"
        yield Found(message=f"{people} made every change of 24 months", tokens="few authors", severity=Severity.INFO)
        return
    for name in large:
        yield Checked(1)
        changes, (_, most) = by_component[name].total(), by_component[name].most_common(1)[0]
        if most * 100 >= share_pct * changes:
            shown = name or "the root"
            yield Found(
                path=name,
                message=f"one person made {most} of the {changes} changes to {shown} in 24 months",
                symbol=name,
            )
