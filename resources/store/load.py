"""How much Elder had to do, in the results store: what the forecast learns from."""

from __future__ import annotations

import datetime as dt

import msgspec
import sqlalchemy as sa

from resources.runs.limit import RunsForecast
from resources.store import tables
from resources.store.database import Database

FORECAST = "forecast:runs"


class _Said(msgspec.Struct, frozen=True):
    """What a forecast says, as the watermark's value keeps it."""

    runs: tuple[int, ...]
    withheld: str


def _as_row(forecast: RunsForecast) -> dict[str, object]:
    said = _Said(forecast.runs, forecast.withheld)
    return {"value": msgspec.json.encode(said).decode(), "changed_at": forecast.made_at}


class Load(Database):
    """A part of the store."""

    def keep_runs_forecast(self, forecast: RunsForecast) -> None:
        """Keep what the newest forecast says of runs; the one before is replaced."""
        table, row = tables.watermarks, _as_row(forecast)
        with self._writing() as connection:
            if not connection.execute(sa.update(table).where(table.c.name == FORECAST).values(row)).rowcount:
                self._insert_new(connection, table, {"name": FORECAST, **row})

    def runs_forecast(self) -> RunsForecast | None:
        """The newest forecast of runs; None when none was ever made."""
        table = tables.watermarks
        with self._reading() as connection:
            row = connection.execute(
                sa.select(table.c.value, table.c.changed_at).where(table.c.name == FORECAST)
            ).first()
        if row is None:
            return None
        said = msgspec.json.decode(row.value, type=_Said)
        return RunsForecast(made_at=row.changed_at, runs=said.runs, withheld=said.withheld)

    def load_seen(self, since: dt.datetime) -> tuple[list[dt.datetime], float | None]:
        """When audits were made since a moment, and the mean seconds that their runs took from decision to end.

        The seconds are None when no run was measured: only what came through the inbox has both times.
        """
        audits, inbox = tables.audits, tables.inbox
        with self._reading() as connection:
            moments = list(connection.scalars(sa.select(audits.c.audited_at).where(audits.c.audited_at >= since)))
            spans = connection.execute(
                sa.select(inbox.c.decided_at, inbox.c.finished_at).where(
                    inbox.c.state == "done", inbox.c.decided_at.is_not(None), inbox.c.finished_at >= since
                )
            )
            seconds = [(finished - decided).total_seconds() for decided, finished in spans]
        return moments, sum(seconds) / len(seconds) if seconds else None
