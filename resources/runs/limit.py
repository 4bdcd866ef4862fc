"""How many runs may go at once in this hour: the static limit, raised by the forecast of load where that is wanted.

Pure. The static limit is also the least, so a wrong forecast holds nothing up; the highest is set by people, so a wrong
forecast costs at most what they allowed.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

HOURS = 168
STALE_AFTER = dt.timedelta(hours=48)
"""The forecast is made every night; two missed nights, and what it says is no longer about this week."""
CLOCK_OFF = dt.timedelta(minutes=5)
"""A forecast from further in the future was made by another clock than ours."""


class RunsForecast(msgspec.Struct, frozen=True, kw_only=True):
    """What the last forecast said of runs."""

    made_at: dt.datetime
    runs: tuple[int, ...]
    """Runs at once that each hour of the week needs, Monday 00:00 UTC first; empty when withheld."""
    withheld: str = ""
    """Why there are none; '' when there are."""


class RunLimit(msgspec.Struct, frozen=True, kw_only=True):
    """The limit in force."""

    runs: int
    by: Literal["setting", "forecast"]
    reason: str


def run_limit(static: int, highest: int, forecast: RunsForecast | None, now: dt.datetime) -> RunLimit:
    """The limit of this hour.

    Args:
        static: the limit without a forecast, which is also the least.
        highest: what a forecast may raise it to; 0 when no forecast is to be asked.
        forecast: the last one; None when none was ever made.
        now: the time. The next hour counts too, so that what it needs is there when it begins.
    """
    if why := _unusable(highest, forecast, now):
        return RunLimit(runs=static, by="setting", reason=why)
    assert forecast is not None  # noqa: S101 - `_unusable` says why when it is
    day = now.astimezone(dt.UTC)
    hour = day.weekday() * 24 + day.hour
    needed = max(forecast.runs[hour], forecast.runs[(hour + 1) % HOURS])
    said = f"{needed} runs are forecast for this hour or the next, {static} to {highest} are allowed"
    return RunLimit(runs=min(max(needed, static), highest), by="forecast", reason=said)


def _unusable(highest: int, forecast: RunsForecast | None, now: dt.datetime) -> str:
    if not highest:
        return "no forecast is asked (ELDER_FORECAST_RUNS_MAX is not set)"
    if forecast is None:
        return "no forecast was made yet"
    if len(forecast.runs) != HOURS:
        return f"the forecast is withheld: {forecast.withheld or 'it does not cover the week'}"
    age = now - forecast.made_at
    if not -CLOCK_OFF <= age <= STALE_AFTER:
        return f"the forecast is {_hours(age)} hours old, {_hours(STALE_AFTER)} are allowed"
    return ""


def _hours(span: dt.timedelta) -> int:
    return round(span / dt.timedelta(hours=1))
