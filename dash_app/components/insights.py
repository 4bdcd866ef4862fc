"""What is at risk next: what the predictive magic sees coming, each with why and how sure, or why it is withheld."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import html
from dash.development.base_component import Component

from dash_app import views
from dash_app.components import parts
from dash_app.components.states import create_empty
from dash_app.page import PageRequest, repository_address
from elder_assets.audit.registry import catalogue
from elder_assets.audit.ruler import calibration
from resources.messages.catalogue import status_name
from resources.store.repository_pages import FindingFilter

INSIGHTS = 6


def insights(request: PageRequest, row: Mapping[str, Any], magics: Mapping[str, Mapping[str, Any]]) -> Component:
    """The section of a repository's page."""
    t = request.t
    title = t.gettext("At risk next")
    predictive = magics.get("predictive")
    if predictive is None:
        return parts.section(title, create_empty(t.gettext("The audit asked for no prediction")))
    share = views.share_of(predictive["weight_share"])
    if predictive["status"] not in views.COUNTED and not predictive["findings"]:
        why = predictive["reason"]
        reason = html.P(parts.reason(request, why) if why else status_name(request.language, predictive["status"]))
        return parts.section(title, create_empty(t.gettext("Withheld"), reason))
    rows, total = request.store.findings_page(row["id"], FindingFilter(magic="predictive", limit=INSIGHTS))
    asked = html.P(
        t.gettext("%(share)s of the predictive rules could be asked.") % {"share": parts.percent(share)},
        className="soft",
    )
    if not rows:
        return parts.section(title, html.P(t.gettext("Nothing stands out.")), asked)
    more = html.A(
        t.gettext("All %(count)s") % {"count": parts.number(total)},
        href=repository_address(row["repository"], tab="findings", magic="predictive"),
    )
    items = [_insight(request, found) for found in rows]
    return parts.section(title, html.Ul(items, className="list"), asked, aside=more if total > len(rows) else None)


def _insight(request: PageRequest, found: Mapping[str, Any]) -> Component:
    t = request.t
    known = next((rule.documentation for rule in catalogue().rules if rule.code == found["rule"]), {})
    why = known.get("Why", "")
    return html.Li(
        [
            html.A(parts.plain_text(found["message"], limit=160), href=f"/findings/{found['id']}"),
            html.Small(parts.place(found["path"], found["line"])) if found["path"] else None,
            html.Small([t.gettext("Because:"), " ", parts.sentence(why)]) if why else None,
            html.Small(_confidence(request, found["rule"])),
        ]
    )


def _confidence(request: PageRequest, rule: str) -> str:
    """The measured precision of the rule; withheld where nobody has judged its findings."""
    t, measured = request.t, calibration().get(rule)
    if measured is None or not measured.n:
        return str(t.gettext("Confidence withheld: nobody has judged findings of %(rule)s yet") % {"rule": rule})
    said = t.gettext("Confidence %(share)s, from %(count)s judged findings of %(rule)s")
    return str(said % {"share": parts.percent(measured.precision), "count": measured.n, "rule": rule})
