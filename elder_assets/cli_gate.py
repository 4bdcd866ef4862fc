"""`elder gate`: may this change land? Judged by what it brings.

As in `cli.py`, whatever is not click is imported inside the command that needs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from elder_assets.cli_report import file_progress, sarif_parts, write
from elder_assets.version import elder_version

if TYPE_CHECKING:
    from elder_assets.audit.gate import GateResult

FORMATS = ("text", "markdown", "json", "sarif")


@click.command()
@click.argument("target", default=".", metavar="[PATH_OR_URL]")
@click.option("--base", required=True, metavar="REF", help="Where the change would land; judged from the merge base.")
@click.option("--head", default="HEAD", show_default=True, metavar="REF", help="The change.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the report to a file.")
@click.option(
    "--ruler", "ruler_file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Judge by this ruler."
)
@click.option("--quiet", is_flag=True, help="No progress and no report, only a failure's reason.")
def gate(  # noqa: PLR0917 - one parameter an option
    target: str, base: str, head: str, form: str, output: Path | None, ruler_file: Path | None, quiet: bool
) -> int:
    """Judge a change by what it brings: only new findings fail it.

    Both sides are judged by the same rules and ruler, so that no new rule fails untouched code. Exit status 0: passed;
    1: a new finding of tier gate and severity critical or high; 2: bad input, or a side could not be judged.
    """
    from resources.audits import gate_change
    from resources.settings import load_settings

    progress = file_progress(quiet=quiet)
    result = gate_change(target, load_settings(), base, head, ruler_file=ruler_file, progress=progress)
    progress("", 0, 0)
    parts = _render(result, form, is_file=output is not None)
    write(parts, output, is_quiet=quiet and form == "text")
    verb = "passed" if result.status.value == "passed" else "failed"
    click.echo(f"elder: {verb}: {result.reason}", err=True)
    return {"passed": 0, "failed": 1}.get(result.status.value, 2)


def _render(result: GateResult, form: str, *, is_file: bool) -> list[bytes]:
    from elder_assets.audit.gate_report import to_gate_json, to_gate_markdown, to_gate_text
    from elder_assets.audit.report import json_bytes

    if form == "json":
        return [json_bytes(to_gate_json(result))]
    if form == "sarif":
        import msgspec

        from elder_assets.audit.sarif import to_sarif

        new = msgspec.structs.replace(result.after, findings=result.changes.new)
        return sarif_parts(to_sarif(new, version=elder_version()), is_file=is_file)
    text = to_gate_markdown(result) if form == "markdown" else to_gate_text(result)
    return [text.encode("utf-8", errors="replace")]
