"""`elder webhook`: what came in, what was decided and why, and asking for it again."""

from __future__ import annotations

import click

STATES = ("waiting", "queued", "skipped", "collapsed", "done", "failed")


@click.group(short_help="List, show and replay deliveries of git hosts.")
def webhook() -> None:
    """Deliveries of git hosts, and audits that were asked for: list, show, replay."""


@webhook.command("list")
@click.option("--repository", metavar="KEY", help="Of this repository only, host/owner/name.")
@click.option("--state", "states", type=click.Choice(STATES), multiple=True, help="In this state; may be repeated.")
@click.option("--before", type=click.IntRange(min=1), metavar="ID", help="Older than this one: the next page.")
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True)
def list_deliveries(repository: str | None, states: tuple[str, ...], before: int | None, limit: int) -> None:
    """List deliveries, newest first."""
    from resources.settings import load_settings
    from resources.store import open_store
    from resources.store.inbox import INBOX_STATES

    chosen = [state for state in INBOX_STATES if state in states]
    with open_store(load_settings().store_url) as store:
        rows, following = store.inbox_rows(repository=repository, states=chosen, before=before, limit=limit)
    for row in rows:
        about = row.repository or row.document.get("repository", "") or "-"
        click.echo(f"{row.id:>6}  {row.received_at:%Y-%m-%d %H:%M:%S}  {row.state:<9}  {row.action:<14}  {about}")
        if row.decision:
            click.echo(f"        {row.decision}")
    if not rows:
        click.echo("no deliveries")
    if following is not None:
        click.echo(f"more: --before {following}")


@webhook.command()
@click.argument("number", type=click.IntRange(min=1), metavar="ID")
def show(number: int) -> None:
    """Show a delivery with all that is known of it, as JSON."""
    import msgspec

    from resources.settings import load_settings
    from resources.store import open_store

    with open_store(load_settings().store_url) as store:
        row = store.inbox_row(number)
    click.echo(msgspec.json.format(msgspec.json.encode(row), indent=2).decode())


@webhook.command(short_help="Ask for a delivery again.")
@click.argument("number", type=click.IntRange(min=1), metavar="ID")
def replay(number: int) -> None:
    """Ask for a delivery again, in a new row that names it; what has not ended is not replayed."""
    from elder_assets.cli_access import operator
    from resources.settings import load_settings
    from resources.store import open_store

    with open_store(load_settings().store_url) as store:
        put = store.replay_inbox(number, by=operator())
    click.echo(f"delivery {number} is asked for again as {put.row}")
