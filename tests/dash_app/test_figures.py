"""Every figure is one that plotly knows, says what it shows, and holds what it was given."""

from __future__ import annotations

import datetime as dt

import plotly.graph_objects as go
import pytest

from dash_app import figures, figures_operations
from dash_app.figures import Figure

NAMES = (
    "title score week mean half whole ruler gate findings repository risk changes passed failed other before after "
    "code scope"
)
TEXTS = {name: name for name in NAMES.split()}
WEEKS = [
    {"week": "2026-02-02", "mean": 80.0, "low": 70.0, "high": 90.0, "repositories": 3, "score": 80.0},
    {"week": "2026-02-09", "mean": 82.0, "low": 72.0, "high": 92.0, "repositories": 3, "score": None},
]
AT = dt.datetime(2026, 2, 4, tzinfo=dt.UTC)
FILE = {"path": "a/<b>.py", "size_bytes": 10, "risk": 0.5, "said": "<i>"}
GATES = [{"week": "2026-02-02", "passed": 3, "failed": 1, "other": 0}]
STEPS = [("before", 80.0, 80.0), ("code", 80.0, 75.0), ("scope", 75.0, 76.0), ("after", 76.0, 76.0)]
DRAWN = {
    "fleet": figures.fleet_trend(WEEKS, TEXTS),
    "repository": figures.repository_trend(WEEKS, [(AT, "digest-of-it")], [{"judged_at": AT, "title": "<b>"}], TEXTS),
    "rules": figures.rule_bars([("STR001", "high", 3), ("TDD001", "low", 2)], TEXTS),
    "hotspots": figures.hotspot_map([FILE], TEXTS),
    "gates": figures_operations.gate_bars(GATES, TEXTS),
    "waterfall": figures_operations.waterfall(STEPS, TEXTS),
}


@pytest.mark.parametrize("figure", DRAWN.values(), ids=DRAWN)
def test_plotly_knows_every_property_of_a_figure(figure: Figure):
    checked = go.Figure(figure)
    assert checked.layout.title.text == "title"
    assert len(checked.data) == len(figure["data"])


def test_a_property_that_plotly_does_not_know_would_be_seen():
    with pytest.raises(ValueError, match="hoverlabbel"):
        go.Figure(figures.laid_out([], "t", hoverlabbel={}))


def test_a_nested_change_of_the_layout_leaves_the_rest_of_it():
    margin = figures.laid_out([], "t", margin={"t": 74})["layout"]["margin"]
    assert margin == {"l": 52, "r": 12, "t": 74, "b": 44}


def test_a_trend_is_its_means_within_the_middle_half():
    high, low, mean = DRAWN["fleet"]["data"]
    assert (high["y"], low["y"], mean["y"]) == ([90.0, 92.0], [70.0, 72.0], [80.0, 82.0])
    assert DRAWN["fleet"]["layout"]["yaxis"]["range"] == pytest.approx([66.7, 95.3])  # 22 points, 15 % room


def test_events_stand_on_the_lowest_score():
    _, ruler, gate = DRAWN["repository"]["data"]
    assert (ruler["x"], ruler["y"], ruler["text"]) == (["2026-02-04"], [80.0], ["ruler digest-o"])
    assert gate["text"] == ["gate: &lt;b&gt;"]


def test_few_findings_are_counted_by_one():
    assert DRAWN["rules"]["layout"]["xaxis"]["dtick"] == 1
    many = figures.rule_bars([("STR001", "high", 9)], TEXTS)
    assert "dtick" not in many["layout"]["xaxis"]


def test_names_of_files_are_inert_in_the_map():
    tree = DRAWN["hotspots"]["data"][0]
    assert tree["labels"][-1] == "&lt;b&gt;.py"
    assert tree["customdata"][-1] == "&lt;i&gt;"


def test_a_bar_of_the_waterfall_goes_from_level_to_level():
    bars = DRAWN["waterfall"]["data"][-2]
    assert (bars["base"], bars["y"], bars["text"]) == ([80.0, 75.0], [-5.0, 1.0], ["\u22125.0", "+1.0"])


def test_a_kind_of_outcome_that_no_week_has_is_not_drawn():
    assert [trace["name"] for trace in DRAWN["gates"]["data"]] == ["failed", "passed"]
