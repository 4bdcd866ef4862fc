"""How well findings keep their identity: real renames, moves and edits of a repository, replayed commit by commit.

    python benchmarks/identity.py <repository> [--commits 40] [--json]

Commits that rename files come first, then those that change many lines. For each, its parent and itself are judged and
matched. What should happen is read from git's own diff: a finding on a line that the diff leaves alone is the same
finding on the line where that line now stands, in the file that the diff says it now is.

- *kept*: of the findings that the later side still reports on that line, the share that was matched with it.
- *false merges*: of all matched pairs, the share whose two lines are not the same line, though the diff leaves the
  earlier line alone, or whose lines were both replaced and have less than half of their words in common.

Beside ours two common ways are measured on the same findings: a hash of the rule and the text of the line, and rule,
path, enclosing symbol and place among equals.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from elder_assets.audit.judgement import verdict_of  # noqa: E402
from elder_assets.audit.lifecycle import match  # noqa: E402
from elder_assets.audit.model import Finding  # noqa: E402
from resources.audits import judge_opened, open_source, ruler_for  # noqa: E402
from resources.git.commands import ENVIRONMENT, command  # noqa: E402
from resources.git.repository import borrow, find_git_dir  # noqa: E402
from resources.settings import Settings  # noqa: E402

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
Texts = tuple[Sequence[str], Sequence[str]]
"""The lines of the earlier and of the later findings."""
Pairing = dict[int, int]
"""Index of an earlier finding to that of the later one that is held for the same."""


def git(git_dir: Path, *arguments: str) -> str:
    """Output of a git command."""
    done = subprocess.run(command(git_dir, *arguments), env=ENVIRONMENT, capture_output=True, check=True)
    return done.stdout.decode(errors="replace")


def chosen_commits(git_dir: Path, count: int) -> list[str]:
    """Commits that rename source files, then those that change most files; merges left out."""
    log = ("log", "--no-merges", "--format=%H", "HEAD")
    sources = ("*.py", "*.js", "*.ts", "*.go", "*.java", "*.cs", "*.rb", "*.rs")
    renames = git(git_dir, *log, "-M", "--diff-filter=R", "--", *sources)
    changed: Counter[str] = Counter()
    current = ""
    for line in git(git_dir, "log", "--no-merges", "--format=@%H", "--name-only", "-1500", "HEAD").splitlines():
        if line.startswith("@"):
            current = line[1:]
        elif line:
            changed[current] += 1
    large = [commit for commit, files in changed.most_common(count) if files < 400]
    half = count // 2
    return list(dict.fromkeys([*renames.split()[:half], *large]))[:count]


class Diff:
    """Where the lines of a commit's parent went."""

    def __init__(self, git_dir: Path, commit: str) -> None:
        self.renamed: dict[str, str] = {}
        self._hunks: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
        """Earlier path to hunks: first earlier line, lines removed, lines added."""
        self.touched: set[str] = set()
        text = git(git_dir, "diff", "-M", "-U0", "--no-color", f"{commit}^", commit)
        old = ""
        for line in text.splitlines():
            if line.startswith("diff --git "):
                old = ""
            elif line.startswith("rename from "):
                old = line[12:]
            elif line.startswith("rename to "):
                self.renamed[old] = line[10:]
                self.touched.add(old)
            elif line.startswith("--- a/"):
                old = line[6:].rstrip("\t")
                self.touched.add(old)
            elif old and (hunk := _HUNK.match(line)):
                first, removed = int(hunk[1]), int(hunk[2] or 1)
                added = int(hunk[4] or 1)
                self._hunks[old].append((first if removed else first + 1, removed, added))

    def goes_to(self, path: str, line: int) -> tuple[str, int] | None:
        """Path and line after the commit; None when the line was removed or replaced."""
        shift = 0
        for first, removed, added in self._hunks.get(path, ()):
            if first <= line < first + removed:
                return None
            if first + removed <= line:
                shift += added - removed
        return self.renamed.get(path, path), line + shift


# --- ways to match ---------------------------------------------------------------------------------------


def ours(before: Sequence[Finding], after: Sequence[Finding], _texts: object) -> Pairing:
    """`audit/lifecycle.py`."""
    old = {id(finding): index for index, finding in enumerate(before)}
    new = {id(finding): index for index, finding in enumerate(after)}
    return {old[id(pair.before)]: new[id(pair.after)] for pair in match(before, after).existing}


def by_key(key: Callable[[Finding, int], object]) -> Callable[..., Pairing]:
    """Findings with equal keys are the same, in order."""

    def pair(
        before: Sequence[Finding], after: Sequence[Finding], texts: tuple[Sequence[str], Sequence[str]]
    ) -> Pairing:
        waiting: dict[object, list[int]] = defaultdict(list)
        for index, finding in enumerate(after):
            waiting[key(finding, hash(texts[1][index]))].append(index)
        found: Pairing = {}
        for index, finding in enumerate(before):
            if places := waiting[key(finding, hash(texts[0][index]))]:
                found[index] = places.pop(0)
        return found

    return pair


WAYS: dict[str, Callable[..., Pairing]] = {
    "elder": ours,
    "line hash": by_key(lambda finding, text: (finding.rule, text)),
    "path, symbol, index": by_key(lambda finding, _text: (finding.rule, finding.path, finding.symbol)),
}


# --- what came out ---------------------------------------------------------------------------------------


class Tally:
    """What one way got right, over all commits."""

    def __init__(self) -> None:
        self.expected = self.kept = self.pairs = self.false = 0

    def plain(self) -> dict[str, float | int]:
        """Counts and shares."""
        return {
            "expected": self.expected,
            "kept": self.kept,
            "kept_share": round(self.kept / self.expected, 4) if self.expected else 1.0,
            "pairs": self.pairs,
            "false_merges": self.false,
            "false_share": round(self.false / self.pairs, 4) if self.pairs else 0.0,
        }


def weigh(  # noqa: PLR0917 - what both sides have
    tally: Tally, pairing: Pairing, before: Sequence[Finding], after: Sequence[Finding], diff: Diff, texts: Texts
) -> None:
    """Count what a way of matching kept and what it merged falsely, in files that the commit touched."""
    places: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    for index, finding in enumerate(after):
        places[finding.rule, finding.path, finding.line].append(index)
    for index, finding in enumerate(before):
        if not finding.line or finding.path not in diff.touched:
            continue
        went = diff.goes_to(finding.path, finding.line)
        here = places[finding.rule, *went] if went else []
        if here:
            tally.expected += 1
            tally.kept += pairing.get(index, -1) in here
        if index not in pairing:
            continue
        tally.pairs += 1
        other = after[pairing[index]]
        if went and here:
            tally.false += pairing[index] not in here
        elif not went:
            tally.false += alike(texts[0][index], texts[1][pairing[index]]) < 0.5 and other.message != finding.message


def alike(left: str, right: str) -> float:
    """How much two lines have in common, 0-1."""
    return difflib.SequenceMatcher(None, left.split(), right.split()).ratio()


def lines_of(git_dir: Path, commit: str, findings: Iterable[Finding]) -> list[str]:
    """The text of each finding's line."""
    contents: dict[str, list[str]] = {}
    found = []
    for finding in findings:
        if finding.path and finding.path not in contents:
            shown = subprocess.run(
                command(git_dir, "show", f"{commit}:{finding.path}"), env=ENVIRONMENT, capture_output=True, check=False
            )
            contents[finding.path] = shown.stdout.decode(errors="replace").split("\n")
        lines = contents.get(finding.path, [])
        found.append(lines[finding.line - 1].strip() if 0 < finding.line <= len(lines) else "")
    return found


def main() -> None:
    """Replay and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("repository", type=Path)
    parser.add_argument("--commits", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    repository = options.repository.resolve()
    tallies = {name: Tally() for name in WAYS}
    with tempfile.TemporaryDirectory() as home, borrow(find_git_dir(repository)[1]) as git_dir:
        settings = Settings(home=Path(home))
        commits = chosen_commits(git_dir, options.commits)
        for commit in commits:
            sides = [findings_at(str(repository), settings, ref) for ref in (f"{commit}^", commit)]
            diff = Diff(git_dir, commit)
            sides[0] = [finding for finding in sides[0] if finding.path in diff.touched]
            touched = diff.touched | set(diff.renamed.values())
            sides[1] = [finding for finding in sides[1] if finding.path in touched]
            texts = (lines_of(git_dir, f"{commit}^", sides[0]), lines_of(git_dir, commit, sides[1]))
            for name, way in WAYS.items():
                weigh(tallies[name], way(sides[0], sides[1], texts), sides[0], sides[1], diff, texts)
    result = {"commits": len(commits), **{name: tally.plain() for name, tally in tallies.items()}}
    print(json.dumps(result) if options.json else "\n".join(f"{name:22} {value}" for name, value in result.items()))


def findings_at(repository: str, settings: Settings, ref: str) -> list[Finding]:
    """All findings of a commit, as the gate sees them."""
    with open_source(repository, settings, ref) as opened:
        ruler = ruler_for(opened.facts)
        return list(verdict_of(judge_opened(opened, ruler), ruler).findings)


if __name__ == "__main__":
    main()
