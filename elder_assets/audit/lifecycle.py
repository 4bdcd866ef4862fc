"""What became of findings between two snapshots: which are new, which stay, which are gone.

Both sides are judged by the same rules under the same ruler, so a finding can only be new because the code changed: a
rule that was added finds what it finds on both sides. A finding is the same when its fingerprint is (decision D5); of
several that are alike, those in the same file come first, then those whose paths are most alike, so that a moved
file takes its findings along and a copied one brings new ones; within a file they keep their order.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from elder_assets.audit.former_codes import current_code
from elder_assets.audit.model import Finding

Files = dict[str, list[Finding]]
"""Findings by path."""


class Pair(msgspec.Struct, frozen=True):
    """One finding on both sides."""

    before: Finding
    after: Finding


class Changes(msgspec.Struct, frozen=True):
    """Findings of two snapshots, told apart: before = existing + fixed, after = existing + new."""

    new: tuple[Finding, ...]
    existing: tuple[Pair, ...]
    fixed: tuple[Finding, ...]


def match(before: Sequence[Finding], after: Sequence[Finding]) -> Changes:
    """Tell the findings of the later snapshot from those that the earlier one had; each list keeps its order."""
    left, right = list(before), list(after)
    pairs: list[Pair] = []
    passes = (_same_place, _same_finding) if all(f.kin for f in (*left, *right)) else (_same_mark,)
    for key in (*passes, _same_words, _same_name, _same_member):
        found = list(_pairs(left, right, key))
        pairs += found
        gone, met = {id(pair.before) for pair in found}, {id(pair.after) for pair in found}
        left = [finding for finding in left if id(finding) not in gone]
        right = [finding for finding in right if id(finding) not in met]
    pairs.sort(key=lambda pair: pair.after.sort_key)
    return Changes(tuple(right), tuple(pairs), tuple(left))


def _same_place(finding: Finding) -> tuple[str, ...]:
    """Nothing but lines moved."""
    return (finding.kin, finding.path)


def _same_finding(finding: Finding) -> tuple[str, ...]:
    """Its file moved."""
    return (finding.kin,)


def _same_mark(finding: Finding) -> tuple[str, ...]:
    """What is left where one side was stored without kin: the fingerprint, which an added twin shifts."""
    return (finding.fingerprint,)


def _same_words(finding: Finding) -> tuple[str, ...]:
    """The code around it was edited, and the rule says the same of the same symbol in the same file."""
    return (
        (current_code(finding.rule), finding.path, finding.symbol, finding.message)
        if finding.symbol
        else ("", finding.fingerprint)
    )


def _same_name(finding: Finding) -> tuple[str, ...]:
    """Its owner went or came, maybe with the suffix of the file: the rule says the same of that name in the file."""
    name = finding.symbol.rpartition(".")[2]
    if not name:
        return ("", finding.fingerprint)
    folder, _, file = finding.path.rpartition("/")
    return (
        current_code(finding.rule),
        folder,
        file.partition(".")[0],
        name,
        finding.message.replace(finding.symbol, ""),
    )


def _same_member(finding: Finding) -> tuple[str, ...]:
    """Its class was renamed, maybe with its file: the rule says the same of a member of the same name in the folder."""
    owner, _, member = finding.symbol.rpartition(".")
    if not owner:
        return ("", finding.fingerprint)
    folder = finding.path.rpartition("/")[0]
    return (current_code(finding.rule), folder, member, finding.message.replace(finding.symbol, ""))


def _pairs(
    before: Iterable[Finding], after: Iterable[Finding], key: Callable[[Finding], tuple[str, ...]]
) -> Iterator[Pair]:
    groups: dict[tuple[str, ...], tuple[list[Finding], list[Finding]]] = defaultdict(lambda: ([], []))
    for side, findings in enumerate((before, after)):
        for finding in findings:
            groups[key(finding)][side].append(finding)
    for olds, news in groups.values():
        yield from _closest(olds, news)


def _closest(olds: list[Finding], news: list[Finding]) -> Iterator[Pair]:
    """Pair what is alike: the files whose paths have most in common first, and in a file in order of lines.

    Every path is compared with every other among few only. Of many, those with the same end are paired first, the
    longest end before shorter ones, so that the time grows with the number of findings and not with its square.
    """
    left, right = _by_path(olds), _by_path(news)
    if not _are_few(left, right):
        for parts in range(ENDS_MAX, 0, -1):
            ends = _by_end(left, parts), _by_end(right, parts)
            for end in ends[0]:
                if end in ends[1]:
                    yield from _pair_files(ends[0][end], ends[1][end])
    yield from _pair_files(left, right)


def _pair_files(left: Files, right: Files) -> Iterator[Pair]:
    """Pair findings of files until one side has none left; what is paired is taken out of both."""
    if not _are_few(left, right):
        yield from _taken(left.values(), right.values(), map(Pair, _all(left), _all(right)))
        return
    for old, new in sorted(((old, new) for old in left for new in right), key=lambda paths: -_alike(*paths)):
        if left[old] and right[new]:
            yield from _taken([left[old]], [right[new]], _in_order(left[old], right[new]))


def _all(files: Files) -> Iterator[Finding]:
    return itertools.chain.from_iterable(files.values())


def _taken(olds: Iterable[list[Finding]], news: Iterable[list[Finding]], pairs: Iterable[Pair]) -> list[Pair]:
    found = list(pairs)
    gone, met = {id(pair.before) for pair in found}, {id(pair.after) for pair in found}
    for findings, paired in (*((one, gone) for one in olds), *((one, met) for one in news)):
        findings[:] = [finding for finding in findings if id(finding) not in paired]
    return found


def _are_few(left: Files, right: Files) -> bool:
    return len(left) * len(right) <= COMPARED_MAX * (len(left) + len(right))


def _by_end(files: Files, parts: int) -> dict[tuple[str, ...], Files]:
    """Files that have findings left, by the last parts of their paths; shorter paths have no such end."""
    found: dict[tuple[str, ...], Files] = defaultdict(dict)
    for path, findings in files.items():
        end = tuple(path.rsplit("/", parts)[-parts:])
        if findings and len(end) == parts:
            found[end][path] = findings
    return found


COMPARED_MAX = 10
"""How often a path is compared with others at most, in the mean: 20 paths are still compared with 20. Chosen by us:
30,000 findings of files that all moved are matched in seconds (benchmarks/uploads.py)."""
ENDS_MAX = 12
"""Folders that are looked at where many files moved; deeper ones tell little."""
PAIRS_MAX = 300
"""Findings of a file that are alike in everything but the line: more of them are paired in order."""


def _by_path(findings: Iterable[Finding]) -> Files:
    found: Files = {}
    for finding in sorted(findings, key=lambda one: (one.path, one.line)):
        found.setdefault(finding.path, []).append(finding)
    return found


def _in_order(olds: Sequence[Finding], news: Sequence[Finding]) -> Iterator[Pair]:
    """Pair findings of one file, none crossing another; those left out are such that the lines moved least in all."""
    if len(olds) != len(news) and max(len(olds), len(news)) <= PAIRS_MAX:
        few, many = sorted((olds, news), key=len)
        chosen = [many[index] for index in _nearest([one.line for one in few], [one.line for one in many])]
        olds, news = (few, chosen) if few is olds else (chosen, few)
    yield from itertools.starmap(Pair, zip(olds, news, strict=False))


def _nearest(few: Sequence[int], many: Sequence[int]) -> list[int]:
    """Which of many lines, in order, are nearest in all to a few lines, both ascending."""
    costs = [[0] * (len(many) + 1)]
    for i, line in enumerate(few, 1):
        row: list[int] = [COST_MAX] * (len(many) + 1)
        for j in range(i, len(many) + 1):
            row[j] = min(row[j - 1], costs[-1][j - 1] + abs(line - many[j - 1]))
        costs.append(row)
    chosen: list[int] = []
    j = len(many)
    for i in range(len(few), 0, -1):
        while j > i and costs[i][j - 1] == costs[i][j]:
            j -= 1
        j -= 1
        chosen.append(j)
    return chosen[::-1]


COST_MAX = 1 << 62


def _alike(left: str, right: str) -> float:
    """How much two paths have in common, 0-1: file name first, then folders from the end."""
    if left == right:
        return 1.0
    a, b = left.split("/")[::-1], right.split("/")[::-1]
    same = 0
    for one, other in zip(a, b, strict=False):
        if one != other:
            break
        same += 1
    shared = len(set(a) & set(b))
    return (same + shared / 2) / (1.5 * max(len(a), len(b)))
