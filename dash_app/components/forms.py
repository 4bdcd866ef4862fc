"""Forms that change something: fields with their labels, and the attributes by which the page's script sends them.

A form is sent as JSON to the API: a name with a dot is a part of an object, checkboxes of one name are a list, what
is empty or not to be seen is left out (`assets/pages.js`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from dash_app.components.attributes import attributes
from dash_app.components.parts import Child


def field(label: str, name: str, value: object = "", *, kind: str = "text", hint: str = "", **more: Any) -> Component:
    """One value to be typed; `kind` is the type of the input."""
    given = {} if value in (None, "") else {"value": str(value)}
    control = box(name=name, type=kind, **given, **more)
    return html.Label([html.Span(label), control, html.Small(hint) if hint else None])


def box(**values: Any) -> Component:
    """An input of any type with any attribute: Dash's own takes few, but what is drawn is plain HTML."""
    control = dcc.Input()
    for name, value in values.items():
        setattr(control, name, value)
    return control


def choose(label: str, name: str, options: Mapping[str, str], value: str = "", *, hint: str = "") -> Component:
    """One of a few values."""
    shown = [html.Option(text, value=key, selected=key == value) for key, text in options.items()]
    return html.Label([html.Span(label), html.Select(shown, name=name), html.Small(hint) if hint else None])


def check_all(label: str, name: str, options: Mapping[str, str], chosen: Sequence[str]) -> Component:
    """Any of a few values, as a list."""
    boxes = [
        html.Label(
            [box(name=name, value=value, type="checkbox", checked=value in chosen), html.Span(text)],
            className="check",
        )
        for value, text in options.items()
    ]
    return html.Fieldset([html.Legend(label), *boxes], className="checks")


def hidden(name: str, value: str) -> Component:
    """A value that goes along."""
    return dcc.Input(name=name, value=value, type="hidden")


def sent(method: str, path: str, done: str, *, then: str = "") -> dict[str, Any]:
    """Attributes of a form or button: `{name}` in the path is a value of the form; `then` is where to go."""
    return attributes(data_method=method, data_path=path, data_done=done, data_next=then or None)


def buttons(*shown: Child) -> Component:
    """What ends a form."""
    return html.Div(list(shown), className="actions")
