"""Several findings at once: what is chosen in the table gets one wish or one verdict, with one reason."""

from __future__ import annotations

import datetime as dt

from dash import html
from dash.development.base_component import Component

from dash_app.components import forms
from dash_app.components.attributes import attributes
from dash_app.page import PageRequest

FORM = "bulk"
CHOSEN = "finding_ids"
SUPPRESS = "POST /api/v1/projects/{}/findings/suppressions"
FEEDBACK = "POST /api/v1/projects/{}/findings/feedback"
SUPPRESSED_DAYS = 90
"""What the form proposes. Chosen by us."""


def choice_box(request: PageRequest, number: int, label: str) -> Component:
    """A box that chooses a finding for the form below its table."""
    said = request.t.gettext("Choose finding %(number)s: %(label)s") % {"number": number, "label": label}
    named = attributes(aria_label=said)
    return forms.box(name=CHOSEN, value=str(number), type="checkbox", form=FORM, **named)


def all_box(request: PageRequest) -> Component:
    """A box that chooses every finding of the page."""
    named = attributes(aria_label=request.t.gettext("Choose all on this page"), data_all=CHOSEN)
    return forms.box(type="checkbox", **named)


def bulk_form(request: PageRequest, project: int) -> Component | None:
    """What can be done with the chosen findings; to be seen once one is chosen."""
    t = request.t
    if not request.may("viewer", SUPPRESS):
        return None
    words = {"true": t.gettext("They are right"), "false": t.gettext("They are wrong")}
    path = f"/api/v1/projects/{project}/findings"
    verdicts = [
        html.Button(
            text,
            type="submit",
            className="quiet",
            formNoValidate="formNoValidate",
            **attributes(
                data_path=f"{path}/feedback",
                data_body=f'{{"verdict":"{verdict}"}}',
                data_fields=f"{CHOSEN} reason",
            ),
        )
        for verdict, text in words.items()
    ]
    until = request.now.date() + dt.timedelta(days=SUPPRESSED_DAYS)
    return html.Form(
        [
            html.P([html.B("", id="chosen", **attributes(data_own="1")), " ", t.gettext("chosen")],
                   className="chosen", **attributes(aria_live="polite")),
            forms.field(t.gettext("Reason, for all of them"), "reason", required=True, maxLength=300),
            forms.field(t.gettext("Until"), "until", until.isoformat(), kind="date", required=True),
            forms.buttons(
                html.Button(t.gettext("Ask for suppressions"), type="submit"),
                *verdicts,
            ),
        ],
        id=FORM,
        className="form row bulk",
        **attributes(data_path=f"{path}/suppressions", data_says="detail"),
    )  # fmt: skip
