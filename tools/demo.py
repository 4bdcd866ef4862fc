"""Fill the embedded default with real audits, so that every page has something to show: `make demo`.

Each repository is audited at a few commits of its last year, oldest first, as if Elder had watched it; then its last
52 weeks are scored, and its newest changes go through the gate. Nothing is made up: every number comes from an audit.
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import msgspec

from elder_assets.audit.engine import collect
from elder_assets.audit.errors import ElderError
from elder_assets.audit.facts.commit_log import Commit
from elder_assets.audit.finding_states import counted
from elder_assets.audit.gate_report import to_gate_json
from elder_assets.audit.scoring import rounded
from elder_assets.team_scorecard import make_scorecard
from resources.audits import gate_change, judge_opened, open_source, plain_and_shown, terms_for, today
from resources.file_map import files_of
from resources.fleet import processes_that_fit, rescore_all
from resources.git.address import checked_key
from resources.git.blame import introduced
from resources.git.releases import releases_before
from resources.git.repository import open_repository, register_target
from resources.registry import add_known
from resources.settings import Settings, load_settings
from resources.store import Store, open_store
from resources.store.findings import Observed
from resources.teams.initiatives import Wanted, make, measure_all
from resources.teams.settings import held_settings, save_settings, with_values

ROOT = Path(__file__).resolve().parents[1]
AUDITS = 9
"""Commits of the last year that are audited."""
GATES = 6
"""Newest changes of the branch that the gate judges."""
YEAR_SECONDS = 366 * 86_400
ARRIVALS_MAX = 200


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one repository."""

    key: str
    seconds: float
    failure: str = ""


def chosen_commits(line: Sequence[Commit], count: int) -> list[str]:
    """Ids of commits to audit: spread over the last year before the newest one, which is the last; oldest first."""
    newest = line[0].committed_at
    year = [commit for commit in line if commit.committed_at > newest - YEAR_SECONDS]
    step = max(1, (len(year) - 1) // max(1, count - 1))
    return [commit.id for commit in reversed(year[::step][:count])]


def fill(work: tuple[Settings, str, str]) -> Filled:
    """Audit one registered repository at its chosen commits; a failure is kept like one of the platform."""
    settings, key, url = work
    started = time.monotonic()
    with open_store(settings.store_url) as store:
        try:
            with open_source(url, settings, key=key) as opened:
                line = opened.source.first_parents()
            for commit in chosen_commits(line, AUDITS):
                audit_commit(settings, key, url, commit)
            name_arrivals(settings, key, url, line[0].id)
            judge_changes(settings, key, url, line)
        except ElderError as error:
            store.record_failure(key, str(error))
            return Filled(key=key, seconds=time.monotonic() - started, failure=str(error))
    return Filled(key=key, seconds=time.monotonic() - started)


def audit_commit(settings: Settings, key: str, url: str, commit: str) -> None:
    """One audit of kind default."""
    with open_store(settings.store_url) as store, open_source(url, settings, commit, key=key) as opened:
        baseline = store.last_audited_commit(key, other_than=commit)
        terms = terms_for(opened)
        judged = judge_opened(opened, terms.ruler, baseline)
        plain, applied = plain_and_shown(judged, terms.ruler, terms.granted, today())
        paths = frozenset(entry.path for entry in opened.source.tree())
        facts = collect(opened.source, opened.facts, baseline)
        observed = Observed(applied=applied, paths=paths, profile=terms.profile, files=files_of(facts))
        store.record(plain, terms.ruler.document(), observed=observed)
        shown = applied.verdict
        said = {"commit": commit, "kind": "default", "status": str(shown.status), "reason": shown.reason}
        numbers = {"score": rounded(shown.score), "findings": counted(shown.findings)}
        store.put_live_event(
            store.repository(key).id, "audit_completed", {"run_id": None, "delivery": None, **said, **numbers}
        )


def name_arrivals(settings: Settings, key: str, url: str, commit: str) -> None:
    """Name the commits that brought the newest findings, and the releases before them."""
    with open_store(settings.store_url) as store, open_repository(url, settings, key=key, commit=commit) as opened:
        store.record_introduced(introduced(opened.git_dir, commit, store.arrivals(key, ARRIVALS_MAX)))
        store.keep_releases(key, releases_before(opened.git_dir, commit))


def judge_changes(settings: Settings, key: str, url: str, line: Sequence[Commit]) -> None:
    """The newest changes of the branch, each against the one before it."""
    with open_store(settings.store_url) as store:
        for head, base in reversed(list(itertools.pairwise(line[: GATES + 1]))):
            result = gate_change(url, settings, base.id, head.id, key=key)
            store.record_gate(key, result, to_gate_json(result), title=head.subject)


def set_goals(store: Store, team: str) -> None:
    """Goals with deadlines, as a team would set them, and a threshold that somebody changed: once a store."""
    known, today = store.team(team), store.now().date()
    if store.initiatives(known.id):
        return
    began, week = today - dt.timedelta(weeks=16), dt.timedelta(weeks=1)
    goals = (
        Wanted(title="Every repository at 90", kind="score", least=90, deadline=today + 8 * week, starts_on=began),
        Wanted(
            title="Every part has an owner",
            kind="magic",
            subject="servant",
            least=50,
            deadline=today + 4 * week,
            starts_on=began,
        ),
        Wanted(title="Level gold everywhere", kind="level", subject="gold", deadline=today + 12 * week),
        Wanted(title="Every file can be parsed", kind="rule", subject="STR001", deadline=today + 6 * week),
    )
    for goal in goals:
        make(store, known, goal, by="demo")
    held = held_settings(store, team)
    wanted = with_values(held.policy, [("scorecard.levels.gold.score", 92)])
    reason = "gold is to mean something, said the demo"
    save_settings(store, team, wanted, by="demo", reason=reason, based_on=held.version)


def main() -> int:
    """Fill, and say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", help="paths or addresses; default: this project's own repository")
    parser.add_argument("--list", type=Path, help="a file with one path or address a line")
    parser.add_argument("--team", action="append", default=[], metavar="TEAM", help="deal the repositories to teams")
    given = parser.parse_args()
    settings, started = load_settings(), time.monotonic()
    listed = given.list.read_text().split() if given.list else []
    targets = [*given.targets, *listed] or [str(ROOT)]
    work = []
    with open_store(settings.store_url) as store:
        for team in given.team:
            store.add_team(team)
        for number, target in enumerate(targets):
            key, url = register_target(target)
            if key in (taken for _, taken, _ in work):  # folders of one name
                key = checked_key(f"local/{Path(url).parent.name}-{Path(url).name}")
            add_known(store, settings, key, url)
            if given.team:
                store.assign(key, given.team[number % len(given.team)])
            work.append((settings, key, url))
    with ProcessPoolExecutor(min(processes_that_fit(), len(work))) as pool:
        for filled in pool.map(fill, work):
            print(f"{filled.key}  {filled.failure or 'audited'}, {filled.seconds:.1f} s", flush=True)
    for scored in rescore_all(settings, [key for _, key, _ in work], weeks=52):
        print(scored.line(), flush=True)
    with open_store(settings.store_url) as store:
        for team in given.team:
            store.record_scorecard(team, make_scorecard(store, team, store.now()))
            set_goals(store, team)
            measure_all(store, store.team(team).id)
            store.record_scorecard(team, make_scorecard(store, team, store.now()))
    print(f"{len(work)} repositories in {time.monotonic() - started:.0f} s; see them with: make up")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ElderError as error:
        sys.exit(f"demo: {error}")
