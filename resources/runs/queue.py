"""Dagster's run queue with a limit that follows the forecast of load.

Used by the daemon and the webserver through `dagster.yaml`; nothing else imports it. Dagster reads its instance once,
but the daemon asks the run coordinator for its limits in every round of the queue (`get_concurrency_config`), so what
this class answers is in force a minute later, without a restart. It must not stand under `concurrency: runs` as well:
what is written there wins. Runs that are under way are never stopped when a limit falls.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any, Self, cast

import dagster as dg
from dagster._config import IntSource  # has no public home, as the next three
from dagster._config.config_schema import UserConfigSchema
from dagster._core.run_coordinator.queued_run_coordinator import RunQueueConfig
from dagster._serdes import ConfigurableClassData

from elder_assets.audit.errors import ElderError
from resources.runs.limit import RunLimit, run_limit
from resources.settings import load_settings
from resources.store import Store, open_store
from resources.store.database import now_utc

REFRESH_SECONDS = 60.0
logger = logging.getLogger(__name__)


class ForecastRunCoordinator(dg.QueuedRunCoordinator):
    """Dagster's queue; `max_concurrent_runs` holds without a forecast, `forecast_runs_max` is the most with one."""

    def __init__(self, forecast_runs_max: int, **config: Any) -> None:
        super().__init__(**config)
        self._highest = forecast_runs_max
        self._store: Store | None = None
        self._limit: RunLimit | None = None
        self._read_at = float("-inf")

    def get_run_queue_config(self) -> RunQueueConfig:
        """The queue's configuration with the limit of this hour."""
        return super().get_run_queue_config()._replace(max_concurrent_runs=self.limit().runs)

    def limit(self) -> RunLimit:
        """The limit in force, at most a minute old; the static one while the results store cannot be read."""
        if self._limit is None or time.monotonic() - self._read_at >= REFRESH_SECONDS:
            self._read_at = time.monotonic()
            found = self._looked_up()
            if self._limit is None or found.runs != self._limit.runs:
                logger.info("at most %s runs go at once: %s", found.runs, found.reason)
            self._limit = found
        return self._limit

    def _looked_up(self) -> RunLimit:
        try:
            self._store = self._store or open_store(load_settings().store_url)
            return run_limit(self._max_concurrent_runs, self._highest, self._store.runs_forecast(), now_utc())
        except ElderError as error:
            return RunLimit(runs=self._max_concurrent_runs, by="setting", reason=f"the store cannot be read: {error}")

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """Dagster's own fields and ours."""
        return {**cast("dict[str, Any]", super().config_type()), "forecast_runs_max": dg.Field(IntSource)}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """Made by Dagster from `dagster.yaml`."""
        return cls(inst_data=inst_data, **config_value)

    def dispose(self) -> None:
        """Let go of the store."""
        if self._store is not None:
            self._store.close()
            self._store = None
