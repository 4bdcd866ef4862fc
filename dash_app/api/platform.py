"""Rules and rulers, deliveries, the audit log."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query, Response

from dash_app.access import OperatorHere, ViewerHere
from dash_app.api.models import (
    Before,
    DeliveryOut,
    DeliveryPage,
    Limit,
    LogEntryOut,
    LogPage,
    RuleList,
    RuleOut,
    Short,
)
from dash_app.api.parts import StoreHere
from elder_assets.audit.errors import UnknownRecord
from elder_assets.audit.registry import catalogue
from elder_assets.audit.ruler import calibration, default_ruler
from resources.store.inbox import InboxState

router = APIRouter(prefix="/api/v1", tags=["platform"])


@router.get("/rules", summary="Every rule")
def list_rules(_person: ViewerHere) -> RuleList:
    """What Elder asks, and how sure it is."""
    ruler = default_ruler()
    rows = []
    for rule in catalogue().rules:
        measure, measured = ruler.rules[rule.code], calibration().get(rule.code)
        rows.append(
            RuleOut(
                rule=rule.code,
                name=rule.name,
                magic=rule.magic,
                severity=str(measure.severity),
                tier=str(measure.tier),
                unit=rule.unit,
                summary=rule.summary,
                limits=dict(measure.limits),
                verdicts=measured.n if measured else 0,
                precision=measured.precision if measured else None,
            )
        )
    return RuleList(ruler=ruler.digest, rules=rows)


@router.get("/rulers/{digest}", summary="A ruler's document", response_class=Response)
def get_ruler(
    _person: ViewerHere,
    store: StoreHere,
    digest: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="sha256")],
) -> Response:
    """The canonical JSON by which audits were judged; its sha256 is the digest."""
    own = default_ruler()
    document = own.document() if own.digest == digest else store.known_ruler(digest)
    if document is None:
        raise UnknownRecord(f"no audit used the ruler {digest}")
    return Response(document, media_type="application/json")


@router.get("/webhook-deliveries", summary="What was asked of Elder")
def list_deliveries(
    person: ViewerHere,
    store: StoreHere,
    project_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    state: InboxState | None = None,
    cursor: Before = None,
    limit: Limit = 50,
) -> DeliveryPage:
    """Webhooks, requests for audits, sweeps: newest first, with what was decided and why."""
    found = store.deliveries_page(
        team_id=person.team_id,
        repository_id=project_id,
        states=[state] if state else [],
        before=cursor,
        limit=limit + 1,
    )
    shown = found[:limit]
    return DeliveryPage(
        deliveries=[_delivery(row) for row in shown],
        next_cursor=str(shown[-1]["id"]) if len(found) > limit else None,
    )


def _delivery(row: dict[str, Any]) -> DeliveryOut:
    files = row["document"].get("target_files") or []
    return DeliveryOut(
        **{**row, "repository": row["repository"] or "", "audit_type": row["audit_type"]},
        project_id=row["repository_id"],
        target_files=[str(path) for path in files][:100],
    )


@router.get("/audit-log", summary="Every change by a person or a token")
def list_log(
    _person: OperatorHere,
    store: StoreHere,
    actor: Short = "",
    action: Short = "",
    target: Short = "",
    cursor: Before = None,
    limit: Limit = 50,
) -> LogPage:
    """Newest first; `elder audit-log verify` checks its chain."""
    found = store.log_entries(before=cursor, limit=limit + 1, actor=actor, action=action, target=target)
    shown = found[:limit]
    return LogPage(
        entries=[LogEntryOut(**msgspec.structs.asdict(row)) for row in shown],
        next_cursor=str(shown[-1].id) if len(found) > limit else None,
    )
