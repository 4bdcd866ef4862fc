"""One repository at one commit, opened for the assets of a run.

The nine steps of an audit run in one process; what the first one collected serves the others. A step that runs alone
collects again through the facts cache: nothing is parsed twice.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import msgspec

from elder_assets.audit.engine import collect
from elder_assets.audit.errors import SourceError
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.model import audit_key
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


@functools.cache
def ruler() -> Ruler:
    """The ruler of the server."""
    return default_ruler()


@contextmanager
def failing_partition(key: str) -> Iterator[None]:
    """Turn a repository that cannot be read into a failed partition with the reason.

    Raises:
        Failure: instead of a SourceError.
    """
    try:
        yield
    except SourceError as error:
        msg = f"cannot audit {key}: {error}"
        raise dg.Failure(msg, allow_retries=False) from error


def refer(elder: ElderResource, key: str) -> tuple[Reference, str]:
    """The newest commit of a registered repository, and the address that it was read from."""
    with elder.store() as store:
        known = store.repository(key)
        if known.removed_at is not None:
            msg = f"it was removed on {known.removed_at:%Y-%m-%d}"
            raise SourceError(msg)
        with (
            open_repository(known.url, elder.settings(), key=known.key) as opened,
            GitSource(opened.git_dir, known.key) as source,
        ):
            commit = source.commit
        baseline = store.last_audited_commit(known.key, other_than=commit)
    return Reference(repository=known.key, commit=commit, baseline=baseline, ruler=ruler().digest), known.url


@functools.lru_cache(maxsize=1)
def facts_of(reference: Reference, elder: ElderResource) -> RepositoryFacts:
    """Every fact about the audit's commit, from the cache where it has them."""
    settings = elder.settings()
    with elder.store() as store:
        url = store.repository(reference.repository).url
    with (
        open_repository(url, settings, key=reference.repository, commit=reference.commit) as opened,
        open_facts(settings, reference.repository) as facts,
        GitSource(opened.git_dir, reference.repository, reference.commit, store=facts, notes=opened.notes) as source,
    ):
        return collect(source, facts, reference.baseline)


def identity_of(facts: RepositoryFacts, reference: Reference) -> dict[str, str]:
    """The columns that every row of an audit shares."""
    key = audit_key(facts.snapshot, reference.ruler, reference.baseline)
    return {"audit_key": key.digest, "repository": key.repository, "revision": key.revision}


def common_metadata(facts: RepositoryFacts, reference: Reference) -> dict[str, Any]:
    """What every materialisation says about its audit."""
    coverage = facts.coverage
    return {
        "commit": reference.commit,
        "ruler": reference.ruler,
        "baseline": reference.baseline or "none",
        "eligible_files": coverage.eligible,
        "analysed_files": coverage.analysed,
        "coverage_share": None if coverage.share is None else float(coverage.share),
    }
