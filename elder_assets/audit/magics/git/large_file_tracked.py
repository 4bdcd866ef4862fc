"""GIT005."""

from __future__ import annotations

from collections.abc import Iterator

from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.model import Checked, Found, Outcome, Severity, Tier
from elder_assets.audit.registry import repository_rule


@repository_rule(code="GIT005", severity=Severity.MEDIUM, tier=Tier.GATE, unit="file", evidence="T")
def check(facts: RepositoryFacts, *, large_mb: int = 5, huge_mb: int = 50) -> Iterator[Outcome]:
    """Flag a large file that is tracked without LFS.

    Why: every clone downloads it for ever, also after it is deleted.
    Remedy: keep it in an artefact store or in git LFS, and leave only a pointer in the tree.
    Source: git-sizer (GitHub, 2018); GitHub warns at 50 MB and refuses 100 MB.
    Limits: looks at the tree of the audited commit; blobs that only history holds are not counted yet.
    """
    for entry in facts.entries:
        if entry.is_link or entry.is_submodule:
            continue
        yield Checked(1)
        if entry.size > large_mb * 1_000_000:
            yield Found(
                path=entry.path,
                message=f"{entry.path.rpartition('/')[2]} has {entry.size / 1e6:.1f} MB, over {large_mb} MB",
                tokens=entry.oid,
                severity=Severity.HIGH if entry.size > huge_mb * 1_000_000 else None,
            )
