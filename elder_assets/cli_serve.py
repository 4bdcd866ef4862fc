"""`elder serve`: the control plane."""

from __future__ import annotations

import click


@click.command(short_help="Start the control plane: API, webhooks, pages.")
@click.option("--host", help="Address to listen on; default: ELDER_HOST, else 127.0.0.1.")
@click.option("--port", type=click.IntRange(1, 65_535), help="Default: ELDER_PORT, else 8321.")
def serve(host: str | None, port: int | None) -> None:
    """Start the control plane: REST API, webhooks, live updates and pages in one process.

    On any address but a loopback one it starts only when somebody has a token: elder token create.
    """
    try:
        from dash_app import server
    except ModuleNotFoundError as error:
        from elder_assets.audit.errors import PLATFORM_SETUP

        raise click.UsageError(f"{error.name} is not installed; {PLATFORM_SETUP}") from error
    import msgspec

    from resources.settings import load_settings

    settings = load_settings()
    settings = msgspec.structs.replace(settings, host=host or settings.host, port=port or settings.port)
    server.serve(settings, lambda: click.echo(f"Elder: http://{settings.host}:{settings.port} (stop with Ctrl-C)"))
