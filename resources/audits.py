"""Auditing one repository from a path or an address: what the command line and the platform both call.

What was judged before is not judged again: judgements of a complete audit are kept by commit, baseline, code and limits
(`audit/judgement.py`), and a verdict is made of them anew. That path imports neither rules nor parsers, which is most
of what a second audit costs.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import msgspec

from elder_assets.audit.canary import is_in_canary
from elder_assets.audit.errors import ConfigurationError
from elder_assets.audit.facts.extraction import FactStore
from elder_assets.audit.gate import GateResult, gate
from elder_assets.audit.judgement import JUDGED, Judged, code_digest, judged_key, limits_of, verdict_of
from elder_assets.audit.model import Verdict
from elder_assets.audit.policy import (
    NO_POLICY,
    POLICY_FILE,
    Policy,
    judging_policy,
    read_policy,
    ruler_under,
    suppressions_of,
)
from elder_assets.audit.ruler import Ruler, default_ruler, load_ruler
from elder_assets.audit.suppression import Applied, Problem, Suppression, apply, read_comment
from resources.facts.cache import SqliteFactStore, open_facts
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
    target: str
    """The path or address that was opened."""
    canary: Path | None = None
    """The ruler under trial, where it judges this repository instead of the built-in one."""


@contextlib.contextmanager
def open_source(
    target: str,
    settings: Settings,
    ref: str = "HEAD",
    *,
    staged: bool = False,
    key: str = "",
    is_fetched: bool = False,
) -> Iterator[Opened]:
    """Open a path or an address at a ref, or at what is staged.

    Args:
        target: path or address.
        settings: where state is kept.
        ref: branch, tag or commit.
        staged: read what is staged instead.
        key: of the repository, when it is known.
        is_fetched: the mirror of an address was brought up to date a moment ago; where it has the ref, that is enough.

    Raises:
        SourceError: it cannot be opened, or has no such ref.
        ConfigurationError: nothing can be staged there.
    """
    with (
        open_repository(target, settings, key=key, commit=ref if is_fetched else "") as repository,
        open_facts(settings, repository.key) as facts,
    ):
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
            is_trial = is_in_canary(repository.key, settings.canary_share)
            yield Opened(source, facts, repository.key, target, settings.canary_ruler if is_trial else None)


def changed_paths(opened: Opened, since: str) -> list[str]:
    """Paths that were added, changed or deleted since another commit, in order.

    Raises:
        UnknownRevision: there is no such commit.
    """
    before = {entry.path: (entry.mode, entry.oid) for entry in opened.source.tree(since)}
    after = {entry.path: (entry.mode, entry.oid) for entry in opened.source.tree()}
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def gate_change(  # noqa: PLR0917 - two sides, what judges, and when
    target: str,
    settings: Settings,
    base: str,
    head: str = "HEAD",
    evaluated_on: dt.date | None = None,
    central: Policy | None = None,
    approved: Sequence[Suppression] = (),
    *,
    key: str = "",
    ruler_file: Path | None = None,
    is_fetched: bool = False,
    progress: Progress | None = None,
) -> GateResult:
    """Judge what a change brings: the head against the merge base of base and head, both under one ruler.

    The policy is that of the merge base. The head's own must be readable, or it could not be the next base.

    Args:
        target: path or address.
        settings: where state is kept.
        base: where the change would land.
        head: the change.
        evaluated_on: the day on which suppressions hold; default: today, UTC.
        central: policy of the owning team.
        approved: suppressions that were asked for and granted.
        key: of the repository, when it is known.
        ruler_file: judge by this ruler instead of the policy's.
        is_fetched: as for `open_source`.
        progress: called while facts are collected.

    Raises:
        UnknownRevision: a ref does not exist, or base and head have no commit in common.
        SourceError: the repository cannot be read.
        ConfigurationError: the head breaks its `elder.yaml`.
    """
    with open_source(target, settings, head, key=key, is_fetched=is_fetched) as opened:
        own = base_ruler(opened)
        start = opened.source.merge_base(base)
        old, new = (opened.source.file_at(POLICY_FILE, commit) for commit in (start, None))
        policy, ignored = _usable_policy(old, own)
        if new is not None and new != old:
            read_policy(new, own)
        judging = judging_policy(policy, central)
        ruler = ruler_under(own, judging) if ruler_file is None else ruler_for(opened.facts, ruler_file)
        after = judge_opened(opened, ruler, start, progress=progress)
    with open_source(target, settings, start, key=key, is_fetched=True) as opened:
        before = judge_opened(opened, ruler, progress=progress)
    result = gate(before, after, ruler, evaluated_on or today(), policy, central, approved)
    return msgspec.structs.replace(result, problems=(*ignored, *result.problems))


def today() -> dt.date:
    """The day, UTC."""
    return dt.datetime.now(dt.UTC).date()


def _usable_policy(content: bytes | None, own: Ruler) -> tuple[Policy, tuple[Problem, ...]]:
    """The policy of a file; the built-in one, and why, when it cannot be used."""
    if content is None:
        return NO_POLICY, ()
    try:
        return read_policy(content, own), ()
    except ConfigurationError as error:
        return NO_POLICY, (Problem(kind="malformed", place=POLICY_FILE, reason=f"it is not used: {error}"),)


def central_policy(document: str, opened: Opened) -> Policy | None:
    """The central policy that the store holds, as YAML; None where it is empty.

    Raises:
        ConfigurationError: it names what this Elder no longer has.
    """
    return central_policy_under(document, base_ruler(opened))


def central_policy_under(document: str, own: Ruler) -> Policy | None:
    """The same, over the ruler that policies move."""
    return read_policy(document.encode(), own, "central policy") if document else None


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How a repository is judged at one commit."""

    ruler: Ruler
    granted: tuple[Suppression | Problem, ...] = ()
    """Suppressions of policies and approved requests, and what is wrong with the policy."""
    team: str = ""
    """The team that the repository's file names."""

    @property
    def profile(self) -> str:
        """Name of the profile."""
        return self.ruler.profile


def terms_for(
    opened: Opened,
    central: Policy | None = None,
    approved: Sequence[Suppression] = (),
    *,
    ruler_file: Path | None = None,
) -> Terms:
    """How an open repository is judged: by its `elder.yaml`, the central policy of its team, or a ruler file.

    Raises:
        ConfigurationError: the file holds no ruler that fits this Elder.
    """
    ruler = None if ruler_file is None else ruler_for(opened.facts, ruler_file)
    return terms_under(base_ruler(opened), opened.source.file_at(POLICY_FILE), central, approved, ruler=ruler)


def terms_under(
    own: Ruler,
    content: bytes | None,
    central: Policy | None = None,
    approved: Sequence[Suppression] = (),
    *,
    ruler: Ruler | None = None,
) -> Terms:
    """How a repository is judged whose `elder.yaml` has this content (None = it has none).

    Args:
        own: what policies move.
        content: of the file at the judged commit.
        central: policy of the owning team.
        approved: suppressions that were asked for and granted.
        ruler: judge by this one instead of the policies'.
    """
    policy, ignored = _usable_policy(content, own)
    judging = judging_policy(policy, central)
    ruler = ruler or ruler_under(own, judging)
    return Terms(ruler=ruler, granted=(*suppressions_of(judging, ruler), *approved, *ignored), team=policy.team)


def audit_shown(
    opened: Opened,
    baseline: str | None = None,
    evaluated_on: dt.date | None = None,
    *,
    ruler_file: Path | None = None,
    magics: Sequence[str] = (),
    progress: Progress | None = None,
) -> Applied:
    """The verdict on an open repository under its policy, as it is shown on a day; arguments as `gate_change`.

    Raises:
        SourceError: the repository cannot be read.
        ConfigurationError: a named magic does not exist.
    """
    terms = terms_for(opened, ruler_file=ruler_file)
    judged = judge_opened(opened, terms.ruler, baseline, magics=magics, progress=progress)
    return show(judged, terms.ruler, terms.granted, evaluated_on or today())


def show(judged: Judged, ruler: Ruler, granted: Sequence[Suppression | Problem], evaluated_on: dt.date) -> Applied:
    """What the rules said, under a ruler, the comments of the snapshot and other suppressions, on a day."""
    return plain_and_shown(judged, ruler, granted, evaluated_on)[1]


def plain_and_shown(
    judged: Judged, ruler: Ruler, granted: Sequence[Suppression | Problem], evaluated_on: dt.date
) -> tuple[Verdict, Applied]:
    """The verdict as the rules made it, and as it is shown: what the store records belongs together."""
    plain = verdict_of(judged, ruler)
    wanted = [*granted, *(read_comment(comment, ruler.rules) for comment in judged.directed)]
    return plain, apply(plain, wanted, ruler, evaluated_on, has_code=judged.has_code)


def base_ruler(opened: Opened) -> Ruler:
    """What policies move: the ruler under trial where it judges this repository, else the built-in one.

    Raises:
        ConfigurationError: the ruler under trial does not fit this Elder.
    """
    if opened.canary is None:
        return ruler_for(opened.facts)
    return _read_ruler(opened.canary, ruler_for(opened.facts))


def registered_ruler(settings: Settings, key: str) -> Ruler:
    """What policies move for a registered repository that is not open here; the same as `base_ruler`.

    Raises:
        ConfigurationError: the ruler under trial does not fit this Elder.
    """
    own = default_ruler()
    if settings.canary_ruler is None or not is_in_canary(key, settings.canary_share):
        return own
    return _read_ruler(settings.canary_ruler, own)


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
    return own if file is None else _read_ruler(file, own)


def _read_ruler(file: Path, own: Ruler) -> Ruler:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigurationError("ruler file", str(file), f"a file that can be read: {error.strerror}") from error
    return load_ruler(content, str(file), own)


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
    judged = kept(opened, ruler, baseline)
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


def kept(opened: Opened, ruler: Ruler, baseline: str | None) -> Judged | None:
    """What the rules said before about the same commit, by the same limits; None where nothing was kept."""
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
