"""The one assembly of assets, checks, jobs, schedules and resources. No logic."""

import warnings

import dagster as dg

from elder_assets.assets.facts import facts
from elder_assets.assets.findings import findings_assets
from elder_assets.assets.history import history
from elder_assets.assets.imported import findings_imported
from elder_assets.assets.load import load_forecast
from elder_assets.assets.repositories import repositories
from elder_assets.assets.scorecards import team_scorecards
from elder_assets.assets.scores import scores
from elder_assets.checks.asset_checks import quality_checks
from elder_assets.executors import executor_by_tier
from elder_assets.jobs import (
    audit_job,
    daily_forecast,
    fill_history,
    forecast_job,
    hourly_quality,
    judge_change,
    nightly_audit,
    nightly_sweep,
    quality_job,
    rescore,
    scorecards_job,
    sweep,
    weekly_history,
)
from elder_assets.upkeep import nightly_upkeep, upkeep
from resources.dagster_resources import ElderResource
from resources.frame_io_manager import FrameIOManager
from resources.observability.run_lines import CONSOLE, run_lines
from sensors.alerts import alert_sensor
from sensors.inbox import inbox_sensor
from sensors.remediation import remediation_sensor
from sensors.run_status import run_failed, run_succeeded
from sensors.scorecards import scorecard_sensor

# Code references are beta; where they show in the UI is all that may change.
warnings.filterwarnings("ignore", category=dg.BetaWarning)

elder = ElderResource()

defs = dg.Definitions(
    assets=dg.with_source_code_references(
        [repositories, facts, *findings_assets(), scores, findings_imported, history, team_scorecards, load_forecast]
    ),
    asset_checks=quality_checks(),
    jobs=[
        audit_job,
        quality_job,
        fill_history,
        rescore,
        scorecards_job,
        forecast_job,
        judge_change,
        sweep,
        upkeep,
    ],
    sensors=[
        inbox_sensor,
        run_failed,
        run_succeeded,
        scorecard_sensor,
        alert_sensor,
        remediation_sensor,
    ],
    schedules=[
        nightly_audit,
        hourly_quality,
        weekly_history,
        nightly_sweep,
        daily_forecast,
        nightly_upkeep,
    ],
    resources={"elder": elder, "io_manager": FrameIOManager(elder=elder)},
    loggers={CONSOLE: run_lines},
    executor=executor_by_tier,
)
