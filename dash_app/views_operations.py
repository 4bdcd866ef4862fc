"""From rows of the store to what the pages about work in progress show: pure functions, no component, no store."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

CHANGE_PATHS = {
    "github": "/pull/{}",
    "gitlab": "/-/merge_requests/{}",
    "bitbucket_cloud": "/pull-requests/{}",
    "bitbucket_server": "/pull-requests/{}",
    "azure_devops": "/pullrequest/{}",
}
"""Where a provider shows a change request, below the repository's own page."""
JUDGED = ("passed", "failed")


def change_address(provider: str, web_url: str, number: int | None) -> str:
    """Where a change request is shown; '' where that is not known."""
    path = CHANGE_PATHS.get(provider)
    if number is None or path is None or not web_url.startswith(("https://", "http://")):
        return ""
    return web_url.rstrip("/").removesuffix("/browse") + path.format(number)


def gate_weeks(days: Iterable[tuple[dt.datetime, str]], since: dt.date, until: dt.date) -> list[dict[str, Any]]:
    """One row a week from the Monday `since` to that of `until`: week, passed, failed, other."""
    rows: dict[dt.date, dict[str, Any]] = {}
    monday = since
    while monday <= until:
        rows[monday] = {"week": monday.isoformat(), "passed": 0, "failed": 0, "other": 0}
        monday += dt.timedelta(weeks=1)
    for at, status in days:
        row = rows.get(at.date() - dt.timedelta(days=at.weekday()))
        if row is not None:
            row[status if status in JUDGED else "other"] += 1
    return list(rows.values())


def advice(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """New findings of a gate's document that fail nothing and are not suppressed."""
    taken = {row["fingerprint"] for name in ("failing", "suppressed") for row in report.get(name, ())}
    return [row for row in report.get("new", ()) if row["fingerprint"] not in taken]


EXPIRING = dt.timedelta(days=14)


def token_state(expires_at: dt.datetime, revoked_at: dt.datetime | None, now: dt.datetime) -> str:
    """revoked, expired, expiring (within two weeks) or valid."""
    if revoked_at is not None:
        return "revoked"
    if expires_at <= now:
        return "expired"
    return "expiring" if expires_at - now <= EXPIRING else "valid"


SECONDS = re.compile(r"(?<!\d)1\d{9}(?!\d)")
"""A time as seconds since the epoch, from 2001 to 2033."""


def with_times(text: str) -> str:
    """A reason of the alerting for people: seconds since the epoch become dates."""
    return SECONDS.sub(lambda found: f"{dt.datetime.fromtimestamp(int(found[0]), dt.UTC):%Y-%m-%d %H:%M} UTC", text)


def decision_groups(actions: Mapping[str, int]) -> dict[str, int]:
    """Decisions by what came of them: send, hold and drop."""
    groups = {"send": 0, "hold": 0, "drop": 0}
    for action, count in actions.items():
        groups[re.split(r"[: ]", action)[0]] += count
    return groups


COMPLETED = "audit_completed"
SILENT = dt.timedelta(hours=1)
"""After so long without a word a run is no longer called running."""


class LiveRun(msgspec.Struct, frozen=True, kw_only=True):
    """What was heard of one run."""

    id: int
    """Of its newest event."""
    repository: str
    run_id: str
    state: str
    """running, finished, failed or silent."""
    stage: str
    detail: str
    status: str
    score: float | None
    findings: int | None
    commit: str
    started_at: dt.datetime
    last_at: dt.datetime

    @property
    def seconds(self) -> float | None:
        """From the first word to the last one; None of a run that said one only."""
        spent = (self.last_at - self.started_at).total_seconds()
        return spent if spent > 0 else None


def live_runs(
    events: Sequence[Mapping[str, Any]], failures: Mapping[str, Mapping[str, Any]], now: dt.datetime
) -> list[LiveRun]:
    """Events as one entry a run, the newest word first; events of no run are grouped by repository until one completes.

    Args:
        events: newest first.
        failures: runs that failed, with reason and failed_at.
        now: the time of day.
    """
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for event in events:
        run = str(event["document"].get("run_id") or "")
        own = f"#{event['id']}" if event["event"] == COMPLETED else ""
        key = (event["repository"], run or own)
        groups.setdefault(key, []).append(event)
    runs = [_live_run(group, failures, now) for group in groups.values()]
    return sorted(runs, key=lambda run: -run.id)


def _live_run(
    group: Sequence[Mapping[str, Any]], failures: Mapping[str, Mapping[str, Any]], now: dt.datetime
) -> LiveRun:
    newest, said = group[0], group[0]["document"]
    run = str(said.get("run_id") or "")
    failure = failures.get(run)
    last_at = failure["failed_at"] if failure else newest["at"]
    if newest["event"] == COMPLETED:
        state = "finished"
    elif failure:
        state = "failed"
    else:
        state = "running" if now - last_at < SILENT else "silent"
    score, findings = said.get("score"), said.get("findings")
    detail = failure["reason"] if failure else said.get("impact") or said.get("detail") or said.get("reason") or ""
    return LiveRun(
        id=newest["id"],
        repository=newest["repository"],
        run_id=run,
        state=state,
        stage=str(said.get("stage") or ""),
        detail=str(detail),
        status=str(said.get("status") or ""),
        score=float(score) if isinstance(score, int | float) else None,
        findings=int(findings) if isinstance(findings, int) else None,
        commit=str(said.get("commit") or ""),
        started_at=group[-1]["at"],
        last_at=last_at,
    )


def spent(seconds: float | None) -> str:
    """A duration for people: '8 s', '2 min 5 s', '1 h 3 min'; a dash where it is not known."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if whole else f"{seconds:.1f} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
