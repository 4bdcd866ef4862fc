"""The sensor that turns rows of the inbox into runs. It reads, asks `decisions.decide`, writes, and returns.

A decision is written before Dagster hears of it: a row whose run then never comes waits again (`reconciling.py`), under
the same run key, so that a run that came after all is not made twice.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Mapping, Sequence

import dagster as dg
import msgspec

from elder_assets.audit.errors import ElderError
from elder_assets.jobs import audit_job, judge_change
from elder_assets.partitions import REPOSITORY
from resources.dagster_resources import ElderResource
from resources.git.circuit import host_of
from resources.observability.logs import about
from resources.observability.tracing import CARRIED, TRACE_TAG, Attribute, span
from resources.settings import Settings
from resources.standing import Standing, standing_of
from resources.store import Store
from resources.store.inbox import AuditTarget, InboxRow
from sensors.decisions import DECIDED_ACTIONS, Decision, Known, decide
from sensors.reconciling import reconcile

LOG = logging.getLogger("elder.inbox")
INBOX_SENSOR = "inbox_sensor"
ROWS_A_TICK = 500
TICK_SECONDS = 4.0
"""How long a tick watches an empty inbox: the daemon starts ticks five seconds apart, whatever a sensor asks for."""
LOOK_SECONDS = 0.2


@dg.sensor(
    name=INBOX_SENSOR,
    jobs=[audit_job, judge_change],
    minimum_interval_seconds=1,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Turns deliveries, and audits that were asked for, into runs; says why when there is nothing to run.",
)
def inbox_sensor(context: dg.SensorEvaluationContext, elder: ElderResource) -> dg.SensorResult:
    """Decide what waits."""
    settings = elder.settings()
    with elder.store() as store:
        reconcile(context.instance, store, settings)
        decisions, why = _watch(store, settings)
    wanted = [decision for decision in decisions if decision.job]
    return dg.SensorResult(
        run_requests=[_request(decision) for decision in wanted],
        skip_reason=None if wanted else why,
        dynamic_partitions_requests=_new_partitions(context.instance, wanted),
        cursor=str(max((decision.written.row for decision in decisions), default=int(context.cursor or 0))),
    )


def _watch(store: Store, settings: Settings) -> tuple[list[Decision], str]:
    """The decisions of this tick: of what waits, or of what comes within TICK_SECONDS.

    What goes on waiting is looked at again only when something else came or ended: each look asks git.
    """
    until = time.monotonic() + TICK_SECONDS
    seen: tuple[list[int], list[int]] | None = None
    said = "the inbox is empty"
    while True:
        rows = store.waiting_inbox(ROWS_A_TICK, DECIDED_ACTIONS)
        standing = [row.id for row in rows], [row.id for row in store.queued_inbox(DECIDED_ACTIONS)]
        if rows and standing != seen:
            decisions, held = _decided(store, settings, rows)
            said, seen = _said(decisions, held), standing
            if decisions:
                return decisions, said
        if time.monotonic() >= until:
            return [], said
        time.sleep(LOOK_SECONDS)


def _decided(store: Store, settings: Settings, rows: Sequence[InboxRow]) -> tuple[list[Decision], list[str]]:
    """Decide rows and write it; what another tick was faster with is left out."""
    targets = store.audit_targets({row.repository_id for row in rows if row.repository_id is not None})
    resting = store.resting_hosts(int(time.time()))
    rows, postponed = postpone(rows, targets, resting) if resting else (rows, [])
    judged = store.judged_changes(targets)
    known = {}
    for number, target in targets.items():
        heads = {str(row.document.get("head", "")) for row in rows if row.repository_id == number} - {""}
        try:
            standing = standing_of(store, settings, target, heads)
        except ElderError:  # whatever is wrong with the repository, its run says it, and its row keeps it
            standing = Standing()
        known[number] = Known(
            target=target,
            ruler=standing.ruler,
            contained=standing.contained,
            judged=frozenset(_change(row) for row in judged if row.repository_id == number),
        )
    decisions, held = decide(rows, known, store.queued_inbox(DECIDED_ACTIONS))
    decisions = _traced(settings, decisions, {row.id: row for row in rows})
    taken = {written.row for written in store.decide_inbox([decision.written for decision in decisions])}
    made = [decision for decision in decisions if decision.written.row in taken]
    keys = {row.id: row.repository for row in rows}
    for decision in made:
        with about(delivery=decision.written.row, repository=keys[decision.written.row]):
            LOG.info("%s: %s", decision.written.state, decision.written.reason)
    return made, [*postponed, *held]


def _traced(settings: Settings, decisions: Sequence[Decision], rows: Mapping[int, InboxRow]) -> list[Decision]:
    """A span a decision, in the trace of its delivery; the run that it asks for goes on with it."""
    if not settings.traces:
        return list(decisions)
    found = []
    for decision in decisions:
        row, written = rows[decision.written.row], decision.written
        waited = (dt.datetime.now(dt.UTC) - row.received_at).total_seconds()
        said: dict[str, Attribute] = {"delivery": row.id, "repository": row.repository, "action": row.action}
        said |= {"state": written.state}
        parent = str(row.document.get(CARRIED, ""))
        with span(settings, "decision", parent=parent, waited_seconds=round(waited, 3), **said) as traced:
            tags = {**decision.tags, TRACE_TAG: traced.carried} if decision.job else decision.tags
        found.append(msgspec.structs.replace(decision, tags=tags))
    return found


def postpone(
    rows: Sequence[InboxRow], targets: Mapping[int, AuditTarget], resting: Mapping[str, str]
) -> tuple[list[InboxRow], list[str]]:
    """Rows whose git host may be called, and why the others go on waiting; pure.

    Args:
        rows: that wait.
        targets: registered repositories by id.
        resting: why each host that is left alone is.
    """
    going, held = [], []
    for row in rows:
        target = targets.get(row.repository_id or 0)
        reason = resting.get(host_of(target.url), "") if target else ""
        if reason:
            held.append(f"{row.id} is postponed: {reason}")
        else:
            going.append(row)
    return going, held


def _change(row: InboxRow) -> tuple[int, str, str]:
    document = row.document
    return document["change_number"], document.get("status_commit", ""), document.get("base", "")


def _said(decisions: Sequence[Decision], held: Sequence[str]) -> str:
    said = [f"{decision.written.row} {decision.written.state}: {decision.written.reason}" for decision in decisions]
    return "; ".join([*said, *held])[:1000]


def _request(decision: Decision) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=decision.written.run_key,
        job_name=decision.job,
        partition_key=decision.partition,
        tags=dict(decision.tags),
    )


def _new_partitions(
    instance: dg.DagsterInstance, decisions: Sequence[Decision]
) -> list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest]:
    """Ask for the partitions of repositories that were registered since; they are there before their runs."""
    assert REPOSITORY.name  # noqa: S101 - dynamic partitions without a name are of an older kind
    known = set(instance.get_dynamic_partitions(REPOSITORY.name))
    missing = sorted({decision.partition for decision in decisions} - known)
    return [REPOSITORY.build_add_request(missing)] if missing else []
