"""The console lines of runs and their steps: with ELDER_LOG=json one JSON object each, else as Dagster writes them.

Dagster's commands take `--log-format`, but the commands that work on a run take none; there the logger of the job says
how lines look. Every job names it by its configuration, for Dagster uses its own where none is configured.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import dagster as dg

from resources.observability.logs import JsonLines, about, hidden_texts
from resources.settings import load_settings

CONSOLE = "console"
CONFIGURED: dict[str, Any] = {"loggers": {CONSOLE: {"config": {}}}}
"""Run configuration that asks for it."""
_SCHEMA = {
    "log_level": dg.Field(str, is_required=False, default_value="DEBUG", description="Threshold."),
    "name": dg.Field(str, is_required=False, default_value="dagster", description="Name of the logger."),
}


@dg.logger(config_schema=_SCHEMA, description="Lines of a run on standard error, as ELDER_LOG says.")
def run_lines(context: dg.InitLoggerContext) -> logging.Logger:
    """The logger of a run."""
    settings = load_settings()
    if settings.log != "json":
        made: logging.Logger = dg.colored_console_logger.logger_fn(context)
        if sys.stderr.isatty():  # of `elder up`: each event of each run would hide the addresses; the UI has them all
            made.setLevel(max(logging.INFO, made.level))
        return made
    logger = logging.Logger(context.logger_config["name"], max(logging.INFO, _level(context)))  # noqa: LOG001 - a run's own, as Dagster makes it
    handler = _RunLines(sys.stderr)
    handler.setFormatter(JsonLines(hidden_texts(settings)))
    logger.addHandler(handler)
    return logger


def _level(context: dg.InitLoggerContext) -> int:
    return logging.getLevelNamesMapping()[context.logger_config["log_level"].upper()]


class _RunLines(logging.StreamHandler[Any]):
    """Adds the ids of run and step that Dagster gives each line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        known = getattr(record, "dagster_meta", {})
        with about(run=known.get("run_id"), job=known.get("job_name"), step=known.get("step_key")):
            return super().format(record)
