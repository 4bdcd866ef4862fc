"""One repository at one commit, opened for the assets of a run.

The nine steps of an audit run in one process; what the first one collected serves the others. A step that runs alone
collects again through the facts cache: nothing is parsed twice.
"""

from __future__ import annotations

import functools
from typing import Any

import msgspec

from elder_assets.audit.engine import collect
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.ruler import Ruler, default_ruler
from resources.dagster_resources import ElderResource
from resources.facts_cache import open_facts
from resources.git.reader import GitSource
from resources.git.repository import open_repository


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """Which audit a run is about; all that assets hand to each other before there are findings."""

    repository: str
    commit: str
    baseline: str | None
    ruler: str

    def plain(self) -> dict[str, Any]:
        """As an output: names to values."""
        return msgspec.structs.asdict(self)


def ruler() -> Ruler:
    """The ruler of the server."""
    return default_ruler()


def refer(elder: ElderResource, key: str) -> tuple[Reference, dict[str, Any]]:
    """The newest commit of a registered repository, and what is worth saying about it."""
    with elder.store() as store:
        known = store.repository(key)
        with open_repository(known.url, elder.settings(), key=known.key) as opened:
            snapshot = GitSource(opened.git_dir, known.key).snapshot()
        commit = snapshot.commit or ""
        baseline = store.last_audited_commit(known.key, other_than=commit)
    reference = Reference(repository=known.key, commit=commit, baseline=baseline, ruler=ruler().digest)
    return reference, {"commit": commit, "as_of": snapshot.as_of, "url": known.url, "baseline": baseline or "none"}


@functools.lru_cache(maxsize=1)
def facts_of(reference: Reference, elder: ElderResource) -> RepositoryFacts:
    """Every fact about the audit's commit, from the cache where it has them."""
    settings = elder.settings()
    with elder.store() as store:
        url = store.repository(reference.repository).url
    with (
        open_repository(url, settings, key=reference.repository) as opened,
        open_facts(settings, reference.repository) as facts,
    ):
        source = GitSource(opened.git_dir, reference.repository, reference.commit)
        return collect(source, facts, reference.baseline)
