"""Dates of commits as calendar times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

NIGHTLY_HOUR_UTC = 2
"""When every registered repository is audited, whatever was pushed."""

LATEST_SECONDS = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())
EARLIEST_SECONDS = int(datetime(1, 1, 2, tzinfo=UTC).timestamp())
"""A day late, so that no time zone moves it out of the calendar."""


def utc(seconds: int) -> datetime:
    """Seconds since the epoch as a time; dates that no calendar holds become its first or last day.

    A commit may carry any number as its date.
    """
    return datetime.fromtimestamp(min(max(seconds, EARLIEST_SECONDS), LATEST_SECONDS), UTC)


def iso(seconds: int) -> str:
    """Seconds since the epoch as '2026-02-03T04:05:06Z'."""
    return utc(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def next_nightly(now: datetime) -> datetime:
    """When the next nightly audit begins."""
    today = now.astimezone(UTC).replace(hour=NIGHTLY_HOUR_UTC, minute=0, second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)
