"""How well findings keep their identity: real renames, moves, edits and reformats of a repository, commit by commit.

    python benchmarks/identity.py <repository> [--commits 40] [--reformats 8] [--json] [--losses]

Three sets of commits, none of them chosen by what our matching does with them:

- commits that rename files, then those that change most files;
- commits that lay code out anew: those that the repository lists in `.git-blame-ignore-revs`, then those whose subject
  names a formatter or says so; of both, those of whose tokens at least 95 % are on both sides;
- commits made here: the whole tree goes into a folder, and back; all lines end in CRLF, and in LF again.

For each, its parent and itself are judged and matched. What should happen is read from git (`alignment.py`): a finding
on a line that the diff leaves alone, or whose tokens stand on another line now, is the same finding there.

- *kept*: of the findings that the later side still reports there, the share that was matched with that finding.
- *silent*: findings on such lines of which the rule says nothing any more; matching can do nothing for them.
- *false merges*: of all matched pairs, the share whose two places are not the same place; where both lines were
  replaced, those that have less than half of their words in common and of which the rule says something else (numbers
  apart).

Beside ours two common ways are measured on the same findings: a hash of the rule and the text of the first line, and
rule, path, enclosing symbol and place among equals.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.alignment import (  # noqa: E402
    EQUAL_SHARE_MIN,
    Alignment,
    Diff,
    contents,
    git,
    readable,
    reformat_candidates,
    token_alignment,
)
from elder_assets.audit.judgement import verdict_of  # noqa: E402
from elder_assets.audit.lifecycle import match  # noqa: E402
from elder_assets.audit.model import Finding  # noqa: E402
from resources.audits import judge_opened, open_source, ruler_for  # noqa: E402
from resources.git.repository import borrow, find_git_dir  # noqa: E402
from resources.settings import Settings  # noqa: E402

FILES_MAX = 400
"""Of an ordinary commit; larger ones are imports of foreign code as a rule."""
_NUMBER = re.compile(r"\d+")
Pairing = dict[int, int]
"""Index of an earlier finding to that of the later one that is held for the same."""


class Side(NamedTuple):
    """The findings of one commit and the text of each one's line."""

    findings: list[Finding]
    texts: list[str]


# --- commits ---------------------------------------------------------------------------------------------


def chosen_commits(git_dir: Path, count: int) -> list[str]:
    """Commits that rename source files, then those that change most files; merges left out."""
    log = ("log", "--no-merges", "--min-parents=1", "--format=%H", "HEAD")
    sources = ("*.py", "*.js", "*.ts", "*.go", "*.java", "*.cs", "*.rb", "*.rs")
    renames = readable(git_dir, *log, "-M", "--diff-filter=R", "--", *sources)
    changed: Counter[str] = Counter()
    current = ""
    log = ("log", "--no-merges", "--min-parents=1", "--format=@%H", "--name-only", "-1500", "HEAD")
    for line in readable(git_dir, *log).splitlines():
        if line.startswith("@"):
            current = line[1:]
        elif line:
            changed[current] += 1
    large = [commit for commit, files in changed.most_common(count) if files < FILES_MAX]
    half = count // 2
    return list(dict.fromkeys([*renames.split()[:half], *large]))[:count]


def moved_tree(git_dir: Path, folder: str) -> list[str]:
    """Two commits on top of HEAD: everything goes into a folder, and everything comes back."""
    whole = git(git_dir, "rev-parse", "HEAD^{tree}").strip()
    inside = git(git_dir, "mktree", said=f"040000 tree {whole}\t{folder}\n").strip()
    made = ["HEAD"]
    for tree in (inside, whole):
        made.append(_commit(git_dir, tree, made[-1]))
    return made[1:]


def other_line_endings(git_dir: Path) -> list[str]:
    """Two commits on top of HEAD: every text of up to 500 kB gets CRLF at the end of its lines, and LF again."""
    sizes = {}
    for line in git(git_dir, "ls-tree", "-r", "-l", "HEAD").splitlines():
        kind, _, path = line.partition("\t")
        if kind.startswith("100644 blob") and kind.split()[-1].isdigit() and int(kind.split()[-1]) <= 500_000:
            sizes[f"HEAD:{path}"] = path
    stream = ["commit refs/elder/crlf\ncommitter Ann <ann@example.org> 0 +0000\ndata 1\nx\nfrom HEAD^0\n"]
    for name, text in contents(git_dir, sizes).items():
        if not {"\0", "\r", "\ufffd"} & set(text) and not sizes[name].startswith('"'):
            data = text.replace("\n", "\r\n")
            stream.append(f"M 100644 inline {sizes[name]}\ndata {len(data.encode())}\n{data}\n")
    git(git_dir, "fast-import", "--quiet", said="".join(stream))
    changed = _commit(git_dir, git(git_dir, "rev-parse", "refs/elder/crlf^{tree}").strip(), "HEAD")
    return [changed, _commit(git_dir, git(git_dir, "rev-parse", "HEAD^{tree}").strip(), changed)]


def _commit(git_dir: Path, tree: str, parent: str) -> str:
    """A commit of a tree, a minute after its parent."""
    when = int(git(git_dir, "log", "-1", "--format=%ct", parent)) + 60
    who = {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "Ann"), ("EMAIL", "ann@example.org"), ("DATE", f"{when} +0000"))
    }
    return git(git_dir, "commit-tree", tree, "-p", parent, "-m", "refactor: move", **who).strip()


# --- ways to match ---------------------------------------------------------------------------------------


def ours(before: Side, after: Side) -> Pairing:
    """`audit/lifecycle.py`."""
    old = {id(finding): index for index, finding in enumerate(before.findings)}
    new = {id(finding): index for index, finding in enumerate(after.findings)}
    return {old[id(pair.before)]: new[id(pair.after)] for pair in match(before.findings, after.findings).existing}


def by_key(key: Callable[[Finding, str], object]) -> Callable[[Side, Side], Pairing]:
    """Findings with equal keys are the same, in order."""

    def pair(before: Side, after: Side) -> Pairing:
        waiting: dict[object, list[int]] = defaultdict(list)
        for index, finding in enumerate(after.findings):
            waiting[key(finding, after.texts[index])].append(index)
        found: Pairing = {}
        for index, finding in enumerate(before.findings):
            if places := waiting[key(finding, before.texts[index])]:
                found[index] = places.pop(0)
        return found

    return pair


WAYS: dict[str, Callable[[Side, Side], Pairing]] = {
    "elder": ours,
    "first-line hash": by_key(lambda finding, text: (finding.rule, text)),
    "path, symbol, index": by_key(lambda finding, _text: (finding.rule, finding.path, finding.symbol)),
}


# --- the truth -------------------------------------------------------------------------------------------


class Truth(NamedTuple):
    """Where a finding should be found again, and by which kind of change."""

    kind: str
    path: str
    lines: set[int]


class Change:
    """One commit and what git says became of its parent's lines."""

    def __init__(self, commit: str, diff: Diff, tokens: Alignment | None, kind: str = "") -> None:
        self.commit, self.diff, self.tokens, self._kind = commit, diff, tokens, kind

    def truth(self, path: str, line: int) -> Truth | None:
        """Where a line of the parent went; None when it was removed, or its tokens changed."""
        after = self.diff.path_after(path)
        if place := self.diff.goes_to(path, line):
            return Truth(self._kind or _kind_of_move(path, after, moved=place[1] != line), after, {place[1]})
        if self.tokens is not None and (went := self.tokens.goes_to(path, line)):
            return Truth(self._kind or "reformat", *went)
        if self.tokens is None and (moved := self.diff.moves_to(path, line)):
            return Truth("moved code", moved[0], {moved[1]})
        return None


def _kind_of_move(before: str, after: str, *, moved: bool) -> str:
    if before == after:
        return "moved lines" if moved else "same line"
    return "moved folder" if before.rpartition("/")[2] == after.rpartition("/")[2] else "renamed file"


# --- what came out ---------------------------------------------------------------------------------------


class Tally:
    """What one way got right on one kind of change."""

    def __init__(self) -> None:
        self.expected = self.kept = self.pairs = self.false = self.silent = 0

    def add(self, other: Tally) -> None:
        """Count what another tally counted."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def plain(self) -> dict[str, float | int]:
        """Counts and shares."""
        return {
            "expected": self.expected,
            "kept": self.kept,
            "kept_share": round(self.kept / self.expected, 4) if self.expected else 1.0,
            "pairs": self.pairs,
            "false_merges": self.false,
            "false_share": round(self.false / self.pairs, 4) if self.pairs else 0.0,
            "silent": self.silent,
        }


Tallies = dict[str, Tally]
"""By kind of change."""


def weigh(tallies: Tallies, pairing: Pairing, before: Side, after: Side, change: Change) -> Iterator[str]:
    """Count what a way of matching kept and merged falsely, in files that the commit touched; yield each loss."""
    truths = {
        index: change.truth(finding.path, finding.line)
        for index, finding in enumerate(before.findings)
        if finding.line and finding.path in change.diff.touched
    }
    told = _told(truths, before, after)
    claimed = {pairing[index]: index for index in truths if pairing.get(index, -1) in told.get(index, ())}
    for index, truth in truths.items():
        tally = tallies[truth.kind if truth else "edited line"]
        other = pairing.get(index, -1)
        # Two findings of a rule on one line, of which one is left: only one of them can be kept.
        here = [found for found in told.get(index, ()) if claimed.get(found, index) == index]
        tally.expected += bool(here)
        tally.kept += other in here
        tally.silent += truth is not None and not here
        tally.pairs += other >= 0
        is_false = other >= 0 and _is_false(index, other, before, after, truth)
        tally.false += is_false
        if is_false or (here and other not in here):
            went = _place(after.findings[other]) if other >= 0 else "nothing"
            wanted = f"{truth.path}:{sorted(truth.lines)[:3]}" if truth else "?"
            old = before.findings[index]
            what = "false" if is_false else "lost"
            yield f"{what} {change.commit[:10]} {old.rule} {_place(old)} > {went}, not {wanted}"


def _told(truths: Mapping[int, Truth | None], before: Side, after: Side) -> dict[int, list[int]]:
    """Of each earlier finding, the later ones of its rule that stand where it should."""
    places: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, finding in enumerate(after.findings):
        places[finding.rule, finding.path].append(index)
    return {
        index: [
            other
            for other in places[before.findings[index].rule, truth.path]
            if after.findings[other].line in truth.lines
        ]
        for index, truth in truths.items()
        if truth
    }


def _place(finding: Finding) -> str:
    return f"{finding.path}:{finding.line}"


def _is_false(index: int, other: int, before: Side, after: Side, truth: Truth | None) -> bool:
    old, new = before.findings[index], after.findings[other]
    if truth:
        return new.path != truth.path or new.line not in truth.lines
    is_told_alike = _NUMBER.sub("", new.message) == _NUMBER.sub("", old.message)
    return not is_told_alike and alike(before.texts[index], after.texts[other]) < 0.5


def alike(left: str, right: str) -> float:
    """How much two lines have in common, 0-1."""
    return difflib.SequenceMatcher(None, left.split(), right.split()).ratio()


# --- replay ----------------------------------------------------------------------------------------------


class Replay:
    """Commits of one repository, each judged with its parent."""

    def __init__(self, git_dir: Path, home: Path) -> None:
        self._git_dir, self._settings = git_dir, Settings(home=home)
        self.tallies: dict[str, Tallies] = {name: defaultdict(Tally) for name in WAYS}
        self.commits: Counter[str] = Counter()
        self.losses: list[str] = []

    def run(self, commits: int, reformats: int) -> None:
        """Replay all sets."""
        for commit in chosen_commits(self._git_dir, commits):
            self._weigh(commit, "ordinary")
        for commit in reformat_candidates(self._git_dir, 3 * reformats):
            if self.commits["reformat"] < reformats:
                self._weigh(commit, "reformat")
        for commit in moved_tree(self._git_dir, "src"):
            self._weigh(commit, "path root")
        for commit in other_line_endings(self._git_dir):
            self._weigh(commit, "line endings")

    def _weigh(self, commit: str, what: str) -> None:
        try:
            diff = Diff(self._git_dir, commit)
        except subprocess.CalledProcessError:  # the mirror does not hold all objects
            self.commits["unreadable"] += 1
            return
        tokens = token_alignment(self._git_dir, commit, diff) if what in {"reformat", "line endings"} else None
        if tokens is not None and (tokens.equal_share < EQUAL_SHARE_MIN or not tokens.is_whole):
            self.commits["no mere reformat" if tokens.is_whole else "too large"] += 1
            return
        self.commits[what] += 1
        change = Change(commit, diff, tokens, what if what in {"path root", "line endings"} else "")
        before, after = self._side(f"{commit}^"), self._side(commit)
        for name, way in WAYS.items():
            losses = list(weigh(self.tallies[name], way(before, after), before, after, change))
            if name == "elder":
                self.losses += losses

    def _side(self, ref: str) -> Side:
        """All findings of a commit, as the gate sees them."""
        with open_source(str(self._git_dir), self._settings, ref, key="local/replayed") as opened:
            ruler = ruler_for(opened.facts)
            findings = list(verdict_of(judge_opened(opened, ruler), ruler).findings)
        texts = contents(self._git_dir, (f"{ref}:{finding.path}" for finding in findings if finding.line))
        lines = {name: text.split("\n") for name, text in texts.items()}
        return Side(findings, [_line(lines.get(f"{ref}:{found.path}", []), found.line) for found in findings])

    def plain(self) -> dict[str, object]:
        """Everything counted: by way, then by kind; 'all' holds the sum."""
        result: dict[str, object] = {"commits": dict(self.commits)}
        for name, tallies in self.tallies.items():
            whole = Tally()
            for tally in tallies.values():
                whole.add(tally)
            result[name] = {kind: tally.plain() for kind, tally in [*sorted(tallies.items()), ("all", whole)]}
        return result


def _line(lines: Sequence[str], number: int) -> str:
    return lines[number - 1].strip() if 0 < number <= len(lines) else ""


def main() -> None:
    """Replay and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("repository", type=Path)
    parser.add_argument("--commits", type=int, default=40)
    parser.add_argument("--reformats", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--losses", action="store_true", help="also print each finding that was lost or falsely merged")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, borrow(find_git_dir(options.repository.resolve())[1]) as git_dir:
        replay = Replay(git_dir, Path(home))
        replay.run(options.commits, options.reformats)
    if options.json:
        print(json.dumps({**replay.plain(), **({"losses": replay.losses} if options.losses else {})}))
        return
    print(" ".join(f"{name}={count}" for name, count in replay.commits.items()))
    for name, tallies in replay.tallies.items():
        for kind, tally in sorted(tallies.items()):
            print(f"{name:20} {kind:13} " + " ".join(f"{key}={value}" for key, value in tally.plain().items()))
    if options.losses:
        print("\n".join(replay.losses))


if __name__ == "__main__":
    main()
