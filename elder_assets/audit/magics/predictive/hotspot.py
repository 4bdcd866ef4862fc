"""PRD001."""

from __future__ import annotations

from collections.abc import Iterator

from elder_assets.audit.facts.changes import recent_changes, why_unavailable
from elder_assets.audit.facts.functions import functions
from elder_assets.audit.facts.hotspots import WINDOW_DAYS, hotspots
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.model import Checked, FileClass, Found, NotApplicable, Outcome, Severity, Tier
from elder_assets.audit.registry import repository_rule


@repository_rule(
    code="PRD001", severity=Severity.MEDIUM, tier=Tier.ADVISE, unit="file", evidence="H,T", reads=(functions,)
)
def check(
    facts: RepositoryFacts, *, changes_min: int = 50, share_pct: int = 80, file_changes_min: int = 10
) -> Iterator[Outcome]:
    """Point at the files where the next defects are likely: changed often, complex, known to one person.

    Why: a few files take most changes and most defects; work on them pays first.
    Remedy: split the most complex function of the file, and let a second person review its changes.
    Source: Tornhill, Your Code as a Crime Scene (2015); Nagappan and Ball (2005).
    Limits: needs fifty changes in twelve months. A notice, unless one author made most changes of the file: then it
        is a finding. No person is named.
    """
    if reason := why_unavailable(facts, WINDOW_DAYS):
        yield NotApplicable(reason)
        return
    changes = len(recent_changes(facts, WINDOW_DAYS))
    if changes < changes_min:
        yield NotApplicable(f"{changes} changes in twelve months, fewer than {changes_min}")
        return
    yield Checked(sum(1 for _ in facts.each(functions, FileClass.PRODUCTION)))
    authors = len({c.author_email for c in facts.history.commits[:500]})
    for spot in facts.derive(hotspots):
        is_single = spot.main_share * 100 >= share_pct and authors >= 3 and spot.changes >= file_changes_min
        people = f"{spot.main_share:.0%} of its commits by one of {spot.authors} authors"
        yield Found(
            path=spot.path,
            message=f"changed {spot.changes} times in a year, cognitive complexity {spot.cognitive}, {people}",
            symbol=spot.path.rpartition("/")[2],
            severity=None if is_single else Severity.INFO,
        )
