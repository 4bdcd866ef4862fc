"""One repository at one commit, opened for the assets of a run.

The nine steps of an audit run in one process; what the first one collected serves the others. A step that runs alone
collects again through the facts cache: nothing is parsed twice.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg
import msgspec

from elder_assets.audit.engine import collect
from elder_assets.audit.errors import ElderError, HostResting, SourceError
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.judgement import verdict_of
from elder_assets.audit.model import Finding, audit_key
from resources.audits import Terms, base_ruler, central_policy, judge_opened, open_source, terms_for
from resources.dagster_resources import ElderResource
from resources.facts.cache import open_facts
from resources.git.blame import introduced
from resources.git.circuit import guarded, host_of
from resources.git.mirror import has_commit
from resources.git.reader import GitSource
from resources.git.releases import releases_before
from resources.git.repository import open_repository
from resources.observability.logs import about
from resources.observability.tracing import TRACE_TAG, Attribute, Span, of_run, span
from resources.settings import Settings

LOG = logging.getLogger("elder.audits")


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """Which audit a run is about; all that assets hand to each other before there are findings."""

    repository: str
    commit: str
    baseline: str | None
    ruler: str
    kind: str = "default"
    """Why it is audited (D12): default, or adhoc for another branch or commit."""

    def plain(self) -> dict[str, Any]:
        """As an output: names to values."""
        return msgspec.structs.asdict(self)


@contextmanager
def failing_partition(key: str, elder: ElderResource, run_id: str | None = None) -> Iterator[None]:
    """Turn a repository that cannot be read into a failed partition with the reason, which the store keeps too.

    Raises:
        Failure: instead of a SourceError.
    """
    try:
        yield
    except HostResting as error:
        with contextlib.suppress(ElderError), elder.store() as store:
            row = store.row_of_run(run_id) if run_id is not None else None
            if row is None or not store.release_inbox(row.id, f"postponed: {error}"):
                store.postpone_audit(key, host_of(store.repository(key).url), str(error))
        msg = f"postponed {key}: {error}"
        raise dg.Failure(msg, allow_retries=False) from error
    except SourceError as error:
        with contextlib.suppress(ElderError), elder.store() as store:
            reason = str(error).removeprefix(f"{key}: ")
            with about(run=run_id, repository=key):
                LOG.warning("cannot audit: %s", reason)
            store.record_failure(key, reason, run_id)
            if run_id is not None and (row := store.row_of_run(run_id)) is not None:
                store.finish_inbox(row.id, state="failed", decision=f"cannot audit: {reason}", result={})
        msg = f"cannot audit {key}: {str(error).removeprefix(f'{key}: ')}"
        raise dg.Failure(msg, allow_retries=False) from error


def step_span(
    elder: ElderResource, run: dg.DagsterRun, name: str, **attributes: Attribute
) -> contextlib.AbstractContextManager[Span]:
    """A span of a run's trace around a part of a step; nothing where traces are off."""
    settings = elder.settings()
    parent = of_run(settings, run.run_id, run.tags.get(TRACE_TAG, ""))
    return span(settings, name, parent=parent, **attributes)


def refer(
    elder: ElderResource, key: str, ref: str = "HEAD", kind: str = "default", head: str = ""
) -> tuple[Reference, str]:
    """What to audit of a registered repository, and the address that it was read from.

    A host may announce a push before it serves it: where `head` is not there, it is asked again. Where the
    repository's file names its team, and the registry does not, it is given to that team.
    """
    with elder.store() as store:
        known = store.repository(key)
        if known.removed_at is not None:
            msg = f"it was removed on {known.removed_at:%Y-%m-%d}"
            raise SourceError(msg)
        with guarded(store, host_of(known.url), time.time):
            await_commit(known.url, elder.settings(), known.key, head)
            opening = open_source(known.url, elder.settings(), ref, key=known.key, is_fetched=bool(head))
            with opening as opened:
                commit = opened.source.commit
                named = terms_for(opened).team
        if named and store.assigned_by(known.key) != "registry" and named in {team.key for team in store.teams()}:
            store.assign(known.key, named, "elder.yaml")
        baseline = store.last_audited_commit(known.key, other_than=commit)
    ruler = terms_of(known.key, commit, elder).ruler.digest
    return Reference(repository=known.key, commit=commit, baseline=baseline, ruler=ruler, kind=kind), known.url


UNSERVED_WAITS_SECONDS = (1.0, 2.0)


def await_commit(url: str, settings: Settings, key: str, commit: str) -> bool:
    """Fetch until a commit is there, for some seconds; False when it is not (a later push may have taken it away)."""
    if not commit:
        return False
    for wait in (*UNSERVED_WAITS_SECONDS, 0.0):
        with open_repository(url, settings, key=key) as opened:
            if has_commit(opened.git_dir, commit):
                return True
        time.sleep(wait)
    return False


@functools.lru_cache(maxsize=4)
def terms_of(key: str, commit: str, elder: ElderResource) -> Terms:
    """How a registered repository is judged at a commit: its file, its team's policy, approved suppressions."""
    with elder.store() as store:
        known = store.repository(key)
        with open_source(known.url, elder.settings(), commit, key=known.key, is_fetched=True) as opened:
            central = central_policy(store.policy_for(known.key), opened)
            approved = store.approved(known.key, list(base_ruler(opened).rules))
            return terms_for(opened, central, approved)


def current(plain: Mapping[str, Any], elder: ElderResource) -> Reference:
    """The audit that an upstream asset wrote about, under the ruler of now."""
    given = Reference(**plain)
    return msgspec.structs.replace(given, ruler=terms_of(given.repository, given.commit, elder).ruler.digest)


def earlier_findings(reference: Reference, elder: ElderResource) -> tuple[Finding, ...] | None:
    """What the commit of the last audit has under the ruler of now; None when its ruler was this one, or it is gone."""
    with elder.store() as store:
        latest, url = store.latest(reference.repository), store.repository(reference.repository).url
    if latest is None or latest.ruler == reference.ruler:
        return None
    ruler = terms_of(reference.repository, reference.commit, elder).ruler
    try:
        with open_source(url, elder.settings(), latest.commit, key=reference.repository, is_fetched=True) as opened:
            return verdict_of(judge_opened(opened, ruler), ruler).findings
    except SourceError:
        return None


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
        started, spent = time.perf_counter(), _cpu_seconds()
        collected = collect(source, facts, reference.baseline)
        cost = {
            "seconds": time.perf_counter() - started,
            "cpu_seconds": _cpu_seconds() - spent,
            "blobs_known": facts.blobs_known,
            "blobs_measured": facts.blobs_measured,
        }
    with elder.store() as store:
        store.record_cost(reference.repository, cost)
    return collected


def _cpu_seconds() -> float:
    """Of this process and of the git processes that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


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


ARRIVALS_BLAMED_MAX = 50
"""New findings that are traced to their commit in one run, 10 ms each; the others follow with later runs."""


def name_arrivals(reference: Reference, elder: ElderResource) -> None:
    """Name the commits that brought new findings; a place that git cannot blame stays without."""
    with elder.store() as store:
        waiting = store.arrivals(reference.repository, ARRIVALS_BLAMED_MAX)
        if not waiting:
            return
        url = store.repository(reference.repository).url
        with open_repository(url, elder.settings(), key=reference.repository, commit=reference.commit) as opened:
            store.record_introduced(introduced(opened.git_dir, reference.commit, waiting))


def keep_releases(reference: Reference, elder: ElderResource) -> None:
    """Say again which tags the audited branch has, for the trend of the repository."""
    with elder.store() as store:
        url = store.repository(reference.repository).url
        with open_repository(url, elder.settings(), key=reference.repository, commit=reference.commit) as opened:
            store.keep_releases(reference.repository, releases_before(opened.git_dir, reference.commit))
