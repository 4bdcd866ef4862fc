"""The gate on changes that landed: what it would have said of the last commits of a repository, for a person to judge.

    python benchmarks/gate_replay.py <repository> [--commits 40] [--new] [--json]

Each of the last first-parent commits (a merge counts as one change) is judged against its first parent through the
calls of `elder gate`. Printed are the counts and each failing finding; `--new` prints the other new ones too. Beside
each finding stands what git's own diff says of its place:

- *written*: the change added or replaced that line;
- *touched*: the change touched that file, on other lines;
- *elsewhere*: the change did not touch that file, or the finding has none. Here a wrong match would show;
- *unknown*: the repository here does not hold the objects that the diff reads.

Conservation is asserted on every change: before = existing + fixed, after = existing + new. Suppressed findings are
told too, since they are there.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from elder_assets.audit.gate import GateResult  # noqa: E402
from elder_assets.audit.model import Finding, Tier  # noqa: E402
from resources.audits import gate_change  # noqa: E402
from resources.git.commands import ENVIRONMENT, command  # noqa: E402
from resources.git.repository import borrow, find_git_dir  # noqa: E402
from resources.settings import Settings  # noqa: E402

_HUNK = re.compile(r"@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@")


class NotConserved(Exception):
    """A finding was lost or counted twice."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One new finding of one change."""

    commit: str
    rule: str
    severity: str
    place: str
    message: str
    is_failing: bool
    origin: str
    """written, touched, elsewhere or unknown."""


def git(git_dir: Path, *arguments: str) -> str:
    """Output of a git command."""
    done = subprocess.run(command(git_dir, *arguments), env=ENVIRONMENT, capture_output=True, check=True)
    return done.stdout.decode(errors="replace")


def written_lines(git_dir: Path, commit: str) -> dict[str, set[int]] | None:
    """Lines of each touched file that a change added or replaced, none for one that only moved; None: unreadable."""
    options = ("-M", "-U0", "--no-color", "--no-ext-diff", "--src-prefix=a/", "--dst-prefix=b/")
    found: dict[str, set[int]] = defaultdict(set)
    path = ""
    try:
        text = git(git_dir, "diff", *options, f"{commit}^", commit)
    except subprocess.CalledProcessError:
        return None
    for line in text.splitlines():
        if line.startswith("diff --git "):
            path = ""
        elif line.startswith(("rename to ", "+++ b/")) and not path:
            path = line.partition(" ")[2].removeprefix("to ").removeprefix("b/").rstrip("\t")
            found[path] = set()
        elif path and (hunk := _HUNK.match(line)):
            first = int(hunk[1])
            found[path].update(range(first, first + int(hunk[2] or 1)))
    return found


def origin_of(finding: Finding, written: dict[str, set[int]] | None) -> str:
    """What the diff says of a finding's place."""
    if written is None:
        return "unknown"
    if finding.path not in written:
        return "elsewhere"
    return "written" if finding.line in written[finding.path] else "touched"


def check_conservation(result: GateResult) -> None:
    """Raise NotConserved unless each open finding of both sides is in the outcome exactly once."""
    changes = result.changes
    sides = (
        (result.before, [*(pair.before for pair in changes.existing), *changes.fixed]),
        (result.after, [*(pair.after for pair in changes.existing), *changes.new]),
    )
    for verdict, told in sides:
        shown = Counter((one.fingerprint, one.path) for one in verdict.findings if one.tier is not Tier.SHADOW)
        counted = Counter((one.fingerprint, one.path) for one in told)
        if shown - counted or len({id(one) for one in told}) != len(told):
            msg = f"{verdict.snapshot.commit}: {shown.total()} open findings, {counted.total()} told"
            raise NotConserved(msg)


def replay(repository: Path, commits: list[str], home: Path) -> Iterator[tuple[str, GateResult]]:
    """The gate's answer to each commit, against its first parent."""
    settings = Settings(home=home)
    for commit in commits:
        result = gate_change(str(repository), settings, f"{commit}^", commit)
        check_conservation(result)
        yield commit, result


def judged(commit: str, result: GateResult, written: dict[str, set[int]] | None) -> Iterator[Judged]:
    """The new findings of a change, failing ones first."""
    failing = {id(finding) for finding in result.failing}
    for finding in sorted(result.changes.new, key=lambda new: id(new) not in failing):
        yield Judged(
            commit=commit[:12],
            rule=finding.rule,
            severity=finding.severity.value,
            place=f"{finding.path}:{finding.line}" if finding.path else "",
            message=finding.message,
            is_failing=id(finding) in failing,
            origin=origin_of(finding, written),
        )


def first_parents(git_dir: Path, count: int) -> list[str]:
    """The last commits of the main line that have a parent, oldest first."""
    return git(git_dir, "rev-list", "--first-parent", "--min-parents=1", f"-{count}", "HEAD").split()[::-1]


def main() -> None:
    """Replay and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("repository", type=Path)
    parser.add_argument("--commits", type=int, default=40)
    parser.add_argument("--new", action="store_true", help="print new findings that fail nothing, too")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    repository = options.repository.resolve()
    counts: Counter[str] = Counter()
    found: list[Judged] = []
    with tempfile.TemporaryDirectory() as home, borrow(find_git_dir(repository)[1]) as git_dir:
        for commit, result in replay(repository, first_parents(git_dir, options.commits), Path(home)):
            changes = result.changes
            new = list(judged(commit, result, written_lines(git_dir, commit)))
            found += new
            counts.update(
                {"changes": 1, result.status.value: 1, "failing": len(result.failing), "new": len(new)}
                | {"fixed": len(changes.fixed), "existing": len(changes.existing)}
            )
            counts.update(f"new {one.origin}" for one in new)
    shown = [one for one in found if one.is_failing or options.new]
    if options.json:
        print(json.dumps({"counts": counts, "new": msgspec.to_builtins(shown)}))
        return
    print(" ".join(f"{name}={counts[name]}" for name in sorted(counts)))
    for one in shown:
        mark = "FAILS" if one.is_failing else "new"
        print(f"{mark} {one.commit} {one.rule} {one.severity} {one.origin} {one.place} {one.message}")


if __name__ == "__main__":
    main()
