"""From rows of the store to what the pages about work in progress show: pure functions, no component, no store."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import Any

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
