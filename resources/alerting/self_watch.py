"""Elder watches itself: pure functions from samples to events, and what collects the samples.

Each signal says how it stands, above its threshold or not; rules of kind `elder_unwell` decide who is told, and some
signals ask for a remediation of their own. The thresholds are chosen by us, where nothing else is named.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from elder_assets.audit.alert_events import ELDER, Event, Unit
from resources.alerting.dispatch import tell_own
from resources.settings import Settings
from resources.store import Store
from resources.store.inbox import HIGH

EVERY_SECONDS = 60
API_P95_MS, DISK_SHARE, FAILED_SHARE = 200.0, 0.9, 0.5
"""The first is what the API promises (docs/api.md)."""
API_WINDOW_SECONDS = 300
WORST_NAMED = 3
ATTEMPTS_LOOKED_AT, ATTEMPTS_MIN = 20, 10
MEMORY_MB_AN_HOUR = 100.0
MEMORY_WINDOW_SECONDS, MEMORY_SPAN_SECONDS, MEMORY_SAMPLES_MIN = 7200, 1800, 10
INBOX_SECONDS, ALERT_SECONDS = 300.0, 120.0
REMEDIES = {"filling_disk": "prune_caches", "error_spike": "retry_failed"}
"""Signals that ask for a remediation, at most once an hour."""
API_P95, RSS = "api_p95_ms", "rss_mb"
SIGN_IN_WINDOW_SECONDS = 300
SIGN_INS_OF_ONE_MAX, SIGN_INS_MAX = 30.0, 100.0
"""Refused credentials in that time; somebody who mistypes stays under the first."""
SIGN_INS_OF_ONE, SIGN_INS = "sign_in_failures_of_one", "sign_in_failures"
"""Samples: of the worst addresses, each with its address as the source, and of all, with the process as the source."""


class Sample(msgspec.Struct, frozen=True):
    """A value, and when it was measured (seconds since the epoch)."""

    at: int
    value: float


def slow_api(p95_ms: Sequence[Sample], now: int) -> Event | None:
    """The worst p95 of the last five minutes; None where nothing was asked of the API."""
    recent = [sample.value for sample in p95_ms if now - API_WINDOW_SECONDS <= sample.at <= now]
    return _event("slow_api", max(recent), API_P95_MS, "ms", now) if recent else None


def error_spike(outcomes: Sequence[bool], now: int) -> Event | None:
    """The share of the last attempts at audits that failed (True); None where there were too few."""
    recent = outcomes[-ATTEMPTS_LOOKED_AT:]
    if len(recent) < ATTEMPTS_MIN:
        return None
    return _event("error_spike", sum(recent) / len(recent), FAILED_SHARE, "share", now)


def growing_memory(source: str, rss_mb: Sequence[Sample], now: int) -> Event | None:
    """How fast a process grows: the least-squares slope over two hours; None where they are too few or too short."""
    recent = [sample for sample in rss_mb if now - MEMORY_WINDOW_SECONDS <= sample.at <= now]
    if len(recent) < MEMORY_SAMPLES_MIN or recent[-1].at - recent[0].at < MEMORY_SPAN_SECONDS:
        return None
    hours = [(sample.at - recent[0].at) / 3600 for sample in recent]
    middle, mean = sum(hours) / len(hours), sum(sample.value for sample in recent) / len(recent)
    across = sum((hour - middle) * (sample.value - mean) for hour, sample in zip(hours, recent, strict=True))
    slope = across / sum((hour - middle) ** 2 for hour in hours)
    return _event(f"growing_memory {source}", slope, MEMORY_MB_AN_HOUR, "MB/h", now)


def filling_disk(used_bytes: int, total_bytes: int, now: int) -> Event:
    """How full the disk under ELDER_HOME is."""
    return _event("filling_disk", used_bytes / total_bytes, DISK_SHARE, "share", now)


def inbox_lag(oldest_at: int | None, now: int) -> Event:
    """How long the oldest delivery has waited for a decision."""
    return _event("inbox_lag", 0.0 if oldest_at is None else float(now - oldest_at), INBOX_SECONDS, "seconds", now)


def alert_lag(oldest_at: int | None, now: int) -> Event:
    """How long the oldest notice that could leave has waited."""
    return _event("alert_lag", 0.0 if oldest_at is None else float(now - oldest_at), ALERT_SECONDS, "seconds", now)


class SignInFailures(msgspec.Struct, frozen=True, kw_only=True):
    """Credentials that were refused in the last five minutes."""

    at: int
    """Seconds since the epoch."""
    total: int
    worst: tuple[tuple[str, int], ...] = ()
    """(address, how many), worst first."""


def failed_sign_ins(total: float, by_address: Mapping[str, float], now: int) -> list[Event]:
    """Whether somebody tries credentials: from one place, and over all; the reason names the worst places."""
    worst = sorted(by_address.items(), key=lambda item: (-item[1], item[0]))[:WORST_NAMED]
    named = ", ".join(f"{place} ({number:.0f})" for place, number in worst)
    events = (
        _event("failed_sign_ins_of_one", max(by_address.values(), default=0.0), SIGN_INS_OF_ONE_MAX, "/5 min", now),
        _event("failed_sign_ins", total, SIGN_INS_MAX, "/5 min", now),
    )
    return [msgspec.structs.replace(event, reason=named if event.found else "") for event in events]


def git_host(host: str, reason: str, now: int) -> Event:
    """Whether a git host is left alone; '' as the reason when it is not."""
    return Event(
        kind="elder_unwell",
        project=ELDER,
        team="",
        at=now,
        what=f"git_host {host}",
        after="resting" if reason else "called",
        found=1 if reason else 0,
        reason=reason,
    )


def _event(what: str, value: float, limit: float, unit: Unit, now: int) -> Event:
    return Event(
        kind="elder_unwell",
        project=ELDER,
        team="",
        at=now,
        what=what,
        after=round(value, 3),
        limit=limit,
        unit=unit,
        found=1 if value > limit else 0,
    )


# --- collecting ------------------------------------------------------------------------------------------


def watch(store: Store, settings: Settings, now: int, source: str = "daemon") -> list[Event]:
    """Measure, decide and ask for remedies, at most once a minute; the events that are above their threshold."""
    own = store.samples(RSS, source, now - MEMORY_WINDOW_SECONDS)
    if own and now - own[-1][0] < EVERY_SECONDS:
        return []
    store.put_sample(source, RSS, resident_mb(), now)
    events = _events(store, settings, now)
    tell_own(store, events, now)
    unwell = [event for event in events if event.found]
    for event in unwell:
        if remedy := REMEDIES.get(event.what):
            _ask(store, event.what, remedy, now)
    return unwell


def _events(store: Store, settings: Settings, now: int) -> list[Event]:
    home = next(folder for folder in (settings.home, *settings.home.parents) if folder.exists())
    disk = shutil.disk_usage(home)
    api = [Sample(*pair) for pair in store.samples(API_P95, "serve", now - API_WINDOW_SECONDS)]
    waiting = store.oldest_waiting()
    resting = store.resting_hosts(now)
    found = [
        slow_api(api, now),
        error_spike(store.last_attempts(ATTEMPTS_LOOKED_AT), now),
        filling_disk(disk.used, disk.total, now),
        inbox_lag(int(waiting.timestamp()) if waiting else None, now),
        alert_lag(store.oldest_due_notice(now), now),
        *(git_host(circuit.host, resting.get(circuit.host, ""), now) for circuit in store.circuits()),
    ]
    for source in ("daemon", "serve"):
        samples = [Sample(*pair) for pair in store.samples(RSS, source, now - MEMORY_WINDOW_SECONDS)]
        found.append(growing_memory(source, samples, now))
    since = now - SIGN_IN_WINDOW_SECONDS
    refused = store.newest_samples(SIGN_INS, since), store.newest_samples(SIGN_INS_OF_ONE, since)
    found += failed_sign_ins(sum(refused[0].values()), refused[1], now)
    return [event for event in found if event is not None]


def report_api(store: Store, p95_ms: float, now: int) -> None:
    """Keep how slow the API was, and how large its process is; called by that process now and then."""
    store.put_sample("serve", API_P95, p95_ms, now)
    store.put_sample("serve", RSS, resident_mb(), now)


def report_sign_ins(store: Store, failures: SignInFailures, process: str = "") -> None:
    """Keep how many credentials were refused; called by the process of the API, at most twice a minute."""
    process = process or f"serve {socket.gethostname()}"[:100]
    store.put_samples(SIGN_INS, {process: float(failures.total)}, failures.at)
    store.put_samples(SIGN_INS_OF_ONE, {place: float(number) for place, number in failures.worst}, failures.at)


def resident_mb() -> float:
    """Resident memory of this process in MB (10^6 bytes); 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _ask(store: Store, signal: str, remedy: str, now: int) -> None:
    store.put_inbox(
        source="alert",
        provider="self_watch",
        delivery_id=f"{signal}:{now // 3600}",
        action="remediation",
        document={"wish": remedy, "target": "", "signal": signal},
        priority=HIGH,
    )
