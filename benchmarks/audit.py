"""What an audit costs: CPU seconds of whole processes, and their ratios, measured in one run.

    make bench REPO=<path> [ARGS="--json --runs 3"]

The *floor* is what git and ruff alone need for the same reading: commit metadata, `--raw --numstat` of the window
that the rules read, `ls-tree`, `cat-file` of HEAD, one ruff run over the tree's Python. Reading every blob of the
history for secrets is measured on its own (`history_read_s`) and is part of `cold_s`. Interpreter start is inside every
figure. Medians of `--runs`; this measures, it never fails.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from resources.git.commands import ENVIRONMENT, command  # noqa: E402
from resources.git.repository import borrow, find_git_dir  # noqa: E402


def cpu_seconds(arguments: Sequence[str | Path], **options: object) -> float:
    """User and system time of a process and its children."""
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)  # type: ignore[call-overload]
    _, _, usage = os.wait4(process.pid, 0)
    return float(usage.ru_utime + usage.ru_stime)


def audit_seconds(repository: Path, home: Path) -> float:
    """One `elder audit` with the state of a home."""
    environment = {**os.environ, "ELDER_HOME": str(home), "PYTHONPATH": str(ROOT)}
    arguments = [sys.executable, "-m", "elder_assets", "audit", repository, "--format", "json", "--quiet"]
    return cpu_seconds(arguments, env=environment)


def floor_seconds(git_dir: Path, work: Path) -> float:
    """What git and ruff need for the same reading."""
    since = "--since-as-filter=2 years ago"
    total = _git(git_dir, "log", "--format=%H%P%aN%aE%at%cN%cE%ct%s%b", "HEAD")
    total += _git(git_dir, "log", "-z", "--raw", "--numstat", "-M", "--no-merges", since, "HEAD")
    total += _git(git_dir, "ls-tree", "-r", "-l", "-z", "HEAD")
    listing = subprocess.run(
        command(git_dir, "ls-tree", "-r", "HEAD"), env=ENVIRONMENT, capture_output=True, check=True
    )
    rows = [line.split(b"\t") for line in listing.stdout.splitlines()]
    blobs = {fields.split()[2]: path for fields, path in rows if b" blob " in fields}
    (work / "blobs").write_bytes(b"\n".join(blobs) + b"\n")
    with (work / "blobs").open("rb") as wanted:
        total += _git(git_dir, "cat-file", "--batch", "--buffer", stdin=wanted)
    return total + _ruff_seconds(git_dir, work, [oid for oid, path in blobs.items() if path.endswith(b".py")])


def _ruff_seconds(git_dir: Path, work: Path, oids: Sequence[bytes]) -> float:
    if not oids:
        return 0.0
    from ruff import find_ruff_bin

    tree = work / "python"
    tree.mkdir(exist_ok=True)
    for oid in oids:
        shown = subprocess.run(
            command(git_dir, "cat-file", "blob", oid.decode()), env=ENVIRONMENT, capture_output=True, check=True
        )
        (tree / f"{oid.decode()}.py").write_bytes(shown.stdout)
    return cpu_seconds([find_ruff_bin(), "check", "--isolated", "--no-cache", "--output-format", "concise", tree])


def history_read_seconds(git_dir: Path, work: Path) -> float:
    """Listing and reading every blob that HEAD reaches."""
    listed = subprocess.run(
        command(git_dir, "rev-list", "--objects", "--no-object-names", "--missing=allow-any", "HEAD"),
        env=ENVIRONMENT, capture_output=True, check=True,
    )  # fmt: skip
    (work / "history").write_bytes(listed.stdout)
    with (work / "history").open("rb") as wanted:
        return _git(git_dir, "cat-file", "--batch", "--buffer", stdin=wanted)


def _git(git_dir: Path, *arguments: str, **options: object) -> float:
    return cpu_seconds(command(git_dir, *arguments), env=ENVIRONMENT, **options)


def median(measure: Callable[[], float], runs: int) -> float:
    """Median of several measurements, in seconds."""
    return statistics.median(measure() for _ in range(runs))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("repository", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    repository = options.repository.resolve()
    with tempfile.TemporaryDirectory() as folder, borrow(find_git_dir(repository)[1]) as git_dir:
        work = Path(folder)
        homes = iter(range(options.runs))
        figures = {
            "floor_s": median(lambda: floor_seconds(git_dir, work), options.runs),
            "history_read_s": median(lambda: history_read_seconds(git_dir, work), options.runs),
            "cold_s": median(lambda: audit_seconds(repository, work / f"home{next(homes)}"), options.runs),
            "warm_s": median(lambda: audit_seconds(repository, work / "home0"), options.runs),
        }
    figures["cold_to_floor_and_history"] = figures["cold_s"] / (figures["floor_s"] + figures["history_read_s"])
    figures["warm_to_cold"] = figures["warm_s"] / figures["cold_s"]
    shown = {name: round(value, 3) for name, value in figures.items()}
    print(json.dumps(shown) if options.json else "\n".join(f"{name:26} {value:8.3f}" for name, value in shown.items()))


if __name__ == "__main__":
    main()
