"""`elder sarif`: what files of other tools would bring.

As in `cli.py`, whatever is not click is imported inside the command that needs it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from elder_assets.cli_report import read_files, style_for, write

if TYPE_CHECKING:
    from elder_assets.audit.sarif_import import Imported

COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@click.command(short_help="Say what SARIF files of other tools would bring.")
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    help="Folder of the repository, for tools that write absolute paths; default: this folder.",
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.option("--all", "show_all", is_flag=True, help="Show every rule and every reason.")
@click.option("--record", "repository", default="", metavar="REPOSITORY", help="Keep them for a registered repository.")
@click.option("--commit", default="", help="With --record: full id of the commit that the tools read.")
def sarif(  # noqa: PLR0917 - one parameter an option
    files: tuple[Path, ...], root: Path, form: str, show_all: bool, repository: str, commit: str
) -> None:
    """Read SARIF files of other tools and say what an import gives: findings, and what was skipped and why.

    Nothing is stored without --record. `elder audit --with-sarif FILE` shows the same beside an audit, and then counts
    a defect that a rule of ours reports too once.
    """
    from elder_assets.audit.imported_report import CountedFile, imported_json, imported_lines
    from elder_assets.audit.report import inert, json_bytes

    imported = read_files(files, [root])
    if repository:
        _record(files, imported, repository, commit)
    read = [CountedFile(imported=file, kept=file.findings) for file in imported]
    if form == "json":
        write([json_bytes({"schema_version": 1, "imported": [imported_json(file) for file in read]})], None)
        return
    style = style_for(is_terminal=False)
    for file in read:
        for line in imported_lines(file, show_all=show_all):
            click.echo(inert(line, style))


def _record(files: Sequence[Path], imported: Sequence[Imported], repository: str, commit: str) -> None:
    from resources.imports import carry_on
    from resources.settings import load_settings
    from resources.store import open_store

    if not COMMIT.fullmatch(commit):
        raise click.UsageError(f"--commit {commit!r}: --record needs the full id of the commit that the tools read")
    settings = load_settings()
    with open_store(settings.store_url) as store:
        key = store.repository(repository).key
        for path, file in zip(files, imported, strict=True):
            is_new = store.record_import(key, commit, path.read_bytes(), file)
            click.echo(f"{path}: {'recorded' if is_new else 'recorded before'} for {key} at {commit[:12]}", err=True)
        latest = store.latest(key)
        if latest is None or latest.commit != commit:
            click.echo("they show when that commit is the last one audited", err=True)
            return
        beside = carry_on(store, settings, key)
    for tool, count in beside.counts.items() if beside else ():
        arrived = count.new + count.unveiled + count.reopened
        click.echo(f"{tool}: {count.open} open, {arrived} arrived, {count.fixed} fixed", err=True)
