"""A verdict as text or JSON. Pure: nothing here reads a clock, a file or a terminal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from elder_assets.audit.dates import iso
from elder_assets.audit.model import Finding, MagicResult, Severity, Status, Tier, Verdict
from elder_assets.audit.scoring import gate_findings, rounded
from elder_assets.audit.suppression import Applied, Problem, Suppressed

if TYPE_CHECKING:
    from elder_assets.audit.imported_report import CountedFile

SCHEMA_VERSION = 2
FINDINGS_SHOWN = 20
PROBLEMS_SHOWN = 5


def shown_findings(verdict: Verdict) -> list[Finding]:
    """Every finding but those of shadow rules, which are only recorded for calibration."""
    return [finding for finding in verdict.findings if finding.tier is not Tier.SHADOW]


# --- JSON (decision D22) ---------------------------------------------------------------------------------


def to_json(applied: Applied, *, last_run: str, imported: Sequence[CountedFile] = ()) -> dict[str, Any]:
    """The document of `--format json`.

    Equal audits give equal documents on the same day, but for durations and `last_run`. Files of other tools stand
    under `imported`, a key that is there only with them.
    """
    verdict = applied.verdict
    snapshot = verdict.snapshot
    findings = shown_findings(verdict)
    return {
        "schema_version": SCHEMA_VERSION,
        "repository": snapshot.repository,
        "commit": snapshot.commit,
        "tree": snapshot.tree,
        "kind": snapshot.kind,
        "as_of": iso(snapshot.as_of),
        "baseline": verdict.baseline,
        "ruler": verdict.ruler,
        "coverage": {
            "eligible": verdict.coverage.eligible,
            "analysed": verdict.coverage.analysed,
            "skipped": [{"path": item.path, "reason": item.reason} for item in verdict.coverage.skipped],
        },
        "notes": list(snapshot.notes),
        "score": rounded(verdict.score),
        "status": str(verdict.status),
        "reason": verdict.reason,
        "magics": {magic.magic: _magic(magic, findings, last_run) for magic in verdict.magics},
        "findings": [finding_json(finding) for finding in findings],
        "evaluated_on": applied.evaluated_on.isoformat(),
        "suppressed": [suppressed_json(item) for item in applied.suppressed if item.finding.tier is not Tier.SHADOW],
        "suppression_problems": [problem_json(problem) for problem in applied.problems],
        **_imported(imported),
    }


def suppressed_json(item: Suppressed) -> dict[str, Any]:
    """A finding that is left alone, and why and until when."""
    return {
        **finding_json(item.finding),
        "suppression": {
            "reason": item.by.reason,
            "until": item.by.until.isoformat(),
            "origin": item.by.origin,
            "place": item.by.place,
        },
    }


def problem_json(problem: Problem) -> dict[str, Any]:
    """A suppression that does not do what its author meant."""
    return {"kind": problem.kind, "place": problem.place, "reason": problem.reason}


def _imported(files: Sequence[CountedFile]) -> dict[str, Any]:
    if not files:
        return {}
    from elder_assets.audit.imported_report import imported_json

    return {"imported": [imported_json(file) for file in files]}


def _magic(magic: MagicResult, findings: Sequence[Finding], last_run: str) -> dict[str, Any]:
    own = [finding for finding in findings if finding.rule in {outcome.rule for outcome in magic.outcomes}]
    return {
        "status": str(magic.status),
        "reason": magic.reason,
        "score": rounded(magic.score),
        "confidence": rounded(magic.weight_share * 100),
        "findings": len(own),
        "suggestions": sum(bool(finding.remedy) for finding in own),
        "outcomes": {
            outcome.rule: {
                "status": str(outcome.status),
                "reason": outcome.reason,
                "units": outcome.units,
                "affected": outcome.affected,
            }
            for outcome in magic.outcomes
        },
        "last_run": last_run,
        "duration_ms": round(magic.duration_ms, 1),
    }


def finding_json(finding: Finding) -> dict[str, Any]:
    """A finding as every JSON document shows it."""
    return {
        "rule": finding.rule,
        "severity": str(finding.severity),
        "tier": str(finding.tier),
        "path": finding.path,
        "line": finding.line,
        "symbol": finding.symbol,
        "message": finding.message,
        "fingerprint": finding.fingerprint,
        "remedy": finding.remedy,
    }


def json_bytes(document: dict[str, Any]) -> bytes:
    """A document as indented UTF-8 JSON with a final line end; what cannot be encoded is escaped."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


# --- text ------------------------------------------------------------------------------------------------

_BAR = 20


class Style(msgspec.Struct, frozen=True):
    """How text may be drawn."""

    colour: bool = False
    unicode: bool = True

    def paint(self, text: str, *codes: int) -> str:
        """The text in a colour, where there are colours."""
        return f"\x1b[{';'.join(map(str, codes))}m{text}\x1b[0m" if self.colour and codes else text


_STATUS_COLOURS = {
    Status.PASSED: (32,),
    Status.WARNING: (33,),
    Status.FAILED: (31, 1),
    Status.ERROR: (31, 1),
}
_SEVERITY_COLOURS = {Severity.CRITICAL: (31, 1), Severity.HIGH: (31,), Severity.MEDIUM: (33,)}


def to_text(applied: Applied, style: Style, *, show_all: bool = False, imported: Sequence[CountedFile] = ()) -> str:
    """The report for a person: the score, the eight magics, the findings that matter most, those of other tools."""
    verdict = applied.verdict
    lines = [*_header(verdict, style), "", *_magic_lines(verdict, style), ""]
    lines += _finding_lines(verdict, style, show_all=show_all)
    lines += _suppression_lines(applied, show_all=show_all)
    lines += _imported_section(imported, show_all=show_all)
    return "\n".join(inert(line, style) for line in lines) + "\n"


def _suppression_lines(applied: Applied, *, show_all: bool) -> list[str]:
    """How many findings are left alone, which ones when all is asked for, and what is wrong with suppressions."""
    if not applied.suppressed and not applied.problems:
        return []
    count = len(applied.suppressed)
    lines = ["", "1 finding is suppressed" if count == 1 else f"{count} findings are suppressed"] if count else [""]
    shown = applied.suppressed if show_all else ()
    for item in shown:
        place = f"{item.finding.path}:{item.finding.line}"
        lines.append(f"  {item.finding.rule}  {plain(place)}  until {item.by.until}: {plain(item.by.reason)}")
    for problem in applied.problems if show_all else applied.problems[:PROBLEMS_SHOWN]:
        lines.append(f"suppression {problem.kind}: {plain(problem.place)}: {plain(problem.reason)}")
    if not show_all and len(applied.problems) > PROBLEMS_SHOWN:
        lines.append(f"{len(applied.problems) - PROBLEMS_SHOWN} more suppressions are not in force: --all shows them")
    return lines


def _imported_section(files: Sequence[CountedFile], *, show_all: bool) -> list[str]:
    if not files:
        return []
    from elder_assets.audit.imported_report import imported_lines

    lines = [line for file in files for line in imported_lines(file, show_all=show_all)]
    return ["", "Other tools (their findings change no score and no exit status):", *lines]


def inert(line: str, style: Style) -> str:
    """A line in which nothing from a repository can steer the terminal."""
    allowed = "\x1b" if style.colour else ""
    text = "".join(char if char.isprintable() or char in allowed else "\N{REPLACEMENT CHARACTER}" for char in line)
    return text if style.unicode else text.encode("ascii", errors="replace").decode("ascii")


def _header(verdict: Verdict, style: Style) -> list[str]:
    snapshot, coverage = verdict.snapshot, verdict.coverage
    where = snapshot.commit[:12] if snapshot.commit else f"staged tree {snapshot.tree[:12]}"
    score = "no score" if verdict.score is None else f"{rounded(verdict.score)} of 100"
    status = style.paint(str(verdict.status), *_STATUS_COLOURS.get(verdict.status, ()))
    reason = f" ({verdict.reason})" if verdict.reason else ""
    lines = [
        f"{style.paint(plain(snapshot.repository), 1)} at {where}, {iso(snapshot.as_of)[:10]}",
        f"{style.paint(score, 1)}, {status}{plain(reason)}; {coverage.analysed} of {coverage.eligible} files read",
    ]
    lines += [f"note: {plain(note)}" for note in snapshot.notes]
    if snapshot.is_shallow:
        lines.append("note: a shallow clone; rules about history say what they lack")
    for item in coverage.skipped[:5]:
        lines.append(f"not read: {plain(item.path)} ({plain(item.reason)})")
    if len(coverage.skipped) > 5:
        lines.append(f"not read: {len(coverage.skipped) - 5} more files (--format json lists them)")
    return lines


def plain(text: str) -> str:
    """A text of a repository without control characters: it cannot move the cursor or forge a line."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _magic_lines(verdict: Verdict, style: Style) -> list[str]:
    findings = shown_findings(verdict)
    lines = []
    for magic in verdict.magics:
        own = {outcome.rule for outcome in magic.outcomes}
        count = sum(finding.rule in own and finding.severity is not Severity.INFO for finding in findings)
        status = style.paint(f"{magic.status!s:<14}", *_STATUS_COLOURS.get(magic.status, ()))
        if magic.score is None:
            lines.append(f"  {magic.magic:<11} {'':5}  {_bar(None, style)}  {status} {plain(magic.reason)}".rstrip())
            continue
        text = "no findings" if not count else "1 finding" if count == 1 else f"{count} findings"
        shown = rounded(magic.score)
        detail = f"{text}; {plain(magic.reason)}" if magic.reason else text
        lines.append(f"  {magic.magic:<11} {shown:5}  {_bar(shown, style)}  {status} {detail}")
    return lines


def _bar(score: float | None, style: Style) -> str:
    full, empty = ("\u2588", "\u2591") if style.unicode else ("#", ".")
    if score is None:
        return " " * _BAR
    filled = round(score / 100 * _BAR)
    return full * filled + empty * (_BAR - filled)


def _finding_lines(verdict: Verdict, style: Style, *, show_all: bool) -> list[str]:
    findings = shown_findings(verdict)
    notices = [finding for finding in findings if finding.severity is Severity.INFO]
    open_ones = [finding for finding in findings if finding.severity is not Severity.INFO]
    if not open_ones:
        return ["No findings." if not notices else f"No findings; {len(notices)} notices (--all shows them)."]
    by_rule: dict[str, list[Finding]] = defaultdict(list)
    for finding in open_ones + (notices if show_all else []):
        by_rule[finding.rule].append(finding)
    groups = sorted(by_rule.values(), key=lambda group: min((f.tier.rank, f.severity.rank, f.rule) for f in group))
    names = {outcome.rule: outcome.name for outcome in verdict.outcomes}
    lines, shown = [], 0
    for group in groups:
        room = len(group) if show_all else min(len(group), 4, FINDINGS_SHOWN - shown)
        if room <= 0:
            break
        lines += _group(group, names[group[0].rule], room, style)
        shown += room
    total = len(open_ones)
    if not show_all and (total > shown or notices):
        hidden = f"{total - shown} more findings" if total > shown else ""
        extra = f"{len(notices)} notices" if notices else ""
        lines.append(f"{' and '.join(filter(None, (hidden, extra)))}: --all shows them, --format json has everything.")
    rule = groups[0][0].rule
    return [*lines, f"`elder explain {rule}` says what a rule means and what to do."]


def _group(group: Sequence[Finding], name: str, room: int, style: Style) -> list[str]:
    worst = min(group, key=lambda finding: finding.severity.rank)
    severity = style.paint(str(worst.severity), *_SEVERITY_COLOURS.get(worst.severity, ()))
    tier = "gate" if worst.tier is Tier.GATE else "advice"
    count = f", {len(group)} places" if len(group) > 1 else ""
    lines = [f"{style.paint(worst.rule, 1)} {name}: {severity}, {tier}{count}"]
    ordered = sorted(group, key=lambda finding: (finding.severity.rank, *finding.sort_key))
    for finding in ordered[:room]:
        place = f"{finding.path}:{finding.line}" if finding.line else finding.path
        lines.append(f"  {plain(place)}  {plain(finding.message)}" if place else f"  {plain(finding.message)}")
    lines += [f"  and {len(group) - room} more", ""] if len(group) > room else [""]
    if remedy := ordered[0].remedy:
        lines.insert(-1, f"  {style.paint('do:', 2)} {plain(remedy)}")
    return lines


def verdict_failure(verdict: Verdict, fail_under: float | None) -> str:
    """Why the verdict fails a check (D15), in one line; '' when it does not."""
    if verdict.status is Status.ERROR:
        return f"the audit is incomplete: {verdict.reason}"
    if gating := gate_findings(verdict.findings):
        rules = sorted({finding.rule for finding in gating})
        findings = "finding" if len(gating) == 1 else "findings"
        return f"{len(gating)} open gate {findings} of severity high or critical: {', '.join(rules)}"
    if fail_under is not None:
        score = rounded(verdict.score)
        if score is None:
            return f"no score, and --fail-under asks for {fail_under:g}"
        if score < fail_under:
            return f"score {score} is under {fail_under:g}"
    return ""
