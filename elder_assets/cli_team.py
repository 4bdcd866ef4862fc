"""`elder team` and `elder scorecard`: who owns which repository, and how the team stands.

As in `cli.py`, whatever is not click is imported inside the command that needs it.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from elder_assets.cli_access import operator

if TYPE_CHECKING:
    import pandas as pd

    from elder_assets.scorecards import Standing
    from resources.store import Store
    from resources.teams.policy_preview import Preview

SCHEMA_VERSION = 1
PLATFORM = "all"


@click.group()
def team() -> None:
    """Register teams, their repositories and their policy."""


def _store() -> Store:
    from resources.settings import load_settings
    from resources.store import open_store

    return open_store(load_settings().store_url)


@team.command("add")
@click.argument("key", metavar="TEAM")
@click.option("--name", default="", help="For people; default: the key.")
def team_add(key: str, name: str) -> None:
    """Register a team."""
    with _store() as store:
        click.echo(f"added {store.add_team(key, name, by=operator()).key}")


@team.command("list")
def team_list() -> None:
    """List the teams with their repositories."""
    with _store() as store:
        listed = store.teams()
        for known in listed:
            owned = [repository.key for repository in store.repositories_of(known.key)]
            click.echo(f"{known.key}  {', '.join(owned) or 'no repositories'}")
    if not listed:
        click.echo("there is no team; elder team add TEAM adds one", err=True)


@team.command("assign", short_help="Give registered repositories to a team.")
@click.argument("key", metavar="TEAM")
@click.argument("repositories", nargs=-1, required=True, metavar="REPOSITORY...")
def team_assign(key: str, repositories: tuple[str, ...]) -> None:
    """Give registered repositories to a team; what a repository's own elder.yaml says no longer counts."""
    with _store() as store:
        for repository in repositories:
            store.assign(repository, key, by=operator())
            click.echo(f"{repository} belongs to {key}")


@team.command("policy", short_help="Show a team's central policy, or set it.")
@click.argument("key", metavar="TEAM")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--author", default="", help="Who changes it; default: the user of this machine.")
@click.option("--comment", default="", help="Why.")
@click.option("--remove", is_flag=True, help="Take the policy away; its versions are kept.")
def team_policy(key: str, file: Path | None, author: str, comment: str, remove: bool) -> None:
    """Show a team's central policy and its versions, or set it from FILE (the form of elder.yaml)."""
    from elder_assets.audit.policy import read_policy
    from elder_assets.audit.ruler import default_ruler

    if remove and file:
        raise click.UsageError("--remove takes no file")
    with _store() as store:
        if file is None and not remove:
            versions = store.policies(store.team(key).key)
            for version in versions:
                said = f": {version.comment}" if version.comment else ""
                click.echo(f"# {version.recorded_at:%Y-%m-%d %H:%M} {version.author}{said}")
            click.echo(versions[0].document if versions else "no central policy; each repository's own file judges")
            return
        content = b"" if file is None else file.read_bytes()
        if content:
            read_policy(content, default_ruler(), str(file))
        store.set_policy(key, content.decode(), author or operator(), comment)
        click.echo(f"policy of {key} {'removed' if remove else 'set'}; it judges from the next audit on")


@team.command("set", short_help="Change single values of a team's policy.")
@click.argument("key", metavar="TEAM")
@click.argument("values", nargs=-1, required=True, metavar="KEY=VALUE...")
@click.option("--preview", "is_preview", is_flag=True, help="Say what it would do, and save nothing.")
@click.option("--reason", default="", help="Why; needed to save.")
@click.option("--author", default="", help="Who changes it; default: the user of this machine.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def team_set(key: str, values: tuple[str, ...], is_preview: bool, reason: str, author: str, form: str) -> None:  # noqa: PLR0917 - one parameter an option
    """Change single values of a team's policy, or preview what that would do.

    KEY is that of elder.yaml: profile, gate.fails_from, weights.tdd, scorecard.levels.gold.score,
    rules.STR013.limits.cognitive_max. `KEY=` takes a value away, so that the built-in one holds.
    """
    import msgspec
    import yaml

    from resources.settings import load_settings
    from resources.teams.settings import held_settings, preview_settings, save_settings, with_values

    pairs = []
    for text in values:
        name, sign, value = text.partition("=")
        if not sign:
            raise click.UsageError(f"{text!r} is no KEY=VALUE")
        pairs.append((name.strip(), yaml.safe_load(value)))
    with _store() as store:
        held = held_settings(store, key)
        wanted = with_values(held.policy, pairs)
        if is_preview:
            found = preview_settings(store, load_settings(), key, wanted)
            plain = json.dumps(msgspec.to_builtins(found), indent=2)
            click.echo(plain if form == "json" else "\n".join(_preview_lines(found)))
            return
        made = save_settings(store, key, wanted, by=author or operator(), reason=reason, based_on=held.version)
        click.echo(f"version {made.id} of the policy of {key} is saved; it judges from the next audit on")


@team.group()
def initiative() -> None:
    """Goals with deadlines."""


@initiative.command("add", short_help="Give a team a goal with a deadline.")
@click.argument("key", metavar="TEAM")
@click.argument("title")
@click.option("--rule", default="", help="No finding of this rule is open.")
@click.option("--magic", default="", help="This magic has at least the score of --least.")
@click.option("--level", default="", help="The repository has this level.")
@click.option("--least", type=float, help="Score, 0-100; without --magic it is the overall one.")
@click.option("--by", "deadline", required=True, type=click.DateTime(["%Y-%m-%d"]), help="The last day.")
@click.option("--from", "starts_on", type=click.DateTime(["%Y-%m-%d"]), help="The first day; default: today.")
@click.option("--owner", default="", help="Who sees to it; default: the user of this machine.")
@click.option("--repository", "repositories", multiple=True, help="Only this one; may be given again.")
def initiative_add(  # noqa: PLR0917 - one parameter an option
    key: str,
    title: str,
    rule: str,
    magic: str,
    level: str,
    least: float | None,
    deadline: dt.datetime,
    starts_on: dt.datetime | None,
    owner: str,
    repositories: tuple[str, ...],
) -> None:
    """Make an initiative of TEAM; "all" is the platform, for all teams."""
    from resources.teams.initiatives import Wanted, make

    given = [(kind, subject) for kind, subject in (("rule", rule), ("magic", magic), ("level", level)) if subject]
    if len(given) > 1 or (not given and least is None):
        raise click.UsageError("say one goal: --rule, --magic with --least, --level, or --least alone")
    kind, subject = given[0] if given else ("score", "")
    wanted = Wanted(
        title=title, kind=kind, subject=subject, least=least, deadline=deadline.date(), owner=owner,
        starts_on=starts_on.date() if starts_on else None, repositories=repositories,
    )  # fmt: skip
    with _store() as store:
        made = make(store, None if key == PLATFORM else store.team(key), wanted, by=operator())
        click.echo(f"initiative {made.id} is {made.state}, until {made.deadline}")


@initiative.command("list")
@click.argument("key", metavar="TEAM")
def initiative_list(key: str) -> None:
    """Show how far the initiatives of a team are."""
    from elder_assets.audit.initiatives import words
    from elder_assets.audit.report import plain
    from resources.teams.initiatives import seen_by

    with _store() as store:
        seen = seen_by(store, store.team(key))
    if not seen:
        click.echo(
            f"{key} has no initiative; make one with: elder team initiative add {key} TITLE --level silver --by DAY"
        )
    for one in seen:
        known = one.initiative
        late = ", overdue" if one.is_overdue else ""
        pace = f"done on {one.pace.reached_on} at this pace" if one.pace.reached_on else "no pace yet"
        click.echo(f"{known.id}  {plain(known.title)}: {words(known.goal)}, by {known.deadline}, {plain(known.owner)}")
        click.echo(f"   {known.state}{late}; {one.done} of {one.total}; {pace if one.left else 'nothing left'}")


@initiative.command("withdraw", short_help="Give an initiative up.")
@click.argument("number", type=int)
@click.option("--reason", required=True, help="Why.")
def initiative_withdraw(number: int, reason: str) -> None:
    """Give an initiative up; it stays with its history."""
    from resources.teams.initiatives import withdraw

    with _store() as store:
        withdraw(store, number, by=operator(), reason=reason)
        click.echo(f"initiative {number} is withdrawn")


@initiative.command("change", short_help="Change title, owner or deadline.")
@click.argument("number", type=int)
@click.option("--by", "deadline", type=click.DateTime(["%Y-%m-%d"]), help="Another last day.")
@click.option("--owner", default="", help="Who sees to it from now on.")
@click.option("--title", default="", help="Another title.")
@click.option("--reason", required=True, help="Why.")
def initiative_change(number: int, deadline: dt.datetime | None, owner: str, title: str, reason: str) -> None:
    """Change title, owner or deadline of an initiative; what was there stays in its history."""
    from resources.teams.initiatives import change

    given = {"deadline": deadline.date() if deadline else None, "owner": owner, "title": title}
    with _store() as store:
        made = change(
            store, number, {name: value for name, value in given.items() if value}, by=operator(), reason=reason
        )
        click.echo(f"initiative {made.id} is {made.state}, until {made.deadline}")


def _preview_lines(found: Preview) -> list[str]:
    """What settings would do, for people."""
    from elder_assets.audit.levels import RANKS
    from elder_assets.audit.report import plain

    lines = [f"{change.key}: {change.before or 'nothing'} -> {change.after or 'nothing'}" for change in found.changes]
    lines += [
        "" if lines else "nothing would change",
        f"mean score  {_one(found.mean_before)} -> {_one(found.mean_after)}",
    ]
    lines.append(f"team level  {found.level_before} -> {found.level_after}")
    lines += [
        f"{level:10}  {found.levels_before.get(level, 0)} -> {found.levels_after.get(level, 0)}"
        for level in reversed(RANKS)
    ]
    for one in found.repositories:
        if one.unknown:
            lines.append(f"{plain(one.repository)}  not known: {plain(one.unknown)}")
        elif one.before != one.after:
            sides = [f"{_one(side.score)} {side.level} {side.status}" for side in (one.before, one.after)]
            lines += [f"{plain(one.repository)}  {sides[0]} -> {sides[1]}"]
            lines += [f"  {cause.kind} {', '.join(cause.names[:8])} {cause.points:+.1f}" for cause in one.causes]
    for gate in found.gates:
        lines.append(f"gate {gate.id} of {plain(gate.repository)} would fail: {plain(gate.reason)}")
    return [*lines, f"nothing is saved; {found.duration_ms:.0f} ms"]


def _one(score: float | None) -> str:
    return "-" if score is None else f"{score:.1f}"


@click.command(short_help="Show how a team's repositories stand.")
@click.argument("key", metavar="TEAM")
@click.option("--weeks", type=click.IntRange(1, 52), default=1, show_default=True, help="How many weeks to show.")
@click.option("--format", "form", type=click.Choice(["text", "json", "csv"]), default="text")
def scorecard(key: str, weeks: int, form: str) -> None:
    """Show how a team's repositories stand: score, level, trend, findings, gates, and what the next level lacks."""
    try:
        from elder_assets.scorecards import standing_of, week_of
        from elder_assets.team_scorecard import make_scorecard, team_terms
    except ModuleNotFoundError as error:
        from elder_assets.audit.errors import PLATFORM_SETUP

        raise click.UsageError(f"{error.name} is not installed; {PLATFORM_SETUP}") from error
    now = dt.datetime.now(dt.UTC)
    with _store() as store:
        share = team_terms(store, store.team(key).key).share_pct
        content = make_scorecard(store, key, now)
    standing = standing_of(content, share)
    shown = content[content["week"] > week_of(now - dt.timedelta(weeks=weeks))]
    if form == "json":
        click.echo(json.dumps(_document(key, standing, shown), indent=2))
    elif form == "csv":
        click.echo(_csv(shown), nl=False)
    else:
        click.echo("\n".join(_lines(key, standing, shown)))


def _document(key: str, standing: Standing, shown: pd.DataFrame) -> dict[str, Any]:
    import msgspec

    plain = shown.astype(object).where(shown.notna(), None)
    return {
        "schema_version": SCHEMA_VERSION,
        "team": key,
        "standing": msgspec.structs.asdict(standing),
        "rows": plain.to_dict("records"),
    }


def _csv(shown: pd.DataFrame) -> str:
    from elder_assets.audit.exports import cell

    return str(shown.map(cell).to_csv(index=False, lineterminator="\r\n"))


def _lines(key: str, standing: Standing, shown: pd.DataFrame) -> list[str]:
    from elder_assets.audit.report import plain

    repositories = "1 repository" if standing.repositories == 1 else f"{standing.repositories} repositories"
    lines = [f"{key}: {repositories}, level {standing.level}"]
    if standing.next_level and standing.repositories:
        lines.append(f"{standing.next_level}: {standing.having} have it, {standing.needed} must")
    whole = shown[shown["magic"] == ""]
    for week, rows in whole.groupby("week"):
        lines += ["", f"week of {week}"]
        width = max(len(name) for name in rows["repository"])
        header = f"{'repository':{width}}  score  trend  level   open  new  fixed  gates"
        lines.append(header)
        for row in rows.to_dict("records"):
            if row["status"] == "error":
                lines.append(f"{plain(row['repository']):{width}}  {plain(row['reason'])}")
                continue
            gates = row["gates_passed"] + row["gates_failed"]
            cells = [
                f"{_number(row['score'], '.1f'):>5}",
                f"{_number(row['trend'], '+.1f'):>5}",
                f"{row['level']:6}",
                f"{_number(row['open'], 'd'):>4}",
                f"{_number(row['new'], 'd'):>3}",
                f"{_number(row['fixed'], 'd'):>5}",
                f"{row['gates_passed']} of {gates}" if gates else "-",
            ]
            lines.append(f"{plain(row['repository']):{width}}  {'  '.join(cells)}")
            if row["missing"]:
                lines.append(f"{'':{width}}  {row['missing']}")
    return lines


def _number(value: Any, form: str) -> str:
    return "-" if value is None or value != value else format(value, form)  # noqa: PLR0124 - NaN differs from itself
