"""The control plane's process: opens the store, serves the app with uvicorn until it is stopped."""

from __future__ import annotations

import uvicorn

from dash_app.app import create_app
from resources.settings import Settings
from resources.store import open_store

GRACE_SECONDS = 5


def serve(settings: Settings, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        StoreError: the database cannot be opened.
    """
    with open_store(settings.store_url) as store:
        uvicorn.run(
            create_app(store, settings),
            host=host,
            port=port,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            ws="websockets-sansio",
        )
