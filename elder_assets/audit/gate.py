"""The gate on new code: a change is judged by what it brings, not by what was there.

Both sides are judged under one ruler. The base is the merge base, so what others landed meanwhile counts for nobody. A
finding that was fixed on the base and is put back is new again.
"""

from __future__ import annotations

import msgspec

from elder_assets.audit.lifecycle import Changes, match
from elder_assets.audit.model import Finding, Severity, Status, Tier, Verdict
from elder_assets.audit.scoring import gate_findings


class GateResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a change brings, and whether it may land."""

    before: Verdict
    after: Verdict
    changes: Changes
    """Without findings of shadow rules."""
    failing: tuple[Finding, ...]
    """New findings of tier gate and severity critical or high."""

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
            return f"{len(self.failing)} new gate {findings} of severity high or critical: {rules}"
        return "nothing new that fails a check"

    @property
    def advice(self) -> tuple[Finding, ...]:
        """New findings that fail nothing, INFO left out."""
        failing = {id(finding) for finding in self.failing}
        return tuple(f for f in self.changes.new if id(f) not in failing and f.severity is not Severity.INFO)


def gate(before: Verdict, after: Verdict) -> GateResult:
    """Judge a change by the verdicts on its base and its head.

    Raises:
        ValueError: the verdicts were made under different rulers.
    """
    if before.ruler != after.ruler:
        raise ValueError("the two sides of a gate must be judged under one ruler")
    changes = match(_shown(before), _shown(after))
    return GateResult(before=before, after=after, changes=changes, failing=tuple(gate_findings(changes.new)))


def _shown(verdict: Verdict) -> list[Finding]:
    return [finding for finding in verdict.findings if finding.tier is not Tier.SHADOW]
