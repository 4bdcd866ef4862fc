"""One audit: facts are collected, every rule judges them, the verdict is scored. The only way to audit anything.

Holds the one error boundary around a rule: whatever a rule raises becomes an ERROR outcome with its reason.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from elder_assets.audit.errors import ConfigurationError, ElderError, UnknownRevision
from elder_assets.audit.facts.directives import directives
from elder_assets.audit.facts.extraction import FactStore
from elder_assets.audit.facts.history_secrets import HistorySecrets, collect_history_secrets
from elder_assets.audit.facts.repository_facts import (
    BaselineFacts,
    FileFacts,
    Progress,
    RepositoryFacts,
    TreeCollector,
    no_progress,
)
from elder_assets.audit.facts.secrets import secrets
from elder_assets.audit.identity import fingerprints, kin
from elder_assets.audit.judgement import (
    JUDGED,
    Answer,
    Directed,
    Judged,
    Judgement,
    judged_key,
    limits_of,
    magic_result,
    verdict_of,
)
from elder_assets.audit.model import (
    Checked,
    FileClass,
    Finding,
    Found,
    MagicResult,
    NotApplicable,
    NotAvailable,
    Outcome,
    Severity,
    SourceFile,
    Status,
    Verdict,
)
from elder_assets.audit.registry import Catalogue, Rule, catalogue
from elder_assets.audit.ruler import Ruler
from elder_assets.audit.source import BlobSource

Limits = Mapping[str, Mapping[str, int]]
"""Rule code to its limits by name."""


def audit(
    source: BlobSource,
    store: FactStore,
    ruler: Ruler,
    baseline: str | None = None,
    *,
    rules: Catalogue | None = None,
    magics: Collection[str] | None = None,
    progress: Progress = no_progress,
) -> Verdict:
    """Audit one repository at one commit.

    Args:
        source: the repository at the commit.
        store: where known facts are found and new ones kept.
        ruler: what judges.
        baseline: commit of the audit to compare with; rules that compare say "not available" without one.
        rules: the catalogue, for tests; default all rules.
        magics: only these; default all.
        progress: called while facts are collected.

    Raises:
        SourceError: the repository cannot be read.
        ConfigurationError: a named magic does not exist.
    """
    judged = audit_judged(source, store, ruler, baseline, rules=rules, magics=magics, progress=progress)
    return verdict_of(judged, ruler)


def audit_judged(
    source: BlobSource,
    store: FactStore,
    ruler: Ruler,
    baseline: str | None = None,
    *,
    rules: Catalogue | None = None,
    magics: Collection[str] | None = None,
    progress: Progress = no_progress,
) -> Judged:
    """What the rules say; kept when it is all they have to say. See `audit`."""
    facts = collect(source, store, baseline, rules=rules, progress=progress)
    return judge_collected(facts, store, ruler, rules=rules, magics=magics)


def judge_collected(
    facts: RepositoryFacts,
    store: FactStore,
    ruler: Ruler,
    *,
    rules: Catalogue | None = None,
    magics: Collection[str] | None = None,
) -> Judged:
    """What the rules say about facts that were collected; kept when it is all they have to say."""
    judged = judge(facts, limits_of(ruler), rules=rules, magics=magics)
    judged = msgspec.structs.replace(judged, directed=directed(facts))
    if (
        rules is None
        and not magics
        and facts.is_certain
        and not any(j.status is Status.ERROR for j in judged.judgements)
    ):
        keep_judged(store, judged, ruler)
    return judged


def keep_judged(store: FactStore, judged: Judged, ruler: Ruler) -> None:
    """Keep what the rules said about a commit: the next audit of it asks nobody."""
    if judged.snapshot.commit is not None:
        key = judged_key(judged.snapshot.commit, judged.baseline, limits_of(ruler))
        store.keep(JUDGED, {key: msgspec.msgpack.encode(judged)})


def collect(
    source: BlobSource,
    store: FactStore,
    baseline: str | None = None,
    *,
    rules: Catalogue | None = None,
    progress: Progress = no_progress,
) -> RepositoryFacts:
    """All facts that the rules read about one snapshot; see `audit`."""
    rules = rules or catalogue()
    collector = TreeCollector(source, store, rules.extractors(), progress)
    tree = collector.collect()
    history = source.history()
    held = HistorySecrets()
    if reads_history_blobs(rules):
        progress("history", 0, 1)
        held, _ = collect_history_secrets(source, store, history)
    earlier = _collect_baseline(source, collector, baseline)
    is_whole = not history.unavailable and (earlier is None or earlier.tree is not None)
    return RepositoryFacts(
        source.snapshot(),
        tree,
        history,
        history_secrets=held,
        baseline=earlier,
        is_certain=collector.is_certain and is_whole,
    )


def reads_history_blobs(rules: Catalogue) -> bool:
    """Whether a rule asks for the secrets that the history held."""
    return any("H" in rule.evidence and secrets in rule.reads for rule in rules.rules)


def _collect_baseline(source: BlobSource, collector: TreeCollector, baseline: str | None) -> BaselineFacts | None:
    if baseline is None:
        return None
    try:
        tree = collector.collect(baseline)
    except UnknownRevision:
        tree = None
    return BaselineFacts(commit=baseline, is_ancestor=source.is_ancestor(baseline), tree=tree)


class Said:
    """What file rules said about files: a rule is asked once about a file, however many weeks hold it.

    A file rule is a pure function of the file's path, class and facts, and `TreeCollector` keeps one SourceFile for
    what did not change.
    """

    def __init__(self) -> None:
        self._said: dict[str, dict[int, tuple[SourceFile, tuple[Outcome, ...]]]] = {}

    def of(self, rule: Rule, file: SourceFile, facts: RepositoryFacts, limits: Mapping[str, int]) -> Iterable[Outcome]:
        """What a rule says about a file; `limits` are the same in every call."""
        known = self._said.setdefault(rule.code, {})
        before = known.get(id(file))
        if before is None:
            before = known[id(file)] = (file, tuple(_ask_about(rule, file, facts, limits)))
        return before[1]


def judge(
    facts: RepositoryFacts,
    limits: Limits,
    *,
    rules: Catalogue | None = None,
    magics: Collection[str] | None = None,
    said: Said | None = None,
) -> Judged:
    """Ask the rules (of all magics, or of those named) about facts; never reads git or a file.

    `said` holds what file rules said about earlier trees of the same collector, by the same limits.

    Raises:
        ConfigurationError: a named magic does not exist.
    """
    rules = rules or catalogue()
    known = [magic.name for magic in rules.magics]
    for name in magics or ():
        if name not in known:
            raise ConfigurationError("magic", name, known)
    asked = tuple(name for name in known if not magics or name in magics)
    judgements = [_judge_rule(rule, facts, limits[rule.code], said) for name in asked for rule in rules.of(name)]
    return msgspec.structs.replace(describe(facts), magics=asked, judgements=tuple(judgements))


def describe(facts: RepositoryFacts) -> Judged:
    """What is judged, before a rule was asked."""
    return Judged(
        snapshot=facts.snapshot,
        baseline=facts.baseline.commit if facts.baseline else None,
        coverage=facts.coverage,
        has_code=any(file.file_class in {FileClass.PRODUCTION, FileClass.TEST} for file in facts.files),
        magics=(),
        judgements=(),
    )


def directed(facts: RepositoryFacts) -> tuple[Directed, ...]:
    """What people told Elder in comments, in order of path and line."""
    return tuple(
        Directed(file.path, item.line, item.first, item.last, item.text)
        for file, content in facts.each(directives)
        for item in content.found
    )


def judge_magic(
    facts: RepositoryFacts, ruler: Ruler, magic: str, *, rules: Catalogue | None = None
) -> tuple[MagicResult, list[Finding]]:
    """Apply the rules of one magic to facts; shadow findings are among those returned."""
    judged = judge(facts, limits_of(ruler), rules=rules, magics=[magic])
    return magic_result(judged, magic, ruler)


def _judge_rule(rule: Rule, facts: RepositoryFacts, limits: Mapping[str, int], known: Said | None) -> Judgement:
    started = time.perf_counter()
    said: list[Outcome] = []
    failure = ""
    try:
        said.extend(_ask(rule, facts, limits, known))
    except Exception as error:  # noqa: BLE001 - the error boundary around one rule: it becomes an ERROR outcome
        failure = str(error) if isinstance(error, ElderError) else f"{type(error).__name__}: {error}"
    duration_ms = (time.perf_counter() - started) * 1000

    def judgement(status: Status, reason: str = "", units: int = 0, answers: Sequence[Answer] = ()) -> Judgement:
        return Judgement(
            rule=rule.code,
            name=rule.name,
            magic=rule.magic,
            severity=rule.severity,
            remedy=rule.remedy,
            limits=dict(sorted(limits.items())),
            status=status,
            reason=reason,
            units=units,
            answers=tuple(answers),
            duration_ms=duration_ms,
        )

    if failure:
        return judgement(Status.ERROR, failure)
    found = [item for item in said if isinstance(item, Found)]
    units = sum(item.units for item in said if isinstance(item, Checked))
    for item in said:
        if isinstance(item, NotAvailable):
            return judgement(Status.NOT_AVAILABLE, item.reason)
        if isinstance(item, NotApplicable):
            return judgement(Status.NOT_APPLICABLE, item.reason)
    if not units and not found:
        return judgement(Status.NOT_APPLICABLE, f"no {rule.unit} to look at")
    answers = _identify(rule, found)
    affected = len({answer.unit for answer in answers if answer.severity is not Severity.INFO})
    if affected > units:
        return judgement(Status.ERROR, f"{affected} units affected of {units}: the rule does not count its units")
    return judgement(Status.FINDING if answers else Status.PASS, "", units, answers)


def _ask(rule: Rule, facts: RepositoryFacts, limits: Mapping[str, int], said: Said | None) -> Iterable[Outcome]:
    if rule.scope == "repository":
        yield from rule.check(facts, **limits)
        return
    for file in facts.files:
        if file.file_class in rule.file_classes:
            yield from _ask_about(rule, file, facts, limits) if said is None else said.of(rule, file, facts, limits)


def _ask_about(rule: Rule, file: SourceFile, facts: RepositoryFacts, limits: Mapping[str, int]) -> Iterable[Outcome]:
    for item in rule.check(FileFacts(file, facts), **limits):
        yield _with_path(item, file.path) if isinstance(item, Found) else item


def _with_path(found: Found, path: str) -> Found:
    return Found(
        message=found.message,
        path=path,
        line=found.line,
        symbol=found.symbol,
        tokens=found.tokens,
        unit=f"{path}:{found.unit}" if found.unit else "",
        severity=found.severity,
        remedy=found.remedy,
    )


def _identify(rule: Rule, found: Sequence[Found]) -> list[Answer]:
    return [
        Answer(
            message=item.message,
            path=item.path,
            line=item.line,
            symbol=item.symbol,
            severity=item.severity,
            remedy=item.remedy,
            fingerprint=mark,
            unit=item.unit or mark,
            kin=kin(rule.birth_code, item.symbol, item.tokens),
        )
        for item, mark in zip(found, fingerprints(rule.birth_code, found), strict=True)
    ]
