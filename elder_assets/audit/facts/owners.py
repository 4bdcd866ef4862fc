"""Who owns which file, as a CODEOWNERS file declares it: handles and addresses of teams and people, never measured."""

from __future__ import annotations

import re

from elder_assets.audit.facts.documents import text_lines
from elder_assets.audit.facts.git_patterns import compile_pattern
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.patterns import regex

PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS", ".gitea/CODEOWNERS")
"""In the order in which a host looks; the first that exists counts."""
OWNERS_MAX, OWNER_CHARACTERS_MAX = 10, 120
_SECTION = regex(r"^\^?\[[^\]]+\]")


class DeclaredOwners:
    """Rules of a CODEOWNERS file; the last one that fits a path counts, as at the hosts."""

    def __init__(self, rules: list[tuple[re.Pattern[str], tuple[str, ...]]]) -> None:
        self._rules = rules

    def of(self, path: str) -> tuple[str, ...]:
        """Owners of a path, in the order of the file; () = nobody is named."""
        for pattern, owners in reversed(self._rules):
            if pattern.fullmatch(path):
                return owners
        return ()


def declared_owners(facts: RepositoryFacts) -> DeclaredOwners:
    """The owners that the repository declares; of nothing where it has no CODEOWNERS file.

    Sections and patterns that hosts read differently are passed over (docs/rules.md, SRV002).
    """
    place = next((path for path in PLACES if path in facts.by_path), None)
    content = facts.read(text_lines, facts.by_path[place]) if place else None
    rules = []
    for raw in content.lines if content else ():
        line = raw.partition(" #")[0].strip()
        if not line or line.startswith("#") or _SECTION.match(line):
            continue
        first, *owners = re.split(r"(?<!\\)\s+", line)
        pattern = first.replace("\\ ", " ")
        if pattern.startswith("!") or "[" in pattern:
            continue
        if (compiled := compile_pattern(pattern)) is not None:
            rules.append((compiled, tuple(owner[:OWNER_CHARACTERS_MAX] for owner in owners[:OWNERS_MAX])))
    return DeclaredOwners(rules)
