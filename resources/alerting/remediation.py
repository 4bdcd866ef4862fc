"""What Elder does about itself when an alert asks: each is idempotent, and each is a row of the audit log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from elder_assets.audit.alert_events import ELDER, Event
from elder_assets.audit.errors import StoreError
from resources.alerting.dispatch import tell_own
from resources.alerting.incoming import Alert
from resources.settings import Settings
from resources.store import Store
from resources.store.inbox import LOW, InboxRow

PAUSE_SECONDS = 3600
"""A paused host is called again after so long, should nobody resume it; chosen by us."""


def remedy(store: Store, settings: Settings, row: InboxRow) -> str:
    """Do what a row asks for; what was done, in words.

    Raises:
        StoreError: there is no such remediation.
        ElderError: it could not be done.
    """
    action, target = str(row.document.get("wish", "")), str(row.document.get("target", ""))
    known: dict[str, Callable[[], str]] = {
        "re_audit": lambda: _audit(store, [target], row),
        "retry_failed": lambda: _audit(store, _failing(store), row),
        "sweep": lambda: "a sweep is started",
        "evict_cache": lambda: _evict(settings, store.repository(target).key),
        "prune_caches": lambda: _prune(settings),
        "pause_host": lambda: _pause(store, target, row),
        "resume_host": lambda: _resume(store, target, row),
    }
    if action not in known:
        msg = f"there is no remediation {action!r}; allowed: {', '.join(known)}"
        raise StoreError(msg)
    done = known[action]()
    store.log_remediation(_actor(row), action, target, {"row": row.id, "done": done})
    return done


def tell_notice(store: Store, row: InboxRow, now: int) -> str:
    """Decide whom an alert of another system is told to."""
    alert = msgspec.convert(row.document["alert"], Alert)
    title = alert.labels.get("alertname", "alert")
    event = Event(
        kind="outside_alert",
        project=row.repository or alert.labels.get("instance", "") or ELDER,
        team="",
        at=now,
        what=f"{title} {alert.name[:12]}",
        after=alert.status,
        found=1 if alert.status == "firing" else 0,
        reason=alert.annotations.get("summary", "") or alert.annotations.get("description", ""),
    )
    told = tell_own(store, [event], now)
    return f"{title} {alert.status}: {told.notices} notices" if told.notices else f"{title}: no rule tells of it now"


def _actor(row: InboxRow) -> str:
    return f"alert:{row.provider}"


def _failing(store: Store) -> list[str]:
    failing = store.failing()
    return [repository.key for repository in store.repositories() if repository.id in failing]


def _audit(store: Store, keys: list[str], row: InboxRow) -> str:
    for key in keys:
        priority = row.priority if len(keys) == 1 else LOW
        store.ask_audit(key, source="alert", delivery_id=f"alert:{row.id}:{key}", priority=priority)
    return f"{len(keys)} audits asked for"


def _evict(settings: Settings, key: str) -> str:
    """Delete a repository's facts cache; the next audit makes it again."""
    file = settings.facts / f"{key}.db"
    parts = [Path(f"{file}{suffix}") for suffix in ("", "-wal", "-shm")]
    size = sum(part.stat().st_size for part in parts if part.exists())
    for part in parts:
        part.unlink(missing_ok=True)
    if settings.facts_depot:
        from resources.facts.depot import FactsDepot

        FactsDepot(settings.facts_depot).forget(key)
    return f"{size} bytes of facts dropped"


def _prune(settings: Settings) -> str:
    from resources.facts.upkeep import prune_all

    return f"{sum(won for _, won in prune_all(settings))} bytes of old facts dropped"


def _pause(store: Store, host: str, row: InboxRow) -> str:
    until = int(row.received_at.timestamp()) + PAUSE_SECONDS
    store.pause_host(host.lower(), f"an alert of {row.provider} asked for it", until, by="")
    return f"{host.lower()} is not called before {until}"


def _resume(store: Store, host: str, row: InboxRow) -> str:
    store.resume_host(host.lower(), by="")
    return f"{host.lower()} is called again, as {row.provider} asked"
