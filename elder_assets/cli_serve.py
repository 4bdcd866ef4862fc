"""`elder serve`: the control plane."""

from __future__ import annotations

import click

LOOPBACK = "127.0.0.1"


@click.command(short_help="Start the control plane: API, webhooks, pages.")
@click.option("--host", default=LOOPBACK, show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65_535), help="Default: ELDER_PORT, else 8321.")
def serve(host: str, port: int | None) -> None:
    """Start the control plane: REST API, webhooks, live updates and pages in one process."""
    try:
        from dash_app import server
    except ModuleNotFoundError as error:
        raise click.UsageError(f"{error.name} is not installed; `make up` sets the platform up") from error
    from resources.settings import load_settings

    settings = load_settings()
    port = port or settings.port
    click.echo(f"Elder: http://{host}:{port} (stop with Ctrl-C)")
    server.serve(settings, host, port)
