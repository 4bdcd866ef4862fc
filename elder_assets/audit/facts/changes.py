"""Who changed what, when: landed changes, people, bots, mirrors. Derived once per audit from the commit log.

A *change* is one unit landed on the default branch: a first-parent commit. The files of a merge are those of the
commits that it brought in.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import msgspec

from elder_assets.audit.facts.commit_log import DAY_SECONDS, Commit
from elder_assets.audit.facts.repository_facts import RepositoryFacts

MIRROR_SAMPLE = 200
MIRROR_SHARE = 0.8
"""magics.md, section 1: 80 % of the last 200 commits share one author or one subject template."""
MIRROR_MIN = 20

_BOT = re.compile(
    r"\[bot\]|^(?:dependabot|renovate|greenkeeper|pyup|snyk|mergify|allcontributors|github-actions|gitlab-bot|bors"
    r"|pre-commit-ci|k8s-ci-robot|copybara|semantic-release-bot|codecov|imgbot|web-flow|travis|jenkins)\b|-bot$|\bbot@",
    re.IGNORECASE,
)


class Change(msgspec.Struct, frozen=True):
    """One unit landed on the default branch."""

    commit: Commit
    members: tuple[Commit, ...]
    """The commit itself, or for a merge the commits that it brought in."""

    @property
    def paths(self) -> frozenset[str]:
        """Files that it touched, under their newest names."""
        return frozenset(change.path for member in self.members for change in member.changes)


def is_bot(commit: Commit) -> bool:
    """Whether automation wrote the commit: its name or address says so."""
    return _BOT.search(commit.author_name) is not None or _BOT.search(commit.author_email) is not None


def landed_changes(facts: RepositoryFacts) -> tuple[Change, ...]:
    """First-parent commits of the audited commit, newest first, each with what it brought in."""
    by_id = {commit.id: commit for commit in facts.history.commits}
    current = by_id.get(facts.snapshot.commit or "")
    line: list[Commit] = []
    while current is not None:
        line.append(current)
        current = by_id.get(current.parents[0]) if current.parents else None
    seen: set[str] = set()
    found = []
    for commit in reversed(line):  # oldest first, so that a commit belongs to the first merge that reached it
        members = [by_id[identifier] for identifier in _brought_in(commit, by_id, seen)]
        found.append(Change(commit, tuple(members)))
    return tuple(reversed(found))


def _brought_in(commit: Commit, by_id: dict[str, Commit], seen: set[str]) -> Iterator[str]:
    stack = [commit.id, *commit.parents[1:]]
    while stack:
        identifier = stack.pop()
        if identifier in seen or identifier not in by_id:
            continue
        seen.add(identifier)
        yield identifier
        if identifier != commit.id:
            stack.extend(by_id[identifier].parents)


def recent_changes(facts: RepositoryFacts, days: int) -> list[Change]:
    """Landed changes of the last days before `as_of`, newest first."""
    since = facts.snapshot.as_of - days * DAY_SECONDS
    return [change for change in facts.derive(landed_changes) if change.commit.committed_at >= since]


def recent_commits(facts: RepositoryFacts, days: int) -> list[Commit]:
    """Reachable commits of the last days before `as_of`, merges and bots left out, newest first."""
    since = facts.snapshot.as_of - days * DAY_SECONDS
    return [c for c in facts.history.commits if c.committed_at >= since and not c.is_merge and not is_bot(c)]


def is_mirror(facts: RepositoryFacts) -> bool:
    """Whether the history is a copy made elsewhere: most commits follow one template, or one robot committed them."""
    last = facts.history.commits[:MIRROR_SAMPLE]
    if len(last) < MIRROR_MIN:
        return False
    templates = Counter(re.sub(r"\b[0-9a-f]*\d[0-9a-f.]*\b", "#", commit.subject) for commit in last)
    template, count = templates.most_common(1)[0]
    if count >= MIRROR_SHARE * len(last) and "#" in template:
        return True
    robots = sum(is_bot(commit) for commit in last)
    return robots >= MIRROR_SHARE * len(last)


def why_unavailable(facts: RepositoryFacts, days: int) -> str:
    """Why a rule that looks back so many days cannot judge the history; '' when it can."""
    if facts.history.unavailable:
        return facts.history.unavailable
    return "a mirror: its changes land elsewhere" if days and facts.derive(is_mirror) else ""
