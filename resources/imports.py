"""Findings of other tools beside ours: what the asset, the command and the API call."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from elder_assets.audit.equivalents import Merged, counted_once
from elder_assets.audit.finding_states import Count
from elder_assets.audit.model import Finding, Tier
from elder_assets.audit.sarif_import import Imported
from resources.audits import open_source
from resources.settings import Settings
from resources.store import Store


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """What imports mean for the commit of a repository's last audit."""

    commit: str
    kept: tuple[Finding, ...] = ()
    merged: tuple[Merged, ...] = ()
    """Imported findings that a rule of ours reports too: counted once, as ours."""
    counts: Mapping[str, Count] = {}
    """Tool to what became of its findings."""


def carry_on(store: Store, settings: Settings, repository: str) -> Beside | None:
    """Carry on the lives of imported findings on the commit of the last audit; None before the first audit.

    A commit that nothing was imported for changes nothing: not measured is not fixed.

    Raises:
        SourceError: the repository cannot be read.
    """
    latest = store.latest(repository)
    if latest is None:
        return None
    files = store.imports(repository, latest.commit)
    if not files:
        return Beside(commit=latest.commit)
    with open_source(store.repository(repository).url, settings, latest.commit, key=repository) as opened:
        paths = frozenset(entry.path for entry in opened.source.tree())
    own = [finding for finding in store.verdict(latest.snapshot_id).findings if finding.tier is not Tier.SHADOW]
    kept: list[Finding] = []
    merged: list[Merged] = []
    counts: dict[str, Count] = {}
    for file in files:
        counted, twice = counted_once(file, own)
        kept += counted
        merged += twice
        for tool, found in _by_tool(file, counted).items():
            counts[tool] = store.advance_imported(repository, tool, found, paths, is_complete=not file.failures)
    return Beside(commit=latest.commit, kept=tuple(kept), merged=tuple(merged), counts=counts)


def _by_tool(file: Imported, counted: tuple[Finding, ...]) -> dict[str, list[Finding]]:
    """Findings by tool; a tool that ran and found nothing is among them."""
    found: dict[str, list[Finding]] = {tool.name: [] for tool in file.tools}
    for finding in counted:
        found.setdefault(finding.rule.split(":")[1], []).append(finding)
    return found
