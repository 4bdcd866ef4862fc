"""What a page shows when it has nothing to show: still loading, nothing there yet, or it failed."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from dash_app.components.attributes import attributes
from dash_app.components.parts import Child


def create_empty(title: str, *what_to_do: Child) -> Component:
    """Nothing there yet, and how it comes there."""
    return html.Div([html.P(title, className="state-title"), *what_to_do], className="state")


def create_error(title: str, reason: str) -> Component:
    """It failed; the reason in words."""
    return html.Div([html.P(title, className="state-title"), html.P(reason)], className="state bad", role="alert")


def create_loading(title: str) -> Component:
    """Still on its way."""
    return html.Div([html.P(title, className="state-title")], className="state", **attributes(aria_busy="true"))
