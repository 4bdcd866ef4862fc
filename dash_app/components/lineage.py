"""Where a finding comes from, step by step, each a link: rule, facts, blob, commit, audit, run, delivery."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dash import html
from dash.development.base_component import Component

from dash_app.components import parts
from dash_app.components.attributes import attributes
from dash_app.components.links import outward, run_link
from dash_app.page import PageRequest, address, repository_address
from elder_assets.audit.registry import catalogue
from resources.git.web import Place, commit_address, file_address, place_of
from resources.tickets import provider_name

FACTS_SHOWN = 6


def place_at_host(request: PageRequest, row: Mapping[str, Any]) -> Place:
    """Where a finding's repository is shown to people."""
    target = request.store.audit_targets([row["repository_id"]]).get(row["repository_id"])
    name = provider_name(request.settings, target) if target else ""
    return place_of(name, row["url"], row["web_url"] or "")


def commit_at_host(place: Place, commit: str) -> Component:
    """A commit, which leads to its host where that is known."""
    return outward(html.Code(commit[:10], title=commit), commit_address(place, commit))


def lineage(request: PageRequest, row: Mapping[str, Any], blob: str, *, is_place_shown: bool) -> Component:
    """The chain from the finding to what asked for the audit that found it first.

    Args:
        request: who looks.
        row: of `finding_now`.
        blob: object id of the file; '' where it is not known on this machine.
        is_place_shown: False for a secret, whose place stays in Elder's store.
    """
    t, place = request.t, place_at_host(request, row)
    audit = request.store.lineage(row["first_audit_id"])
    file = file_address(place, row["last_commit"], row["path"], row["line"]) if is_place_shown else ""
    seen = [commit_at_host(place, row["first_commit"]), " ", parts.moment(row["first_seen"], is_day=True)]
    steps: list[tuple[str, Any]] = [
        (t.gettext("Finding"), html.Code(row["fingerprint"][:24], title=row["fingerprint"])),
        (t.gettext("Rule"), _rule(request, row, audit)),
        (t.gettext("Facts"), _facts(request, row, audit)),
        (t.gettext("File"), [outward(html.Code(blob[:10], title=blob), file)] if blob else None),
        (t.gettext("First seen at commit"), seen),
        (t.gettext("Written by commit"), _written(request, row, place)),
    ]
    if audit:
        listed = repository_address(row["repository"], tab="history")
        when = [html.A(f"{t.gettext('audit')} {audit['audit']}", href=listed), " ", parts.moment(audit["audited_at"])]
        steps.append((t.gettext("Audit"), when))
        steps.append((t.gettext("Run"), run_link(request, audit["run_id"]) if audit["run_id"] else None))
        steps.append((t.gettext("Asked for by"), _delivery(request, audit["delivery"])))
    shown = [html.Li([name, html.Span(value, className="soft")]) for name, value in steps if value is not None]
    return html.Ul(shown, className="chain")


def _rule(request: PageRequest, row: Mapping[str, Any], audit: Mapping[str, Any] | None) -> list[Any]:
    known = row["rule"] if row["rule"].startswith("EXT:") else html.A(row["rule"], href=f"/rules/{row['rule']}")
    digest = (audit or {}).get("ruler", "")
    document = html.A(
        html.Code(digest[:10], title=digest), href=f"/api/v1/rulers/{digest}", **attributes(data_plain="1")
    )
    return [known, " ", request.t.gettext("in the ruler"), " ", document] if digest else [known]


def _facts(request: PageRequest, row: Mapping[str, Any], audit: Mapping[str, Any] | None) -> str | None:
    """Extractors that the rule reads, with the version that read the file for this audit."""
    rule = next((one for one in catalogue().rules if one.code == row["rule"]), None)
    if rule is None or not rule.reads or audit is None:
        return None
    held = request.store.known_ruler(audit["ruler"])
    versions = json.loads(held).get("extractors", {}) if held else {}
    names = sorted(one.name for one in rule.reads)
    said = [f"{name} {versions[name]}" if name in versions else name for name in names[:FACTS_SHOWN]]
    return ", ".join(said) + (" …" if len(names) > FACTS_SHOWN else "")


def _written(request: PageRequest, row: Mapping[str, Any], place: Place) -> list[Any] | None:
    if not row["introduced_commit"]:
        return None
    by: list[Any] = [commit_at_host(place, row["introduced_commit"]), " "]
    by.append(parts.moment(row["introduced_at"], is_day=True))
    if row["introduced_change"] and row["introduced_change"] != row["introduced_commit"]:
        landed = request.t.gettext("landed by")
        by.extend([" ", landed, " ", commit_at_host(place, row["introduced_change"])])
    return by


def _delivery(request: PageRequest, delivery: Mapping[str, Any] | None) -> list[Any] | None:
    if delivery is None:
        return None
    said = f"{delivery['source']} {delivery['id']}"
    if not request.viewer.may("maintainer"):
        return [said, " ", parts.moment(delivery["received_at"])]
    link = html.A(said, href=address("/admin", tab="deliveries", q=str(delivery["delivery_id"])))
    return [link, " ", parts.moment(delivery["received_at"])]
