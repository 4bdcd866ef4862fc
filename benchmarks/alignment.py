"""Where the lines of a commit's parent went, read from git alone: the truth that `identity.py` weighs matching by.

Three readings, none of which knows a fingerprint: the hunks of git's diff (lines that were left alone), blocks that the
diff removes in one place and adds in another, and, for commits that reformat, the tokens of both sides of each file.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from resources.git.commands import ENVIRONMENT, command

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_TOKEN = re.compile(r"\w+|[^\w\s]")
LAYOUT = frozenset("'\"`;,()\\")
"""Signs that formatters add, drop or swap: quotes, separators at an end, parentheses around what is whole."""
KEPT_SHARE_MIN = 0.8
"""Of the tokens of a line: with fewer on the other side the line was edited, not laid out anew."""
TOKENS_MAX = 2_000_000
"""Of one commit, both sides together; larger ones are left out."""

Place = tuple[str, int]
"""Path and 1-based line."""


def git(git_dir: Path, *arguments: str, said: str = "", **variables: str) -> str:
    """Output of a git command that is told `said`; `variables` join its environment.

    Raises:
        CalledProcessError: it failed, as on objects that a mirror does not hold.
    """
    done = subprocess.run(
        command(git_dir, *arguments),
        env={**ENVIRONMENT, **variables},
        input=said.encode(),
        capture_output=True,
        check=True,
    )
    return done.stdout.decode(errors="replace")


def readable(git_dir: Path, *arguments: str) -> str:
    """What a git command says before it fails: a mirror may lack an object of one old commit."""
    asked = command(git_dir, *arguments)
    done = subprocess.run(asked, env=ENVIRONMENT, capture_output=True, check=False)
    return done.stdout.decode(errors="replace")


def contents(git_dir: Path, names: Iterable[str]) -> dict[str, str]:
    """Text of each `commit:path`; what is no file there is left out."""
    asked = [name for name in dict.fromkeys(names) if "\n" not in name]
    done = subprocess.run(
        command(git_dir, "cat-file", "--batch"),
        env=ENVIRONMENT,
        input="".join(f"{name}\n" for name in asked).encode(errors="surrogateescape"),
        capture_output=True,
        check=True,
    )
    found: dict[str, str] = {}
    data, at = done.stdout, 0
    for name in asked:
        end = data.index(b"\n", at)
        header = data[at:end].split()
        at = end + 1
        if len(header) == 3 and header[-1].isdigit():
            size = int(header[2])
            if header[1] == b"blob":
                found[name] = data[at : at + size].decode(errors="replace")
            at += size + 1
    return found


class Hunk(msgspec.Struct, frozen=True):
    """One hunk without context: 1-based first lines and counts; an empty side stands before its first line."""

    old: int
    removed: int
    new: int
    added: int


def hunk_of(line: str) -> Hunk | None:
    """The hunk that a line of a diff opens, if it opens one."""
    if not (match := _HUNK.match(line)):
        return None
    removed, added = int(match[2] or 1), int(match[4] or 1)
    return Hunk(int(match[1]) + (not removed), removed, int(match[3]) + (not added), added)


class Diff:
    """git's diff of a commit and its parent."""

    def __init__(self, git_dir: Path, commit: str) -> None:
        self.renamed: dict[str, str] = {}
        self.hunks: dict[str, list[Hunk]] = defaultdict(list)
        """By earlier path."""
        self.touched: set[str] = set()
        """Earlier paths."""
        options = ("-M", "-l5000", "-U0", "--no-color", "--no-ext-diff", "--src-prefix=a/", "--dst-prefix=b/")
        self._moved: dict[Place, Place] | None = None
        self._removed: list[tuple[str, int, list[str]]] = []
        self._added: list[tuple[str, int, list[str]]] = []
        self._read(git(git_dir, "diff", *options, f"{commit}^", commit).split("\n"))

    def _read(self, lines: Iterable[str]) -> None:
        old = new = ""
        left = right = 0
        for line in lines:
            if left and line.startswith("-"):
                self._removed[-1][2].append(line[1:])
                left -= 1
            elif right and line.startswith("+"):
                self._added[-1][2].append(line[1:])
                right -= 1
            elif line.startswith("diff --git "):
                old = new = ""
            elif line.startswith("rename from "):
                old = line[12:]
            elif line.startswith("rename to "):
                new = self.renamed[old] = line[10:]
                self.touched.add(old)
            elif line.startswith("--- a/"):
                old = line[6:].rstrip("\t")
                self.touched.add(old)
            elif line.startswith("+++ b/"):
                new = line[6:].rstrip("\t")
            elif hunk := hunk_of(line):
                left, right = hunk.removed, hunk.added
                if old:
                    self.hunks[old].append(hunk)
                self._removed.append((old, hunk.old, []))
                self._added.append((new, hunk.new, []))

    def path_after(self, path: str) -> str:
        """Where a file is after the commit."""
        return self.renamed.get(path, path)

    def goes_to(self, path: str, line: int) -> Place | None:
        """Where a line is after the commit; None when it was removed or replaced."""
        shift = 0
        for hunk in self.hunks.get(path, ()):
            if hunk.old <= line < hunk.old + hunk.removed:
                return None
            if hunk.old + hunk.removed <= line:
                shift += hunk.added - hunk.removed
        return self.path_after(path), line + shift

    def moves_to(self, path: str, line: int) -> Place | None:
        """Where a removed line was added again; see `moved_blocks`."""
        if self._moved is None:
            self._moved = moved_blocks(self._removed, self._added)
        return self._moved.get((path, line))


def moved_blocks(
    removed: Sequence[tuple[str, int, Sequence[str]]], added: Sequence[tuple[str, int, Sequence[str]]]
) -> dict[Place, Place]:
    """Lines that stand elsewhere now: they and the lines around them were removed once and added once, no more."""
    left, right = _surroundings(removed), _surroundings(added)
    return {
        places[0]: right[text][0] for text, places in left.items() if len(places) == 1 and len(right.get(text, ())) == 1
    }


def _surroundings(blocks: Sequence[tuple[str, int, Sequence[str]]]) -> dict[tuple[str, ...], list[Place]]:
    """Line with the one before and the one behind, indentation left out, to where that stands; short ones left out."""
    found: dict[tuple[str, ...], list[Place]] = defaultdict(list)
    for path, first, lines in blocks:
        texts = [line.strip() for line in lines]
        for index in range(1, len(texts) - 1):
            around = tuple(texts[index - 1 : index + 2])
            if sum(map(len, around)) >= 20 and texts[index]:
                found[around].append((path, first + index))
    return found


# --- tokens ----------------------------------------------------------------------------------------------


def tokens_of(text: str) -> list[tuple[str, int]]:
    """Words and signs with their line; what only lays out is left out."""
    return [
        (token, number)
        for number, line in enumerate(text.split("\n"), 1)
        for token in _TOKEN.findall(line)
        if token not in LAYOUT
    ]


class Alignment:
    """Which token of each changed file became which."""

    def __init__(self, texts: Mapping[str, tuple[str, str, str]]) -> None:
        """Args: earlier path to (later path, earlier text, later text)."""
        self._lines: dict[Place, tuple[str, int, list[int]]] = {}
        """Place to (later path, tokens on it, later line of each that is there still)."""
        sides = {path: (after, tokens_of(old), tokens_of(new)) for path, (after, old, new) in sorted(texts.items())}
        count = sum(len(old) + len(new) for _, old, new in sides.values())
        self.is_whole = count <= TOKENS_MAX
        """False when there was too much to read."""
        kept = 0
        if self.is_whole:
            for path, pairs in zip(sides, aligned([side[1:] for side in sides.values()]), strict=True):
                kept += len(pairs)
                self._place(path, *sides[path], pairs)
        self.equal_share = 2 * kept / count if count else 0.0
        """Of the tokens of both sides, those that are on both."""

    def _place(
        self, path: str, after: str, old: Sequence[tuple[str, int]], new: Sequence[tuple[str, int]],
        pairs: Mapping[int, int],
    ) -> None:  # fmt: skip
        for index, (_, line) in enumerate(old):
            _, count, lines = self._lines.get((path, line), (after, 0, []))
            if index in pairs:
                lines.append(new[pairs[index]][1])
            self._lines[path, line] = (after, count + 1, lines)

    def goes_to(self, path: str, line: int) -> tuple[str, set[int]] | None:
        """The later path and the lines on which a line's tokens stand now; None when its tokens really changed."""
        after, count, lines = self._lines.get((path, line), ("", 0, []))
        if not count or len(lines) < KEPT_SHARE_MIN * count:
            return None
        return after, set(range(min(lines), max(lines) + 1))


def aligned(pairs: Sequence[tuple[Sequence[tuple[str, int]], Sequence[tuple[str, int]]]]) -> Iterator[dict[int, int]]:
    """Index of a token to that of the same token on the other side, for each pair; by git's diff of the tokens."""
    with tempfile.TemporaryDirectory() as folder:
        for side in (0, 1):
            for number, both in enumerate(pairs):
                file = Path(folder) / str(side) / f"{number:06}"
                file.parent.mkdir(exist_ok=True)
                file.write_text("".join(f"{token}\n" for token, _ in both[side]), errors="replace")
        arguments = ("diff", "--no-index", "-U0", "--histogram", "--no-color", "--text", "--no-renames", "0", "1")
        done = subprocess.run(["git", *arguments], env=ENVIRONMENT, cwd=folder, capture_output=True, check=False)
    hunks: dict[int, list[Hunk]] = defaultdict(list)
    number = -1
    for line in done.stdout.decode(errors="replace").split("\n"):
        if line.startswith("diff --git "):
            number = int(line[-6:])
        elif hunk := hunk_of(line):
            hunks[number].append(hunk)
    for index, (old, new) in enumerate(pairs):
        yield dict(_between(hunks[index], len(old), len(new)))


def _between(hunks: Iterable[Hunk], olds: int, news: int) -> Iterator[tuple[int, int]]:
    """What lies between the hunks, 0-based."""
    i = j = 0
    for hunk in [*hunks, Hunk(olds + 1, 0, news + 1, 0)]:
        run = hunk.old - 1 - i
        yield from zip(range(i, i + run), range(j, j + run), strict=True)
        i, j = hunk.old - 1 + hunk.removed, hunk.new - 1 + hunk.added


# --- commits that lay out anew ---------------------------------------------------------------------------

FORMATTERS = (
    r"\b(prettier|gofmt|goimports|clang-format|rustfmt|cargo fmt|scalafmt|google-java-format|spotless|yapf|autopep8)\b"
    r"|ruff format|\b(run|ran|apply|applied|format(ted)?|with|using|add|to) black\b|\bblack(en|ened|ify)\b"
    r"|re-?format|re-?indent|line.?endings?|\bcrlf\b|tabs (to|with|by) spaces|spaces (to|with|by) tabs|code style"
    r"|dotnet format|rubocop.*layout|whitespace|\bindent"
)
"""Said in the subject of a commit that lays code out anew."""
EQUAL_SHARE_MIN = 0.95
"""Of all tokens of the changed files; below, the commit did more than lay them out."""
LINES_MIN = 30
"""Lines that a reformat replaces at least."""


def reformat_candidates(git_dir: Path, count: int) -> list[str]:
    """Commits of `.git-blame-ignore-revs`, then those whose subject says so, by lines changed."""
    name = "HEAD:.git-blame-ignore-revs"
    listed = re.findall(r"^[0-9a-f]{40}", contents(git_dir, [name]).get(name, ""), re.MULTILINE)
    grep = ("-i", "-E", f"--grep={FORMATTERS}")
    said = re.compile(FORMATTERS, re.IGNORECASE)
    lines: Counter[str] = Counter()
    current = ""
    for line in git(git_dir, "log", "--no-merges", "--format=@%H %s", *grep, "HEAD").splitlines():
        commit, _, subject = line[1:].partition(" ")
        if said.search(subject):
            lines[commit] = 0
    ours = [commit for commit in listed if _has_parent(git_dir, commit)]
    if lines:
        shown = ("show", "-M", "--format=@%H", "--numstat", *list(lines)[:2000])
        for line in readable(git_dir, *shown).splitlines():
            if line.startswith("@"):
                current = line[1:]
            elif line and line.split("\t")[1].isdigit():
                lines[current] += int(line.split("\t")[1])
    large = [commit for commit, changed in lines.most_common(count) if changed >= LINES_MIN]
    return list(dict.fromkeys([*ours, *large]))[:count]


def _has_parent(git_dir: Path, commit: str) -> bool:
    asked = command(git_dir, "cat-file", "-e", f"{commit}^")
    return subprocess.run(asked, env=ENVIRONMENT, capture_output=True, check=False).returncode == 0


def token_alignment(git_dir: Path, commit: str, diff: Diff) -> Alignment:
    """The tokens of every file that a commit changed."""
    paths = [path for path in diff.touched if diff.hunks.get(path)]
    names = [name for path in paths for name in (f"{commit}^:{path}", f"{commit}:{diff.path_after(path)}")]
    texts = contents(git_dir, names)
    return Alignment(
        {
            path: (diff.path_after(path), texts[f"{commit}^:{path}"], texts[f"{commit}:{diff.path_after(path)}"])
            for path in paths
            if f"{commit}^:{path}" in texts and f"{commit}:{diff.path_after(path)}" in texts
        }
    )
