"""Figures of one audit, as pure functions from records; plotly and nothing else of the platform.

Colours are made for light and dark ground alike; texts and lines of a figure take the colours of the page (its CSS).
Nothing from a repository stands in a figure: names of magics, codes of rules, numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from elder_assets.audit.model import Finding, MagicResult, Severity, Status
from elder_assets.audit.scoring import PASSED_FROM, WARNING_FROM, rounded

STATUS_COLOURS = {
    Status.PASSED: "#2f9e6e",
    Status.WARNING: "#d9911c",
    Status.FAILED: "#d64545",
    Status.ERROR: "#d64545",
}
NO_SCORE_COLOUR = "#8a94a3"
SEVERITY_COLOURS = {
    Severity.CRITICAL: "#a61e4d",
    Severity.HIGH: "#d64545",
    Severity.MEDIUM: "#d9911c",
    Severity.LOW: "#3f83c8",
    Severity.INFO: "#8a94a3",
}
ROW_PX = 30
WHOLE_TICKS_MAX = 10
RULES_MAX = 20
"""Rules that the figure shows; the table beside it has all."""


def magic_scores(magics: Sequence[MagicResult], titles: Mapping[str, str]) -> go.Figure:
    """Score of each magic in points, 0 to 100, in the order given; the borders of warning and passed are lines."""
    shown = list(reversed(magics))  # the first bar of a horizontal chart is the lowest
    scores = [rounded(magic.score) for magic in shown]
    figure = go.Figure(
        go.Bar(
            orientation="h",
            x=[score or 0 for score in scores],
            y=[titles[magic.magic] for magic in shown],
            text=[
                str(magic.status) if score is None else f"{score:g}" for magic, score in zip(shown, scores, strict=True)
            ],
            textposition="outside",
            cliponaxis=False,
            marker={"color": [STATUS_COLOURS.get(magic.status, NO_SCORE_COLOUR) for magic in shown]},
            customdata=[str(magic.status) for magic in shown],
            hovertemplate="%{y}: %{text} points, %{customdata}<extra></extra>",
        )
    )
    for border in (WARNING_FROM, PASSED_FROM):
        figure.add_vline(x=border, line={"dash": "dot", "width": 1, "color": NO_SCORE_COLOUR}, layer="below")
    figure.update_xaxes(
        range=[0, 112], tickvals=[0, 20, 40, 60, 80, 100], title={"text": "score, points of 100", "font": {"size": 13}}
    )
    return _laid_out(figure, "Score of each magic", rows=len(shown))


def findings_by_rule(findings: Sequence[Finding]) -> go.Figure:
    """Number of findings of each rule, stacked by severity; the rules with most findings first."""
    totals = Counter(finding.rule for finding in findings)
    rules = [rule for rule, _ in sorted(totals.items(), key=lambda item: (-item[1], item[0]))[:RULES_MAX]][::-1]
    counts = Counter((finding.rule, finding.severity) for finding in findings)
    figure = go.Figure()
    for severity in Severity:
        values = [counts[rule, severity] for rule in rules]
        if any(values):
            figure.add_bar(
                orientation="h",
                x=values,
                y=rules,
                name=str(severity),
                marker={"color": SEVERITY_COLOURS[severity]},
                hovertemplate="%{y}: %{x} " + str(severity) + "<extra></extra>",
            )
    more = len(totals) - len(rules)
    title = "Findings by rule and severity" + (f" ({more} more rules in the table)" if more else "")
    figure.update_layout(barmode="stack", showlegend=True)
    figure.update_xaxes(title={"text": "findings", "font": {"size": 13}}, rangemode="tozero", tickformat=",d")
    if max(totals.values(), default=0) <= WHOLE_TICKS_MAX:
        figure.update_xaxes(dtick=1)  # else the axis counts in halves and shows 0, 0, 1
    return _laid_out(figure, title, rows=len(rules))


def _laid_out(figure: go.Figure, title: str, *, rows: int) -> go.Figure:
    figure.update_layout(
        template="none",
        title={
            "text": title,
            "x": 0,
            "xanchor": "left",
            "xref": "container",
            "y": 1,
            "yanchor": "top",
            "pad": {"t": 8},
            "font": {"size": 15},
        },
        height=130 + ROW_PX * max(rows, 2),
        margin={"l": 8, "r": 8, "t": 80 if figure.layout.showlegend else 40, "b": 48},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 13},
        legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "traceorder": "normal"},
        bargap=0.3,
        dragmode=False,
        hoverlabel={"font": {"family": "system-ui, sans-serif"}},
    )
    figure.update_yaxes(automargin=True, ticksuffix="  ", fixedrange=True)
    figure.update_xaxes(automargin=True, fixedrange=True, showgrid=True, zeroline=False)
    return figure
