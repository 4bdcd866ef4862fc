"""One audit: facts are collected, every rule judges them, the verdict is scored. The only way to audit anything.

Holds the one error boundary around a rule: whatever a rule raises becomes an ERROR outcome with its reason.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence

from elder_assets.audit.errors import ConfigurationError, ElderError, UnknownRevision
from elder_assets.audit.facts.extraction import FactStore
from elder_assets.audit.facts.repository_facts import (
    BaselineFacts,
    FileFacts,
    Progress,
    RepositoryFacts,
    collect_history_blobs,
    collect_tree,
    no_progress,
)
from elder_assets.audit.identity import fingerprints
from elder_assets.audit.model import (
    Checked,
    FileClass,
    Finding,
    Found,
    MagicResult,
    NotApplicable,
    NotAvailable,
    Outcome,
    RuleOutcome,
    Severity,
    Status,
    Tier,
    Verdict,
)
from elder_assets.audit.registry import Catalogue, Rule, catalogue
from elder_assets.audit.ruler import RuleMeasure, Ruler
from elder_assets.audit.scoring import score_magic, score_overall
from elder_assets.audit.source import BlobSource


def audit(
    source: BlobSource,
    store: FactStore,
    ruler: Ruler,
    baseline: str | None = None,
    *,
    rules: Catalogue | None = None,
    progress: Progress = no_progress,
) -> Verdict:
    """Audit one repository at one commit.

    Args:
        source: the repository at the commit.
        store: where known facts are found and new ones kept.
        ruler: what judges.
        baseline: commit of the audit to compare with; rules that compare say "not available" without one.
        rules: the catalogue, for tests; default all rules.
        progress: called while facts are collected.

    Raises:
        SourceError: the repository cannot be read.
    """
    facts = collect(source, store, baseline, rules=rules, progress=progress)
    return judge(facts, ruler, rules=rules)


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
    tree = collect_tree(source, store, rules.extractors(), progress=progress)
    history = source.history()
    history_facts = {}
    if not history.unavailable:
        history_facts = collect_history_blobs(source, store, rules.history_extractors(), progress=progress)
    return RepositoryFacts(
        source.snapshot(),
        tree,
        history,
        history_facts=history_facts,
        baseline=_collect_baseline(source, store, baseline, rules),
    )


def _collect_baseline(
    source: BlobSource, store: FactStore, baseline: str | None, rules: Catalogue
) -> BaselineFacts | None:
    if baseline is None:
        return None
    try:
        tree = collect_tree(source, store, rules.extractors(), commit=baseline)
    except UnknownRevision:
        tree = None
    return BaselineFacts(commit=baseline, is_ancestor=source.is_ancestor(baseline), tree=tree)


def judge(
    facts: RepositoryFacts, ruler: Ruler, *, rules: Catalogue | None = None, magics: Collection[str] | None = None
) -> Verdict:
    """Apply the rules (of all magics, or of those named) to facts; never reads git or a file.

    Raises:
        ConfigurationError: a named magic does not exist.
    """
    rules = rules or catalogue()
    known = [magic.name for magic in rules.magics]
    for name in magics or ():
        if name not in known:
            raise ConfigurationError("magic", name, known)
    results: list[MagicResult] = []
    findings: list[Finding] = []
    for magic in rules.magics:
        if magics and magic.name not in magics:
            continue
        result, found = judge_magic(facts, ruler, magic.name, rules=rules)
        results.append(result)
        findings.extend(found)
    return assemble(facts, ruler, results, findings)


def judge_magic(
    facts: RepositoryFacts, ruler: Ruler, magic: str, *, rules: Catalogue | None = None
) -> tuple[MagicResult, list[Finding]]:
    """Apply the rules of one magic to facts; shadow findings are among those returned."""
    rules = rules or catalogue()
    started = time.perf_counter()
    outcomes: list[RuleOutcome] = []
    findings: list[Finding] = []
    for rule in rules.of(magic):
        outcome, found = _judge_rule(rule, facts, ruler.rules[rule.code])
        outcomes.append(outcome)
        findings.extend(found)
    duration_ms = (time.perf_counter() - started) * 1000
    return score_magic(magic, outcomes, findings, ruler, duration_ms=duration_ms), findings


def assemble(
    facts: RepositoryFacts, ruler: Ruler, results: Sequence[MagicResult], findings: Iterable[Finding]
) -> Verdict:
    """The verdict from what the magics said."""
    ordered = tuple(sorted(findings, key=lambda finding: finding.sort_key))
    if any(file.file_class in {FileClass.PRODUCTION, FileClass.TEST} for file in facts.files):
        status, reason, score = score_overall(results, ordered, ruler.weights)
    else:
        status, reason, score = Status.NOT_APPLICABLE, "no code", None
    return Verdict(
        snapshot=facts.snapshot,
        ruler=ruler.digest,
        baseline=facts.baseline.commit if facts.baseline else None,
        coverage=facts.coverage,
        status=status,
        reason=reason,
        score=score,
        magics=tuple(results),
        findings=ordered,
    )


def _judge_rule(rule: Rule, facts: RepositoryFacts, measure: RuleMeasure) -> tuple[RuleOutcome, list[Finding]]:
    started = time.perf_counter()
    said: list[Outcome] = []
    failure = ""
    try:
        said.extend(_ask(rule, facts, measure))
    except Exception as error:  # noqa: BLE001 - the error boundary around one rule: it becomes an ERROR outcome
        failure = str(error) if isinstance(error, ElderError) else f"{type(error).__name__}: {error}"
    duration_ms = (time.perf_counter() - started) * 1000

    def outcome(status: Status, reason: str = "", units: int = 0, affected: int = 0) -> RuleOutcome:
        return RuleOutcome(
            rule=rule.code, status=status, reason=reason, units=units, affected=affected, duration_ms=duration_ms
        )

    if failure:
        return outcome(Status.ERROR, failure), []
    found = [item for item in said if isinstance(item, Found)]
    units = sum(item.units for item in said if isinstance(item, Checked))
    for item in said:
        if isinstance(item, NotAvailable):
            return outcome(Status.NOT_AVAILABLE, item.reason), []
        if isinstance(item, NotApplicable):
            return outcome(Status.NOT_APPLICABLE, item.reason), []
    if not units and not found:
        return outcome(Status.NOT_APPLICABLE, f"no {rule.unit} to look at"), []
    findings = _identify(rule, measure, found)
    affected = _affected(findings)
    if affected > units:
        return outcome(Status.ERROR, f"{affected} units affected of {units}: the rule does not count its units"), []
    return outcome(Status.FINDING if findings else Status.PASS, "", units, affected), findings


def _ask(rule: Rule, facts: RepositoryFacts, measure: RuleMeasure) -> Iterable[Outcome]:
    if rule.scope == "repository":
        yield from rule.check(facts, **measure.limits)
        return
    for file in facts.files:
        if file.file_class not in rule.file_classes:
            continue
        for item in rule.check(FileFacts(file, facts), **measure.limits):
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


def _identify(rule: Rule, measure: RuleMeasure, found: Sequence[Found]) -> list[Finding]:
    return [
        Finding(
            rule=rule.code,
            severity=_severity(rule, measure, item),
            tier=measure.tier,
            path=item.path,
            line=item.line,
            symbol=item.symbol,
            message=item.message,
            remedy=item.remedy or rule.remedy,
            fingerprint=mark,
            unit=item.unit or mark,
        )
        for item, mark in zip(found, fingerprints(rule.birth_code, found), strict=True)
    ]


def _severity(rule: Rule, measure: RuleMeasure, item: Found) -> Severity:
    """The finding's own severity moves along when the ruler moves the rule's."""
    if item.severity is None:
        return measure.severity
    if item.severity is Severity.INFO:
        return Severity.INFO
    moved = item.severity.rank + measure.severity.rank - rule.severity.rank
    return list(Severity)[min(max(moved, 0), Severity.INFO.rank)]


def _affected(findings: Iterable[Finding]) -> int:
    return len({finding.unit for finding in findings if finding.severity is not Severity.INFO})


def gate_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Findings that fail a check by themselves: tier gate, CRITICAL or HIGH (D15)."""
    return [f for f in findings if f.tier is Tier.GATE and f.severity in {Severity.CRITICAL, Severity.HIGH}]
