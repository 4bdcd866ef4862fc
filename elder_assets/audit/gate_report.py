"""The gate's result for people (text), change requests (Markdown) and programs (JSON)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from elder_assets.audit.gate import GateResult
from elder_assets.audit.model import Finding, Severity
from elder_assets.audit.report import finding_json, plain, problem_json, suppressed_json
from elder_assets.audit.scoring import rounded
from elder_assets.audit.suppression import Problem, Suppressed

SCHEMA_VERSION = 1
SHOWN_MAX = 20
"""New findings that text and Markdown name."""


def to_gate_json(result: GateResult) -> dict[str, Any]:
    """The document of `elder gate --format json`."""
    return {
        "schema_version": SCHEMA_VERSION,
        "repository": result.after.snapshot.repository,
        "base": result.before.snapshot.commit,
        "head": result.after.snapshot.commit,
        "ruler": result.after.ruler,
        "status": str(result.status),
        "reason": result.reason,
        "score": {"before": rounded(result.before.score), "after": rounded(result.after.score)},
        "failing": [finding_json(finding) for finding in result.failing],
        "new": [finding_json(finding) for finding in result.changes.new],
        "fixed": [finding_json(finding) for finding in result.changes.fixed],
        "existing": len(result.changes.existing),
        "suppressed": [suppressed_json(item) for item in result.suppressed],
        "problems": [problem_json(problem) for problem in result.problems],
        "terms": {
            "fails_from": str(result.terms.fails_from),
            "new_suppressions": result.terms.new_suppressions,
        },
    }


def to_gate_text(result: GateResult) -> str:
    """What failed first, then advice, then what else became of findings."""
    lines = [f"{result.after.snapshot.repository}: {_range(result)}", ""]
    for title, findings in (("fails the gate", result.failing), ("advice", result.advice)):
        for finding in findings[:SHOWN_MAX]:
            lines.append(
                f"{title}: {finding.rule} {finding.severity}  {plain(_place(finding))}  {plain(finding.message)}"
            )
            lines.append(f"  do: {plain(finding.remedy)}")
        if len(findings) > SHOWN_MAX:
            lines.append(f"{title}: {len(findings) - SHOWN_MAX} more; --format json names them")
    lines += [f"suppressed: {plain(_held(item))}" for item in result.suppressed[:SHOWN_MAX]]
    lines += [f"suppression {plain(_problem(problem))}" for problem in result.problems[:SHOWN_MAX]]
    return "\n".join([*lines, "" if result.changes.new else "no new findings", _counts(result), ""])


def _held(item: Suppressed) -> str:
    finding = item.finding
    return f"{finding.rule}  {_place(finding)}  until {item.by.until}, because: {item.by.reason} ({item.by.place})"


def _problem(problem: Problem) -> str:
    return f"{problem.kind}: {problem.place}: {problem.reason}"


def to_gate_markdown(result: GateResult) -> str:
    """A summary for a change request: the verdict, what fails it, what to do, and the rest folded away."""
    mark = {"passed": "passed", "failed": "failed"}.get(str(result.status), "could not be judged")
    lines = [f"## Elder: {mark}", "", _escaped(result.reason) + ".", ""]
    if result.failing:
        lines += ["| Finding | Where | What to do |", "|---|---|---|", *map(_row, result.failing[:SHOWN_MAX]), ""]
        if len(result.failing) > SHOWN_MAX:
            lines += [f"{len(result.failing) - SHOWN_MAX} more.", ""]
    if result.advice:
        lines += [f"<details><summary>{_number(result.advice, 'suggestion')}</summary>", ""]
        lines += ["| Finding | Where | What to do |", "|---|---|---|", *map(_row, result.advice[:SHOWN_MAX]), ""]
        lines += ["</details>", ""]
    if result.suppressed:
        lines += [f"Suppressed by this change or before it: {_number(result.suppressed, 'new finding')}.", ""]
        lines += [*(f"- {_escaped(_held(item))}" for item in result.suppressed[:SHOWN_MAX]), ""]
    if result.problems:
        lines += [f"{_number(result.problems, 'suppression')} not in force.", ""]
        lines += [*(f"- {_escaped(_problem(problem))}" for problem in result.problems[:SHOWN_MAX]), ""]
    return "\n".join([*lines, f"{_counts(result)} {_range(result)}.", ""])


def _row(finding: Finding) -> str:
    what = f"**{finding.rule}** {finding.severity}: {_escaped(finding.message)}"
    return f"| {what} | `{_escaped(_place(finding))}` | {_escaped(finding.remedy)} |"


def _escaped(text: str) -> str:
    """Text of a repository in a Markdown table: no markup, no mention, no cell border, no code fence."""
    inert = plain(text).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return inert.replace("`", "'").replace("@", "@\u200b").replace("[", "\\[").replace("![", "!\\[")


def _place(finding: Finding) -> str:
    if not finding.path:
        return "the repository"
    return f"{finding.path}:{finding.line}" if finding.line else finding.path


def _range(result: GateResult) -> str:
    before, after = (verdict.snapshot.commit or "" for verdict in (result.before, result.after))
    return f"{before[:12]} to {after[:12]}"


def _counts(result: GateResult) -> str:
    new = [finding for finding in result.changes.new if finding.severity is not Severity.INFO]
    return f"{len(new)} new, {len(result.changes.fixed)} fixed, {len(result.changes.existing)} as before."


def _number(findings: Iterable[object], noun: str) -> str:
    count = len(list(findings))
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"
