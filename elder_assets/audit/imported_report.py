"""What files of other tools add to a report, as JSON and as text: beside our findings, never among them.

An imported finding changes no score and no exit status.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from elder_assets.audit.equivalents import Merged, counted_once
from elder_assets.audit.model import Finding, Severity
from elder_assets.audit.report import finding_json
from elder_assets.audit.sarif_import import Imported

LINES_MAX = 10
"""Rules and reasons that the text names for each file."""


class CountedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of another tool beside our findings."""

    imported: Imported
    kept: tuple[Finding, ...]
    merged: tuple[Merged, ...] = ()


def beside(files: Iterable[Imported], own: Sequence[Finding]) -> tuple[CountedFile, ...]:
    """Each file with the findings that count beside ours."""
    counted = [(file, *counted_once(file, own)) for file in files]
    return tuple(CountedFile(imported=file, kept=kept, merged=merged) for file, kept, merged in counted)


def imported_json(file: CountedFile) -> dict[str, Any]:
    """One file, as the JSON report holds it under `imported`."""
    imported = file.imported
    return {
        "name": imported.name,
        "results": imported.results,
        "tools": [{"name": tool.name, "version": tool.version, "results": tool.results} for tool in imported.tools],
        "findings": [finding_json(finding) for finding in file.kept],
        "merged": [
            {"rule": pair.imported.rule, "path": pair.imported.path, "line": pair.imported.line}
            | {"own": pair.own.rule, "own_fingerprint": pair.own.fingerprint, "reason": pair.reason}
            for pair in file.merged
        ],
        "left_out": dict(imported.left_out),
        "skipped": [{"path": item.path, "reason": item.reason} for item in imported.skipped],
        "failures": list(imported.failures),
    }


def imported_lines(file: CountedFile, *, show_all: bool = False) -> list[str]:
    """One file for a person: what it holds, by severity and by rule, and what was left out and why."""
    imported = file.imported
    tools = ", ".join(f"{tool.name} {tool.version}".strip() for tool in imported.tools) or "no tool"
    lines = [f"{imported.name}: {tools}; {number(imported.results, 'result')}", f"  {_summary(file)}"]
    lines += [f"  incomplete: {failure}" for failure in imported.failures]
    rules = Counter(finding.rule for finding in file.kept)
    worst: dict[str, Finding] = {}
    for finding in file.kept:
        known = worst.setdefault(finding.rule, finding)
        if finding.severity.rank < known.severity.rank:
            worst[finding.rule] = finding
    order = sorted(rules, key=lambda rule: (worst[rule].severity.rank, -rules[rule], rule))
    named = [f"  {rules[rule]:>5}  {worst[rule].severity:<8}  {rule}  {worst[rule].message}" for rule in order]
    lines += _first(named, "more rules", show_all=show_all)
    reasons = Counter(item.reason for item in imported.skipped)
    skipped = [f"  {count:>5}  skipped: {reason}" for reason, count in sorted(reasons.items(), key=_most)]
    return lines + _first(skipped, "more reasons", show_all=show_all)


def _most(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _summary(file: CountedFile) -> str:
    severities = Counter(finding.severity for finding in file.kept)
    by_severity = ", ".join(f"{severities[severity]} {severity}" for severity in Severity if severities[severity])
    parts = [number(len(file.kept), "finding") + (f" ({by_severity})" if by_severity else "")]
    if file.merged:
        parts.append(f"{len(file.merged)} that our rules report too")
    parts += [f"{count} {reason}" for reason, count in file.imported.left_out.items()]
    if file.imported.skipped:
        parts.append(f"{len(file.imported.skipped)} skipped")
    return "; ".join(parts)


def _first(lines: list[str], more: str, *, show_all: bool) -> list[str]:
    if show_all or len(lines) <= LINES_MAX:
        return lines
    return [*lines[:LINES_MAX], f"         {len(lines) - LINES_MAX} {more}: --all shows them"]


def number(count: int, noun: str) -> str:
    """A count with its noun: '1 result', '2 results'."""
    return f"1 {noun}" if count == 1 else f"{count:,} {noun}s"
