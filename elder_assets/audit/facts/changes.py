"""Who changed what, when: landed changes, people, bots, mirrors. Derived once per audit from the commit log.

A *change* is one unit landed on the default branch: a first-parent commit. The files of a merge are those of the
commits that it brought in.
"""

from __future__ import annotations

import functools
import re
from collections import Counter

import msgspec

from elder_assets.audit.facts.commit_log import DAY_SECONDS, Commit
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.patterns import regex

MIRROR_SAMPLE = 200
MIRROR_SHARE = 0.8
"""magics.md, section 1: 80 % of the last 200 commits share one author or one subject template."""
MIRROR_MIN = 20

_BOT = regex(
    r"\[bot\]|^(?:dependabot|renovate|greenkeeper|pyup|snyk|mergify|allcontributors|github-actions|gitlab-bot|bors"
    r"|pre-commit-ci|k8s-ci-robot|copybara|semantic-release-bot|codecov|imgbot|web-flow|travis|jenkins)\b|-bot$|\bbot@",
    re.IGNORECASE,
)


class Change(msgspec.Struct, frozen=True):
    """One unit landed on the default branch."""

    commit: Commit
    paths: frozenset[str]
    """Files that it touched, under their newest names; for a merge, those of the commits that it brought in."""


def is_bot(commit: Commit) -> bool:
    """Whether automation wrote the commit: its name or address says so."""
    return _is_bot(commit.author_name) or _is_bot(commit.author_email)


@functools.lru_cache(maxsize=1 << 16)
def _is_bot(text: str) -> bool:
    return _BOT.search(text) is not None


def recent_changes(facts: RepositoryFacts, days: int) -> list[Change]:
    """Landed changes of the last days before `as_of`, newest first."""
    since = facts.snapshot.as_of - days * DAY_SECONDS
    return [change for change in facts.derive(_changes) if change.commit.committed_at >= since]


def _changes(facts: RepositoryFacts) -> list[Change]:
    done = facts.history.changes
    return [
        Change(
            landing.commit,
            frozenset(change.path for member in landing.members for change in done.get(member.id, ())),
        )
        for landing in facts.history.landings
        if landing.commit.committed_at >= facts.history.changes_since
    ]


def recent_commits(facts: RepositoryFacts, days: int) -> list[Commit]:
    """Reachable commits of the last days before `as_of`, merges and bots left out, newest first."""
    since = facts.snapshot.as_of - days * DAY_SECONDS
    return [commit for commit in facts.derive(_people_commits) if commit.committed_at >= since]


def _people_commits(facts: RepositoryFacts) -> list[Commit]:
    since = facts.history.changes_since
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
