"""What goes on in the sample fleet: gates, deliveries, alerts and live events, with names that try to break out."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import sqlalchemy as sa
from fleet_samples import BASKET, HOSTILE, MESSAGE, NOW, RULER, TILL, fill

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
    """The sample fleet, and what goes on in it."""
    fill(store)
    gate(store, BASKET, "failed", "Add a <b>x</b> basket", 12, run="0f8fad5b-d9cb-469f-a165-70867728950e")
    gate(store, TILL, "passed", "", 3)
    gate(store, HOSTILE, "error", "=1+1", None)
    put_project(store, BASKET)
    deliver(store)
    store.create_token("ann <b>x</b>", "maintainer", days=30, team="payments", by="root")
    store.revoke_token(store.create_token("old", "admin", days=30, by="root")[0].id, "root")


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
        connection.execute(sa.insert(tables.projects).values(**row))


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
