"""Auditing one repository from a path or an address: what the command line and the platform both call.

What was judged before is not judged again: judgements of a complete audit are kept by commit, baseline, code and limits
(`audit/judgement.py`), and a verdict is made of them anew. That path imports neither rules nor parsers, which is most
of what a second audit costs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import msgspec

from elder_assets.audit.errors import ConfigurationError
from elder_assets.audit.facts.extraction import FactStore
from elder_assets.audit.gate import GateResult, gate
from elder_assets.audit.judgement import JUDGED, Judged, code_digest, judged_key, limits_of, verdict_of
from elder_assets.audit.model import Verdict
from elder_assets.audit.ruler import Ruler, default_ruler, load_ruler
from resources.facts_cache import SqliteFactStore, open_facts
from resources.git.reader import GitSource
from resources.git.repository import open_repository
from resources.settings import Settings

RULER = "ruler"
Progress = Callable[[str, int, int], None]


class Opened(msgspec.Struct, frozen=True):
    """A repository that is open for audits."""

    source: GitSource
    facts: SqliteFactStore
    key: str


@contextlib.contextmanager
def open_source(
    target: str, settings: Settings, ref: str = "HEAD", *, staged: bool = False, key: str = ""
) -> Iterator[Opened]:
    """Open a path or an address at a ref, or at what is staged.

    Raises:
        SourceError: it cannot be opened, or has no such ref.
        ConfigurationError: nothing can be staged there.
    """
    with open_repository(target, settings, key=key) as repository, open_facts(settings, repository.key) as facts:
        if staged and repository.index is None:
            raise ConfigurationError("--staged", target, "a local work tree that has an index")
        source = GitSource(
            repository.git_dir,
            repository.key,
            ref,
            store=facts,
            notes=() if staged else repository.notes,
            staged_index=repository.index if staged else None,
        )
        with source:
            yield Opened(source, facts, repository.key)


def changed_paths(opened: Opened, since: str) -> list[str]:
    """Paths that were added, changed or deleted since another commit, in order.

    Raises:
        UnknownRevision: there is no such commit.
    """
    before = {entry.path: (entry.mode, entry.oid) for entry in opened.source.tree(since)}
    after = {entry.path: (entry.mode, entry.oid) for entry in opened.source.tree()}
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def gate_change(
    target: str,
    settings: Settings,
    base: str,
    head: str = "HEAD",
    *,
    ruler_file: Path | None = None,
    progress: Progress | None = None,
) -> GateResult:
    """Judge what a change brings: the head against the merge base of base and head, both under one ruler.

    Raises:
        UnknownRevision: a ref does not exist, or base and head have no commit in common.
        SourceError: the repository cannot be read.
    """
    with open_source(target, settings, head) as opened:
        ruler = ruler_for(opened.facts, ruler_file)
        start = opened.source.merge_base(base)
        after = audit_opened(opened, ruler, start, progress=progress)
    with open_source(target, settings, start) as opened:
        before = audit_opened(opened, ruler, progress=progress)
    return gate(before, after)


def ruler_for(facts: FactStore, file: Path | None = None) -> Ruler:
    """The ruler of a file, else the built-in one; the latter is kept, since making it loads every rule.

    Raises:
        ConfigurationError: the file holds no ruler that fits this Elder.
    """
    key = bytes.fromhex(code_digest())
    for document in facts.records(RULER, [key]).values():
        own = msgspec.json.decode(document, type=Ruler)
        break
    else:
        own = default_ruler()
        facts.keep(RULER, {key: own.document()}, only=True)
    return own if file is None else load_ruler(file.read_bytes(), str(file), own)


def audit_opened(
    opened: Opened,
    ruler: Ruler,
    baseline: str | None = None,
    *,
    magics: Sequence[str] = (),
    progress: Progress | None = None,
) -> Verdict:
    """The verdict on an open repository; see `judge_opened`."""
    return verdict_of(judge_opened(opened, ruler, baseline, magics=magics, progress=progress), ruler)


def judge_opened(
    opened: Opened,
    ruler: Ruler,
    baseline: str | None = None,
    *,
    magics: Sequence[str] = (),
    progress: Progress | None = None,
) -> Judged:
    """What the rules say about an open repository: what they said before, else they are asked.

    Raises:
        SourceError: the repository cannot be read.
        ConfigurationError: a named magic does not exist.
    """
    judged = _kept(opened, ruler, baseline)
    if judged is not None:
        return _only(judged, magics)
    from elder_assets.audit import engine  # brings every rule and its parsers along

    return engine.audit_judged(
        opened.source,
        opened.facts,
        ruler,
        baseline,
        magics=magics,
        progress=progress or (lambda _stage, _done, _total: None),
    )


def _kept(opened: Opened, ruler: Ruler, baseline: str | None) -> Judged | None:
    source = opened.source
    if not source.commit or source.is_staged or not source.is_complete:
        return None
    key = judged_key(source.commit, baseline, limits_of(ruler))
    for stored in opened.facts.records(JUDGED, [key]).values():
        judged = msgspec.msgpack.decode(stored, type=Judged)
        return msgspec.structs.replace(
            judged, snapshot=msgspec.structs.replace(judged.snapshot, repository=opened.key, notes=source.notes)
        )
    return None


def _only(judged: Judged, magics: Collection[str]) -> Judged:
    for name in magics:
        if name not in judged.magics:
            raise ConfigurationError("magic", name, judged.magics)
    if not magics:
        return judged
    return msgspec.structs.replace(
        judged,
        magics=tuple(name for name in judged.magics if name in magics),
        judgements=tuple(judgement for judgement in judged.judgements if judgement.magic in magics),
    )
