"""The forecast of load, by hand: counts, means, errors, and when it is withheld."""

from __future__ import annotations

import datetime as dt

import dagster as dg
import pytest

from elder_assets.audit.frames import LOAD, problems
from elder_assets.definitions import defs
from elder_assets.load_forecast import errors_of, forecast_load, hourly_counts, runs_forecast, runs_needed
from resources.store import open_store

NOW = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)  # a Wednesday; the last full week ends on Monday 2 March
MONDAY = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)


def week(number: int, *hours: int, each: int = 1) -> list[dt.datetime]:
    """Arrivals in the full week that ended `number` weeks ago, at hours of the week."""
    start = MONDAY - dt.timedelta(weeks=number)
    return [start + dt.timedelta(hours=hour, minutes=n) for hour in hours for n in range(each)]


def steady(weeks: int = 6) -> list[dt.datetime]:
    """Every week four audits on Monday at 9 and two on Friday at 17, and one that opens the first week."""
    made = [moment for n in range(1, weeks + 1) for moment in week(n, 9, each=4) + week(n, 4 * 24 + 17, each=2)]
    return [*made, *week(weeks, 0)]


def test_arrivals_are_counted_by_full_week_and_hour():
    counts = hourly_counts([*week(1, 0, 0, 5), *week(2, 167), *week(2, 0), NOW], NOW)
    assert counts.shape == (2, 168)
    assert (counts[1][0], counts[1][5], counts[0][167], counts.sum()) == (2, 1, 1, 5)


def test_a_week_that_we_saw_only_in_part_is_left_out():
    assert hourly_counts([*week(1, 3), *week(2, 100)], NOW).shape == (1, 168)


def test_a_steady_load_is_forecast_without_error():
    found = forecast_load(steady(), 90.0, NOW)
    assert (found.withheld, found.weeks, problems(LOAD, found.content)) == ("", 6, [])
    by_hour = found.content.set_index(["weekday", "hour"])
    monday, friday, night = by_hour.loc[(0, 9)], by_hour.loc[(4, 17)], by_hour.loc[(2, 3)]
    assert (monday["expected"], friday["expected"], night["expected"]) == (4, 2, 0)
    assert monday["upper"] == pytest.approx(4 + 1.645 * 2, abs=0.001)  # as a Poisson count of 4 varies
    assert monday["run_hours"] == 0.1  # four runs of 90 seconds
    assert found.error < found.plain_error


@pytest.mark.parametrize(
    ("audits", "seconds", "needed"), [(0, 60, 1), (42, 60, 1), (43, 60, 2), (420, 60, 10), (7.29, 90, 1)]
)
def test_runs_at_once_leave_room_for_bursts(audits: float, seconds: float, needed: int):
    assert runs_needed(audits, seconds) == needed  # 42 x 60 s fill 70 % of one slot


def test_errors_are_those_of_weeks_that_were_not_learnt_from():
    counts = hourly_counts([*week(4, 0, each=3), *week(3, 0, each=3), *week(2, 0, each=3), *week(1, 0, each=6)], NOW)
    by_hour, plain = errors_of(counts)
    assert by_hour == pytest.approx(3 / 168)
    mean = 3 / 168
    assert plain == pytest.approx(((6 - mean) + 167 * mean) / 168)


def test_a_short_past_withholds_the_forecast():
    found = forecast_load(steady(3), 90.0, NOW)
    assert (len(found.content), found.withheld) == (0, "3 full weeks of audits are known, 4 are needed")


def test_a_past_without_a_rhythm_withholds_the_forecast():
    scattered = [moment for n in range(1, 7) for moment in week(n, *range(24 * (6 - n), 24 * (7 - n)))]  # a day each
    found = forecast_load(scattered, 90.0, NOW)
    assert found.withheld.startswith("hours of the week say nothing: error ")


def test_without_a_measured_run_only_audits_are_forecast():
    content = forecast_load(steady(), None, NOW).content
    assert content["runs_needed"].isna().all()
    assert problems(LOAD, content) == []


def test_runs_of_the_forecast_are_kept_for_every_hour():
    found = forecast_load(steady(), 900.0, NOW)
    kept = runs_forecast(found, 900.0, NOW)
    assert (len(kept.runs), kept.withheld, kept.made_at) == (168, "", NOW)
    assert kept.runs[9] == runs_needed(4 + 1.645 * 2, 900) == 3  # Monday at 9; 7.29 quarter hours at 70 %
    assert kept.runs[50] == 1
    assert runs_forecast(found, None, NOW).withheld == "how long a run takes was never measured"


@pytest.mark.platform
def test_the_asset_says_why_it_withholds(tmp_path, monkeypatch):
    monkeypatch.setenv("ELDER_HOME", str(tmp_path))
    with dg.DagsterInstance.ephemeral() as instance:
        done = defs.resolve_job_def("forecast").execute_in_process(instance=instance)
    with open_store(f"sqlite:///{tmp_path / 'elder.db'}") as store:
        kept = store.runs_forecast()
    assert (kept.runs, kept.withheld) == ((), "0 full weeks of audits are known, 4 are needed")
    (event,) = done.asset_materializations_for_node("load_forecast")
    assert event.metadata["withheld"].value == "0 full weeks of audits are known, 4 are needed"
