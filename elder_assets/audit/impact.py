"""What a change of the tree asks of the rules: which magics must judge again, and which files must be read.

Pure. It never decides a verdict: judging again what did not change gives the same answer, and facts of a blob are
never collected twice. It says what an audit has to do, and why when that is little.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from elder_assets.audit.model import SourceFile, TreeEntry
from elder_assets.audit.registry import Rule

OF_THE_COMMIT = frozenset("HS")
"""Evidence that every commit changes: history and earlier state."""


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """Paths that differ between two trees, each in order."""

    added: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(sorted((*self.added, *self.edited, *self.deleted)))

    def __bool__(self) -> bool:
        return bool(self.added or self.edited or self.deleted)


class Impact(msgspec.Struct, frozen=True, kw_only=True):
    """What an audit has to do since another one."""

    reason: str
    """In one sentence."""
    changed: int
    """Paths that differ."""
    to_read: int
    """Files whose bytes were in neither the earlier tree nor under another name there."""
    magics: Mapping[str, int]
    """Magic -> how many of its rules read something that changed; 0 where none does."""


def changes_between(before: Sequence[TreeEntry], after: Sequence[TreeEntry]) -> Changes:
    """Compare two trees by path, mode and object."""
    old = {entry.path: (entry.mode, entry.oid) for entry in before}
    new = {entry.path: (entry.mode, entry.oid) for entry in after}
    return Changes(
        added=tuple(sorted(new.keys() - old.keys())),
        edited=tuple(sorted(path for path in new.keys() & old.keys() if new[path] != old[path])),
        deleted=tuple(sorted(old.keys() - new.keys())),
    )


def impact(
    before: Sequence[TreeEntry], after: Sequence[TreeEntry], files: Collection[SourceFile], rules: Sequence[Rule]
) -> Impact:
    """Say what an audit of a tree has to do after one of an earlier tree.

    Args:
        before: the tree that was audited.
        after: the tree to audit.
        files: its files.
        rules: that judge.
    """
    changes = changes_between(before, after)
    known = {entry.oid for entry in before}
    touched = frozenset((*changes.added, *changes.edited))
    changed = [file for file in files if file.path in touched]
    magics = dict.fromkeys((rule.magic for rule in rules), 0)
    for rule in rules:
        magics[rule.magic] += _reads(rule, changes, changed)
    to_read = sum(file.oid not in known for file in changed)
    return Impact(
        reason=_sentence(changes, to_read, magics), changed=len(changes.paths), to_read=to_read, magics=magics
    )


def _reads(rule: Rule, changes: Changes, changed: Sequence[SourceFile]) -> bool:
    """Whether a rule looks at something that changed; in doubt, it does."""
    if OF_THE_COMMIT & set(rule.evidence):
        return True
    if rule.scope == "file":
        seen = [file for file in changed if file.file_class in rule.file_classes]
        return any(not rule.reads or _applies(rule, file) for file in seen)
    if changes.added or changes.deleted or not rule.reads:
        return bool(changes)  # a rule on the whole tree may look at the paths alone
    return any(_applies(rule, file) for file in changed)


def _applies(rule: Rule, file: SourceFile) -> bool:
    return any(extractor.applies_to(file) for extractor in rule.reads)


def _sentence(changes: Changes, to_read: int, magics: Mapping[str, int]) -> str:
    busy = [magic for magic, rules in magics.items() if rules]
    if not changes:
        judged = f"only {', '.join(busy)} read the history" if busy else "no rule reads the history"
        return f"the tree is the same: {judged}"
    idle = [magic for magic, rules in magics.items() if not rules]
    untouched = f"; nothing changed for {', '.join(idle)}" if idle else ""
    return f"{_number(len(changes.paths), 'path')} changed, {_number(to_read, 'file')} to read{untouched}"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
