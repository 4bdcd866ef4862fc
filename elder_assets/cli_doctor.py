"""`elder doctor`: is everything as it should be, and if not, what is to be done."""

from __future__ import annotations

import click

MARKS = {"ok": "ok     ", "warning": "WARNING", "failed": "FAILED ", "skipped": "-      "}


@click.command(short_help="Look whether everything is as it should be.")
@click.option("--format", "form", type=click.Choice(("text", "json")), default="text")
def doctor(form: str) -> int:
    """Look at database, disk, caches, daemon, sensors, inbox, notices, webhooks, clocks and tokens; change nothing.

    Exit status: 0 all is well, 1 something needs a look, 2 something has failed.
    """
    import msgspec

    from resources.observability.doctor import Check, examine, worst
    from resources.settings import Settings, load_settings

    def of_dagster(settings: Settings) -> list[Check]:
        try:
            from elder_assets.dagster_doctor import examine_dagster
        except ModuleNotFoundError:
            return [Check(name="dagster", state="skipped", detail="not installed")]
        return examine_dagster(settings)

    checks = examine(load_settings(), of_dagster)
    if form == "json":
        click.echo(
            msgspec.json.format(msgspec.json.encode({"exit": worst(checks), "checks": checks}), indent=2).decode()
        )
        return worst(checks)
    for check in checks:
        click.echo(f"{MARKS[check.state]}  {check.name}: {check.detail}")
        if check.advice:
            click.echo(f"         -> {check.advice}")
    return worst(checks)
