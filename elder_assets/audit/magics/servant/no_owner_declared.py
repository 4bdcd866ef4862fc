"""SRV001."""

from __future__ import annotations

from collections.abc import Iterator

from elder_assets.audit.facts.changes import recent_commits, why_unavailable
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.model import Checked, Found, NotApplicable, Outcome, Severity, Tier
from elder_assets.audit.registry import repository_rule

OWNER_FILES = frozenset({"codeowners", "owners", "maintainers", "catalog-info.yaml", "catalog-info.yml", "pkgowners"})


@repository_rule(code="SRV001", severity=Severity.MEDIUM, tier=Tier.GATE, unit="repository", evidence="T,H")
def check(facts: RepositoryFacts, *, authors_min: int = 5, window_days: int = 365) -> Iterator[Outcome]:
    """Flag a repository of many hands that names no owner.

    Why: nobody is asked for review, and nobody is called when it breaks.
    Remedy: add a CODEOWNERS file that names a team for every part.
    Source: GitHub, About code owners; Backstage, catalog-info.yaml.
    Limits: needs five human authors in the last year; bots and mirrors are left out. OWNERS, MAINTAINERS,
        catalog-info.yaml and DOAP files count, with any ending and in any folder.
    """
    if reason := why_unavailable(facts, window_days):
        yield NotApplicable(reason)
        return
    authors = {commit.author_email for commit in recent_commits(facts, window_days)}
    if len(authors) < authors_min:
        yield NotApplicable(f"{len(authors)} authors in {window_days} days, fewer than {authors_min}")
        return
    yield Checked(1)
    names = {path.rpartition("/")[2].lower() for path in facts.paths}
    if not any(_names_owners(name) for name in names):
        yield Found(
            message=f"{len(authors)} people changed it in {window_days} days, and no file says who owns it",
            tokens="no owner file",
        )


def _names_owners(name: str) -> bool:
    return name in OWNER_FILES or name.partition(".")[0] in OWNER_FILES or name.endswith(".doap")
