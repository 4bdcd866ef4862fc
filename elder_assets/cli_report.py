"""A verdict in the format that was asked for, on standard output or in files.

As in `cli.py`, whatever is not click is imported inside the function that needs it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from elder_assets.version import elder_version

if TYPE_CHECKING:
    from elder_assets.audit.imported_report import CountedFile
    from elder_assets.audit.report import Style
    from elder_assets.audit.sarif_import import Imported
    from elder_assets.audit.suppression import Applied

FORMATS = ("text", "json", "sarif", "junit", "csv", "parquet", "html")
BINARY = frozenset({"parquet"})
"""Formats that are no text, so that they go to a file only."""
TAKES_IMPORTED = frozenset({"text", "json", "sarif", "html"})
"""Formats that have a place for findings of other tools."""


def check_options(form: str, output: Path | None, *, has_imported: bool) -> None:
    """Refuse options that do not go together, before anything is audited.

    Raises:
        click.UsageError: they do not.
    """
    if has_imported and form not in TAKES_IMPORTED:
        raise click.UsageError(f"--with-sarif goes with --format {', '.join(sorted(TAKES_IMPORTED))}")
    if form in BINARY and output is None:
        raise click.UsageError(f"--format {form} is no text; name a file with --output")


def read_files(paths: Sequence[Path], roots: Sequence[Path]) -> list[Imported]:
    """SARIF files of other tools.

    Args:
        paths: the files; messages and reports show their last part only.
        roots: where the repository lies on this machine, so that absolute addresses can be told to be in it.
    """
    from elder_assets.audit.errors import SourceError
    from elder_assets.audit.sarif_import import BYTES_MAX, read_sarif

    found = []
    for path in paths:
        try:
            with path.open("rb") as file:
                content = file.read(BYTES_MAX + 1)
        except OSError as error:
            raise SourceError(f"{path.name}: {error.strerror}") from error
        found.append(read_sarif(content, path.name, roots=[folder.resolve().as_posix() for folder in roots]))
    return found


def beside(files: Sequence[Imported], applied: Applied) -> tuple[CountedFile, ...]:
    """Files of other tools with what counts of them beside our findings, open and suppressed ones."""
    if not files:
        return ()
    from elder_assets.audit import imported_report
    from elder_assets.audit.report import shown_findings

    held = [item.finding for item in applied.suppressed]
    return imported_report.beside(files, [*shown_findings(applied.verdict), *held])


def render(
    applied: Applied, form: str, imported: Sequence[CountedFile], *, last_run: str, show_all: bool, is_file: bool
) -> list[bytes]:
    """The report; more than one part only where a host takes no larger file, and only for files."""
    from elder_assets.audit.report import json_bytes, to_json, to_text

    verdict = applied.verdict
    if form == "json":
        return [json_bytes(to_json(applied, last_run=last_run, imported=imported))]
    if form == "sarif":
        from elder_assets.audit.sarif import to_sarif

        return sarif_parts(to_sarif(verdict, version=elder_version(), imported=imported), is_file=is_file)
    if form in {"junit", "csv"}:
        from elder_assets.audit.exports import to_csv, to_junit

        return [(to_junit(verdict) if form == "junit" else to_csv(verdict)).encode("utf-8", errors="replace")]
    if form in {"parquet", "html"}:
        return [_with_platform(applied, form, imported)]
    style = style_for(is_terminal=sys.stdout.isatty() and not is_file)
    return [to_text(applied, style, show_all=show_all, imported=imported).encode("utf-8", errors="replace")]


def _with_platform(applied: Applied, form: str, imported: Sequence[CountedFile]) -> bytes:
    """A report that needs packages of the platform: pandas and pyarrow, or plotly."""
    try:
        if form == "parquet":
            from elder_assets.audit.frames import findings_parquet

            return findings_parquet(applied.verdict)
        from dash_app.html_report import to_html

        return to_html(applied, imported, version=elder_version()).encode("utf-8", errors="replace")
    except ImportError as error:  # pandas raises it without a name where pyarrow is missing
        from elder_assets.audit.errors import PLATFORM_SETUP

        package = (error.name or "pyarrow").partition(".")[0]
        raise click.UsageError(f"--format {form} needs {package}, which is not installed; {PLATFORM_SETUP}") from error


def sarif_parts(log: dict[str, Any], *, is_file: bool) -> list[bytes]:
    """A SARIF log as the files that GitHub takes, or as one document for standard output."""
    from elder_assets.audit.report import json_bytes
    from elder_assets.audit.sarif import RUN_RESULTS_MAX, result_counts, split

    logs = split(log)
    if is_file or len(logs) == 1:
        return [json_bytes(part) for part in logs]
    results = f"{sum(result_counts(logs)):,} results in {len(log['runs'])} runs"
    limit = f"GitHub keeps {RUN_RESULTS_MAX:,} of a run"
    click.echo(f"elder: {results}; {limit}, so --output FILE writes {len(logs)} files", err=True)
    return [json_bytes(log)]


def write(parts: Sequence[bytes], output: Path | None, *, is_quiet: bool = False) -> None:
    """Write a report to a file (`name.sarif`, `name-2.sarif`, ...), or to standard output unless it is to be quiet."""
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        paths = [output, *(output.with_stem(f"{output.stem}-{index}") for index in range(2, len(parts) + 1))]
        for path, part in zip(paths, parts, strict=True):
            path.write_bytes(part)
        if len(paths) > 1:
            names = ", ".join(path.name for path in paths)
            click.echo(f"elder: written as {len(paths)} files, upload each: {names}", err=True)
    elif not is_quiet:
        sys.stdout.buffer.write(parts[0])
        sys.stdout.flush()


def style_for(*, is_terminal: bool) -> Style:
    """How text may be drawn here."""
    from elder_assets.audit.report import Style

    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    wants_colour = is_terminal and "NO_COLOR" not in os.environ
    return Style(colour=wants_colour, unicode=encoding.startswith("utf"))


def file_progress(*, quiet: bool) -> Callable[[str, int, int], None]:
    """Report on standard error, only to a terminal, at every percent; a total of 0 wipes the line."""
    if quiet or not sys.stderr.isatty():
        return lambda _stage, _done, _total: None
    last = [-1]

    def show(stage: str, done: int, total: int) -> None:
        percent = done * 100 // total if total else 100
        if percent != last[0]:
            last[0] = percent
            text = f"reading {stage}: {done} of {total}" if total else ""
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    return show
