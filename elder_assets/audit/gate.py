"""The gate on new code: a change is judged by what it brings, not by what was there.

Both sides are judged under one ruler. The base is the merge base, so what others landed meanwhile counts for nobody. A
finding that was fixed on the base and is put back is new again. What fails a change is said by the policy of the base
(decision D12): a change cannot lower its own gate.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

import msgspec

from elder_assets.audit.judgement import Directed, Judged, verdict_of
from elder_assets.audit.lifecycle import Changes, match
from elder_assets.audit.model import Finding, Severity, Status, Tier, Verdict
from elder_assets.audit.policy import NO_POLICY, GateTerms, Policy, gate_terms, judging_policy, suppressions_of
from elder_assets.audit.ruler import Ruler
from elder_assets.audit.suppression import Problem, Suppressed, Suppression, apply, read_comment


class GateResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a change brings, and whether it may land."""

    before: Verdict
    """The base as it is shown on the day: open findings only."""
    after: Verdict
    changes: Changes
    """Without findings of shadow rules; suppressed ones are among them."""
    failing: tuple[Finding, ...]
    """New, not suppressed, tier gate, and severe enough."""
    suppressed: tuple[Suppressed, ...] = ()
    """New findings that a suppression holds back, with its reason."""
    problems: tuple[Problem, ...] = ()
    """Suppressions of the head that do not do what their authors meant."""
    terms: GateTerms

    @property
    def status(self) -> Status:
        """Passed, failed, or error when the change could not be judged as a whole."""
        if Status.ERROR in {self.before.status, self.after.status}:
            return Status.ERROR
        return Status.FAILED if self.failing else Status.PASSED

    @property
    def reason(self) -> str:
        """One line that says why."""
        if self.status is Status.ERROR:
            broken = self.after if self.after.status is Status.ERROR else self.before
            return f"the audit is incomplete: {broken.reason}"
        if self.failing:
            rules = ", ".join(sorted({finding.rule for finding in self.failing}))
            findings = "finding" if len(self.failing) == 1 else "findings"
            return f"{len(self.failing)} new gate {findings} of severity {_from(self.terms.fails_from)}: {rules}"
        return "nothing new that fails a check"

    @property
    def advice(self) -> tuple[Finding, ...]:
        """New findings that fail nothing; INFO and suppressed ones left out."""
        other = {id(finding) for finding in self.failing} | {id(item.finding) for item in self.suppressed}
        return tuple(f for f in self.changes.new if id(f) not in other and f.severity is not Severity.INFO)


def _from(lowest: Severity) -> str:
    names = [str(severity) for severity in reversed(Severity) if severity.rank <= lowest.rank]
    return " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def gate(  # noqa: PLR0917 - two sides, what judges, and when
    before: Judged,
    after: Judged,
    ruler: Ruler,
    evaluated_on: dt.date,
    policy: Policy = NO_POLICY,
    central: Policy | None = None,
    approved: Sequence[Suppression] = (),
) -> GateResult:
    """Judge a change by what the rules say about its base and its head.

    Args:
        before: of the merge base.
        after: of the head.
        ruler: what judges both.
        evaluated_on: the day on which suppressions hold or have ended.
        policy: of the base commit.
        central: of the team that owns the repository.
        approved: suppressions that were asked for and granted.
    """
    terms = gate_terms(policy, central)
    granted = [*suppressions_of(judging_policy(policy, central), ruler), *approved]
    known = ruler.rules
    old, new = verdict_of(before, ruler), verdict_of(after, ruler)
    comments = [read_comment(item, known) for item in after.directed]
    if terms.new_suppressions == "refused":
        comments = _without_new(comments, after.directed, before.directed)
    shown_before = apply(
        old, [*granted, *(read_comment(item, known) for item in before.directed)], ruler, evaluated_on,
        has_code=before.has_code,
    )  # fmt: skip
    shown_after = apply(new, [*granted, *comments], ruler, evaluated_on, has_code=after.has_code)
    changes = match(_shown(old.findings), _shown(new.findings))
    held = {id(item.finding): item for item in shown_after.suppressed}
    return GateResult(
        before=shown_before.verdict,
        after=shown_after.verdict,
        changes=changes,
        failing=tuple(f for f in changes.new if id(f) not in held and _fails(f, terms)),
        suppressed=tuple(held[id(finding)] for finding in changes.new if id(finding) in held),
        problems=tuple(problem for problem in shown_after.problems if problem.kind != "unused"),
        terms=terms,
    )


def _without_new(
    read: Sequence[Suppression | Problem], after: Sequence[Directed], before: Iterable[Directed]
) -> list[Suppression | Problem]:
    """Comments that the change brings are refused and named; one that moved along is no new one."""
    known = [item.text for item in before]
    left: list[Suppression | Problem] = []
    for item, comment in zip(read, after, strict=True):
        if comment.text in known:
            known.remove(comment.text)
            left.append(item)
        else:
            reason = "the policy lets no change bring its own suppression; ask for one"
            left.append(Problem(kind="malformed", place=f"{comment.path}:{comment.line}", reason=reason))
    return left


def _fails(finding: Finding, terms: GateTerms) -> bool:
    return finding.tier is Tier.GATE and finding.severity.rank <= terms.fails_from.rank


def _shown(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.tier is not Tier.SHADOW]
