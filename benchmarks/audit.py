"""What an audit, a push and a year cost: CPU seconds of whole processes, and their ratios, measured in one run.

    make bench REPO=<path> [JSON=1] [RUNS=3] [ARGS="--naive 12 --peers <python of an environment with the peers>"]

Every figure is user and system time of `elder` itself with its children, interpreter start inside, median of `--runs`.
Each round measures every scenario once, so that noise of the machine meets them all alike; `spread` says how far the
rounds lay apart. Byte-code is compiled before, as an installation does.

The *floor* is what git and ruff alone need for the same reading: commit metadata and `--raw` of all history,
`--numstat` of the window that the rules read, `ls-tree`, `cat-file` of HEAD, one ruff run over the tree's Python. The
scan of the history for secrets is measured on its own, beside reading the same blobs.

A lost goal is a figure like any other and fails nothing. A process that failed is no figure: it ends the measurement.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from elder_assets.audit.facts.commit_log import DAY_SECONDS, HISTORY_WINDOW_DAYS  # noqa: E402
from resources.git.commands import ENVIRONMENT, command  # noqa: E402
from resources.git.repository import borrow, find_git_dir  # noqa: E402

WEEKS = 52
PUSH_FILES = 10
"""Files that the measured push changes, about."""


class Broken(Exception):
    """A measured process failed: what it used says nothing."""


def cpu_seconds(arguments: Sequence[str | Path], *, allowed: Sequence[int] = (0,), **options: Any) -> float:
    """User and system time of a process and its children.

    Raises:
        Broken: it ended with another exit status than those allowed.
    """
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=complaints, **options)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in allowed:
            complaints.seek(0)
            last = complaints.read().decode(errors="replace").strip().rpartition("\n")[2]
            msg = f"{' '.join(map(str, arguments))[:300]}: ended with {process.returncode}: {last[:300]}"
            raise Broken(msg)
    return usage.ru_utime + usage.ru_stime


def own_environment(home: Path) -> dict[str, str]:
    """The environment of a measured `elder`; it may keep byte-code, as an installed one does."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "ELDER_HOME": str(home), "PYTHONPATH": str(ROOT)}


def elder_seconds(home: Path, *arguments: str | Path) -> float:
    """CPU seconds of one `elder` command with the state of a home."""
    command_line = [sys.executable, "-m", "elder_assets", *arguments, "--quiet"]
    return cpu_seconds(command_line, allowed=(0, 1), env=own_environment(home))  # 1: the verdict failed


# --- what git and ruff need ------------------------------------------------------------------------------


def git_text(git_dir: Path, *arguments: str) -> str:
    """Output of a git command."""
    done = subprocess.run(command(git_dir, *arguments), env=ENVIRONMENT, capture_output=True, check=True)
    return done.stdout.decode(errors="backslashreplace")


def git_seconds(git_dir: Path, *arguments: str, lines: Iterable[str] = ()) -> float:
    """CPU seconds of a git command that reads these lines."""
    with tempfile.TemporaryFile() as given:
        given.writelines(f"{line}\n".encode() for line in lines)
        given.seek(0)
        return cpu_seconds(command(git_dir, *arguments), env=ENVIRONMENT, stdin=given)


def floor_seconds(git_dir: Path, work: Path) -> float:
    """What git and ruff need for what an audit reads."""
    window = int(git_text(git_dir, "log", "-1", "--format=%ct", "HEAD")) - HISTORY_WINDOW_DAYS * DAY_SECONDS
    since = f"--since-as-filter=@{window}"
    total = git_seconds(
        git_dir, "log", "-z", "-c", "--raw", "--no-renames", "--format=%H%P%an%ae%at%cn%ce%ct%s", "HEAD"
    )
    total += git_seconds(git_dir, "log", "-z", "--numstat", "-M", "--no-merges", "--format=%H", since, "HEAD")
    total += git_seconds(git_dir, "ls-tree", "-r", "-l", "-z", "HEAD")
    rows = [line.split("\t", 1) for line in git_text(git_dir, "ls-tree", "-r", "HEAD").splitlines()]
    blobs = {fields.split()[2]: path for fields, path in rows if " blob " in fields}
    total += git_seconds(git_dir, "cat-file", "--batch", "--buffer", lines=blobs)
    return total + ruff_seconds(git_dir, work, [oid for oid, path in blobs.items() if path.endswith(".py")])


def ruff_seconds(git_dir: Path, work: Path, oids: Sequence[str]) -> float:
    """One ruff run over the tree's Python."""
    if not oids:
        return 0.0
    from ruff import find_ruff_bin

    from resources.git.objects import ObjectReader

    tree = work / "python"
    tree.mkdir(exist_ok=True)
    with ObjectReader(git_dir) as objects:
        for oid, data in objects.contents(oids):
            (tree / f"{oid}.py").write_bytes(data or b"")
    arguments = [find_ruff_bin(), "check", "--isolated", "--no-cache", "--output-format", "concise", tree]
    return cpu_seconds(arguments, allowed=(0, 1))  # 1: it found something


# --- counts, from inside ---------------------------------------------------------------------------------


def probe(kind: str, repository: str) -> dict[str, Any]:
    """Run one command in this process and count: blobs read, git processes, milliseconds of scoring."""
    import time

    from elder_assets.audit.facts.history_secrets import SecretsLedger
    from elder_assets.audit.facts.repository_facts import TreeCollector
    from elder_assets.audit.history import known_points, walk_weeks, weeks_of
    from elder_assets.audit.judgement import score_point
    from resources.audits import audit_shown, open_source, ruler_for
    from resources.git.commands import processes_started
    from resources.settings import load_settings

    seen = _watch_git()
    made: list[Any] = []
    _remember(TreeCollector, made)
    _remember(SecretsLedger, made)
    found: dict[str, Any] = {}
    with open_source(repository, load_settings()) as opened:
        ruler = ruler_for(opened.facts)
        weeks = [] if kind == "audit" else weeks_of(opened.source.first_parents(), WEEKS)
        if kind == "audit":
            audit_shown(opened)
        elif kind == "history":
            list(walk_weeks(opened.source, opened.facts, ruler, weeks))
        else:
            started = time.process_time()
            points = known_points(opened.facts, ruler, [week.commit for week in weeks])
            for week in weeks:
                score_point(points[week.commit], ruler)
            found["rescore_ms_per_point"] = (time.process_time() - started) * 1000 / max(1, len(weeks))
        found["weekly_commits"] = list(dict.fromkeys(week.commit for week in weeks))
    return found | {
        "blobs_parsed": sum(one.blobs_read for one in made if isinstance(one, TreeCollector)),
        "blobs_searched": sum(one.blobs_read for one in made if isinstance(one, SecretsLedger)),
        "git_processes": processes_started(),
        "git_processes_seen": len(seen),
        "peak_rss_mb": _megabytes(resource.RUSAGE_SELF),
        "peak_rss_mb_children": _megabytes(resource.RUSAGE_CHILDREN),
    }


def _watch_git() -> list[str]:
    """Every git that this process starts from now on, whoever starts it: the interpreter itself tells."""
    seen: list[str] = []

    def watch(event: str, details: Any) -> None:
        if event == "subprocess.Popen" and Path(os.fsdecode(details[0])).name == "git":
            seen.append(" ".join(map(str, details[1])))

    sys.addaudithook(watch)
    return seen


def _megabytes(of: int) -> float:
    return resource.getrusage(of).ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)


def _remember(kind: type, made: list[Any]) -> None:
    begin = kind.__init__  # type: ignore[misc]

    def remembering(self: Any, *arguments: Any, **options: Any) -> None:
        made.append(self)
        begin(self, *arguments, **options)

    kind.__init__ = remembering  # type: ignore[misc]


def probe_apart(kind: str, repository: Path, home: Path) -> dict[str, Any]:
    """`probe` in a process of its own, with the state of a home."""
    arguments = [sys.executable, __file__, str(repository), "--probe", kind]
    done = subprocess.run(arguments, env=own_environment(home), capture_output=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def distinct_new_blobs(git_dir: Path, commits: Sequence[str]) -> int:
    """Blobs of the weekly trees that HEAD's tree lacks and an audit would read."""
    from elder_assets.audit.facts.source_tree import READ_BYTES_MAX, class_of_path
    from elder_assets.audit.model import FileClass

    head = {oid for _, oid, _ in _blobs_of(git_dir, "HEAD")}
    return len(
        {
            oid
            for commit in commits
            for path, oid, size in _blobs_of(git_dir, commit)
            if oid not in head and size <= READ_BYTES_MAX and class_of_path(path) is not FileClass.BINARY
        }
    )


def _blobs_of(git_dir: Path, commit: str) -> list[tuple[str, str, int]]:
    rows = (row.split("\t", 1) for row in git_text(git_dir, "ls-tree", "-r", "-l", "-z", commit).split("\0") if row)
    fields = ((path, *attributes.split()) for attributes, path in rows)
    return [(path, oid, int(size)) for path, mode, kind, oid, size in fields if kind == "blob" and mode != "120000"]


# --- scenarios -------------------------------------------------------------------------------------------


def ancestor_of_push(git_dir: Path) -> str:
    """The first parent since which about PUSH_FILES files changed."""
    line = git_text(git_dir, "rev-list", "--first-parent", "--max-count=200", "HEAD").split()
    for commit in line[1:]:
        if files_between(git_dir, commit) >= PUSH_FILES:
            return commit
    return line[-1]


def files_between(git_dir: Path, commit: str) -> int:
    """How many files differ between a commit and HEAD."""
    return git_text(git_dir, "diff", "--name-only", "--no-renames", "-z", commit, "HEAD").count("\0")


class Homes:
    """Homes of scenarios: new ones, or copies of one in a state."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._made = 0

    def fresh(self, of: Path | None = None) -> Path:
        """A home of its own."""
        self._made += 1
        home = self._work / f"home{self._made}"
        if of is not None:
            shutil.copytree(of, home)
        return home


def rounds(scenarios: Mapping[str, Callable[[], float]], runs: int) -> tuple[dict[str, float], dict[str, float]]:
    """Medians, and how far the rounds lay apart in parts of the median; a round measures each scenario once."""
    samples: dict[str, list[float]] = {name: [] for name in scenarios}
    for _ in range(runs):
        for name, scenario in scenarios.items():
            samples[name].append(scenario())
    medians = {name: statistics.median(found) for name, found in samples.items()}
    apart = {name: round((max(found) - min(found)) / (medians[name] or 1), 2) for name, found in samples.items()}
    return medians, apart


def evenly(commits: Sequence[str], count: int) -> list[str]:
    """So many of the commits, from the first to the last at even distances."""
    if count >= len(commits) or count < 2:
        return list(commits[-max(1, count) :])
    return [commits[round(index * (len(commits) - 1) / (count - 1))] for index in range(count)]


def measure(repository: Path, git_dir: Path, work: Path, *, runs: int, naive: int) -> dict[str, Any]:
    """All scenarios, each with homes of its own."""
    homes = Homes(work)
    audited, before = homes.fresh(), homes.fresh()
    cold = probe_apart("audit", repository, audited)
    push_from = ancestor_of_push(git_dir)
    elder_seconds(before, "audit", repository, "--ref", push_from)
    searched = searched_blobs(git_dir)
    medians, spread = rounds(
        {
            "floor_s": lambda: floor_seconds(git_dir, work),
            "cold_s": lambda: elder_seconds(homes.fresh(), "audit", repository),
            "warm_s": lambda: elder_seconds(audited, "audit", repository),
            "incremental_s": lambda: elder_seconds(homes.fresh(before), "audit", repository),
            "history_s": lambda: elder_seconds(homes.fresh(audited), "history", repository, "--weeks", str(WEEKS)),
            "scan": lambda: scan_seconds("secrets", repository, homes.fresh()),
            "no scan": lambda: scan_seconds("no-secrets", repository, homes.fresh()),
            "history_read_s": lambda: git_seconds(git_dir, "cat-file", "--batch", "--buffer", lines=searched),
        },
        runs,
    )
    warm, pushed = probe_apart("audit", repository, audited), probe_apart("audit", repository, homes.fresh(before))
    walked = homes.fresh(audited)
    past = probe_apart("history", repository, walked)
    commits = past["weekly_commits"]
    chosen = evenly(commits, naive)
    audits = [elder_seconds(homes.fresh(), "audit", repository, "--ref", commit) for commit in chosen]
    scored = [probe_apart("rescore", repository, walked)["rescore_ms_per_point"] for _ in range(runs)]
    scan = medians["scan"] - medians["no scan"]
    return {
        **{name: medians[name] for name in ("floor_s", "cold_s", "warm_s", "incremental_s", "history_s")},
        "naive_s": len(commits) * statistics.mean(audits),
        "rescore_ms_per_point": statistics.median(scored),
        "blobs_parsed_cold": cold["blobs_parsed"],
        "blobs_parsed_warm": warm["blobs_parsed"],
        "blobs_parsed_history": past["blobs_parsed"],
        "blobs_distinct_history": distinct_new_blobs(git_dir, commits),
        "git_processes": cold["git_processes"],
        "peak_rss_mb": max(cold["peak_rss_mb"], past["peak_rss_mb"]),
        "peers": {},
        "cold_without_history_secrets_s": medians["cold_s"] - scan,
        "history_secrets_s": scan,
        "history_read_s": medians["history_read_s"],
        "history_blobs_searched": cold["blobs_searched"],
        "history_blobs_read": len(searched),
        "blobs_parsed_incremental": pushed["blobs_parsed"],
        "incremental_files": files_between(git_dir, push_from),
        "git_processes_warm": warm["git_processes"],
        "git_processes_incremental": pushed["git_processes"],
        "git_processes_history": past["git_processes"],
        "peak_rss_mb_cold": cold["peak_rss_mb"],
        "peak_rss_mb_history": past["peak_rss_mb"],
        "peak_rss_mb_git": max(cold["peak_rss_mb_children"], past["peak_rss_mb_children"]),
        "weekly_commits": len(commits),
        "naive_commits_run": len(chosen),
        "runs": runs,
        "spread": {name: spread[name] for name in spread if name.endswith("_s")},
    }


def searched_blobs(git_dir: Path) -> list[str]:
    """The blobs that the scan for secrets looks into, in the order in which it reads them."""
    from elder_assets.audit.facts.history_secrets import is_open_path
    from resources.git.history_reader import read_commits

    walked = read_commits(git_dir, [git_text(git_dir, "rev-parse", "HEAD").strip()])
    introduced = (row for rows in walked.introductions.values() for row in rows)
    return list(
        dict.fromkeys(oid for _, oid in sorted((row.path, row.oid) for row in introduced if is_open_path(row.path)))
    )


def scan_seconds(kind: str, repository: Path, home: Path) -> float:
    """CPU seconds of reading the history, and of the scan too when asked for."""
    return cpu_seconds([sys.executable, __file__, str(repository), "--probe", kind], env=own_environment(home))


def probe_secrets(repository: str, *, scans: bool) -> None:
    """Read the history, and search it for secrets or not: the difference is what the search costs."""
    from elder_assets.audit.facts.history_secrets import collect_history_secrets
    from resources.audits import open_source
    from resources.settings import load_settings

    with open_source(repository, load_settings()) as opened:
        history = opened.source.history()
        if scans:
            collect_history_secrets(opened.source, opened.facts, history)


# --- peers -----------------------------------------------------------------------------------------------

_PYDRILLER = (
    "import sys\nfrom pydriller import Repository\n"
    "for c in Repository(sys.argv[1]).traverse_commits():\n    for m in c.modified_files:\n        m.added_lines"
)


WILY_REVISIONS = 20
_NOT_INSTALLED = "not installed"


def interpreter_with(module: str, pythons: Sequence[str | Path]) -> str | Path | None:
    """The first interpreter that can import a module."""
    for python in pythons:
        if not subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode:
            return python
    return None


def peers(pythons: Sequence[str | Path], git_dir: Path, work: Path) -> dict[str, Any]:
    """CPU seconds of tools that people use for parts of this, where they are installed; else why there is no figure."""
    tree = work / "checkout"
    clone = ["clone", "--quiet", "--no-hardlinks", str(git_dir), str(tree)]
    subprocess.run(["git", *clone], env=ENVIRONMENT | {"GIT_ALLOW_PROTOCOL": "file"}, capture_output=True, check=True)
    sources = (str(tree),)
    revisions = ("-n", str(WILY_REVISIONS))
    tools: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
        "pydriller": (("-c", _PYDRILLER, str(git_dir)), (0,)),
        "bandit": (("-m", "bandit", "-q", "-r", *sources), (0, 1)),
        "flake8": (("-m", "flake8", "--jobs", "1", *sources), (0, 1)),
        "radon": (("-m", "radon", "cc", *sources), (0,)),
        "lizard": (("-m", "lizard", *sources), (0, 1)),
        "wily": (("-m", "wily", "--cache", str(work / "wily"), "build", *revisions, "."), (0,)),
    }
    found: dict[str, Any] = {}
    for name, (arguments, allowed) in tools.items():
        python = interpreter_with(name, pythons)
        if python is None:
            found[name] = _NOT_INSTALLED
            continue
        try:
            seconds = cpu_seconds([python, *arguments], allowed=allowed, cwd=tree if name == "wily" else work)
            found[name] = round(seconds, 2)
        except Broken as error:
            found[name] = f"failed: {str(error).rpartition(': ')[2]}"
    return found


# --- what comes out --------------------------------------------------------------------------------------


def ratios(figures: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Each ratio, its goal (issue 3), and whether it is reached; None where no goal applies."""
    cold, ours = figures["cold_s"], figures["history_s"]
    is_small = cold < 2
    read, driller = figures["history_read_s"], figures["peers"].get("pydriller")
    found: dict[str, tuple[float, str, Callable[[float], bool | None] | None]] = {
        "cold without history scan / floor": (
            figures["cold_without_history_secrets_s"] / figures["floor_s"], "<= 2.0", lambda it: it <= 2.0),
        "history scan / reading its blobs": (
            figures["history_secrets_s"] / read if read else 0.0, "<= 1.3", lambda it: it <= 1.3),
        "warm / cold": (
            figures["warm_s"] / cold, "<= 0.02, or <= 0.15 s", lambda it: it <= 0.02 or figures["warm_s"] <= 0.15),
        "incremental / cold": (
            figures["incremental_s"] / cold, "<= 0.10, or <= 0.25 s where cold < 2 s",
            lambda it: it <= 0.10 or (is_small and figures["incremental_s"] <= 0.25)),
        f"{WEEKS} weeks / cold": (
            ours / cold, "<= 1.5, or 2.0 where cold < 2 s", lambda it: it <= (2.0 if is_small else 1.5)),
        "naive weeks / ours": (
            figures["naive_s"] / ours, ">= 10 where most weeks changed",
            lambda it: it >= 10 if figures["weekly_commits"] > WEEKS / 2 else None),
        "naive weeks / (cold + ours)": (figures["naive_s"] / (cold + ours), "", None),
    }  # fmt: skip
    if isinstance(driller, float):
        found["pydriller / cold"] = (driller / cold, ">= 8", lambda it: it >= 8)
    return {
        name: {"value": round(value, 3), "goal": goal, "reached": None if reached is None else reached(value)}
        for name, (value, goal, reached) in found.items()
    }


def table(figures: Mapping[str, Any]) -> str:
    """Figures and ratios for people."""
    lines = []
    for name, value in figures.items():
        if isinstance(value, dict):
            continue
        lines.append(f"{name:32} {value:>10}")
    lines += ["", *(f"peer {name:27} {value:>10}" for name, value in figures["peers"].items()), ""]
    words = {True: "reached", False: "LOST", None: "-"}
    for name, row in figures["ratios"].items():
        lines.append(f"{name:36} {row['value']:8.3f}   {words[row['reached']]:8} {row['goal']}")
    apart = ", ".join(f"{name} {share:.0%}" for name, share in figures["spread"].items())
    naive = f"{figures['naive_commits_run']} of {figures['weekly_commits']} weekly commits"
    lines += ["", f"Rounds lay apart by: {apart}.", f"naive_s: {naive} were audited, the rest is scaled."]
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("repository", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--naive", type=int, default=12, help="weekly commits that are audited cold; the rest is scaled"
    )
    parser.add_argument("--peers", type=Path, metavar="PYTHON", help="interpreter of an environment with the peers")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--probe", choices=["audit", "history", "rescore", "secrets", "no-secrets"], help=argparse.SUPPRESS
    )
    options = parser.parse_args()
    repository = options.repository.resolve()
    if options.probe in {"secrets", "no-secrets"}:
        probe_secrets(str(repository), scans=options.probe == "secrets")
        return
    if options.probe:
        print(json.dumps(probe(options.probe, str(repository))))
        return
    pythons = [options.peers] if options.peers else [sys.executable, shutil.which("python3") or sys.executable]
    try:
        with tempfile.TemporaryDirectory() as folder, borrow(find_git_dir(repository)[1]) as git_dir:
            figures = measure(repository, git_dir, Path(folder), runs=options.runs, naive=options.naive)
            figures["peers"] = peers(pythons, git_dir, Path(folder))
    except Broken as error:
        sys.exit(f"no figures: {error}")
    figures["ratios"] = ratios(figures)
    shown = {name: round(value, 3) if isinstance(value, float) else value for name, value in figures.items()}
    print(json.dumps(shown) if options.json else table(shown))


if __name__ == "__main__":
    main()
