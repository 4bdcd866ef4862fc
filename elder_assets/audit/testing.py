"""Facts without a repository: an in-memory source, and the cases in rule docstrings. For tests and rule authors.

A rule's docstring holds its cases:

    Bad: def test_total(): assert True

    Okay:
        path: tests/test_total.py
        def test_total():
            assert total([1, 2]) == 3

One line behind the heading, or an indented block. `path: NAME` starts a file; without one the rule's
`example_path` is used. A line that ends in `#~` (any comment sign may stand before it) is where the finding must
be; when a Bad case marks lines, exactly those must be found.
"""

from __future__ import annotations

import hashlib
import inspect
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from elder_assets.audit.engine import collect, judge_magic
from elder_assets.audit.errors import UnknownRevision
from elder_assets.audit.facts.commit_log import History, Introduction
from elder_assets.audit.facts.extraction import MemoryFactStore
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.model import Finding, RuleOutcome, Snapshot, Tier, TreeEntry
from elder_assets.audit.patterns import regex
from elder_assets.audit.registry import Catalogue, Rule, catalogue
from elder_assets.audit.ruler import RuleMeasure, default_ruler

AS_OF = 1_700_000_000
"""2023-11-14T22:13:20Z: the `as_of` of in-memory sources unless a test says otherwise."""


class MemorySource:
    """A BlobSource over files in memory."""

    def __init__(
        self,
        files: Mapping[str, bytes | str],
        *,
        history: History | None = None,
        history_files: Mapping[str, bytes | str] | None = None,
        links: Mapping[str, str] | None = None,
        submodules: Mapping[str, str] | None = None,
        baseline_files: Mapping[str, bytes | str] | None = None,
        is_ancestor: bool = True,
        as_of: int = AS_OF,
    ) -> None:
        self._blobs: dict[str, bytes] = {}
        self._entries = self._enter(files)
        self._entries += [
            TreeEntry(path, 0o120000, self._keep(target.encode()), len(target))
            for path, target in (links or {}).items()
        ]
        self._entries += [TreeEntry(path, 0o160000, oid, 0) for path, oid in (submodules or {}).items()]
        self._entries.sort(key=lambda entry: entry.path)
        self._baseline = None if baseline_files is None else self._enter(baseline_files)
        self._history = history or History(unavailable="no history: files in memory")
        self._introduced = [Introduction(entry.oid, entry.path) for entry in self._enter(history_files or {})]
        self._is_ancestor = is_ancestor
        self._as_of = as_of

    def _keep(self, content: bytes) -> str:
        oid = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        self._blobs[oid] = content
        return oid

    def _enter(self, files: Mapping[str, bytes | str]) -> list[TreeEntry]:
        contents = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        return sorted(
            (TreeEntry(path, 0o100644, self._keep(data), len(data)) for path, data in contents.items()),
            key=lambda entry: entry.path,
        )

    def snapshot(self) -> Snapshot:
        """See BlobSource."""
        commit = self._history.commits[0].id if self._history.commits else None
        return Snapshot(repository="local/memory", commit=commit, tree="0" * 40, as_of=self._as_of)

    def tree(self, commit: str | None = None) -> Sequence[TreeEntry]:
        """See BlobSource; any other commit is the baseline."""
        if commit is None:
            return self._entries
        if self._baseline is None:
            msg = f"{commit} is not in memory"
            raise UnknownRevision(msg)
        return self._baseline

    def blobs(self, oids: Iterable[str], bytes_max: int | None = None) -> Iterator[tuple[str, bytes | None]]:
        """See BlobSource."""
        for oid in oids:
            data = self._blobs.get(oid)
            yield oid, None if data is not None and bytes_max is not None and len(data) > bytes_max else data

    def history(self) -> History:
        """See BlobSource."""
        return self._history

    def introductions(self, commits: Iterable[str]) -> Mapping[str, Sequence[Introduction]]:
        """See BlobSource; the oldest commit introduced every file of the history."""
        oldest = self._history.commits[-1].id if self._history.commits else ""
        return {commit: self._introduced for commit in commits if commit == oldest}

    def is_ancestor(self, commit: str) -> bool:  # noqa: ARG002 - the protocol's signature
        """See BlobSource."""
        return self._is_ancestor


def only(rule: Rule) -> Catalogue:
    """A catalogue of one rule and its magic."""
    whole = catalogue()
    return Catalogue(tuple(magic for magic in whole.magics if magic.name == rule.magic), (rule,))


def run_rule(code: str, source: MemorySource, *, baseline: str | None = None) -> tuple[RuleOutcome, list[Finding]]:
    """Outcome and findings of one rule on one source, at the rule's declared tier and default limits."""
    rule = catalogue().rule(code)
    facts = collect(source, MemoryFactStore(), baseline, rules=only(rule))
    return judge_one(rule, facts)


def judge_one(rule: Rule, facts: RepositoryFacts) -> tuple[RuleOutcome, list[Finding]]:
    """Outcome and findings of one rule on facts, in order of place."""
    ruler = msgspec.structs.replace(
        default_ruler(only(rule)),
        rules={
            rule.code: RuleMeasure(
                version=rule.version,
                severity=rule.severity,
                tier=rule.tier if rule.tier is not Tier.SHADOW else Tier.ADVISE,
                limits=rule.limits,
            )
        },
    )
    result, findings = judge_magic(facts, ruler, rule.magic, rules=only(rule))
    return result.outcomes[0], sorted(findings, key=lambda finding: finding.sort_key)


class Case(msgspec.Struct, frozen=True):
    """One case of a rule's docstring."""

    is_bad: bool
    files: dict[str, str]
    places: tuple[tuple[str, int], ...]
    """Marked (path, line) pairs; empty when the case marks none."""


_MARK = regex(r"\s*(?:#|//|--|/\*|<!--)?\s*#~(?:\s*(?:\*/|-->))?$")


def cases_of(rule: Rule) -> list[Case]:
    """The cases in a rule's docstring, in order."""
    found = []
    lines = (inspect.getdoc(rule.check) or "").splitlines()
    for index, line in enumerate(lines):
        heading, colon, rest = line.partition(":")
        if not colon or heading not in {"Bad", "Okay"}:
            continue
        if rest.strip():
            block = [rest.strip()]
        else:
            block = []
            for following in lines[index + 1 :]:
                if following.strip() and not following.startswith(" "):
                    break
                block.append(following)
            block = textwrap.dedent("\n".join(block)).strip("\n").split("\n")
        found.append(_case(block, rule, is_bad=heading == "Bad"))
    return found


def _case(block: Sequence[str], rule: Rule, *, is_bad: bool) -> Case:
    files: dict[str, list[str]] = {}
    places: list[tuple[str, int]] = []
    path = rule.example_path
    for line in block:
        if line.startswith("path: "):
            path = line.removeprefix("path: ").strip()
            files[path] = []
            continue
        content = files.setdefault(path, [])
        if _MARK.search(line):
            places.append((path, len(content) + 1))
        content.append(_MARK.sub("", line))
    return Case(is_bad, {name: "\n".join(content) + "\n" for name, content in files.items()}, tuple(places))
