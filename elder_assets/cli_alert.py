"""`elder alert`: where messages go, which rules send them, and what was told.

As in `cli.py`, whatever is not click is imported inside the command that needs it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from elder_assets.cli_access import operator

if TYPE_CHECKING:
    from elder_assets.audit.alerts import AlertRule
    from resources.notifiers.notifier import Message
    from resources.settings import Settings
    from resources.store import Store

FORMATS = click.Choice(["text", "json"])
_DURATION = re.compile(r"(\d{1,4})([mhd])")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400}


@click.group()
def alert() -> None:
    """Say who is told of what, and see what was told."""


def _settings() -> Settings:
    from resources.settings import load_settings

    return load_settings()


def _store() -> Store:
    from resources.store import open_store

    return open_store(_settings().store_url)


# --- channels --------------------------------------------------------------------------------------------


@alert.group(invoke_without_command=True)
@click.pass_context
def channels(context: click.Context) -> None:
    """List the channels, or change them."""
    if context.invoked_subcommand:
        return
    with _store() as store:
        listed = store.channels()
    for known in listed:
        team = known.team or "all teams"
        click.echo(f"{known.name}  {known.kind}  {known.address}  {team}  {known.language}  {known.time_zone}")
    if not listed:
        click.echo(
            "there is no channel, so nobody is told of anything; elder alert channels put NAME adds one", err=True
        )


@channels.command("put")
@click.argument("name")
@click.option("--kind", required=True, help="slack, discord, email or webhook.")
@click.option("--address", required=True, help="References only: env:NAME or file:/path (docs/alerts.md).")
@click.option("--team", default="", help="Only this team's rules may use it.")
@click.option("--language", default="en", show_default=True, help="en or ja.")
@click.option("--time-zone", default="UTC", show_default=True, help="Whose clock times are on.")
def channel_put(name: str, kind: str, address: str, team: str, language: str, time_zone: str) -> None:  # noqa: PLR0917
    """Add a channel, or give it other values."""
    with _store() as store:
        store.put_channel(name, kind, address, team, language, time_zone, by=operator())
    click.echo(f"channel {name} is kept; try it with: elder alert test {name}")


@channels.command("remove")
@click.argument("name")
def channel_remove(name: str) -> None:
    """Take a channel away that no rule names."""
    with _store() as store:
        store.remove_channel(name, by=operator())
    click.echo(f"removed channel {name}")


@alert.command("test")
@click.argument("channel")
def test(channel: str) -> int:
    """Send a test message, and print what the channel answered. Exit status 2: it was not taken."""
    import time

    from elder_assets.audit.errors import ConfigurationError, DeliveryFailed
    from resources.alerting.dispatch import send
    from resources.outbound import Boundary

    settings = _settings()
    with _store() as store:
        known = store.channel(channel)
    message = _test_message(known.name, known.language, int(time.time()))
    try:
        sent = send(known, message, settings.secrets, Boundary(allowed_hosts=settings.alert_hosts))
    except (ConfigurationError, DeliveryFailed) as error:
        click.echo(f"elder: {known.name} ({known.kind}) did not take it: {error}", err=True)
        return 2
    click.echo(f"{known.name} ({known.kind}) took it{f' as {sent.provider_id}' if sent.provider_id else ''}")
    return 0


def _test_message(name: str, language: str, now: int) -> Message:
    from resources.notifiers.messages import render_test

    return render_test(name, "ja" if language == "ja" else "en", now)


# --- rules -----------------------------------------------------------------------------------------------


@alert.group(invoke_without_command=True)
@click.pass_context
def rules(context: click.Context) -> None:
    """List the rules, or change them."""
    if context.invoked_subcommand:
        return
    with _store() as store:
        listed = store.rules()
    for rule in listed:
        click.echo(_rule_line(rule))
    if not listed:
        click.echo("there is no rule, so nobody is told of anything; elder alert rules put FILE adds one", err=True)


def _rule_line(rule: AlertRule) -> str:
    from elder_assets.audit.dates import iso

    limit = f"from {rule.limit:g}" if rule.limit is not None else ""
    muted = f"muted until {iso(rule.muted_until)}" if rule.muted_until else ""
    parts = (rule.name, rule.kind, rule.severity, limit, rule.team or "all teams", ", ".join(rule.channels), muted)
    return "  ".join(part for part in parts if part)


@rules.command("put", short_help="Add the rule of a JSON file, or change it.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def rule_put(file: Path) -> None:
    """Add the rule that a JSON file holds, or give the one of its name other values (docs/alerts.md)."""
    import msgspec

    from elder_assets.audit.alerts import AlertRule
    from elder_assets.audit.errors import ConfigurationError

    try:
        rule = msgspec.json.decode(file.read_bytes(), type=AlertRule)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(str(file), str(error), "a rule as docs/alerts.md shows it") from None
    with _store() as store:
        store.put_rule(rule, operator())
    click.echo(f"rule {rule.name} is kept")


@rules.command("remove")
@click.argument("name")
@click.option("--team", help="Whose, when several teams have a rule of this name.")
def rule_remove(name: str, team: str | None) -> None:
    """Take a rule away."""
    with _store() as store:
        store.remove_rule(name, by=operator(), team=team)
    click.echo(f"removed rule {name}")


@alert.command("mute")
@click.argument("name", metavar="RULE")
@click.option("--for", "duration", default="1h", show_default=True, help="30m, 8h, 7d; 0m ends it.")
@click.option("--team", help="Whose, when several teams have a rule of this name.")
def mute(name: str, duration: str, team: str | None) -> None:
    """Say nothing under a rule for a while."""
    import time

    from elder_assets.audit.dates import iso

    found = _DURATION.fullmatch(duration)
    if not found:
        raise click.UsageError(f"--for {duration}: a number with m, h or d, such as 8h")
    seconds = int(found[1]) * _SECONDS[found[2]]
    until = int(time.time()) + seconds if seconds else None
    with _store() as store:
        store.mute_rule(name, until, operator(), team)
    click.echo(f"rule {name} is muted until {iso(until)}" if until else f"rule {name} speaks again")


# --- history ---------------------------------------------------------------------------------------------


@alert.command("history", short_help="What was decided and told, and why.")
@click.argument("repository", required=False)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@click.option("--format", "form", type=FORMATS, default="text")
def history(repository: str | None, limit: int, form: str) -> None:
    """What was decided, newest first: sent, held or dropped, and why; and the last error of what was not taken."""
    with _store() as store:
        rows = store.alert_history(repository, limit)
        outbox = {row["decision_id"]: row for row in store.notices(limit=1000)}
    if not rows:
        click.echo("nothing was decided yet: no rule fitted anything that happened", err=True)
    for row in rows:
        shown = _decision(row, outbox.get(row["id"]))
        click.echo(json.dumps(shown) if form == "json" else "  ".join(str(value) for value in shown.values() if value))


def _decision(row: dict[str, Any], notice: dict[str, Any] | None) -> dict[str, Any]:
    event = row["document"]["notice"]["event"]
    return {
        "at": row["at"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "repository": row["repository"] or event["project"],
        "kind": event["kind"],
        "what": event["what"],
        "rule": row["rule"],
        "decided": f"{row['action']} ({row['document']['reason']})",
        "delivery": f"{notice['state']} on {notice['channel']} after {notice['attempts']} attempts" if notice else "",
        "error": notice["error"] if notice else "",
    }
