"""SRV002."""

from __future__ import annotations

import re
from collections.abc import Iterator

from elder_assets.audit.facts.documents import text_lines
from elder_assets.audit.facts.git_patterns import compile_pattern
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.identity import normalise
from elder_assets.audit.model import Checked, Found, NotApplicable, Outcome, Severity, Tier
from elder_assets.audit.patterns import regex
from elder_assets.audit.registry import repository_rule

PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS", ".gitea/CODEOWNERS")
"""In the order in which a host looks; the first that exists counts."""
_SECTION = regex(r"^\^?\[[^\]]+\]")


@repository_rule(
    code="SRV002",
    severity=Severity.MEDIUM,
    tier=Tier.GATE,
    unit="owner rule",
    reads=(text_lines,),
    fix="safe",
    example_path=".github/CODEOWNERS",
)
def check(facts: RepositoryFacts) -> Iterator[Outcome]:
    """Flag a CODEOWNERS rule that matches no tracked file.

    Why: whoever reads it believes that a part has an owner; the part was moved or renamed.
    Remedy: correct the pattern to the folder's new name, or delete the rule.
    Source: GitHub, About code owners; GitLab, Code Owners syntax.
    Limits: the first CODEOWNERS file where the host looks; patterns in the forms that GitHub and GitLab share.

    Bad:
        path: .github/CODEOWNERS
        /shop/ @org/shop
        /carts/ @org/carts #~
        path: shop/basket.py
        x = 1

    Okay:
        path: .github/CODEOWNERS
        # everything
        * @org/all
        /shop/*.py @org/shop
        basket.py @ann
        path: shop/basket.py
        x = 1
    """
    place = next((path for path in PLACES if path in facts.by_path), None)
    content = facts.read(text_lines, facts.by_path[place]) if place else None
    if place is None or content is None:
        yield NotApplicable("no CODEOWNERS file")
        return
    for number, raw in enumerate(content.lines, start=1):
        line = raw.partition(" #")[0].strip()
        if not line or line.startswith("#") or _SECTION.match(line):
            continue
        pattern = re.split(r"(?<!\\)\s+", line)[0].replace("\\ ", " ")
        yield Checked(1)
        if pattern.startswith("!") or "[" in pattern:
            continue  # hosts read these differently
        compiled = compile_pattern(pattern)
        if compiled is not None and pattern.strip("/*") and not any(map(compiled.fullmatch, facts.paths)):
            yield Found(path=place, line=number, message=f"{pattern} matches no tracked file", tokens=normalise(line))
