"""What became of findings between two snapshots: which are new, which stay, which are gone.

Both sides are judged by the same rules under the same ruler, so a finding can only be new because the code changed: a
rule that was added finds what it finds on both sides. A finding is the same when its fingerprint is (decision D5); of
several that are alike, those in the same file come first, then those whose paths are most alike, so that a moved
file takes its findings along and a copied one brings new ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from elder_assets.audit.former_codes import current_code
from elder_assets.audit.model import Finding


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
    for key in (*passes, _same_words, _same_member):
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
    """Pair what is alike: the most similar paths first, then the nearest lines."""
    if not olds or not news:
        return
    if len(olds) == len(news) == 1:
        yield Pair(olds[0], news[0])
        return
    ranked = sorted(
        ((-_alike(old.path, new.path), abs(old.line - new.line), i, j)
         for i, old in enumerate(olds[:PAIRS_MAX]) for j, new in enumerate(news[:PAIRS_MAX]))
    )  # fmt: skip
    used_old: set[int] = set()
    used_new: set[int] = set()
    for _, _, i, j in ranked:
        if i not in used_old and j not in used_new:
            used_old.add(i)
            used_new.add(j)
            yield Pair(olds[i], news[j])
    for old, new in zip(olds[PAIRS_MAX:], news[PAIRS_MAX:], strict=False):
        yield Pair(old, new)


PAIRS_MAX = 300
"""Findings that are alike in everything but their place: more of them are paired in order."""


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
