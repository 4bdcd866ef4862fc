"""Sensor: alerts that ask for a remediation, notices of other systems, and audits that waited for their host.

`decide` is pure. What is done is idempotent: a row whose sensor died in between waits again (reconciling.py) and is
done again.
"""

import time
from collections.abc import Mapping, Sequence

import dagster as dg
import msgspec

from elder_assets.audit.errors import ElderError
from elder_assets.partitions import SWEEP_JOB
from resources.alerting.incoming import NOTICE, REMEDIATION
from resources.alerting.remediation import remedy, tell_notice
from resources.dagster_resources import ElderResource
from resources.settings import Settings
from resources.store import Store
from resources.store.circuits import POSTPONED
from resources.store.inbox import InboxDecision, InboxRow

COOLDOWN_SECONDS = 900
"""So long the same is not done to the same again: an alert storm is one remediation. Chosen by us."""
ROWS_A_TICK = 200
Key = tuple[str, str]


class Doing(msgspec.Struct, frozen=True):
    """A row that is to be done, and one that is not."""

    row: InboxRow
    decision: InboxDecision


def key_of(row: InboxRow) -> Key:
    """What is done, and to what."""
    return str(row.document.get("wish", "")), str(row.document.get("target", ""))


def decide(
    rows: Sequence[InboxRow], done_at: Mapping[Key, float], resting: Mapping[str, str], now: float
) -> tuple[list[Doing], list[str]]:
    """What becomes of rows, and why the others go on waiting.

    Args:
        rows: that wait, in order of arrival.
        done_at: when each remediation was done last, seconds since the epoch.
        resting: git hosts that are left alone, and why.
        now: seconds since the epoch.
    """
    doing: list[Doing] = []
    held: list[str] = []
    last = dict(done_at)
    for row in rows:
        if row.action == POSTPONED:
            reason = resting.get(str(row.document.get("host", "")))
            if reason:
                held.append(f"{row.id} waits: {reason}")
            else:
                doing.append(_doing(row, "queued", "its host may be called again"))
        elif row.action == NOTICE:
            doing.append(_doing(row, "queued", "told to whom the rules say"))
        elif (since := now - last.get(key_of(row), float("-inf"))) < COOLDOWN_SECONDS:
            reason = f"the same was done {int(since)} s ago; not again within {COOLDOWN_SECONDS} s"
            doing.append(_doing(row, "skipped", reason))
        else:
            last[key_of(row)] = now
            doing.append(_doing(row, "queued", " ".join(key_of(row)).strip()))
    return doing, held


def _doing(row: InboxRow, state: str, reason: str) -> Doing:
    decision = msgspec.convert({"row": row.id, "state": state, "reason": reason}, InboxDecision)
    return Doing(row, decision)


def work(store: Store, settings: Settings, now: int) -> tuple[str, list[int]]:
    """Decide what waits, and do it: in words, and the rows that ask for a sweep."""
    rows = store.waiting_inbox(ROWS_A_TICK, (REMEDIATION, NOTICE, POSTPONED))
    if not rows:
        return "no alert asks for anything", []
    done_at = store.remedied_since(now - COOLDOWN_SECONDS)
    ordered = sorted(rows, key=lambda row: row.id)
    doing, held = decide(ordered, done_at, store.resting_hosts(now), now)
    taken = {decision.row for decision in store.decide_inbox([one.decision for one in doing])}
    mine = [one for one in doing if one.decision.row in taken]
    said = [_done(store, settings, one, now) for one in mine]
    sweeps = [one.row.id for one in mine if one.decision.state == "queued" and key_of(one.row)[0] == "sweep"]
    return "; ".join([*said, *held])[:1000], sweeps


def _done(store: Store, settings: Settings, one: Doing, now: int) -> str:
    row, decision = one.row, one.decision
    if decision.state == "skipped":
        return f"{row.id} skipped: {decision.reason}"
    try:
        if row.action == POSTPONED:
            store.ask_audit(row.repository, source="sweep", delivery_id=f"postponed:{row.id}")
            result = f"{row.repository} is audited now"
        elif row.action == NOTICE:
            result = tell_notice(store, row, now)
        else:
            result = remedy(store, settings, row)
    except ElderError as error:
        store.finish_inbox(row.id, state="failed", decision=str(error), result={})
        return f"{row.id} failed: {error}"
    store.finish_inbox(row.id, state="done", decision=result, result={})
    return f"{row.id} done: {result}"


@dg.sensor(
    name="remediation_sensor",
    job_name=SWEEP_JOB,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Does what alerts ask for: audits again, sweeps, evicts caches, pauses git hosts; once within a while.",
)
def remediation_sensor(context: dg.SensorEvaluationContext, elder: ElderResource) -> dg.SensorResult:  # noqa: ARG001
    """Do what waits; audits are asked for through the inbox, a sweep is a run."""
    with elder.store() as store:
        said, sweeps = work(store, elder.settings(), int(time.time()))
    requests = [dg.RunRequest(run_key=f"sweep:alert:{row}") for row in sweeps]
    return dg.SensorResult(run_requests=requests, skip_reason=None if requests else said)
