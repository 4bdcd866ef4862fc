"""What goes on in the sample fleet: gates, deliveries, alerts and live events, with names that try to break out."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import sqlalchemy as sa
from fleet_samples import BASKET, HOSTILE, MESSAGE, NOW, RULER, TILL, fill

from elder_assets.audit.alert_events import Event
from elder_assets.audit.alerts import Action, AlertRule, Decision, Notice
from resources.store import Store, tables

FINDING = {
    "rule": "STR013", "severity": "high", "tier": "gate", "path": 'a/"><b>x</b>.py', "line": 3, "symbol": "f",
    "message": MESSAGE, "fingerprint": "v1:1", "remedy": "Cut it <b>x</b>.",
}  # fmt: skip
REPORT = {
    "score": {"before": 80.0, "after": 75.5},
    "failing": [FINDING],
    "new": [FINDING, {**FINDING, "fingerprint": "v1:2", "severity": "low", "message": "only advice"},
            {**FINDING, "fingerprint": "v1:3"}],
    "fixed": [{**FINDING, "fingerprint": "v1:4", "message": "gone for good"}],
    "existing": 7,
    "suppressed": [{**FINDING, "fingerprint": "v1:3", "suppression": {
        "reason": "agreed <b>x</b>", "until": "2026-06-01", "origin": "comment", "place": "a.py:3"}}],
    "problems": [{"kind": "expired", "place": "b.py:9", "reason": "it ended on 2026-01-01"}],
    "terms": {"fails_from": "high", "new_suppressions": "refused"},
}  # fmt: skip


def gate(store: Store, repository: str, status: str, title: str, number: int | None, *, run: str | None = None) -> int:
    """A gate as a run records it."""
    is_failed = status == "failed"
    sides = {
        name: SimpleNamespace(snapshot=SimpleNamespace(commit=digit * 40), ruler=RULER.digest)
        for name, digit in (("before", "a"), ("after", "b"))
    }
    result = SimpleNamespace(
        **sides,
        status=SimpleNamespace(value=status),
        reason="1 new gate finding of severity high: STR013" if is_failed else "",
        failing=(1,) if is_failed else (),
        changes=SimpleNamespace(new=(1, 2), fixed=(1,)),
        suppressed=(1,),
    )
    return store.record_gate(
        repository, result, REPORT if is_failed else {}, change_number=number, title=title, run_id=run
    )


def fill_operations(store: Store) -> None:
    """The sample fleet, what goes on in it, and tokens: from then on everybody needs one."""
    fill_work(store)
    store.create_token("ann <b>x</b>", "maintainer", days=30, team="payments", by="root")
    store.revoke_token(store.create_token("old", "admin", days=30, by="root")[0].id, "root")


def fill_work(store: Store) -> None:
    """The sample fleet, and what goes on in it."""
    fill(store)
    gate(store, BASKET, "failed", "Add a <b>x</b> basket", 12, run="0f8fad5b-d9cb-469f-a165-70867728950e")
    gate(store, TILL, "passed", "", 3)
    gate(store, HOSTILE, "error", "=1+1", None)
    put_project(store, BASKET)
    deliver(store)
    alert(store)
    run_audits(store)


def put_project(store: Store, repository: str) -> None:
    """Say at which provider a repository lies."""
    with store._writing() as connection:
        number = connection.scalar(sa.select(tables.repositories.c.id).where(tables.repositories.c.key == repository))
        row = {
            "repository_id": number, "name": "basket", "provider": "github", "credential": "", "status": "active",
            "reason": "", "tier": "small", "scaling": "auto", "is_auto_audited": True, "is_public": False,
            "channels": [], "compliance_tags": [], "settings": {}, "first_look": {}, "default_branch": "main",
            "web_url": f"https://{repository}", "webhook_id": "", "webhook_secret_version": 1, "changed_at": NOW,
        }  # fmt: skip
        connection.execute(sa.update(tables.projects).where(tables.projects.c.repository_id == number).values(**row))


def days_ago(days: float) -> dt.datetime:
    """A moment before now."""
    return NOW - dt.timedelta(days=days)


def deliver(store: Store) -> None:
    """Three deliveries: one waits, one was skipped, one names no registered repository."""
    basket = {repository.key: repository.id for repository in store.repositories()}[BASKET]
    given = {"source": "webhook", "provider": "github", "document": {}}
    store.put_inbox(**given, delivery_id="d-1", action="push", repository_id=basket)
    skipped = {"state": "skipped", "decision": "only <b>x</b> files changed"}
    store.put_inbox(**given, delivery_id="d-2", action="push", repository_id=basket, **skipped)
    store.put_inbox(**given, delivery_id="=d<b>x</b>", action="ping", **skipped)


def alert(store: Store) -> None:
    """Two rules of two teams on two channels, a decision of each kind, a notice that was sent and one given up."""
    store.put_channel("chat", "webhook", "env:PLACE env:KEY")
    store.put_channel("growth-chat", "slack", "env:SLACK", "growth")
    gates = AlertRule(name="gates", kind="gate_failed", channels=("chat",), severity="critical")
    drops = AlertRule(name="drops", kind="score_dropped", channels=("growth-chat",), team="growth", muted_until=NOON)
    store.put_rule(gates, "root")
    store.put_rule(drops, "root")
    numbers = {repository.key: repository.id for repository in store.repositories()}
    with store.alert_turn() as turn:
        turn.keep(numbers[BASKET], [decision("gates", Action.SEND, "", "chat")])
        turn.keep(numbers[TILL], [decision("drops", Action.MUTED, f"the rule is muted until {NOON}", "growth-chat")])
        turn.keep(None, [decision("gates", Action.DIGEST, "", "chat")])
    waiting = store.due_notices(NOON, 10)
    store.settle_given_up(waiting[:1], "the receiver said <b>x</b> 410", waiting[0].notice, NOON)


NOON = int(NOW.timestamp()) + 3600


def decision(rule: str, action: Action, reason: str, channel: str) -> Decision:
    """What was decided about a gate that failed."""
    event = Event(kind="gate_failed", project="example.org/<b>x</b>", team="", at=NOON, after="failed", found=1)
    notice = Notice(key=f"{rule}|{action}", event=event, severity="warning")
    return Decision(
        action=action, reason=reason, rule=rule, condition="c", channels=(channel,), at=NOON - 3600, notice=notice
    )


def run_audits(store: Store) -> None:
    """A run that goes on, one that finished, and one whose attempt failed."""
    numbers = {repository.key: repository.id for repository in store.repositories()}
    started = {"run_id": "run-on", "stage": "started"}
    store.put_live_event(numbers[BASKET], "audit_update", started)
    store.put_live_event(numbers[BASKET], "audit_update", {**started, "stage": "facts", "impact": "3 <b>x</b> files"})
    store.put_live_event(numbers[TILL], "audit_update", {"run_id": "run-done", "stage": "started"})
    done = {"run_id": "run-done", "status": "warning", "score": 81.5, "findings": 4, "commit": "c" * 40}
    store.put_live_event(numbers[TILL], "audit_completed", done)
    store.put_live_event(numbers[HOSTILE], "audit_update", {"run_id": "run-lost", "stage": "started"})
    store.record_failure(HOSTILE, "the host said <b>x</b>", "run-lost")
