"""How a repository stands on this machine before anything is fetched: what would judge it, what its last audit holds.

Reads the mirror (or the local repository) as it is; a sensor asks this, and must not wait for a git host.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import msgspec

from resources.audits import central_policy, open_source, ruler_for, terms_for
from resources.git.address import is_address
from resources.git.commands import run
from resources.git.mirror import mirror_with
from resources.git.repository import open_repository
from resources.settings import Settings
from resources.store import Store
from resources.store.inbox import AuditTarget

HEADS_COMPARED_MAX = 200
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What is known without a fetch."""

    ruler: str = ""
    """Digest of what would judge the last audited commit now; '' where there is none, or it is gone."""
    contained: frozenset[str] = frozenset()
    """Of the commits in question, those in the history of the last audited one."""


def standing_of(store: Store, settings: Settings, target: AuditTarget, heads: Collection[str]) -> Standing:
    """Compare commits with the last audited one.

    Args:
        store: holds policies and suppressions.
        settings: say where mirrors are.
        target: the repository.
        heads: commit ids.

    Raises:
        SourceError: it cannot be read.
        ConfigurationError: its team's policy names what this Elder no longer has.
    """
    if not target.latest_commit or not heads:
        return Standing()
    if is_address(target.url) and mirror_with(target.latest_commit, target.key, settings.mirrors) is None:
        return Standing()
    with open_repository(target.url, settings, key=target.key, commit=target.latest_commit) as opened:
        contained = _contained(opened.git_dir, target.latest_commit, heads)
    ruler = _ruler(store, settings, target) if target.latest_commit in heads else target.latest_ruler
    return Standing(ruler=ruler, contained=contained)


def _ruler(store: Store, settings: Settings, target: AuditTarget) -> str:
    document = store.policy_for(target.key)
    with open_source(target.url, settings, target.latest_commit, key=target.key, is_fetched=True) as opened:
        central = central_policy(document, opened)
        approved = store.approved(target.key, list(ruler_for(opened.facts).rules))
        return terms_for(opened, central, approved).ruler.digest


def _contained(git_dir: Path, commit: str, heads: Collection[str]) -> frozenset[str]:
    return frozenset(
        head
        for head in sorted(heads)[:HEADS_COMPARED_MAX]
        if _COMMIT.fullmatch(head) and _is_ancestor(git_dir, head, commit)
    )


def _is_ancestor(git_dir: Path, commit: str, of: str) -> bool:
    """Whether a commit is in another one's history; False where the repository does not hold it."""
    beyond = run(git_dir, "rev-list", "--count", "--max-count=1", commit, "^" + of, allowed=(0, 1, 128))
    return beyond.strip() == b"0"
