"""A verdict as one HTML file for a reviewer: `to_html`. No network, no other file, no clock.

plotly.js is part of the file. Whatever comes from a repository or from another tool goes through `_text` or `_place`:
escaped, without control characters, and isolated so that it cannot turn the direction of what follows. A content
security policy lets only our own scripts run, by their digest, and nothing be loaded.
"""

from __future__ import annotations

import base64
import hashlib
import html
import importlib.resources
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import plotly.graph_objects as go
import plotly.io
import plotly.offline

from dash_app import report_figures
from elder_assets.audit.dates import iso
from elder_assets.audit.imported_report import CountedFile, number
from elder_assets.audit.model import Finding, RuleOutcome, Severity, Status, Tier, Verdict
from elder_assets.audit.registry import Catalogue, Rule, catalogue
from elder_assets.audit.report import plain, shown_findings, verdict_failure
from elder_assets.audit.scoring import rounded
from elder_assets.audit.suppression import Applied

PLACES_MAX = 200
"""Places of one rule, and rows of other long tables, that the file names; the JSON report has everything."""
OPEN_GROUPS = 3
"""Groups of findings that are unfolded at the start."""


def to_html(applied: Applied, imported: Sequence[CountedFile] = (), *, version: str) -> str:
    """The whole file.

    Args:
        applied: the verdict and what is suppressed in it.
        imported: findings of other tools, shown beside ours.
        version: of Elder.
    """
    verdict, rules = applied.verdict, catalogue()
    findings = shown_findings(verdict)
    scripts = [plotly.offline.get_plotlyjs()]
    sections = [
        _magics(verdict, rules, scripts),
        _by_rule(findings, rules, scripts),
        _findings(findings, rules),
        _suppressed(applied),
        _imported(imported),
        _coverage(verdict),
        _about(applied, version),
    ]
    body = _header(verdict, findings) + "<main id=main>" + "".join(sections) + "</main>"
    return _page(f"Elder: {plain(verdict.snapshot.repository)}", body, scripts)


def _page(title: str, body: str, scripts: Sequence[str]) -> str:
    digests = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    policy = (
        f"default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src {digests}; base-uri 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_style()}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#main">Skip to the results</a>\n'
        f"{body}\n" + "".join(f"<script>{script}</script>\n" for script in scripts) + "</body>\n</html>\n"
    )


def _style() -> str:
    return importlib.resources.files("dash_app").joinpath("html_report.css").read_text(encoding="utf-8")


# --- pieces ----------------------------------------------------------------------------------------------

_CODE = re.compile(r"`([^`<>]{1,300})`")


def _text(text: object) -> str:
    """Text of a repository, a tool or a rule, inert; what stands between backticks is shown as code."""
    shown = _CODE.sub(r"<code>\1</code>", html.escape(plain(str(text))))
    return f"<bdi>{shown}</bdi>"


def _place(path: str, line: int) -> str:
    if not path:
        return "the repository"
    shown = html.escape(plain(f"{path}:{line}" if line else path)).replace("/", "/<wbr>")
    return f'<code class="place"><bdi>{shown}</bdi></code>'


def _badge(word: object) -> str:
    return f'<span class="badge {html.escape(str(word)).replace(" ", "-")}">{html.escape(str(word))}</span>'


def _table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], *, numeric: Sequence[int] = ()) -> str:
    """A table in a frame that scrolls by itself and by keyboard; cells are HTML."""
    heads = "".join(f'<th scope="col"{_numeric(i, numeric)}>{name}</th>' for i, name in enumerate(head))
    lines = []
    for row in rows:
        first, *rest = row
        cells = "".join(f"<td{_numeric(i, numeric)}>{cell}</td>" for i, cell in enumerate(rest, start=1))
        lines.append(f'<tr><th scope="row">{first}</th>{cells}</tr>')
    label = html.escape(caption)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table><caption>{label}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _numeric(index: int, numeric: Sequence[int]) -> str:
    return ' class="number"' if index in numeric else ""


def _section(name: str, title: str, *content: str) -> str:
    head = f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{title}</h2>'
    return f"{head}{''.join(content)}</section>"


def _figure(name: str, figure: go.Figure, alternative: str, scripts: list[str]) -> str:
    """The figure's place; what draws it goes to the scripts."""
    drawn = plotly.io.to_html(
        figure,
        include_plotlyjs=False,
        full_html=False,
        div_id=name,
        default_height=f"{figure.layout.height}px",
        config={"responsive": True, "displayModeBar": False, "displaylogo": False, "plotlyServerURL": ""},
    )
    script = re.search(r"<script[^>]*>(.*?)</script>", drawn, re.DOTALL)
    assert script is not None, "plotly writes a figure as one script"  # noqa: S101 - ours and plotly's, no input
    scripts.append(script[1])
    height = int(figure.layout.height)
    return (
        f'<figure role="img" aria-label="{html.escape(alternative)}"><div id="{name}" class="plotly-graph-div" '
        f'style="height:{height}px"></div>'
        "<noscript>Figures need scripts; the table has the same numbers.</noscript></figure>"
    )


def _cut(shown: int, total: int, noun: str) -> str:
    return (
        f'<p class="more">{total - shown:,} more {noun}; <code>--format json</code> has all.</p>'
        if total > shown
        else ""
    )


# --- sections --------------------------------------------------------------------------------------------


def _header(verdict: Verdict, findings: Sequence[Finding]) -> str:
    snapshot = verdict.snapshot
    score = rounded(verdict.score)
    revision = f"commit {snapshot.commit}" if snapshot.commit else f"staged tree {snapshot.tree}"
    short = f"commit {snapshot.commit[:12]}" if snapshot.commit else f"staged tree {snapshot.tree[:12]}"
    counts = Counter(finding.severity for finding in findings)
    severities = [f"<li><b>{counts[s]:,}</b> {_badge(s)}</li>" for s in Severity if counts[s]]
    coverage = verdict.coverage
    titles = [
        ("magics", "Magics"),
        ("rules", "By rule"),
        ("findings", "Findings"),
        ("coverage", "Coverage"),
        ("about", "About"),
    ]
    state = "failed" if verdict_failure(verdict, None) else str(verdict.status).replace(" ", "-")
    links = "".join(f'<li><a href="#{name}">{title}</a></li>' for name, title in titles)
    return (
        "<header><p class=brand>Elder audit report</p>"
        f"<h1>{_text(snapshot.repository)}</h1>"
        f'<p><span title="{html.escape(revision)}">{html.escape(short)}</span> of '
        f'<time datetime="{iso(snapshot.as_of)}">{iso(snapshot.as_of)[:10]}</time></p>'
        f'<div class="verdict {state}"><p class="score">'
        + (f"<b>{score:g}</b> of 100" if score is not None else "<b>no score</b>")
        + f"</p><p>{_badge(verdict.status)} {_sentence(verdict)}</p></div>"
        f'<ul class="facts">{"".join(severities) or "<li>no findings</li>"}'
        f"<li><b>{coverage.analysed:,}</b> of {coverage.eligible:,} files read</li></ul>"
        f"<nav aria-label=Contents><ul>{links}</ul></nav>"
        "</header>"
    )


def _sentence(verdict: Verdict) -> str:
    """What the status means, and whether a check fails by it, in words."""
    failure = verdict_failure(verdict, None)
    words = {
        Status.PASSED: "The score is 80 or more.",
        Status.WARNING: "The score lies between 60 and 80.",
        Status.FAILED: "The score is under 60." if not verdict.reason else "",
    }.get(verdict.status, "")
    if verdict.status is Status.ERROR or not (failure or words):
        return f"{_text(_capital(failure or verdict.reason))}."
    if failure:
        return f"{words} <b>A check fails:</b> {_text(failure)}."
    return f"{words} No finding fails a check by itself."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _magics(verdict: Verdict, rules: Catalogue, scripts: list[str]) -> str:
    known = {magic.name: magic for magic in rules.magics}
    figure = report_figures.magic_scores(verdict.magics, {name: magic.title for name, magic in known.items()})
    counts = Counter(rules.rule(finding.rule).magic for finding in shown_findings(verdict))
    rows = []
    for result in verdict.magics:
        score = rounded(result.score)
        reason = f"<small>{_text(result.reason)}</small>" if result.reason else ""
        question = html.escape(known[result.magic].question)
        rows.append(
            (
                f'{html.escape(known[result.magic].title)}<small class="question">{question}</small>',
                "" if score is None else f"{score:g}",
                _badge(result.status) + reason,
                f"{float(result.weight_share):.0%}",
                f"{counts[result.magic]:,}",
            )
        )
    alternative = "Bar chart of the score of each magic; the table below has the same numbers."
    head = ("Magic", "Score", "Status", "Confidence", "Findings")
    note = (
        "<p>Dotted lines: a warning from 60, passed from 80. Confidence is the share of a magic's rule weight that "
        "applied here; a grey bar has too little of it and is left out of the whole.</p>"
    )
    return _section(
        "magics",
        "The eight magics",
        f'<div class="pair">{_figure("magics-figure", figure, alternative, scripts)}<div>',
        _table("Score, status and findings of each magic", head, rows, numeric=(1, 3, 4)),
        f"{note}</div></div>",
    )


def _by_rule(findings: Sequence[Finding], rules: Catalogue, scripts: list[str]) -> str:
    if not findings:
        return _section("rules", "Findings by rule and severity", "<p>No findings.</p>")
    used = [severity for severity in Severity if any(finding.severity is severity for finding in findings)]
    counts = Counter((finding.rule, finding.severity) for finding in findings)
    totals = Counter(finding.rule for finding in findings)
    rows = []
    for code, total in sorted(totals.items(), key=lambda item: (-item[1], item[0])):
        name = html.escape(rules.rule(code).name)
        by_severity = [f"{counts[code, severity]:,}" if counts[code, severity] else "" for severity in used]
        rows.append((f'<a href="#{code}">{code}</a> {name}', *by_severity, f"{total:,}"))
    figure = report_figures.findings_by_rule(findings)
    alternative = "Bar chart of the number of findings of each rule by severity; the table below has the same numbers."
    head = ("Rule", *map(str, used), "all")
    return _section(
        "rules",
        "Findings by rule and severity",
        f'<div class="pair">{_figure("rules-figure", figure, alternative, scripts)}<div>',
        _table("Number of findings of each rule by severity", head, rows, numeric=range(1, len(head))),
        "</div></div>",
    )


def _findings(findings: Sequence[Finding], rules: Catalogue) -> str:
    groups: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[finding.rule].append(finding)
    order = sorted(groups.values(), key=lambda group: min((f.tier.rank, f.severity.rank, f.rule) for f in group))
    content = [_group(group, rules.rule(group[0].rule), is_open=i < OPEN_GROUPS) for i, group in enumerate(order)]
    intro = "<p>What may fail a check comes first, then the most severe.</p>"
    return _section("findings", "Findings", intro if content else "<p>No findings.</p>", *content)


def _group(group: Sequence[Finding], rule: Rule, *, is_open: bool) -> str:
    worst = min(group, key=lambda finding: finding.severity.rank)
    tier = "gate" if worst.tier is Tier.GATE else "advice"
    ordered = sorted(group, key=lambda finding: (finding.severity.rank, finding.sort_key))
    places = "".join(_finding(finding, rule) for finding in ordered[:PLACES_MAX])
    says = [("What", rule.summary), ("Why", rule.documentation.get("Why", "")), ("Do", rule.remedy)]
    described = "".join(f"<dt>{title}</dt><dd>{_text(_capital(text))}</dd>" for title, text in says if text)
    return (
        f'<details id="{rule.code}"{" open" if is_open else ""}><summary><h3>{rule.code} {html.escape(rule.name)}</h3> '
        f'{_badge(worst.severity)} {_badge(tier)} <span class="count">{number(len(group), "finding")}</span></summary>'
        f'<dl>{described}</dl><ul class="places">{places}</ul>{_cut(PLACES_MAX, len(group), "places")}</details>'
    )


def _finding(finding: Finding, rule: Rule) -> str:
    symbol = f" in <code><bdi>{html.escape(plain(finding.symbol))}</bdi></code>" if finding.symbol else ""
    remedy = f"<small>Do: {_text(finding.remedy)}</small>" if finding.remedy not in {"", rule.remedy} else ""
    severity = f" {_badge(finding.severity)}" if finding.severity is not rule.severity else ""
    return f"<li>{_place(finding.path, finding.line)}{symbol}{severity}<div>{_text(finding.message)}{remedy}</div></li>"


def _suppressed(applied: Applied) -> str:
    if not applied.suppressed and not applied.problems:
        return ""
    held = [item for item in applied.suppressed if item.finding.tier is not Tier.SHADOW]
    rows = [
        (item.finding.rule, _place(item.finding.path, item.finding.line), _text(item.by.reason), str(item.by.until))
        for item in held[:PLACES_MAX]
    ]
    content = []
    if rows:
        head = ("Rule", "Where", "Reason", "Until")
        content += [
            _table("Findings that are suppressed", head, rows),
            _cut(PLACES_MAX, len(held), "suppressed findings"),
        ]
    wrong = [(html.escape(p.kind), _text(p.place), _text(p.reason)) for p in applied.problems[:PLACES_MAX]]
    if wrong:
        content.append(_table("Suppressions that are not in force", ("What", "Where", "Why"), wrong))
        content.append(_cut(PLACES_MAX, len(applied.problems), "suppressions"))
    return _section("suppressed", f"Suppressed, as of {applied.evaluated_on}", *content)


def _imported(files: Sequence[CountedFile]) -> str:
    if not files:
        return ""
    content = ["<p>Findings of other tools change no score and no status.</p>"]
    for file in files:
        read = file.imported
        tools = ", ".join(f"{tool.name} {tool.version}".strip() for tool in read.tools)
        counts = [number(len(file.kept), "finding"), f"{len(file.merged)} that our rules report too"]
        counts += [f"{count} {reason}" for reason, count in read.left_out.items()]
        counts += [f"{len(read.skipped)} skipped"] if read.skipped else []
        content.append(f"<h3>{_text(read.name)}</h3><p>{_text(tools)}: {_text('; '.join(counts))}.</p>")
        content += [f"<p><b>Incomplete:</b> {_text(failure)}</p>" for failure in read.failures]
        if file.kept:
            content.append(_tool_findings(file.kept))
        reasons = Counter(item.reason for item in read.skipped).most_common(PLACES_MAX)
        if reasons:
            rows = [(_text(reason), f"{count:,}") for reason, count in reasons]
            content.append(_table("Results that were skipped", ("Reason", "Results"), rows, numeric=(1,)))
    return _section("imported", "Other tools", *content)


def _tool_findings(findings: Sequence[Finding]) -> str:
    ordered = sorted(findings, key=lambda finding: (finding.severity.rank, finding.sort_key))
    rows = [
        (_text(f.rule.partition(":")[2]), _badge(f.severity), _place(f.path, f.line), _text(f.message))
        for f in ordered[:PLACES_MAX]
    ]
    table = _table("Findings of other tools", ("Rule", "Severity", "Where", "What"), rows)
    return table + _cut(PLACES_MAX, len(findings), "findings")


def _coverage(verdict: Verdict) -> str:
    coverage = verdict.coverage
    content = [f"<p>{coverage.analysed:,} of {coverage.eligible:,} files that should be read were read.</p>"]
    if coverage.skipped:
        rows = [(_place(item.path, 0), _text(item.reason)) for item in coverage.skipped[:PLACES_MAX]]
        content.append(_table("Files that were not read", ("File", "Reason"), rows))
        content.append(_cut(PLACES_MAX, len(coverage.skipped), "files"))
    silent = [outcome for outcome in verdict.outcomes if outcome.status not in {Status.PASS, Status.FINDING}]
    if silent:
        answers = [_silent(outcome) for outcome in sorted(silent, key=lambda o: (o.status is not Status.ERROR, o.rule))]
        content.append(_table("Rules that gave no answer here", ("Rule", "Status", "Reason"), answers))
    return _section("coverage", "Coverage", *content)


def _silent(outcome: RuleOutcome) -> tuple[str, ...]:
    return (f"{outcome.rule} {html.escape(outcome.name)}", _badge(outcome.status), _text(outcome.reason))


def _about(applied: Applied, version: str) -> str:
    verdict, snapshot = applied.verdict, applied.verdict.snapshot
    facts: Mapping[str, str] = {
        "Repository": _text(snapshot.repository),
        "Commit": f"<code>{snapshot.commit}</code>" if snapshot.commit else "none: what was staged",
        "Tree": f"<code>{snapshot.tree}</code>",
        "As of": f"{iso(snapshot.as_of)}; every time window ends there",
        "Kind": html.escape(snapshot.kind),
        "Baseline": f"<code>{verdict.baseline}</code>" if verdict.baseline else "none",
        "Ruler": f"<code>{verdict.ruler}</code>, the digest of the document that judged",
        "Elder": html.escape(version),
    }
    listed = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items())
    notes = "".join(f"<li>{_text(note)}</li>" for note in snapshot.notes) or "<li>nothing limits this audit</li>"
    return _section(
        "about", "About this audit", f"<h3>Notes</h3><ul>{notes}</ul><h3>What was judged</h3><dl>{listed}</dl>"
    )
