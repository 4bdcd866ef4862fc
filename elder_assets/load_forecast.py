"""How much work comes when: audits an hour by weekday and hour, and the runs that must be able to go at once.

Pure but for pandas. The forecast is the mean of the same hour of the same weekday over the past weeks (a seasonal
mean); its error is that of forecasting each of the last weeks from those before it, beside the error of one mean for
all hours. Where that plain mean is better, or the past is too short, the forecast is withheld.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence

import msgspec
import numpy as np
import pandas as pd

from elder_assets.audit.frames import LOAD, frame, validate
from resources.runs.limit import RunsForecast

HOURS = 168
WEEKS_MAX = 12
WEEKS_MIN = 4
"""Full weeks that a forecast needs: three to learn from and one to be wrong about; chosen by us."""
TESTED_WEEKS_MAX = 4
BUSY_SHARE_MAX = 0.7
"""Share of the hour in which a run slot may be busy: above it the queue grows fast (an M/M/1 queue waits 2.3 service
times at 0.7, 9 at 0.9)."""
UPPER_Z = 1.645
"""Standard deviations up to the 95th percentile of a normal distribution; counts vary at least as Poisson's do."""


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """Load by hour of the week, or why there is none."""

    content: pd.DataFrame
    """A frame of LOAD: 168 rows, Monday 00:00 UTC first; empty when withheld."""
    weeks: int
    """Full weeks that were looked at."""
    error: float | None
    """Mean absolute error of the forecast, audits an hour."""
    plain_error: float | None
    """The same of one mean for all hours."""
    withheld: str = ""
    """Why there is no forecast; '' when there is."""


def forecast_load(arrivals: Sequence[dt.datetime], run_seconds: float | None, now: dt.datetime) -> Forecast:
    """The expected load of the coming week.

    Args:
        arrivals: when audits were asked for, in any order.
        run_seconds: how long a run takes, in the mean; None when it was never measured.
        now: the forecast looks at full weeks (Monday to Sunday, UTC) before this moment.
    """
    counts = hourly_counts(arrivals, now)
    weeks = len(counts)
    if weeks < WEEKS_MIN:
        reason = f"{weeks} full weeks of audits are known, {WEEKS_MIN} are needed"
        return Forecast(content=frame(LOAD, []), weeks=weeks, error=None, plain_error=None, withheld=reason)
    error, plain_error = errors_of(counts)
    if error > plain_error:
        reason = f"hours of the week say nothing: error {error:.2f} an hour, {plain_error:.2f} by one mean for all"
        return Forecast(content=frame(LOAD, []), weeks=weeks, error=error, plain_error=plain_error, withheld=reason)
    expected = counts.mean(axis=0)
    spread = np.sqrt(np.maximum(counts.var(axis=0), expected))
    rows = []
    for hour in range(HOURS):
        upper = float(expected[hour] + UPPER_Z * spread[hour])
        rows.append(
            {
                "weekday": hour // 24,
                "hour": hour % 24,
                "expected": round(float(expected[hour]), 3),
                "upper": round(upper, 3),
                "runs_needed": None if run_seconds is None else runs_needed(upper, run_seconds),
                "run_hours": None if run_seconds is None else round(float(expected[hour]) * run_seconds / 3600, 4),
            }
        )
    content = validate(LOAD, frame(LOAD, rows))
    return Forecast(content=content, weeks=weeks, error=round(error, 3), plain_error=round(plain_error, 3))


def runs_forecast(found: Forecast, run_seconds: float | None, now: dt.datetime) -> RunsForecast:
    """What the forecast says of runs at once, to be kept for the run queue."""
    if found.withheld or run_seconds is None:
        return RunsForecast(made_at=now, runs=(), withheld=found.withheld or "how long a run takes was never measured")
    return RunsForecast(made_at=now, runs=tuple(int(runs) for runs in found.content["runs_needed"]))


def runs_needed(audits_an_hour: float, run_seconds: float) -> int:
    """Runs that must be able to go at once for an hour's audits, with room for bursts; at least one."""
    return max(1, math.ceil(audits_an_hour * run_seconds / 3600 / BUSY_SHARE_MAX))


Counts = np.ndarray[tuple[int, int], np.dtype[np.float64]]
"""Arrivals: weeks x 168 hours, the oldest week first."""


def hourly_counts(arrivals: Sequence[dt.datetime], now: dt.datetime) -> Counts:
    """Arrivals by full week and hour of the week; a first week that we saw only in part is left out."""
    day = now.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    end = day - dt.timedelta(days=day.weekday())
    hours = [math.floor((moment.astimezone(dt.UTC) - end).total_seconds() / 3600) for moment in arrivals]
    past = [hour for hour in hours if -WEEKS_MAX * HOURS <= hour < 0]
    if not past:
        return np.zeros((0, HOURS))
    weeks = -(min(past) // HOURS)
    counts = np.zeros((weeks, HOURS))
    for hour in past:
        counts[hour // HOURS + weeks, hour % HOURS] += 1
    is_whole = min(past) % HOURS == 0 or weeks == WEEKS_MAX
    return counts if is_whole else counts[1:]


def errors_of(counts: Counts) -> tuple[float, float]:
    """Mean absolute errors of the last weeks, each forecast from those before it: by hour, and by one mean."""
    tested = range(max(WEEKS_MIN - 1, len(counts) - TESTED_WEEKS_MAX), len(counts))
    by_hour = [np.abs(counts[week] - counts[:week].mean(axis=0)).mean() for week in tested]
    plain = [np.abs(counts[week] - counts[:week].mean()).mean() for week in tested]
    return float(np.mean(by_hour)), float(np.mean(plain))
