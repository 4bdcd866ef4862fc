"""`elder token` and `elder audit-log`: who may use the control plane, and what they changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from resources.store import Store

EXIT_BROKEN = 1


@click.group(short_help="Make, list and revoke tokens of API and pages.")
def token() -> None:
    """Make and revoke tokens of the API; people sign in to the pages with them too."""


@token.command("create", short_help="Make a token; it is printed once.")
@click.argument("name")
@click.option("--role", type=click.Choice(["viewer", "maintainer", "admin"]), default="viewer", show_default=True)
@click.option("--team", default=None, metavar="TEAM", help="Sees this team's repositories alone; default: all.")
@click.option("--days", type=click.IntRange(1, 366), default=90, show_default=True, help="How long it holds.")
def token_create(name: str, role: str, team: str | None, days: int) -> None:
    """Make a token for NAME, a person or a program; it is printed once and not kept."""
    with _store() as store:
        made, text = store.create_token(name, role, days=days, team=team, by=operator())
    click.echo(text)
    click.echo(
        f"token {made.id} for {made.name}: {role}, until {made.expires_at:%Y-%m-%d}; keep it, it is not shown again",
        err=True,
    )


@token.command("list")
def token_list() -> None:
    """List every token that there ever was, newest first."""
    with _store() as store:
        teams = {team.id: team.key for team in store.teams()}
        listed = store.tokens()
        for known in listed:
            state = f"revoked {known.revoked_at:%Y-%m-%d}" if known.revoked_at else f"until {known.expires_at:%Y-%m-%d}"
            used = f"last used {known.last_used_at:%Y-%m-%d}" if known.last_used_at else "never used"
            scope = "all teams" if known.team_id is None else teams.get(known.team_id, f"team {known.team_id}")
            click.echo(f"{known.id}  {known.hint}...  {known.name}  {known.role}  {scope}  {state}  {used}")
    if not listed:
        click.echo("there is no token; elder token create NAME makes one", err=True)


@token.command("revoke")
@click.argument("number", type=int)
def token_revoke(number: int) -> None:
    """End a token and the sessions that began with it."""
    with _store() as store:
        click.echo(f"revoked token {number} of {store.revoke_token(number, operator()).name}")


@token.command("revoke-all")
@click.confirmation_option(prompt="Nobody can use the API after this. Go on?")
def token_revoke_all() -> None:
    """End every token."""
    with _store() as store:
        click.echo(f"revoked {store.revoke_all_tokens(operator())} tokens")


@click.group("audit-log")
def audit_log() -> None:
    """Read and verify the log of every change by a person or a token."""


@audit_log.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
def audit_log_list(limit: int) -> None:
    """List changes, newest first."""
    import json

    with _store() as store:
        for entry in store.log_entries(limit=limit):
            detail = json.dumps(entry.detail, ensure_ascii=True)
            said = f"{entry.actor}  {entry.action}  {entry.target}"
            click.echo(f"{entry.id}  {entry.at:%Y-%m-%dT%H:%M:%SZ}  {said}  {detail}")


@audit_log.command("verify", short_help="Compute the chain of hashes again.")
@click.option("--known-hash", default="", metavar="HASH", help="Of a row noted earlier; it must still be there.")
def audit_log_verify(known_hash: str) -> int:
    """Compute the chain of hashes again; exit 1 where a row was changed, removed or put in."""
    with _store() as store:
        found = store.verify_log(known_hash)
    if found.broken_id is not None:
        click.echo(f"broken at row {found.broken_id}: {found.reason}; {found.rows} rows before it are whole", err=True)
        return EXIT_BROKEN
    click.echo(f"{found.rows} rows are whole; newest hash {found.newest_hash}")
    return 0


def operator() -> str:
    """Who uses the command, as this machine knows them."""
    import getpass

    return f"{getpass.getuser()} (command line)"


def _store() -> Store:
    from resources.settings import load_settings
    from resources.store import open_store

    return open_store(load_settings().store_url)
