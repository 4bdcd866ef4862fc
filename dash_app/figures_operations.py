"""Figures of the pages about work in progress, in the visual language of `figures.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from dash_app.figures import NO_SCORE_COLOUR, STATUS_COLOURS, laid_out


def gate_bars(weeks: Sequence[Mapping[str, Any]], texts: Mapping[str, str]) -> go.Figure:
    """Judged changes by week, stacked by how they came out.

    Args:
        weeks: rows of `views_operations.gate_weeks`.
        texts: title, week, changes, passed, failed, other.
    """
    figure = go.Figure()
    for name in ("failed", "other", "passed"):
        if not any(row[name] for row in weeks):
            continue
        figure.add_bar(
            x=[row["week"] for row in weeks],
            y=[row[name] for row in weeks],
            name=texts[name],
            marker={"color": STATUS_COLOURS.get(name, NO_SCORE_COLOUR)},
        )
    laid_out(figure, texts["title"], x=texts["week"], y=texts["changes"], height=260)
    figure.update_layout(barmode="stack", showlegend=True, legend={"y": -0.28, "yanchor": "top"}, margin={"b": 70})
    figure.update_xaxes(type="date")
    figure.update_yaxes(rangemode="tozero", tickformat=",d")
    return figure
