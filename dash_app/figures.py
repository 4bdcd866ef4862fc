"""Figures as pure functions from rows to what plotly.js draws, in one visual language.

They are plain values: `plotly.graph_objects` checks each property of a figure at each look, which cost more than the
look's queries. The tests check every figure by it instead.

Colours are told apart without red or green sight (Okabe and Ito, 2008, adapted to both grounds) and are never the only
sign. Texts and grids take the colours of the page: theme.css sets them, so that one figure serves light and dark.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

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


Figure = dict[str, Any]
"""data: traces; layout: as https://plotly.com/javascript/reference/ names both."""
Trace = dict[str, Any]


def laid_out(
    traces: Sequence[Trace], title: str, *, x: str = "", y: str = "", height: int = 300, **changes: Any
) -> Figure:
    """A figure in the one language of all: title at the left, axes with their units, nothing superfluous.

    Args:
        traces: what is drawn.
        title: of the figure.
        x: name of the horizontal axis, with its unit.
        y: of the vertical one.
        height: in pixels.
        changes: of the layout; what is nested is changed within.
    """
    axis = {"fixedrange": True, "zeroline": False, "automargin": True}
    layout = {
        "title": {"text": title, "x": 0, "xanchor": "left", "xref": "container", "y": 1, "yanchor": "top",
                  "pad": {"t": 10, "l": 2}, "font": {"size": 15, "weight": 600}},
        "height": height,
        "margin": {"l": 52, "r": 12, "t": 46, "b": 44},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 12.5},
        "hovermode": "x unified",
        "hoverlabel": {"font": {"family": FONT, "size": 12.5}},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "showlegend": False,
        "dragmode": False,
        "bargap": 0.35,
        "xaxis": {**axis, "showgrid": False, "title": {"text": x, "font": {"size": 12}}},
        "yaxis": {**axis, "showgrid": True, "gridwidth": 1, "title": {"text": y, "font": {"size": 12}}},
    }  # fmt: skip
    return {"data": list(traces), "layout": _changed(layout, changes)}


def _changed(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Values with changes; where both have a mapping, with the changes within."""
    nested = {
        name: _changed(values[name], value) if isinstance(value, dict) and isinstance(values.get(name), dict) else value
        for name, value in changes.items()
    }
    return {**values, **nested}


def weeks_of_fleet(rows: Sequence[tuple[str, Sequence[float]]]) -> list[dict[str, Any]]:
    """(week, scores of repositories) to one row a week: week, mean, low, high (quartiles), repositories."""
    found = []
    for week, scores in rows:
        quartiles = statistics.quantiles(scores, n=4, method="inclusive") if len(scores) > 1 else [scores[0]] * 3
        mean = statistics.fmean(scores)
        found.append(
            {"week": week, "mean": mean, "low": quartiles[0], "high": quartiles[2], "repositories": len(scores)}
        )
    return found


def fleet_trend(weeks: Sequence[Mapping[str, Any]], texts: Mapping[str, str]) -> Figure:
    """Mean score by week, with the half of the repositories around the middle as a band.

    Args:
        weeks: rows of `weeks_of_fleet`.
        texts: title, score, week, mean, half.
    """
    days = [row["week"] for row in weeks]
    edge = {"type": "scatter", "x": days, "mode": "lines", "line": {"width": 0}}
    traces: list[Trace] = [
        {**edge, "y": [row["high"] for row in weeks], "hoverinfo": "skip"},
        {
            **edge,
            "y": [row["low"] for row in weeks],
            "fill": "tonexty",
            "fillcolor": BAND,
            "name": texts["half"],
            "customdata": [row["high"] for row in weeks],
            "hovertemplate": "%{y:.1f} – %{customdata:.1f}",
        },
        _line(days, [row["mean"] for row in weeks], texts["mean"]),
    ]
    scores = [value for row in weeks for value in (row["low"], row["high"], row["mean"])]
    axis = {"range": _score_range(scores)}
    return laid_out(traces, texts["title"], x=texts["week"], y=texts["score"], height=340, yaxis=axis)


def _line(days: Sequence[str], scores: Sequence[float | None], name: str) -> Trace:
    """The course of a score; a single one is a dot."""
    return {
        "type": "scatter",
        "x": list(days),
        "y": list(scores),
        "mode": "lines" if len(days) > 1 else "markers",
        "line": {"color": LINE, "width": 2.5},
        "marker": {"color": LINE, "size": 9},
        "connectgaps": False,
        "name": name,
        "hovertemplate": "%{y:.1f}",
    }


def _score_range(values: Sequence[float]) -> list[float]:
    """An axis of points that shows change and never hides that 100 is the end."""
    low, high = min(values, default=0.0), max(values, default=100.0)
    room = max((high - low) * 0.15, 2.0)
    top = min(high + room, 100.0 + (100.0 - low + room) * 0.04)  # a line at 100 is whole, and no 101 is on the axis
    return [max(0.0, low - room), top]


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
    releases: Sequence[Mapping[str, Any]] = (),
) -> Figure:
    """Score of a repository by week, with what happened on the way.

    Args:
        weeks: week and score, oldest first.
        rulers: (time, digest) at which another ruler began to judge.
        gates: gates that failed: judged_at, title.
        texts: title, score, week, whole, ruler, gate, release.
        releases: tag and released_at.
    """
    known = [row["score"] for row in weeks if row["score"] is not None]
    level = min(known, default=50.0)
    exchanged = [(at, f"{texts['ruler']} {digest[:8]}") for at, digest in rulers]
    failed = [(gate["judged_at"], escaped(f"{texts['gate']}: {gate['title']}")) for gate in gates]
    tagged = [(one["released_at"], escaped(f"{texts.get('release', '')} {one['tag']}")) for one in releases]
    traces = [
        _line([row["week"] for row in weeks], [row["score"] for row in weeks], texts["whole"]),
        *_events(tagged, level, {"symbol": "triangle-up", "color": SERIES[1]}),
        *_events(exchanged, level, {"symbol": "diamond", "color": SERIES[3]}),
        *_events(failed, level, {"symbol": "x", "color": SEVERITY_COLOURS["high"]}),
    ]
    axis = {"range": _score_range(known)}
    return laid_out(traces, texts["title"], x=texts["week"], y=texts["score"], height=270, yaxis=axis)


def _events(events: Sequence[tuple[Any, str]], level: float, marker: Mapping[str, Any]) -> list[Trace]:
    """Marks at (time, what happened), on one level; none without any."""
    if not events:
        return []
    return [
        {
            "type": "scatter",
            "x": [f"{at:%Y-%m-%d}" for at, _ in events],
            "y": [level] * len(events),
            "mode": "markers",
            "marker": {**marker, "size": 9},
            "text": [said for _, said in events],
            "hovertemplate": "%{text}<extra></extra>",
        }
    ]


def rule_bars(rows: Sequence[tuple[str, str, int]], texts: Mapping[str, str]) -> Figure:
    """Open findings of the rules with most of them, by severity: (rule, severity, open); texts: title, findings."""
    totals: dict[str, int] = {}
    for rule, _, count in rows:
        totals[rule] = totals.get(rule, 0) + count
    shown = sorted(totals, key=lambda rule: (totals[rule], rule))[-12:]
    traces: list[Trace] = []
    for severity, colour in SEVERITY_COLOURS.items():
        counts = {rule: count for rule, kind, count in rows if kind == severity}
        if any(counts.get(rule) for rule in shown):
            bars = {"x": [counts.get(rule, 0) for rule in shown], "y": [escaped(rule, 30) for rule in shown]}
            look = {"name": severity, "marker": {"color": colour}, "hovertemplate": "%{x}"}
            traces.append({"type": "bar", "orientation": "h", **bars, **look})
    by_one = {"dtick": 1} if max(totals.values(), default=0) <= 8 else {}  # else the axis counts in halves
    return laid_out(
        traces,
        texts["title"],
        x=texts["findings"],
        height=110 + 26 * max(len(shown), 2),
        barmode="stack",
        showlegend=True,
        hovermode="closest",
        margin={"t": 74},
        xaxis={"showgrid": True, "tickformat": ",d", "rangemode": "tozero", **by_one},
        yaxis={"showgrid": False, "ticksuffix": "  "},
    )


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


def hotspot_map(files: Sequence[Mapping[str, Any]], texts: Mapping[str, str], leads: str = "") -> Figure:
    """Files as rectangles: area is size, colour is risk.

    Args:
        files: path, size_bytes, risk (0-1), said (what to show of it).
        texts: title, repository, risk.
        leads: where a click on a file leads, its path to be added; the page's script follows it (`layout.meta.leads`;
            the id of a file's box is a slash, its path and a NUL).
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
    tree: Trace = {
        "type": "treemap", "ids": ids, "labels": labels, "parents": parents, "values": sizes,
        "branchvalues": "remainder", "customdata": said, "hovertemplate": "%{label}<br>%{customdata}<extra></extra>",
        "marker": {"colors": risks, "colorscale": [list(stop) for stop in RISK_SCALE], "cmin": 0, "cmax": 1,
                   "line": {"width": 1, "color": "rgba(255,255,255,0.75)"}, "pad": {"t": 18, "l": 2, "r": 2, "b": 2}},
        "root": {"color": "rgba(138,148,163,0.18)"}, "textfont": {"size": 12},
        "pathbar": {"visible": False}, "tiling": {"pad": 1},
    }  # fmt: skip
    margin = {"l": 0, "r": 0, "t": 40, "b": 0}
    return laid_out([tree], texts["title"], height=380, margin=margin, hovermode="closest", meta={"leads": leads})
