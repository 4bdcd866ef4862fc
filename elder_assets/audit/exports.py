"""A verdict for other tools: JUnit XML for pipelines, CSV for spreadsheets.

Text of a repository is inert in both: characters that XML cannot hold are shown as U+FFFD, and a cell that a
spreadsheet would take for a formula begins with an apostrophe (CWE-1236).
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from xml.sax.saxutils import escape, quoteattr

from elder_assets.audit.model import Finding, RuleOutcome, Severity, Status, Verdict
from elder_assets.audit.report import plain, shown_findings
from elder_assets.audit.rows import finding_row
from elder_assets.audit.scoring import gate_findings

CSV_COLUMNS = ("magic", "rule", "severity", "tier", "path", "line", "symbol", "message", "remedy", "fingerprint")
JUNIT_FINDINGS_MAX = 200
"""Findings that one test case names."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def to_junit(verdict: Verdict) -> str:
    """One test suite a magic, one test case a rule.

    A rule fails when it has a finding that fails a check by itself (D15); other findings are its output. A rule that
    does not apply, or could not be answered, is skipped with its reason; one that broke is an error.
    """
    by_rule: dict[str, list[Finding]] = defaultdict(list)
    for finding in shown_findings(verdict):
        by_rule[finding.rule].append(finding)
    suites = []
    for magic in verdict.magics:
        cases = [_case(magic.magic, outcome, by_rule[outcome.rule]) for outcome in magic.outcomes]
        failures = sum(bool(gate_findings(by_rule[outcome.rule])) for outcome in magic.outcomes)
        errors = sum(outcome.status is Status.ERROR for outcome in magic.outcomes)
        skipped = sum(outcome.status in _SKIPPED for outcome in magic.outcomes)
        suites.append(
            f'  <testsuite name="elder.{magic.magic}" tests="{len(cases)}" failures="{failures}" errors="{errors}" '
            f'skipped="{skipped}" time="{magic.duration_ms / 1000:.3f}">\n' + "".join(cases) + "  </testsuite>\n"
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<testsuites name={_attribute(verdict.snapshot.repository)}>\n" + "".join(suites) + "</testsuites>\n"
    )


_SKIPPED = frozenset({Status.NOT_APPLICABLE, Status.NOT_AVAILABLE})


def _case(magic: str, outcome: RuleOutcome, findings: list[Finding]) -> str:
    name = f"{outcome.rule} {outcome.name}".strip()
    head = f'    <testcase classname="elder.{magic}" name={_attribute(name)} time="{outcome.duration_ms / 1000:.3f}"'
    body = ""
    if outcome.status is Status.ERROR:
        body = f"      <error message={_attribute(outcome.reason)}/>\n"
    elif outcome.status in _SKIPPED:
        body = f"      <skipped message={_attribute(outcome.reason)}/>\n"
    elif failing := gate_findings(findings):
        count = "1 finding" if len(failing) == 1 else f"{len(failing)} findings"
        body = f"      <failure message={_attribute(count)}>{_lines(failing)}</failure>\n"
    elif open_ones := [finding for finding in findings if finding.severity is not Severity.INFO]:
        body = f"      <system-out>{_lines(open_ones)}</system-out>\n"
    return f"{head}>\n{body}    </testcase>\n" if body else f"{head}/>\n"


def _lines(findings: list[Finding]) -> str:
    shown = [f"{finding.path}:{finding.line} {finding.message}" for finding in findings[:JUNIT_FINDINGS_MAX]]
    more = len(findings) - len(shown)
    return escape("\n".join([*map(plain, shown), *([f"and {more} more"] if more else [])]))


def _attribute(text: str) -> str:
    return quoteattr(plain(text))


def to_csv(verdict: Verdict) -> str:
    """One row a finding, in order of place; columns repository, commit, magic, rule, severity, tier, path, line, ..."""
    magics = {outcome.rule: magic.magic for magic in verdict.magics for outcome in magic.outcomes}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(["repository", "commit", *CSV_COLUMNS])
    same = [verdict.snapshot.repository, verdict.snapshot.commit or ""]
    for finding in shown_findings(verdict):
        row = finding_row(magics[finding.rule], finding)
        writer.writerow([cell(value) for value in [*same, *(row[name] for name in CSV_COLUMNS)]])
    return text.getvalue()


def cell(value: object) -> object:
    """A value that no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return value
    shown = plain(value.replace("\n", " "))
    return f"'{shown}" if value.startswith(_FORMULA) else shown
