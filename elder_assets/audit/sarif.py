"""A verdict as SARIF 2.1.0, in files that code hosts take: `to_sarif`, `split`. Pure.

Addresses are relative to the root of the repository, which the host knows (`%SRCROOT%`). GitHub keeps the first 5,000
results of a run and refuses more than 25,000, 20 runs, or 10 MB of gzip a file; so results are ranked (what may fail a
check first, then by severity), and more of them become further runs, each under a category of its own, so that none
replaces another. What is suppressed is left out: GitHub shows it as open whatever `suppressions` says (docs/report.md).
Limits: GitHub documentation, "SARIF support for code scanning", read in 2026.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from elder_assets.audit.model import Finding, Status, Verdict
from elder_assets.audit.report import shown_findings

if TYPE_CHECKING:
    from elder_assets.audit.imported_report import CountedFile
    from elder_assets.audit.registry import Catalogue, Rule

RUN_RESULTS_MAX = 5_000
"""Results of a run that GitHub keeps."""
FILE_RUNS_MAX = 20
FILE_BYTES_MAX = 9 * 1024 * 1024
"""Of JSON before it is packed: always under the 10 MB that GitHub takes of gzip."""
SKIPPED_MAX = 100
"""Files that were not read and are named in a run."""
ROOT = "%SRCROOT%"
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"

_LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note", "info": "note"}
_SECURITY_SEVERITIES = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.0", "info": "0.5"}
"""The middle of the CVSS 3.1 band of the same name, as code hosts show it; only for rules that name a weakness."""


def to_sarif(verdict: Verdict, *, version: str, imported: Sequence[CountedFile] = ()) -> dict[str, Any]:
    """The verdict as one SARIF log.

    Args:
        verdict: what is reported; findings of shadow rules are left out.
        version: of Elder.
        imported: files of other tools; what counts of them gets a run a tool. Their scores and exits are nobody's.
    """
    runs = [*_own_runs(verdict, version), *_imported_runs(verdict, imported)]
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": runs}


def split(log: dict[str, Any]) -> list[dict[str, Any]]:
    """The log as files that keep GitHub's limits together: runs in their order, none lost, none cut."""
    files: list[list[dict[str, Any]]] = [[]]
    results = size = 0
    for run in log["runs"]:
        own_results, own_size = len(run["results"]), len(msgspec.json.encode(run))
        if files[-1] and (
            len(files[-1]) == FILE_RUNS_MAX
            or results + own_results > RUN_RESULTS_MAX
            or size + own_size > FILE_BYTES_MAX
        ):
            files.append([])
            results = size = 0
        files[-1].append(run)
        results, size = results + own_results, size + own_size
    return [{**log, "runs": runs} for runs in files]


def _own_runs(verdict: Verdict, version: str) -> Iterator[dict[str, Any]]:
    from elder_assets.audit.registry import catalogue  # loads every rule, which a text report does without

    rules = catalogue()
    subject = verdict.magics[0].magic if len(verdict.magics) == 1 else verdict.snapshot.repository
    for number, part in enumerate(_parts(ranked(shown_findings(verdict))), start=1):
        used = {rule: index for index, rule in enumerate(sorted({finding.rule for finding in part}))}
        driver = {"name": "Elder", "version": version, "rules": [rule_descriptor(rules, code) for code in used]}
        run = _run(verdict, driver, subject, number, [_result(finding, used[finding.rule]) for finding in part])
        yield run | ({"invocations": [_invocation(verdict)]} if number == 1 else {})


def _imported_runs(verdict: Verdict, imported: Iterable[CountedFile]) -> Iterator[dict[str, Any]]:
    by_tool: dict[str, list[Finding]] = {}
    versions: dict[str, str] = {}
    for file in imported:
        for tool in file.imported.tools:
            by_tool.setdefault(tool.name, [])
            versions.setdefault(tool.name, tool.version)
        for finding in file.kept:
            by_tool[finding.rule.split(":", 2)[1]].append(finding)
    for name, findings in sorted(by_tool.items()):
        for number, part in enumerate(_parts(ranked(findings)), start=1):
            used = {rule: index for index, rule in enumerate(sorted({finding.rule for finding in part}))}
            driver: dict[str, Any] = {"name": name, "rules": [{"id": _tool_rule(code)} for code in used]}
            if versions[name]:
                driver["version"] = versions[name]
            results = [_result(finding, used[finding.rule]) | {"ruleId": _tool_rule(finding.rule)} for finding in part]
            yield _run(verdict, driver, f"{verdict.snapshot.repository}/{name.replace('/', '-')}", number, results)


def _tool_rule(code: str) -> str:
    """The tool's own name of a rule `EXT:<tool>:<rule>`."""
    return code.split(":", 2)[2]


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """Findings in the order in which a host that stops reading should meet them: tier, severity, place."""
    return sorted(findings, key=lambda finding: (finding.tier.rank, finding.severity.rank, finding.sort_key))


def _parts(findings: Sequence[Finding]) -> Iterator[list[Finding]]:
    """Findings by run: up to 5,000 and, with room for rules, 9 MB; one empty run when there are none."""
    part: list[Finding] = []
    room = FILE_BYTES_MAX // 2
    for finding in findings:
        size = len(msgspec.json.encode(_result(finding, 0)))
        if part and (len(part) == RUN_RESULTS_MAX or size > room):
            yield part
            part, room = [], FILE_BYTES_MAX // 2
        part.append(finding)
        room -= size
    yield part


def _run(
    verdict: Verdict, driver: dict[str, Any], subject: str, number: int, results: list[dict[str, Any]]
) -> dict[str, Any]:
    """A run; its category is what stands before the last slash of the id, and the first one is numbered in silence."""
    snapshot = verdict.snapshot
    category = f"elder/{subject}/" if number == 1 else f"elder/{subject}/{number}/"
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": category},
        "originalUriBaseIds": {ROOT: {"description": {"text": "The root of the repository."}}},
        "columnKind": "utf16CodeUnits",
        "properties": {"repository": snapshot.repository, "commit": snapshot.commit, "ruler": verdict.ruler},
        "results": results,
    }
    address = web_address(snapshot.repository)
    if address and snapshot.commit:
        provenance = {"repositoryUri": address, "revisionId": snapshot.commit, "mappedTo": {"uriBaseId": ROOT}}
        run["versionControlProvenance"] = [provenance]
    return run


def web_address(repository: str) -> str:
    """The https address of a repository key `host/owner/name`; '' for a local one (decision D6)."""
    host = repository.partition("/")[0]
    return f"https://{_quoted(repository)}" if "." in host else ""


def _invocation(verdict: Verdict) -> dict[str, Any]:
    """Whether the audit is complete, and the files that it lacks."""
    skipped = verdict.coverage.skipped
    notices: list[dict[str, Any]] = [
        {
            "level": "warning",
            "message": {"text": f"not read: {item.reason}"},
            "locations": [_location(item.path, 0)],
        }
        for item in skipped[:SKIPPED_MAX]
    ]
    if len(skipped) > SKIPPED_MAX:
        text = f"{len(skipped) - SKIPPED_MAX} more files were not read"
        notices.append({"level": "warning", "message": {"text": text}})
    notices += [{"level": "note", "message": {"text": note}} for note in verdict.snapshot.notes]
    return {"executionSuccessful": verdict.status is not Status.ERROR, "toolExecutionNotifications": notices}


def rule_descriptor(rules: Catalogue, code: str) -> dict[str, Any]:
    """A rule as SARIF describes it."""
    rule = rules.rule(code)
    return {
        "id": code,
        "name": "".join(word.capitalize() for word in rule.name.split("-")),
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.documentation.get("Why", rule.summary)},
        "help": _help(rule),
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": _properties(rule),
    }


def _help(rule: Rule) -> dict[str, str]:
    """What to do, why, and by whom it is said: as text and as Markdown."""
    headings = {"Remedy": "What to do", "Why": "Why", "Source": "Source", "Limits": "Limits"}
    parts = [(title, rule.documentation[name]) for name, title in headings.items() if rule.documentation.get(name)]
    return {
        "text": "\n".join(f"{title}: {text}" for title, text in parts) or rule.summary,
        "markdown": "\n\n".join(f"**{title}**: {text}" for title, text in parts) or rule.summary,
    }


def _properties(rule: Rule) -> dict[str, Any]:
    if not rule.cwe:
        return {"tags": [rule.magic]}
    return {
        "tags": [rule.magic, "security", f"external/cwe/cwe-{rule.cwe:03}"],
        "security-severity": _SECURITY_SEVERITIES[rule.severity],
    }


def _result(finding: Finding, rule_index: int) -> dict[str, Any]:
    location = _location(finding.path, finding.line)
    if finding.symbol:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.symbol}]
    return {
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": _LEVELS[finding.severity],
        "message": {"text": finding.message},
        "partialFingerprints": {"elder/v1": finding.fingerprint},
        "locations": [location],
        "properties": {"severity": str(finding.severity), "tier": str(finding.tier), "remedy": finding.remedy},
    }


def _location(path: str, line: int) -> dict[str, Any]:
    """A place; the repository as a whole is its root folder, for hosts ask for one."""
    place: dict[str, Any] = {"artifactLocation": {"uri": _quoted(path) or ".", "uriBaseId": ROOT}}
    if line:
        place["region"] = {"startLine": line}
    return {"physicalLocation": place}


def _quoted(path: str) -> str:
    from urllib.parse import quote

    return quote(path, safe="/@!$&'()*+,;=~-._", errors="replace")


def result_counts(logs: Iterable[dict[str, Any]]) -> list[int]:
    """Results of each log."""
    return [sum(len(run["results"]) for run in log["runs"]) for log in logs]
