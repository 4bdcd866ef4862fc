"""What a run says while it works, outside of Dagster: its inbox row, live events, and the git host that asked.

A run that nothing in the inbox asked for (nightly, by hand) says the same to clients that follow the repository.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from typing import Any

import dagster as dg
import msgspec

from elder_assets.assets.session import Reference
from elder_assets.audit.errors import SourceError
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.finding_states import counted
from elder_assets.audit.impact import impact
from elder_assets.audit.model import Verdict
from elder_assets.audit.registry import catalogue
from elder_assets.audit.scoring import rounded
from elder_assets.partitions import BRANCH_TAG, COMMIT_TAG, INBOX_TAG, KIND_TAG
from resources.audits import Terms, open_source
from resources.deliveries.change_requests import Judged
from resources.deliveries.host_reports import STATES, Report, link_to, tell
from resources.observability.logs import about
from resources.settings import Settings
from resources.store import Store
from resources.store.findings import Observed
from resources.store.inbox import InboxRow

LOG = logging.getLogger("elder.audits")
UPDATE, COMPLETED = "audit_update", "audit_completed"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is to audit, by its tags: the default branch unless they name something else."""

    kind: str = "default"
    branch: str = ""
    commit: str = ""
    head: str = ""
    """The commit that the run was asked for because of; the branch may have moved on."""

    @property
    def ref(self) -> str:
        """What to resolve in the repository."""
        return self.commit or (f"refs/heads/{self.branch}" if self.branch else "HEAD")


def wanted_by(store: Store, tags: Mapping[str, str]) -> Wanted:
    """Read the tags of a run."""
    row = row_of(store, tags)
    return Wanted(
        kind=tags.get(KIND_TAG, "default"),
        branch=tags.get(BRANCH_TAG, ""),
        commit=tags.get(COMMIT_TAG, ""),
        head="" if row is None else str(row.document.get("head", "")),
    )


def row_of(store: Store, tags: Mapping[str, str]) -> InboxRow | None:
    """The row that asked for a run; None where nothing in the inbox did."""
    number = tags.get(INBOX_TAG, "")
    return store.inbox_row(int(number)) if number.isdecimal() else None


def begin(store: Store, run: dg.DagsterRun, key: str) -> None:
    """Say that a run has begun."""
    row = row_of(store, run.tags)
    if row is not None:
        store.start_inbox(row.id, run.run_id)
    with about_run(run, key):
        LOG.info("%s started", run.job_name)
    say(store, run, key, UPDATE, {"stage": "started", "job": run.job_name})


def about_run(run: dg.DagsterRun, key: str) -> contextlib.AbstractContextManager[None]:
    """Give log lines the ids of a run."""
    number = run.tags.get(INBOX_TAG, "")
    return about(run=run.run_id, repository=key, delivery=int(number) if number.isdecimal() else None)


def say(store: Store, run: dg.DagsterRun, key: str, event: str, document: Mapping[str, Any]) -> None:
    """Write a live event of a run."""
    number = run.tags.get(INBOX_TAG, "")
    about = {"run_id": run.run_id, "delivery": int(number) if number.isdecimal() else None}
    store.put_live_event(store.repository(key).id, event, {**about, **document})


def impact_on(store: Store, settings: Settings, reference: Reference, facts: RepositoryFacts) -> str:
    """What the audit has to do since the last one, in a sentence, and why where that is nothing."""
    latest = store.latest(reference.repository)
    if latest is None:
        return f"the first audit: {len(facts.files)} files"
    if (latest.commit, latest.ruler) == (reference.commit, reference.ruler):
        return f"{reference.commit[:12]} is the last audited commit, under the same ruler: nothing needs work"
    url = store.repository(reference.repository).url
    try:
        with open_source(url, settings, reference.commit, key=reference.repository, is_fetched=True) as opened:
            before = opened.source.tree(latest.commit)
    except SourceError:
        return f"{latest.commit[:12]}, which was audited last, is gone: everything is judged again"
    return impact(before, facts.entries, facts.files, catalogue().rules).reason


def tell_impact(store: Store, run: dg.DagsterRun, key: str, reason: str) -> None:
    """Say what the audit has to do."""
    if (row := row_of(store, run.tags)) is not None:
        store.note_inbox(row.id, {"impact": reason})
    say(store, run, key, UPDATE, {"stage": "facts", "impact": reason})


def record_once(  # noqa: PLR0917 - a verdict and all that is kept with it
    store: Store, run: dg.DagsterRun, reference: Reference, verdict: Verdict, terms: Terms, observed: Observed
) -> tuple[int, bool]:
    """Keep a verdict, unless a lost run or a late delivery led to what was recorded already; the snapshot and whether.

    Only what the inbox asked for is looked at so: a person or the nightly schedule may judge a commit again.
    """
    row, latest = row_of(store, run.tags), store.latest(reference.repository)
    may_repeat = row is None or (row.audit_type == "full" and not row.result.get("attempts"))
    is_same = latest is not None and (latest.commit, latest.ruler) == (reference.commit, reference.ruler)
    if latest is not None and is_same and not may_repeat and reference.kind == "default":
        return latest.snapshot_id, False
    document = terms.ruler.document()
    return store.record(verdict, document, run.run_id, kind=reference.kind, observed=observed), True


def complete(
    store: Store, settings: Settings, run: dg.DagsterRun, reference: Reference, observed: Observed, *, is_new: bool
) -> None:
    """Say what an audit came to: to clients, to the git host that asked, and in the row."""
    shown = observed.applied.verdict
    result: dict[str, Any] = {
        "commit": reference.commit,
        "kind": reference.kind,
        "status": str(shown.status),
        "score": rounded(shown.score),
        "findings": counted(shown.findings),
        "reason": shown.reason,
    }
    say(store, run, reference.repository, COMPLETED, result)
    with about_run(run, reference.repository):
        score = "no score" if shown.score is None else f"score {rounded(shown.score)}"
        LOG.info("%s at %s: %s, %s", reference.kind, reference.commit[:12], shown.status, score)
    row = row_of(store, run.tags)
    if row is None:
        return
    if not is_new:
        result["repeated"] = f"{reference.commit[:12]} was recorded before; nothing is recorded twice"
    if row.provider not in {"api", "sweep", "registration"} and row.repository_id is not None:
        target = store.audit_targets([row.repository_id])[row.repository_id]
        score = "no score" if shown.score is None else f"score {rounded(shown.score)}"
        report = Report(
            commit=reference.commit,
            state=STATES.get(str(shown.status), "error"),
            summary=f"{shown.status}, {score}, {len(shown.findings)} findings",
            link=link_to(settings, target),
        )
        result["told"] = tell(settings, target, report, circuits=store).said
    if wanted := row.document.get("magics"):
        chosen = {magic.magic: rounded(magic.score) for magic in shown.magics if magic.magic in wanted}
        result["magics"] = chosen
    store.finish_inbox(row.id, state="done", result=result)


def change_result(judged: Judged) -> dict[str, Any]:
    """What a row keeps of a change request that was judged."""
    return {
        "kind": "change_request",
        "base": judged.sides.base,
        "commit": judged.sides.head,
        "is_merge": judged.sides.is_merge,
        "status": judged.status,
        "reason": judged.reason,
        "failing": judged.failing,
        "gate": judged.gate_id,
        "told": judged.told.said,
    }
