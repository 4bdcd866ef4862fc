"""The `elder` command: a thin shell over the calls that Dagster makes too.

Every import beyond click happens inside the command that needs it: `elder --help` costs no parser, no database and
no platform. Exit status: 0 passed, 1 the verdict failed (D15), 2 bad input or an internal error; always with one line
that says why.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from elder_assets import cli_report, cli_upload
from elder_assets.cli_access import audit_log, operator, token
from elder_assets.cli_alert import alert
from elder_assets.cli_cache import cache
from elder_assets.cli_doctor import doctor
from elder_assets.cli_gate import gate
from elder_assets.cli_history import compare, history, rescore
from elder_assets.cli_janitor import janitor
from elder_assets.cli_probe import probe
from elder_assets.cli_recovery import backup, migrate, restore
from elder_assets.cli_sarif import sarif
from elder_assets.cli_serve import serve
from elder_assets.cli_team import scorecard, team
from elder_assets.cli_webhook import webhook

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from elder_assets.audit.model import Verdict
    from elder_assets.audit.suppression import Applied
    from resources.settings import Settings

EXIT_FAILED = 1
EXIT_ERROR = 2


def main() -> None:
    """Run the command; whatever happens ends in one line and an exit status, never in a traceback."""
    from elder_assets.audit.errors import ElderError

    try:
        code = elder.main(prog_name="elder", standalone_mode=False)
    except click.exceptions.Abort:
        _fail("stopped")
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help(), err=True)
        sys.exit(EXIT_ERROR)
    except click.ClickException as error:
        _fail(error.format_message())
    except ElderError as error:
        _fail(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _fail(f"{place}{error.strerror or type(error).__name__}; see ELDER_HOME; details in {_log_details()}")
    except Exception as error:  # noqa: BLE001 - error boundary of the command: details go to a file, one line to the user
        _fail(f"internal error: {type(error).__name__}; details in {_log_details()}")
    else:
        sys.exit(code if isinstance(code, int) else 0)


def _fail(reason: str) -> None:
    click.echo(f"elder: {' '.join(reason.split())}", err=True)
    sys.exit(EXIT_ERROR)


def _log_details() -> str:
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="elder-error-", suffix=".log", delete=False) as log:
        traceback.print_exc(file=log)
    return log.name


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="elder")
def elder() -> None:
    """Audit git repositories: eight magics, findings at file and line, one score."""


@elder.command()
@click.argument("target", default=".", metavar="[PATH_OR_URL]")
@click.option("--ref", default="HEAD", help="Branch, tag or commit to audit.")
@click.option("--staged", is_flag=True, help="Audit what is staged for the next commit; for hooks.")
@click.option("--baseline", default=None, metavar="COMMIT", help="Earlier audit that some rules compare with.")
@click.option("--since", default="", metavar="COMMIT", help="Audited before; say what changed. The result is the same.")
@click.option("--magic", "magics", multiple=True, metavar="NAME", help="Only this magic; may be repeated.")
@click.option("--format", "form", type=click.Choice(cli_report.FORMATS), default="text")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the report to a file.")
@click.option("--fail-under", type=click.FloatRange(0, 100), help="Fail when the score is lower.")
@click.option(
    "--ruler", "ruler_file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Judge by this ruler."
)
@click.option(
    "--with-sarif",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Show findings of another tool beside ours; may be repeated.",
)
@click.option(
    "--upload", default="", metavar="SERVER", help="Judge as this control plane does, and send it the result."
)
@click.option("--key", default="", help="Key of the repository; default: read off the address or the origin.")
@click.option("--all", "show_all", is_flag=True, help="Show every finding and notice.")
@click.option("--quiet", is_flag=True, help="No progress and no report, only a failure's reason.")
def audit(  # noqa: PLR0917 - one parameter an option
    target: str,
    ref: str,
    staged: bool,
    baseline: str | None,
    since: str,
    magics: tuple[str, ...],
    form: str,
    output: Path | None,
    fail_under: float | None,
    ruler_file: Path | None,
    with_sarif: tuple[Path, ...],
    upload: str,
    key: str,
    show_all: bool,
    quiet: bool,
) -> int:
    """Audit a repository and print the report."""
    from elder_assets.audit.report import verdict_failure

    cli_report.check_options(form, output, has_imported=bool(with_sarif))
    if upload:
        cli_upload.check_options(staged=staged, baseline=baseline, magics=magics, has_ruler=ruler_file is not None)
    files = cli_report.read_files(with_sarif, _roots(target) if with_sarif else [])
    wanted = _Wanted(target, ref, key, staged, baseline, since, magics, ruler_file, quiet)
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def report(applied: Applied) -> None:
        imported = cli_report.beside(files, applied)
        parts = cli_report.render(applied, form, imported, last_run=now, show_all=show_all, is_file=output is not None)
        cli_report.write(parts, output, is_quiet=quiet and form == "text")

    verdict, not_sent = _audit(wanted, upload, report)
    reason = verdict_failure(verdict, fail_under)
    if reason:
        click.echo(f"elder: failed: {reason}", err=True)
    if not_sent:
        click.echo(f"elder: not uploaded: {not_sent}", err=True)
    if not_sent or (reason and verdict.status.value == "error"):
        return EXIT_ERROR
    return EXIT_FAILED if reason else 0


def _roots(target: str) -> list[Path]:
    """Where the repository lies on this machine, when it does."""
    from resources.git.repository import find_git_dir

    folder = Path(target).expanduser()
    return [find_git_dir(folder.resolve())[0]] if folder.is_dir() else []


class _Wanted(NamedTuple):
    """What is to be audited, by the options."""

    target: str
    ref: str
    key: str
    staged: bool
    baseline: str | None
    since: str
    magics: tuple[str, ...]
    ruler_file: Path | None
    quiet: bool


def _audit(wanted: _Wanted, server: str, report: Callable[[Applied], None]) -> tuple[Verdict, str]:
    """Audit, report, and send the result in where a server is named; the verdict, and why nothing was sent."""
    from resources.audits import audit_shown, changed_paths, open_source
    from resources.git.address import checked_key
    from resources.settings import load_settings

    if wanted.staged and wanted.ref != "HEAD":
        raise click.UsageError("--staged audits the index; it goes with no --ref")
    settings = load_settings()
    sending = cli_upload.Sending(server, settings) if server else None
    key = checked_key(wanted.key) if wanted.key else ""
    with open_source(wanted.target, settings, wanted.ref, staged=wanted.staged, key=key) as opened:
        if wanted.since and not wanted.quiet:
            changed = changed_paths(opened, wanted.since)
            click.echo(f"{len(changed)} files changed since {wanted.since}", err=True)
        progress = cli_report.file_progress(quiet=wanted.quiet)
        applied = sending.audit(opened, wanted.ref, progress) if sending else None
        if applied is None:
            applied = audit_shown(
                opened, wanted.baseline, ruler_file=wanted.ruler_file, magics=wanted.magics, progress=progress
            )
        progress("", 0, 0)
        report(applied)
        if sending and (said := sending.send(opened)) and not wanted.quiet:
            click.echo(f"elder: {said}", err=True)
    return applied.verdict, sending.failure if sending else ""


@elder.command(short_help="List every rule, or print the ruler document.")
@click.option("--format", "form", type=click.Choice(["text", "json", "ruler"]), default="text")
def rules(form: str) -> None:
    """List every rule with its severity, tier and verdicts; or print the ruler document."""
    import json

    from elder_assets.audit.registry import catalogue
    from elder_assets.audit.ruler import calibration, default_ruler

    ruler = default_ruler()
    if form == "ruler":
        click.echo(ruler.document().decode())
        return
    rows: list[dict[str, Any]] = []
    for rule in catalogue().rules:
        measured = calibration().get(rule.code)
        rows.append(
            {
                "rule": rule.code,
                "name": rule.name,
                "magic": rule.magic,
                "severity": str(rule.severity),
                "tier": str(ruler.rules[rule.code].tier),
                "verdicts": measured.n if measured else 0,
                "precision": measured.precision if measured else None,
                "summary": rule.summary,
            }
        )
    if form == "json":
        click.echo(json.dumps(rows, indent=2))
        return
    for magic in catalogue().magics:
        click.echo(f"{magic.title}: {magic.question}")
        for row in rows:
            if row["magic"] == magic.name:
                click.echo(f"  {row['rule']}  {row['severity']:8}  {row['tier']:6}  {row['summary']}")


@elder.command(short_help="Say what a rule means and how sure we are of it.")
@click.argument("code", metavar="RULE")
def explain(code: str) -> None:
    """Say what a rule means, why, what to do, and how sure we are of it."""
    import difflib
    import inspect

    from elder_assets.audit.registry import catalogue
    from elder_assets.audit.ruler import calibration, default_ruler

    known = {rule.code: rule for rule in catalogue().rules} | {rule.name: rule for rule in catalogue().rules}
    rule = known.get(code.upper()) or known.get(code.lower())
    if rule is None:
        near = difflib.get_close_matches(code.upper(), known, 3)
        said = f"near: {', '.join(near)}" if near else "`elder rules` lists them"
        raise click.UsageError(f"no rule {code!r}; {said}")
    measure, measured = default_ruler().rules[rule.code], calibration().get(rule.code)
    click.echo(f"{rule.code} {rule.name} ({rule.magic})\n")
    text = inspect.getdoc(rule.check) or ""
    click.echo(text)
    if "#~" in text:
        click.echo("\nIn the examples `#~` stands at the end of a line that is found.")
    sampled = f"{measured.true} of {measured.n} findings judged true" if measured else "not sampled yet"
    click.echo(f"\nSeverity {measure.severity}, tier {measure.tier} (may reach {rule.tier}): {sampled}.")
    limits = ", ".join(f"{name} = {value}" for name, value in measure.limits.items())
    click.echo(f"Unit: {rule.unit}. Thresholds: {limits or 'none'}.")


@elder.group()
def repo() -> None:
    """Register repositories for the platform."""


@repo.command("add", short_help="Register a repository.")
@click.argument("target", metavar="PATH_OR_URL")
@click.option("--key", default="", help="Its key, host/owner/name; default: read off the address or the origin.")
@click.option(
    "--uploads-only", is_flag=True, help="Never read it from here: its audits come by `elder audit --upload`."
)
def repo_add(target: str, key: str, uploads_only: bool) -> None:
    """Register a repository; where the platform is installed, as a Dagster partition too."""
    from resources.git.address import checked_key
    from resources.git.repository import register_target
    from resources.registry import add_known
    from resources.store import open_store

    found, url = register_target(target)
    key = checked_key(key) if key else found
    settings = _settings()
    with open_store(settings.store_url) as store:
        add_known(store, settings, key, url, by=operator(), uploads_only=uploads_only)
    if _has_platform():
        from elder_assets.platform import add_partitions

        add_partitions(settings, [key])
    click.echo(f"added {key}")


@repo.command("import", short_help="Register every repository of a list.")
@click.argument("listed", metavar="FILE", type=click.File("r", encoding="utf-8"))
@click.option("--wave", type=click.IntRange(1, 100_000), help="Register at most this many; again goes on.")
def repo_import(listed: TextIO, wave: int | None) -> None:
    """Register what FILE (- is standard input) lists and is not registered yet, and ask for first audits.

    A line is an address and, after a space, the key of its team; # begins a comment. A list with a bad line changes
    nothing. First audits wait behind everything else.
    """
    from resources.repository_list import import_list, read_list
    from resources.store import open_store

    settings = _settings()
    with open_store(settings.store_url) as store:
        entries = read_list(listed, [team.key for team in store.teams()])
        done = import_list(store, settings, entries, wave=wave, by=operator())
    if done.added and _has_platform():
        from elder_assets.platform import add_partitions

        add_partitions(settings, done.added)
    click.echo(f"added {len(done.added)}, {done.known} were registered before, {done.left} are left")


@repo.command("list")
def repo_list() -> None:
    """List the registered repositories."""
    from resources.store import open_store

    with open_store(_settings().store_url) as store:
        listed = store.repositories()
    for known in listed:
        click.echo(f"{known.key}  {known.url}")
    if not listed:
        click.echo("no repository is registered; elder repo add PATH_OR_URL registers one", err=True)


@repo.command("remove")
@click.argument("key")
def repo_remove(key: str) -> None:
    """Take a repository off the list; its results are kept."""
    from resources.store import open_store

    settings = _settings()
    with open_store(settings.store_url) as store:
        store.remove_repository(key)
    if _has_platform():
        from elder_assets.platform import remove_partition

        remove_partition(settings, key)
    click.echo(f"removed {key}; its results are kept")


def _has_platform() -> bool:
    import importlib.util

    return importlib.util.find_spec("dagster") is not None


@elder.command(short_help="Start control plane, Dagster UI and daemon on this machine.")
@click.argument("target", required=False, metavar="[PATH_OR_URL]")
def up(target: str | None) -> int:
    """Start the control plane, Dagster UI and daemon on this machine; audit one repository first when named.

    The repository is registered and audited, the results are checked with great-expectations, and its last year is
    scored. Ports: ELDER_PORT (8321) for the pages, ELDER_DAGSTER_PORT (3000) for the Dagster UI.
    """
    try:
        from elder_assets.platform import start_platform
    except ModuleNotFoundError as error:
        from elder_assets.audit.errors import PLATFORM_SETUP

        raise click.UsageError(f"{error.name} is not installed; {PLATFORM_SETUP}") from error
    return start_platform(_settings(), target)


def _settings() -> Settings:
    from resources.settings import load_settings

    return load_settings()


for _command in (
    gate,
    sarif,
    history,
    rescore,
    compare,
    team,
    scorecard,
    cache,
    serve,
    token,
    audit_log,
    alert,
    webhook,
    migrate,
    backup,
    restore,
    janitor,
    probe,
    doctor,
):
    elder.add_command(_command)
