"""What endpoints ask for by their parameters: the store, the settings, the figures of this app. No globals."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from dash_app.metrics import Metrics
from resources.settings import Settings
from resources.store import Store


def _store(connection: HTTPConnection) -> Store:
    store: Store = connection.app.state.store
    return store


def _settings(connection: HTTPConnection) -> Settings:
    settings: Settings = connection.app.state.settings
    return settings


def _metrics(connection: HTTPConnection) -> Metrics:
    metrics: Metrics = connection.app.state.metrics
    return metrics


StoreHere = Annotated[Store, Depends(_store)]
SettingsHere = Annotated[Settings, Depends(_settings)]
MetricsHere = Annotated[Metrics, Depends(_metrics)]
