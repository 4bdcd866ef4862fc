"""The control plane's process: opens the store, serves the app with uvicorn until it is stopped."""

from __future__ import annotations

import gc
from collections.abc import Callable

import uvicorn
from uvicorn.config import LOGGING_CONFIG

from dash_app.app import create_app
from dash_app.guard import is_loopback
from elder_assets.audit.errors import ConfigurationError
from resources.observability.logs import set_up
from resources.observability.tracing import check_installed
from resources.settings import Settings
from resources.store import open_store

GRACE_SECONDS = 5
MESSAGE_BYTES_MAX = 64 * 1024
"""Of a WebSocket message from a client; ours are subscriptions."""


def serve(settings: Settings, on_start: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        ConfigurationError: others can reach the address, and nobody has a token; or traces are asked for that cannot be
            sent.
        StoreError: the database cannot be opened.
    """
    with open_store(settings.store_url) as store:
        if not is_loopback(settings.host) and not store.has_usable_tokens():
            raise ConfigurationError(
                "host", settings.host, "127.0.0.1, until there is a token: elder token create NAME --role admin"
            )
        check_installed(settings)
        is_json = set_up(settings)
        app = create_app(store, settings)
        at_rest()
        on_start()
        uvicorn.run(
            app,
            host=settings.host,
            port=settings.port,
            log_level="warning",
            log_config=None if is_json else LOGGING_CONFIG,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            ws="websockets-sansio",
            ws_max_size=MESSAGE_BYTES_MAX,
        )


def at_rest() -> None:
    """Let the garbage collector pass over what was loaded at start, which stays as long as the process.

    A full collection walked all modules, 90 ms of a look at a page each time.
    """
    gc.collect()
    gc.freeze()
