"""`elder sarif`: what files of other tools would bring.

As in `cli.py`, whatever is not click is imported inside the command that needs it.
"""

from __future__ import annotations

from pathlib import Path

import click

from elder_assets.cli_report import read_files, style_for, write


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
def sarif(files: tuple[Path, ...], root: Path, form: str, show_all: bool) -> None:
    """Read SARIF files of other tools and say what an import gives: findings, and what was skipped and why.

    Nothing is stored. `elder audit --with-sarif FILE` shows the same beside an audit, and then counts a defect that a
    rule of ours reports too once.
    """
    from elder_assets.audit.imported_report import CountedFile, imported_json, imported_lines
    from elder_assets.audit.report import inert, json_bytes

    read = [CountedFile(imported=file, kept=file.findings) for file in read_files(files, [root])]
    if form == "json":
        write([json_bytes({"schema_version": 1, "imported": [imported_json(file) for file in read]})], None)
        return
    style = style_for(is_terminal=False)
    for file in read:
        for line in imported_lines(file, show_all=show_all):
            click.echo(inert(line, style))
