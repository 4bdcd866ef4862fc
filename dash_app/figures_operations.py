"""Figures of the pages about work in progress, in the visual language of `figures.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash_app.figures import EVENT, LINE, NO_SCORE_COLOUR, STATUS_COLOURS, Figure, Trace, laid_out


def gate_bars(weeks: Sequence[Mapping[str, Any]], texts: Mapping[str, str]) -> Figure:
    """Judged changes by week, stacked by how they came out.

    Args:
        weeks: rows of `views_operations.gate_weeks`.
        texts: title, week, changes, passed, failed, other.
    """
    traces: list[Trace] = [
        {
            "type": "bar",
            "x": [row["week"] for row in weeks],
            "y": [row[name] for row in weeks],
            "name": texts[name],
            "marker": {"color": STATUS_COLOURS.get(name, NO_SCORE_COLOUR)},
        }
        for name in ("failed", "other", "passed")
        if any(row[name] for row in weeks)
    ]
    return laid_out(
        traces,
        texts["title"],
        x=texts["week"],
        y=texts["changes"],
        height=260,
        barmode="stack",
        showlegend=True,
        legend={"y": -0.28, "yanchor": "top"},
        margin={"b": 70},
        xaxis={"type": "date", "tick0": weeks[0]["week"], "dtick": 14 * 86_400_000, "tickformat": "%b %-d"},
        yaxis={"rangemode": "tozero", "tickformat": ",d"},
    )


def waterfall(steps: Sequence[tuple[str, float, float]], texts: Mapping[str, str]) -> Figure:
    """From one score to another: floating bars of what moved it, between two levels.

    A bar's length is its part, so the axis need not begin at zero.

    Args:
        steps: of `views_comparison.steps`: (name, from, to).
        texts: title, score, and each step by its name.
    """
    names = [texts[name] for name, _, _ in steps]
    levels = [end for _, _, end in steps]
    links: list[Trace] = [
        {
            "type": "scatter", "x": [left, right], "y": [level, level], "mode": "lines",
            "line": {"color": EVENT, "width": 1, "dash": "dot"}, "hoverinfo": "skip",
        }
        for (_, _, level), left, right in zip(steps, names, names[1:], strict=False)
    ]  # fmt: skip
    parts = [(texts[name], start, end) for name, start, end in steps if name not in {"before", "after"}]
    bars: Trace = {
        "type": "bar",
        "x": [name for name, _, _ in parts],
        "y": [end - start for _, start, end in parts],
        "base": [start for _, start, _ in parts],
        "text": [_signed(end - start) for _, start, end in parts],
        "textposition": "outside",
        "cliponaxis": False,
        "width": 0.5,
        "marker": {"color": [STATUS_COLOURS["passed" if end >= start else "failed"] for _, start, end in parts]},
        "hovertemplate": "%{x}: %{text}<extra></extra>",
    }
    totals = [(texts[name], end) for name, _, end in steps if name in {"before", "after"}]
    ends: Trace = {
        "type": "scatter",
        "x": [name for name, _ in totals],
        "y": [value for _, value in totals],
        "mode": "markers+text",
        "text": [f"{value:.1f}" for _, value in totals],
        "textposition": "top center",
        "textfont": {"size": 15},
        "marker": {"color": LINE, "size": 14},
        "hovertemplate": "%{x}: %{y:.1f}<extra></extra>",
    }
    low, high = min(levels), max(levels)
    room = max((high - low) * 0.25, 2.0)
    return laid_out(
        [*links, bars, ends],
        texts["title"],
        y=texts["score"],
        height=320,
        hovermode="closest",
        xaxis={"categoryorder": "array", "categoryarray": names},
        yaxis={"range": [max(0.0, low - room), min(104.0, high + room)]},
    )


def _signed(value: float) -> str:
    """A change in points, as the tables write it."""
    return "±0.0" if abs(value) < 0.05 else f"{value:+.1f}".replace("-", "\u2212")
