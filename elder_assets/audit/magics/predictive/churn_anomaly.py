"""PRD006."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from statistics import median

from elder_assets.audit.facts.changes import recent_commits, why_unavailable
from elder_assets.audit.facts.commit_log import DAY_SECONDS
from elder_assets.audit.facts.components import component_of
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.model import Checked, FileClass, Found, NotApplicable, Outcome, Severity, Tier
from elder_assets.audit.registry import repository_rule

WEEKS = 52
MAD_TO_DEVIATION = 1.4826
"""The median absolute deviation of a normal distribution times this is its standard deviation."""


@repository_rule(code="PRD006", severity=Severity.INFO, tier=Tier.ADVISE, unit="component", evidence="H")
def check(facts: RepositoryFacts, *, z_max: int = 5, weeks_min: int = 20, lines_min: int = 500) -> Iterator[Outcome]:
    """Point at a component whose churn of the last week is far outside of its own year.

    Why: a sudden burst of changes often comes with haste; review and tests deserve more time.
    Remedy: look at the named week's changes before the next release.
    Source: Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993): robust z from median and MAD.
    Limits: production files; needs twenty weeks with changes and five hundred lines in the last week.
    """
    if reason := why_unavailable(facts, 365):
        yield NotApplicable(reason)
        return
    production = {file.path for file in facts.files if file.file_class is FileClass.PRODUCTION}
    component = facts.derive(component_of)
    churn: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for commit in recent_commits(facts, WEEKS * 7):
        week = (facts.snapshot.as_of - commit.committed_at) // (7 * DAY_SECONDS)
        for change in facts.history.changes.get(commit.id, ()):
            if change.path in production and change.status != "R":
                churn[component(change.path)][week] += change.added + change.deleted
    for name, weeks in sorted(churn.items()):
        if sum(bool(lines) for lines in weeks.values()) < weeks_min:
            continue
        yield Checked(1)
        lines = [weeks.get(week, 0) for week in range(WEEKS)]
        middle = median(lines)
        spread = MAD_TO_DEVIATION * median(abs(value - middle) for value in lines) or 1.0
        z = (lines[0] - middle) / spread
        if z > z_max and lines[0] >= lines_min:
            yield Found(
                path=name,
                message=f"{lines[0]} lines changed in the last week; the median week has {middle:g} (z {z:.1f})",
                symbol=name,
                severity=Severity.INFO,
            )
