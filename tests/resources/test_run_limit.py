"""The limit of runs at once: by hand, and as Dagster's daemon takes it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from elder_assets.audit.errors import ConfigurationError
from resources.dagster_instance import instance_document
from resources.observability import doctor
from resources.observability.figures import Figures
from resources.runs.limit import HOURS, RunsForecast, run_limit
from resources.settings import Settings, load_settings
from resources.store import Store, open_store

NOW = dt.datetime(2026, 3, 4, 12, 30, tzinfo=dt.UTC)  # a Wednesday
NOON = 2 * 24 + 12


def forecast(*, at_noon: int = 1, at_one: int = 1, age_hours: float = 9, withheld: str = "") -> RunsForecast:
    runs = [1] * HOURS
    runs[NOON], runs[NOON + 1] = at_noon, at_one
    made_at = NOW - dt.timedelta(hours=age_hours)
    return RunsForecast(made_at=made_at, runs=() if withheld else tuple(runs), withheld=withheld)


@pytest.mark.parametrize(
    ("found", "runs"),
    [
        (forecast(at_noon=7), 7),
        (forecast(at_one=8), 8),
        (forecast(at_noon=1), 4),
        (forecast(at_noon=1000), 12),
    ],
    ids=["this-hour", "the-next-hour", "never-below-the-setting", "never-above-the-highest"],
)
def test_a_forecast_raises_the_limit_within_its_bounds(found: RunsForecast, runs: int):
    limit = run_limit(4, 12, found, NOW)
    assert (limit.runs, limit.by) == (runs, "forecast")


@pytest.mark.parametrize(
    ("found", "highest", "said"),
    [
        (forecast(at_noon=7), 0, "no forecast is asked"),
        (None, 12, "no forecast was made yet"),
        (forecast(at_noon=7, age_hours=49), 12, "is 49 hours old, 48 are allowed"),
        (forecast(at_noon=7, age_hours=-1), 12, "is -1 hours old"),
        (forecast(withheld="2 full weeks of audits are known, 4 are needed"), 12, "2 full weeks of audits are known"),
        (RunsForecast(made_at=NOW, runs=(9,) * 24), 12, "does not cover the week"),
    ],
    ids=["off", "none", "stale", "from-another-clock", "withheld", "of-another-shape"],
)
def test_without_a_good_forecast_the_setting_holds_and_the_reason_is_said(
    found: RunsForecast | None, highest: int, said: str
):
    limit = run_limit(4, highest, found, NOW)
    assert (limit.runs, limit.by) == (4, "setting")
    assert said in limit.reason


def test_the_hour_is_that_of_utc_and_the_week_turns():
    runs = tuple(range(1, HOURS + 1))
    sunday = dt.datetime(2026, 3, 9, 1, 59, tzinfo=dt.timezone(dt.timedelta(hours=3)))  # Sunday 22:59 UTC
    found = RunsForecast(made_at=sunday, runs=runs)
    assert run_limit(1, 999, found, sunday).runs == 168
    assert run_limit(1, 999, found, sunday + dt.timedelta(hours=1)).runs == 168  # 23:59, and the next is Monday's first
    assert run_limit(1, 999, found, sunday + dt.timedelta(hours=2)).runs == 2


def test_the_highest_is_not_below_the_setting():
    given = {"ELDER_HOME": "/h", "ELDER_MAX_CONCURRENT_RUNS": "4"}
    with pytest.raises(ConfigurationError, match="from 4"):
        load_settings(given | {"ELDER_FORECAST_RUNS_MAX": "3"})
    assert load_settings(given | {"ELDER_FORECAST_RUNS_MAX": "4"}).forecast_runs_max == 4
    assert load_settings(given).forecast_runs_max == 0


# --- kept, shown, and taken by Dagster --------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, max_concurrent_runs=2, forecast_runs_max=5)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with open_store(settings.store_url) as opened:
        yield opened


def now_needs(runs: int, *, age_hours: float = 0, withheld: str = "") -> RunsForecast:
    made_at = dt.datetime.now(dt.UTC) - dt.timedelta(hours=age_hours)
    return RunsForecast(made_at=made_at, runs=() if withheld else (runs,) * HOURS, withheld=withheld)


def test_the_newest_forecast_is_kept(store: Store):
    assert store.runs_forecast() is None
    store.keep_runs_forecast(now_needs(3, age_hours=24))
    newest = now_needs(4)
    store.keep_runs_forecast(newest)
    assert store.runs_forecast() == newest


@pytest.mark.parametrize(
    ("found", "state", "said"),
    [
        (None, "warning", "at most 2: no forecast was made yet"),
        (now_needs(4, age_hours=72), "warning", "at most 2: the forecast is 72 hours old"),
        (now_needs(4, withheld="too short"), "ok", "at most 2: the forecast is withheld: too short"),
        (now_needs(4), "ok", "at most 4: 4 runs are forecast"),
    ],
    ids=["none", "stale", "withheld", "in-force"],
)
def test_doctor_and_figures_say_which_limit_holds(
    settings: Settings, store: Store, found: RunsForecast | None, state: str, said: str
):
    if found is not None:
        store.keep_runs_forecast(found)
    check = doctor.runs_at_once(store, dt.datetime.now(dt.UTC), settings)
    assert (check.state, bool(check.advice)) == (state, state == "warning")
    assert check.detail.startswith(said)
    (family,) = (family for family in Figures(store, settings).families() if family.name == "elder_run_limit")
    assert family.samples == ((("forecast" if said.startswith("at most 4") else "setting",), float(said[8])),)


@pytest.mark.platform
def test_the_daemon_takes_a_changed_limit_in_its_next_round(
    settings: Settings, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import dagster as dg
    from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
    from dagster._core.storage.dagster_run import DagsterRunStatus
    from dagster._core.test_utils import create_run_for_test
    from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

    from resources.runs import queue

    monkeypatch.setenv("ELDER_HOME", str(settings.home))
    monkeypatch.setenv("ELDER_DATABASE_URL", "")
    monkeypatch.setattr(queue, "REFRESH_SECONDS", 0)
    document = instance_document(settings)
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("elder"), "elder"), "audit")
    launcher = {"module": "dagster._core.test_utils", "class": "MockedRunLauncher"}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump({**document, "run_launcher": launcher}))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:

        def round_of_the_queue() -> list[str]:
            """Runs that the daemon would start now: those of the queue, by the limits of this very moment."""
            daemon = QueuedRunCoordinatorDaemon(interval_seconds=1)
            found = daemon._get_runs_to_dequeue(instance, instance.get_concurrency_config(), None)
            return [run.run_id for run in found]

        for _ in range(9):
            create_run_for_test(instance, job_name="audit", status=DagsterRunStatus.QUEUED, remote_job_origin=origin)
        assert "QUEUED_RUN_COORDINATOR" in instance.get_required_daemon_types()
        assert len(round_of_the_queue()) == 2
        store.keep_runs_forecast(now_needs(4))
        assert len(round_of_the_queue()) == 4
        store.keep_runs_forecast(now_needs(100))
        assert len(round_of_the_queue()) == 5
        store.keep_runs_forecast(now_needs(4, age_hours=72))
        assert len(round_of_the_queue()) == 2
        coordinator = instance.run_coordinator
        monkeypatch.setattr(queue, "open_store", _refused)
        coordinator.dispose()
        assert len(round_of_the_queue()) == 2
        assert coordinator.limit().reason.startswith("the store cannot be read")


def _refused(_url: str) -> Store:
    from elder_assets.audit.errors import StoreError

    raise StoreError("it does not answer")


@pytest.mark.platform
def test_without_the_setting_dagsters_own_queue_is_used(tmp_path: Path):
    document = instance_document(Settings(home=tmp_path, max_concurrent_runs=3))
    assert document["run_coordinator"]["class"] == "QueuedRunCoordinator"
    assert document["concurrency"]["runs"]["max_concurrent_runs"] == 3
