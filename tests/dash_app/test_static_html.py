"""Components as HTML: every text and attribute is inert."""

from __future__ import annotations

import json

import pytest
from dash import dcc, html

from dash_app.components.attributes import attributes
from dash_app.static_html import draw, to_static


@pytest.mark.parametrize(
    ("node", "written"),
    [
        (None, ""),
        ("a < b & c", "a &lt; b &amp; c"),
        (3, "3"),
        (html.B("x"), "<b>x</b>"),
        (html.Div([html.Span("a"), None, "b"], className="k"), '<div class="k"><span>a</span>b</div>'),
        (html.Img(src="x.svg", alt='"'), '<img alt="&quot;" src="x.svg">'),
        (html.Div("", hidden=True), "<div hidden></div>"),
        (html.Span(style={"flexGrow": "2", "--own": "1px"}), '<span style="flex-grow:2;--own:1px"></span>'),
        (html.Div(**attributes(aria_label="a", data_path=None)), '<div aria-label="a"></div>'),
        (dcc.Store(id="held", data="secret"), ""),
    ],
    ids=["nothing", "text", "number", "element", "nested", "void", "boolean", "style", "attributes", "store"],
)
def test_a_component_becomes_its_html(node, written):
    assert to_static(node) == written


def test_scripts_in_texts_and_attributes_stay_text():
    drawn = to_static(html.A("<script>alert(1)</script>", href='/"><script>alert(1)</script>'))
    assert "<script" not in drawn


def test_a_figure_keeps_its_place():
    assert to_static(dcc.Graph(style={"height": "290px"})) == '<div class="plot" style="height:290px"></div>'


def test_a_figure_stands_in_its_page_by_the_digest_of_what_it_shows():
    one, other = (
        draw(html.Div(dcc.Graph(figure={"data": [{"type": "bar", "y": [value]}], "layout": {}}))) for value in (1, 2)
    )
    (name, described), (other_name, _) = *one.figures.items(), *other.figures.items()
    assert f'data-figure="{name}"' in one.html
    assert json.loads(described)["data"][0]["y"] == [1]
    assert name != other_name
    assert one.digest != other.digest
