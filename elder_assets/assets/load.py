"""Asset: the load of the coming week by weekday and hour, from when audits were asked for."""

import datetime as dt
import time

import dagster as dg

from elder_assets.audit.frames import LOAD
from elder_assets.load_forecast import WEEKS_MAX, forecast_load, runs_forecast
from elder_assets.partitions import LOAD_ASSET, OWNERS, RESULTS_GROUP
from resources.dagster_resources import ElderResource

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
PEAKS_SHOWN = 5


@dg.asset(
    name=LOAD_ASSET,
    group_name=RESULTS_GROUP,
    owners=OWNERS,
    dagster_type=dg.Any,  # a `MaterializeResult` annotation alone would promise an output without value
    kinds={"pandas"},
    description="Audits an hour by weekday and hour (UTC), runs that must be able to go at once, and hours of runs, "
    "with the error that the same forecast made about the last weeks. Withheld when it is no better than one mean.",
)
def load_forecast(elder: ElderResource) -> dg.MaterializeResult:
    """Forecast the load of the coming week."""
    started = time.perf_counter()
    now = dt.datetime.now(dt.UTC)
    with elder.store() as store:
        arrivals, run_seconds = store.load_seen(now - dt.timedelta(weeks=WEEKS_MAX + 1))
        found = forecast_load(arrivals, run_seconds, now)
        store.keep_runs_forecast(runs_forecast(found, run_seconds, now))
    peaks = found.content.sort_values("upper", ascending=False).head(PEAKS_SHOWN)
    shown = [
        f"| {DAYS[row['weekday']]} {row['hour']:02}:00 | {row['expected']:.1f} | {row['upper']:.1f} | "
        f"{row['runs_needed'] if row['runs_needed'] == row['runs_needed'] else 'not measured'} |"
        for row in peaks.to_dict("records")
    ]
    table = ["| hour, UTC | audits | at most (95 %) | runs at once |", "|---|---|---|---|", *shown]
    return dg.MaterializeResult(
        value={LOAD.name: found.content},
        metadata={
            "withheld": found.withheld or "no",
            "weeks": found.weeks,
            "error_audits_an_hour": found.error,
            "error_of_one_mean": found.plain_error,
            "run_seconds": run_seconds,
            "run_hours_a_week": float(found.content["run_hours"].sum()),
            "peaks": dg.MetadataValue.md("\n".join(table)),
            "duration_s": round(time.perf_counter() - started, 3),
            "dagster/row_count": len(found.content),
        },
    )
