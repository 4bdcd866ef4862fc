"""What an audit, a push and a year cost: CPU seconds of whole processes, and their ratios, measured in one run.

    make bench REPO=<path> [JSON=1] [ARGS="--runs 3 --naive 6 --peers <python of an environment with the peers>"]

Every figure is user and system time of `elder` itself with its children, interpreter start inside, median of `--runs`.
The *floor* is what git and ruff alone need for the same reading: commit metadata and `--raw` of all history,
`--numstat` of the window that the rules read, `ls-tree`, `cat-file` of HEAD, one ruff run over the tree's Python. The
scan of the history for secrets is measured on its own, beside reading the same blobs. This measures; it never fails.
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


def cpu_seconds(arguments: Sequence[str | Path], **options: Any) -> tuple[float, float, int]:
    """User and system time of a process and its children, peak memory of the largest in MB, exit status."""
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    _, status, usage = os.wait4(process.pid, 0)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)


def elder(home: Path, *arguments: str | Path) -> tuple[float, float, int]:
    """One `elder` command with the state of a home; see `cpu_seconds`."""
    environment = {**os.environ, "ELDER_HOME": str(home), "PYTHONPATH": str(ROOT)}
    return cpu_seconds([sys.executable, "-m", "elder_assets", *arguments, "--quiet"], env=environment)


def median(measure: Callable[[], float], runs: int) -> float:
    """Median of several measurements."""
    return statistics.median(measure() for _ in range(runs))


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
        return cpu_seconds(command(git_dir, *arguments), env=ENVIRONMENT, stdin=given)[0]


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
    return cpu_seconds([find_ruff_bin(), "check", "--isolated", "--no-cache", "--output-format", "concise", tree])[0]


# --- counts, from inside ---------------------------------------------------------------------------------


def probe(kind: str, repository: str) -> dict[str, Any]:
    """Run one command in this process and count: blobs read, git processes, milliseconds of scoring."""
    import time

    from elder_assets.audit.facts.history_secrets import SecretsLedger
    from elder_assets.audit.facts.repository_facts import TreeCollector
    from elder_assets.audit.history import known_points, walk_weeks, weeks_of
    from elder_assets.audit.judgement import score_point
    from resources.audits import audit_opened, open_source, ruler_for
    from resources.git.commands import processes_started
    from resources.settings import load_settings

    made: list[Any] = []
    _remember(TreeCollector, made)
    _remember(SecretsLedger, made)
    found: dict[str, Any] = {}
    with open_source(repository, load_settings()) as opened:
        ruler = ruler_for(opened.facts)
        weeks = [] if kind == "audit" else weeks_of(opened.source.first_parents(), WEEKS)
        if kind == "audit":
            audit_opened(opened, ruler)
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
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _remember(kind: type, made: list[Any]) -> None:
    begin = kind.__init__  # type: ignore[misc]

    def remembering(self: Any, *arguments: Any, **options: Any) -> None:
        made.append(self)
        begin(self, *arguments, **options)

    kind.__init__ = remembering  # type: ignore[misc]


def probe_apart(kind: str, repository: Path, home: Path) -> dict[str, Any]:
    """`probe` in a process of its own, with the state of a home."""
    environment = {**os.environ, "ELDER_HOME": str(home), "PYTHONPATH": str(ROOT)}
    arguments = [sys.executable, __file__, str(repository), "--probe", kind]
    done = subprocess.run(arguments, env=environment, capture_output=True, check=True)
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
        if len(git_text(git_dir, "diff", "--name-only", "--no-renames", commit, "HEAD").splitlines()) >= PUSH_FILES:
            return commit
    return line[-1]


def measure(repository: Path, git_dir: Path, work: Path, *, runs: int, naive: int) -> dict[str, Any]:
    """All scenarios, each with homes of its own."""
    homes = iter(range(1_000_000))

    def fresh(of: Path | None = None) -> Path:
        home = work / f"home{next(homes)}"
        if of is not None:
            shutil.copytree(of, home)
        return home

    memory: list[float] = []

    def seconds(home: Path, *arguments: str | Path) -> float:
        used, peak, _ = elder(home, *arguments)
        memory.append(peak)
        return used

    figures: dict[str, Any] = {"floor_s": median(lambda: floor_seconds(git_dir, work), runs)}
    figures["cold_s"] = median(lambda: seconds(fresh(), "audit", repository), runs)
    audited = fresh()
    counts = probe_apart("audit", repository, audited)
    figures["warm_s"] = median(lambda: seconds(audited, "audit", repository), runs)
    warm = probe_apart("audit", repository, audited)
    before = fresh()
    push_from = ancestor_of_push(git_dir)
    elder(before, "audit", repository, "--ref", push_from)
    figures["incremental_s"] = median(lambda: seconds(fresh(before), "audit", repository), runs)
    pushed = probe_apart("audit", repository, fresh(before))
    figures["history_s"] = median(lambda: seconds(fresh(audited), "history", repository), runs)
    walked = fresh(audited)
    past = probe_apart("history", repository, walked)
    commits = past["weekly_commits"]
    chosen = commits[:: max(1, len(commits) // max(1, naive))][:naive]
    figures["naive_s"] = len(commits) * statistics.mean(
        seconds(fresh(), "audit", repository, "--ref", commit) for commit in chosen
    )
    scored = [probe_apart("rescore", repository, walked)["rescore_ms_per_point"] for _ in range(runs)]
    figures["rescore_ms_per_point"] = statistics.median(scored)
    figures["blobs_parsed_cold"] = counts["blobs_parsed"]
    figures["blobs_parsed_warm"] = warm["blobs_parsed"]
    figures["blobs_parsed_history"] = past["blobs_parsed"]
    figures["blobs_distinct_history"] = distinct_new_blobs(git_dir, commits)
    figures["git_processes"] = counts["git_processes"]
    figures["peak_rss_mb"] = max(counts["peak_rss_mb"], past["peak_rss_mb"])
    figures["peers"] = {}
    return figures | {
        "blobs_parsed_incremental": pushed["blobs_parsed"],
        "git_processes_incremental": pushed["git_processes"],
        "git_processes_warm": warm["git_processes"],
        "weekly_commits": len(commits),
        "naive_commits_run": len(chosen),
        "peak_rss_mb_with_git": max(memory),
        **history_secrets(repository, git_dir, fresh, runs),
    }


def history_secrets(repository: Path, git_dir: Path, fresh: Callable[[], Path], runs: int) -> dict[str, float]:
    """The scan of the history for secrets on its own, and reading the same blobs with `cat-file`."""
    from elder_assets.audit.facts.history_secrets import is_open_path
    from resources.git.history_reader import read_commits

    walked = read_commits(git_dir, [git_text(git_dir, "rev-parse", "HEAD").strip()])
    rows = sorted(
        (row.path, row.oid) for rows in walked.introductions.values() for row in rows if is_open_path(row.path)
    )
    blobs = dict.fromkeys(oid for _, oid in rows)
    reading = median(lambda: git_seconds(git_dir, "cat-file", "--batch", "--buffer", lines=blobs), runs)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def scan(kind: str) -> float:
        arguments = [sys.executable, __file__, str(repository), "--probe", kind]
        return cpu_seconds(arguments, env={**environment, "ELDER_HOME": str(fresh())})[0]

    with_scan, without = median(lambda: scan("secrets"), runs), median(lambda: scan("no-secrets"), runs)
    return {"history_secrets_s": with_scan - without, "history_read_s": reading}


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


def cannot_import(python: Path, name: str) -> bool:
    """Whether an interpreter lacks a module."""
    return subprocess.run([python, "-c", f"import {name}"], capture_output=True, check=False).returncode != 0


def peers(python: Path | None, git_dir: Path, work: Path, figures: Mapping[str, float]) -> dict[str, Any]:
    """CPU seconds of tools that people use for parts of this, where they are installed."""
    tree = work / "checkout"
    tree.mkdir()
    archive = subprocess.run(command(git_dir, "archive", "HEAD"), env=ENVIRONMENT, capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", tree], input=archive.stdout, check=True)
    tools = {
        "pydriller": ("-c", _PYDRILLER, str(git_dir)),
        "bandit": ("-m", "bandit", "-q", "-r", str(tree)),
        "flake8": ("-m", "flake8", "--jobs", "1", str(tree)),
        "radon": ("-m", "radon", "cc", str(tree)),
        "lizard": ("-m", "lizard", str(tree)),
    }
    found: dict[str, Any] = {}
    for name, arguments in tools.items():
        if (
            python is None
            or subprocess.run([python, "-c", f"import {name}"], capture_output=True, check=False).returncode
        ):
            found[name] = "not installed"
        else:
            seconds, _, code = cpu_seconds([python, *arguments])
            # The others end with 1 when they find something.
            found[name] = f"failed with {code}" if code and name == "pydriller" else round(seconds, 2)
    if isinstance(found["pydriller"], float):
        found["pydriller_to_cold"] = round(found["pydriller"] / figures["cold_s"], 1)
    return found


# --- what comes out --------------------------------------------------------------------------------------


def ratios(figures: Mapping[str, Any]) -> dict[str, tuple[float, str]]:
    """Each ratio with its goal (issue 3)."""
    cold, apart = figures["cold_s"], figures["cold_s"] - figures["history_secrets_s"]
    read = figures["history_read_s"]
    return {
        "cold without the history scan / floor": (apart / figures["floor_s"], "<= 2.0"),
        "history scan / reading its blobs": (figures["history_secrets_s"] / read if read else 0.0, "<= 1.3"),
        "warm / cold": (figures["warm_s"] / cold, "<= 0.02, or <= 0.15 s"),
        "incremental / cold": (figures["incremental_s"] / cold, "<= 0.10, or <= 0.25 s where cold < 2 s"),
        f"{WEEKS} weeks / cold": (figures["history_s"] / cold, "<= 1.5, or 2.0 where cold < 2 s"),
        "naive weeks / ours": (figures["naive_s"] / figures["history_s"], ">= 10 where most weeks changed"),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("repository", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--naive", type=int, default=6, help="weekly commits that are audited cold; the rest is scaled")
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
    with tempfile.TemporaryDirectory() as folder, borrow(find_git_dir(repository)[1]) as git_dir:
        figures = measure(repository, git_dir, Path(folder), runs=options.runs, naive=options.naive)
        figures["peers"] = peers(options.peers, git_dir, Path(folder), figures)
    shown = {name: round(value, 3) if isinstance(value, float) else value for name, value in figures.items()}
    if options.json:
        print(json.dumps(shown))
        return
    for name, value in shown.items():
        print(f"{name:28} {value if isinstance(value, dict) else format(value, '>10')}")
    for name, (ratio, goal) in ratios(figures).items():
        print(f"{name:40} {ratio:8.2f}   goal {goal}")


if __name__ == "__main__":
    main()
