"""`elder history`, `elder rescore` and `elder compare`: scores of the past, under this ruler or another.

As in `cli.py`, whatever is not click is imported inside the command that needs it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from fractions import Fraction

    from elder_assets.audit.comparison import Difference
    from elder_assets.audit.history import WeekPoint
    from elder_assets.audit.judgement import PointScore
    from elder_assets.audit.ruler import Ruler

SCHEMA_VERSION = 1
MOVED_MAX = 4
"""Rules named beside a week."""
RULER_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(short_help="Score the last commit of each week.")
@click.argument("target", default=".", metavar="[PATH_OR_URL]")
@click.option("--weeks", type=click.IntRange(1, 520), default=52, show_default=True, help="How many weeks to go back.")
@click.option("--ref", default="HEAD", help="Branch, tag or commit whose past it is.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.option("--ruler", "ruler_file", type=RULER_FILE, help="Score by this ruler.")
@click.option("--quiet", is_flag=True, help="No progress.")
def history(target: str, weeks: int, ref: str, form: str, ruler_file: Path | None, quiet: bool) -> None:  # noqa: PLR0917 - one parameter an option
    """Score the last commit of each week: one point a week, by the same rules and ruler.

    Weeks that were judged before are taken from the facts cache; a run that was stopped goes on where it ended.
    """
    from elder_assets.audit.history import walk_weeks, weeks_of
    from elder_assets.audit.judgement import score_point
    from resources.audits import open_source, terms_for
    from resources.settings import load_settings

    with open_source(target, load_settings(), ref) as opened:
        ruler = terms_for(opened, ruler_file=ruler_file).ruler
        wanted = weeks_of(opened.source.first_parents(), weeks)
        progress = week_progress(quiet=quiet)
        points = list(walk_weeks(opened.source, opened.facts, ruler, wanted, progress=progress))
        progress("", 0, 0)
        scored = [score_point(point.point, ruler) for point in points]
        if form == "json":
            _echo_json(history_json(opened.key, ruler, points, scored))
        else:
            click.echo("\n".join(_history_lines(opened.key, points, scored)))


def week_progress(*, quiet: bool) -> Callable[[str, int, int], None]:
    """Progress with an estimate on standard error, only to a terminal; a total of 0 wipes the line."""
    if quiet or not sys.stderr.isatty():
        return lambda _stage, _done, _total: None
    started = time.monotonic()

    def show(_stage: str, done: int, total: int) -> None:
        left = (time.monotonic() - started) / done * (total - done) if done else 0
        estimate = f", about {left:.0f} s left" if done else ""
        text = f"judging week {done + 1} of {total}{estimate}" if total else ""
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()

    return show


def history_json(key: str, ruler: Ruler, points: Sequence[WeekPoint], scored: Sequence[PointScore]) -> dict[str, Any]:
    """The document of `elder history --format json`: one object a week, oldest first."""
    from elder_assets.audit.dates import iso
    from elder_assets.audit.judgement import open_findings
    from elder_assets.audit.scoring import rounded

    weeks = [
        {
            "week": point.week.name,
            "commit": point.point.commit,
            "as_of": iso(point.point.as_of),
            "status": str(score.status),
            "score": rounded(score.score),
            "coverage": {"eligible": point.point.eligible, "analysed": point.point.analysed},
            "findings": sum(open_findings(tally, ruler) for tally in point.point.tallies),
            "magics": {
                magic.magic: {"status": str(magic.status), "score": rounded(magic.score)} for magic in score.magics
            },
        }
        for point, score in zip(points, scored, strict=True)
    ]
    return {"schema_version": SCHEMA_VERSION, "repository": key, "ruler": ruler.digest, "weeks": weeks}


def _history_lines(key: str, points: Sequence[WeekPoint], scored: Sequence[PointScore]) -> list[str]:
    """A table of the weeks in which a score moved, and the rules that moved it."""
    from elder_assets.audit.scoring import rounded

    if not points:
        return [f"{key}: no commits"]
    names = points[-1].point.magics
    heading = [f"{'week':8}", f"{'commit':8}", "score", *(f"{name:>10}" for name in names), "units with findings"]
    lines = [key, "", "  ".join(heading)]
    before: PointScore | None = None
    shown_before: list[str] = []
    for point, score in zip(points, scored, strict=True):
        shown = [_shown(rounded(score.score), 5), *(_shown(rounded(magic.score), 10) for magic in score.magics)]
        if shown != shown_before:
            moved = ", ".join(_moved(before, score)[:MOVED_MAX])
            lines.append("  ".join([f"{point.week.name:8}", point.point.commit[:8], *shown, moved]).rstrip())
            before, shown_before = score, shown
    distinct = len({point.point.commit for point in points})
    return [*lines, "", f"{len(points)} weeks, {distinct} commits; weeks in which no score moved are left out."]


def _moved(before: PointScore | None, after: PointScore) -> list[str]:
    """Rules with more or fewer affected units than before, most first: ['TDD002 -3']."""
    if before is None:
        return []
    units = [
        {outcome.rule: outcome.affected for magic in score.magics for outcome in magic.outcomes}
        for score in (before, after)
    ]
    moved = {rule: units[1].get(rule, 0) - units[0].get(rule, 0) for rule in sorted({*units[0], *units[1]})}
    return [f"{rule} {change:+d}" for rule, change in sorted(moved.items(), key=lambda row: -abs(row[1])) if change]


def _shown(score: float | None, width: int) -> str:
    return f"{'-' if score is None else score:>{width}}"


def _echo_json(document: dict[str, Any]) -> None:
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())


@click.command(short_help="Say why two scores differ: code, scope or ruler.")
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--repo", "target", default=".", metavar="PATH_OR_URL", help="The repository; default: this folder.")
@click.option("--ref", default="HEAD", help="What two rulers are compared on.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.option("--quiet", is_flag=True, help="No progress.")
def compare(before: str, after: str, target: str, ref: str, form: str, quiet: bool) -> None:  # noqa: PLR0917 - as above
    """Say why the scores of two commits, or under two ruler files, differ: code, scope or ruler.

    A and B are branches, tags or commits; or files with ruler documents (`elder rules --format ruler` prints one).
    """
    from elder_assets.audit.comparison import compare as compare_points
    from elder_assets.audit.judgement import point_of
    from resources.audits import judge_opened, open_source, ruler_for, terms_for
    from resources.settings import load_settings

    rulers = [Path(name) if Path(name).is_file() else None for name in (before, after)]
    if (rulers[0] is None) != (rulers[1] is None):
        raise click.UsageError(f"{before} and {after} must be two commits, or two files with rulers")
    progress = _file_progress(quiet=quiet)

    def point(commit: str, ruler: Ruler) -> Any:
        with open_source(target, load_settings(), commit) as opened:
            found = point_of(judge_opened(opened, ruler, progress=progress))
            progress("", 0, 0)
            return opened.key, found

    def ruler_at(commit: str) -> Ruler:
        with open_source(target, load_settings(), commit) as opened:
            return terms_for(opened).ruler

    if rulers[0] is None:
        old, new = ruler_at(before), ruler_at(after)
        key, first = point(before, old)
        _, second = point(after, old)
        under_new = {} if old == new else {"new_ruler": new, "after_under_new": point(after, new)[1]}
        parts = compare_points(first, second, old, **under_new)
    else:
        with open_source(target, load_settings(), ref) as opened:
            old, new = (ruler_for(opened.facts, file) for file in rulers)
        key, first = point(ref, old)
        _, second = point(ref, new)
        parts = compare_points(first, first, old, new_ruler=new, after_under_new=second)
    if form == "json":
        _echo_json(comparison_json(key, (first.commit, old), (second.commit, new), parts))
    else:
        click.echo("\n".join(_comparison_lines(key, before, after, parts)))


def _file_progress(*, quiet: bool) -> Callable[[str, int, int], None]:
    from elder_assets.cli_report import file_progress

    return file_progress(quiet=quiet)


def comparison_json(
    key: str, before: tuple[str, Ruler], after: tuple[str, Ruler], parts: dict[str, Difference]
) -> dict[str, Any]:
    """The document of `elder compare --format json`; `parts` are None where one of the scores is missing."""
    from elder_assets.audit.scoring import rounded

    def row(part: Difference) -> dict[str, Any]:
        return {"before": rounded(part.before), "after": rounded(part.after), "parts": part.shown()}

    return {
        "schema_version": SCHEMA_VERSION,
        "repository": key,
        "before": {"commit": before[0], "ruler": before[1].digest},
        "after": {"commit": after[0], "ruler": after[1].digest},
        "overall": row(parts[""]),
        "magics": {name: row(part) for name, part in parts.items() if name},
    }


def _comparison_lines(key: str, before: str, after: str, parts: dict[str, Difference]) -> list[str]:
    heading = "  ".join(f"{name:>7}" for name in ("before", "after", "code", "scope", "ruler"))
    lines = [f"{key}: {before} to {after}", "", f"{'':11}  {heading}"]
    for name, part in parts.items():
        shown = part.shown()
        moved = ["-"] * 3 if shown is None else [f"{value:+.1f}" if value else "0" for value in shown.values()]
        scores = [_tenths(part.before), _tenths(part.after)]
        lines.append(f"{name or 'overall':11}  " + "  ".join(f"{text:>7}" for text in [*scores, *moved]))
    return lines


def _tenths(score: Fraction | None) -> str:
    from elder_assets.audit.scoring import rounded

    return "-" if score is None else f"{rounded(score):.1f}"


@click.command(short_help="Score every week again under another ruler.")
@click.argument("keys", nargs=-1, metavar="[REPOSITORY]...")
@click.option("--ruler", "ruler_file", type=RULER_FILE, help="Score by this ruler; default: the built-in one.")
@click.option("--weeks", type=click.IntRange(1, 520), default=52, show_default=True, help="How many weeks to go back.")
@click.option("--jobs", type=click.IntRange(1, 64), default=None, help="Repositories at once; default: as fits here.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def rescore(keys: tuple[str, ...], ruler_file: Path | None, weeks: int, jobs: int | None, form: str) -> int:
    """Score every week of the registered repositories again, from what was measured before.

    Nothing is parsed again: other weights, severities and tiers are arithmetic, other limits are asked of the rules
    with the stored facts. The scores are recorded beside the earlier ones.
    """
    from resources.fleet import rescore_all
    from resources.settings import load_settings

    results = rescore_all(load_settings(), keys, weeks=weeks, ruler_file=ruler_file, jobs=jobs)
    if form == "json":
        _echo_json({"schema_version": SCHEMA_VERSION, "repositories": [result.plain() for result in results]})
    else:
        for result in results:
            click.echo(result.line())
    return 2 if any(result.failure for result in results) else 0
