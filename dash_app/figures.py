"""Figures as pure functions from rows to plotly, in one visual language.

Colours are told apart without red or green sight (Okabe and Ito, 2008, adapted to both grounds) and are never the only
sign. Texts and grids take the colours of the page: theme.css sets them, so that one figure serves light and dark.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from elder_assets.audit.report import plain

LINE = "#4f7fe0"
BAND = "rgba(79,127,224,0.16)"
EVENT = "#8a94a3"
STATUS_COLOURS = {
    "passed": "#2b9a73",
    "warning": "#d9911c",
    "failed": "#d1495b",
    "error": "#d1495b",
}
NO_SCORE_COLOUR = "#8a94a3"
SEVERITY_COLOURS = {
    "critical": "#8f2250",
    "high": "#d1495b",
    "medium": "#d9911c",
    "low": "#4f7fe0",
    "info": "#8a94a3",
}
SERIES = ("#4f7fe0", "#d9911c", "#2b9a73", "#b565c9", "#d1495b", "#3fa7c4", "#8b7a4b", "#8a94a3")
RISK_SCALE = ((0.0, "#9fc5b8"), (0.5, "#e3b261"), (1.0, "#c2455a"))
FONT = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'Noto Sans CJK JP', sans-serif"


def laid_out(figure: go.Figure, title: str, *, x: str = "", y: str = "", height: int = 300) -> go.Figure:
    """A figure in the one language of all: title at the left, axes with their units, nothing superfluous."""
    figure.update_layout(
        template="none",
        title={"text": title, "x": 0, "xanchor": "left", "xref": "container", "y": 1, "yanchor": "top",
               "pad": {"t": 10, "l": 2}, "font": {"size": 15, "weight": 600}},
        height=height,
        margin={"l": 52, "r": 12, "t": 46, "b": 44},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": 12.5},
        hovermode="x unified",
        hoverlabel={"font": {"family": FONT, "size": 12.5}},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        showlegend=False,
        dragmode=False,
        bargap=0.35,
    )  # fmt: skip
    axis = {"fixedrange": True, "zeroline": False, "automargin": True}
    figure.update_xaxes(**axis, showgrid=False, title={"text": x, "font": {"size": 12}})
    figure.update_yaxes(**axis, showgrid=True, gridwidth=1, title={"text": y, "font": {"size": 12}})
    return figure


def weeks_of_fleet(rows: Sequence[tuple[str, float]]) -> list[dict[str, Any]]:
    """(week, score) of repositories to one row a week: week, mean, low, high (quartiles), repositories."""
    by_week: dict[str, list[float]] = {}
    for week, score in rows:
        by_week.setdefault(week, []).append(score)
    found = []
    for week, scores in sorted(by_week.items()):
        quartiles = statistics.quantiles(scores, n=4, method="inclusive") if len(scores) > 1 else [scores[0]] * 3
        mean = statistics.fmean(scores)
        found.append(
            {"week": week, "mean": mean, "low": quartiles[0], "high": quartiles[2], "repositories": len(scores)}
        )
    return found


def fleet_trend(weeks: Sequence[Mapping[str, Any]], texts: Mapping[str, str]) -> go.Figure:
    """Mean score by week, with the half of the repositories around the middle as a band.

    Args:
        weeks: rows of `weeks_of_fleet`.
        texts: title, score, week, mean, half.
    """
    days = [row["week"] for row in weeks]
    figure = go.Figure()
    figure.add_scatter(x=days, y=[row["high"] for row in weeks], mode="lines", line={"width": 0}, hoverinfo="skip")
    figure.add_scatter(
        x=days,
        y=[row["low"] for row in weeks],
        mode="lines",
        line={"width": 0},
        fill="tonexty",
        fillcolor=BAND,
        name=texts["half"],
        customdata=[row["high"] for row in weeks],
        hovertemplate="%{y:.1f} – %{customdata:.1f}",
    )
    figure.add_scatter(
        x=days,
        y=[row["mean"] for row in weeks],
        mode="lines" if len(weeks) > 1 else "markers",
        line={"color": LINE, "width": 2.5},
        marker={"color": LINE, "size": 9},
        name=texts["mean"],
        hovertemplate="%{y:.1f}",
    )
    laid_out(figure, texts["title"], x=texts["week"], y=texts["score"], height=290)
    _score_axis(figure, [value for row in weeks for value in (row["low"], row["high"], row["mean"])])
    return figure


def _score_axis(figure: go.Figure, values: Sequence[float]) -> None:
    """An axis of points that shows change and never hides that 100 is the end."""
    low, high = min(values, default=0.0), max(values, default=100.0)
    room = max((high - low) * 0.15, 2.0)
    figure.update_yaxes(range=[max(0.0, low - room), min(101.0, high + room)])


def escaped(text: str, limit: int = 80) -> str:
    """A text of a repository for plotly, which reads a little HTML."""
    shown = plain(text)
    shown = shown if len(shown) <= limit else f"{shown[: limit - 1]}…"
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def repository_trend(
    weeks: Sequence[Mapping[str, Any]],
    rulers: Sequence[tuple[Any, str]],
    gates: Sequence[Mapping[str, Any]],
    texts: Mapping[str, str],
) -> go.Figure:
    """Score of a repository by week, with what happened on the way.

    Args:
        weeks: week and score, oldest first.
        rulers: (time, digest) at which another ruler began to judge.
        gates: gates that failed: judged_at, title.
        texts: title, score, week, whole, ruler, gate.
    """
    figure = go.Figure()
    figure.add_scatter(
        x=[row["week"] for row in weeks],
        y=[row["score"] for row in weeks],
        mode="lines" if len(weeks) > 1 else "markers",
        line={"color": LINE, "width": 2.5},
        marker={"color": LINE, "size": 9},
        connectgaps=False,
        name=texts["whole"],
        hovertemplate="%{y:.1f}",
    )
    known = [row["score"] for row in weeks if row["score"] is not None]
    level = min(known, default=50.0)
    exchanged = [(at, f"{texts['ruler']} {digest[:8]}") for at, digest in rulers]
    _events(figure, exchanged, level, {"symbol": "diamond", "color": SERIES[3]})
    failed = [(gate["judged_at"], escaped(f"{texts['gate']}: {gate['title']}")) for gate in gates]
    _events(figure, failed, level, {"symbol": "x", "color": SEVERITY_COLOURS["high"]})
    laid_out(figure, texts["title"], x=texts["week"], y=texts["score"], height=270)
    _score_axis(figure, known)
    return figure


def _events(figure: go.Figure, events: Sequence[tuple[Any, str]], level: float, marker: Mapping[str, Any]) -> None:
    """Marks at (time, what happened), on one level."""
    if events:
        figure.add_scatter(
            x=[f"{at:%Y-%m-%d}" for at, _ in events],
            y=[level] * len(events),
            mode="markers",
            marker={**marker, "size": 9},
            text=[said for _, said in events],
            hovertemplate="%{text}<extra></extra>",
        )


def rule_bars(rows: Sequence[tuple[str, str, int]], texts: Mapping[str, str]) -> go.Figure:
    """Open findings of the rules with most of them, by severity: (rule, severity, open); texts: title, findings."""
    totals: dict[str, int] = {}
    for rule, _, count in rows:
        totals[rule] = totals.get(rule, 0) + count
    shown = sorted(totals, key=lambda rule: (totals[rule], rule))[-12:]
    figure = go.Figure()
    for severity, colour in SEVERITY_COLOURS.items():
        counts = {rule: count for rule, kind, count in rows if kind == severity}
        if any(counts.get(rule) for rule in shown):
            figure.add_bar(
                orientation="h",
                x=[counts.get(rule, 0) for rule in shown],
                y=[escaped(rule, 30) for rule in shown],
                name=severity,
                marker={"color": colour},
                hovertemplate="%{x}",
            )
    laid_out(figure, texts["title"], x=texts["findings"], height=110 + 26 * max(len(shown), 2))
    figure.update_layout(barmode="stack", showlegend=True, hovermode="closest", margin={"t": 74})
    figure.update_xaxes(showgrid=True, tickformat=",d", rangemode="tozero")
    figure.update_yaxes(showgrid=False, ticksuffix="  ")
    if max(totals.values(), default=0) <= 8:
        figure.update_xaxes(dtick=1)  # else the axis counts in halves
    return figure


def folder_boxes(paths: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Folder -> (the folder around it, its label), parents first; `''` is the repository and is left out.

    A folder that holds nothing but one folder gets no box of its own: `src/main/java` is one label, not three frames
    around each other.
    """
    inside: dict[str, set[str]] = {}
    with_files = {path.rpartition("/")[0] for path in paths}
    for folder in with_files:
        below = folder
        while below:
            above = below.rpartition("/")[0]
            inside.setdefault(above, set()).add(below)
            below = above
    found: dict[str, tuple[str, str]] = {}
    waiting = [(folder, "", "") for folder in sorted(inside.get("", ()), reverse=True)]
    while waiting:
        folder, parent, before = waiting.pop()
        label = before + folder.rpartition("/")[2]
        children = sorted(inside.get(folder, ()), reverse=True)
        if len(children) == 1 and folder not in with_files:
            waiting.append((children[0], parent, f"{label}/"))
            continue
        found[folder] = (parent, label)
        waiting += [(child, folder, "") for child in children]
    return found


def hotspot_map(files: Sequence[Mapping[str, Any]], texts: Mapping[str, str]) -> go.Figure:
    """Files as rectangles: area is size, colour is risk.

    Args:
        files: path, size_bytes, risk (0-1), said (what to show of it).
        texts: title, repository, risk.
    """
    ids, labels, parents = ["/"], [texts["repository"]], [""]
    sizes, risks, said = [0], [0.0], [""]
    boxes = folder_boxes([file["path"] for file in files])
    for folder, (parent, label) in boxes.items():
        ids.append("/" + folder)
        labels.append(escaped(label, 40))
        parents.append("/" + parent)
        sizes.append(0)
        risks.append(0.0)
        said.append("")
    for file in files:
        folder, _, name = file["path"].rpartition("/")
        ids.append("/" + file["path"] + "\u0000")
        labels.append(escaped(name, 40))
        parents.append("/" + folder)
        sizes.append(max(1, file["size_bytes"]))
        risks.append(file["risk"])
        said.append(escaped(file["said"], 200))
    figure = go.Figure(
        go.Treemap(
            ids=ids, labels=labels, parents=parents, values=sizes, branchvalues="remainder",
            customdata=said, hovertemplate="%{label}<br>%{customdata}<extra></extra>",
            marker={"colors": risks, "colorscale": [list(stop) for stop in RISK_SCALE], "cmin": 0, "cmax": 1,
                    "line": {"width": 1, "color": "rgba(255,255,255,0.75)"}, "pad": {"t": 18, "l": 2, "r": 2, "b": 2}},
            root={"color": "rgba(138,148,163,0.18)"}, textfont={"size": 12},
            pathbar={"visible": False}, tiling={"pad": 1},
        )
    )  # fmt: skip
    laid_out(figure, texts["title"], height=380)
    figure.update_layout(margin={"l": 0, "r": 0, "t": 40, "b": 0}, hovermode="closest")
    return figure
