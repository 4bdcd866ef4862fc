"""How projects stand, what was audited, and audits that people ask for."""

from __future__ import annotations

import datetime as dt
import secrets
import statistics
from typing import Annotated, Any

from fastapi import APIRouter, Query

from dash_app.access import MaintainerHere, ViewerHere
from dash_app.api.models import (
    AuditOut,
    AuditPage,
    AuditStatus,
    AuditUnderWay,
    Before,
    Comparison,
    FindingChange,
    Id,
    Insight,
    Limit,
    MagicOut,
    NextAudit,
    Offset,
    Short,
    SummaryStatistics,
    TrendPoint,
    TriggerIn,
    TriggerOut,
)
from dash_app.api.parts import StoreHere
from elder_assets.audit.dates import next_nightly
from elder_assets.audit.errors import ConfigurationError, Conflict
from elder_assets.audit.registry import MAGIC_ORDER
from elder_assets.audit.ruler import calibration
from resources.store import Store
from resources.store.inbox import HIGH, LOW, NORMAL
from resources.store.projects import Project

router = APIRouter(prefix="/api/v1/projects/{project_id}", tags=["audits"])
INSIGHTS_MAX = 20
TREND_POINTS = 104
PREDICTIVE = "predictive"
CHANGES_MAX = 200
PRIORITIES = {"low": LOW, "normal": NORMAL, "high": HIGH}


@router.get("/audit-status", summary="How a project stands now")
def audit_status(person: ViewerHere, store: StoreHere, project_id: Id) -> AuditStatus:
    """The last audit, magic by magic; what the predictive magic says; what is under way."""
    project = store.project(project_id, team_id=person.team_id)
    latest, magics = store.latest_state(project_id)
    under_way = [AuditUnderWay(task_id=row["id"], **row) for row in store.audits_under_way(project_id)]
    insights, withheld = _insights(store, project_id, is_audited=latest is not None)
    shown: dict[str, Any] = latest or {"status": "not audited", "reason": "there was no audit yet"}
    copied = ("score", "commit", "as_of", "audited_at", "ruler", "profile", "eligible_files", "analysed_files")
    now: dict[str, Any] = {name: shown.get(name) for name in copied}
    return AuditStatus(
        project_id=project_id,
        repository=project.key,
        status=shown["status"],
        reason=shown["reason"],
        **now,
        open_findings=shown.get("open", 0),
        suppressed_findings=shown.get("suppressed", 0),
        magics=[] if latest is None else _magics(store, latest, magics),
        ai_insights=insights,
        insights_withheld=withheld,
        under_way=under_way,
        next_scheduled_audit=_next_audit(project, under_way),
        problems=shown.get("problems", []),
    )


def _magics(store: Store, latest: dict[str, Any], rows: list[dict[str, Any]]) -> list[MagicOut]:
    outcomes = store.outcome_counts(latest["snapshot_id"])
    ordered = sorted(rows, key=lambda row: MAGIC_ORDER.index(row["magic"]) if row["magic"] in MAGIC_ORDER else 99)
    return [MagicOut(**row, outcomes=outcomes.get(row["magic"], {}), last_run=latest["audited_at"]) for row in ordered]


def _insights(store: Store, project_id: int, *, is_audited: bool) -> tuple[list[Insight], str]:
    """What the predictive magic says, each with the measured precision of its rule as confidence."""
    if not is_audited:
        return [], "withheld, because there was no audit yet"
    rows = store.listed_findings(project_id, magic=PREDICTIVE, limit=INSIGHTS_MAX)
    found = []
    for row in rows:
        measured = calibration().get(row["rule"])
        is_known = measured is not None and measured.n > 0
        withheld = "" if is_known else f"withheld, because nobody has judged findings of {row['rule']} yet"
        found.append(
            Insight(
                finding_id=row["id"],
                **{name: row[name] for name in ("rule", "path", "line", "message")},
                confidence=measured.precision if measured is not None and is_known else None,
                withheld=withheld,
            )
        )
    return found, "" if found else "withheld, because the predictive magic found nothing to warn of"


def _next_audit(project: Project, under_way: list[AuditUnderWay]) -> NextAudit:
    if under_way:
        first = under_way[0]
        return NextAudit(at=first.received_at, because=f"task {first.task_id} is {first.state}")
    if project.status != "active":
        return NextAudit(at=None, because=f"the project is {project.status}")
    how = "after every push too" if project.is_auto_audited else "not after pushes"
    return NextAudit(
        at=next_nightly(dt.datetime.now(dt.UTC)), because=f"every repository is audited every night; {how}"
    )


@router.get("/audit-results", summary="Audits of a project")
def audit_results(
    person: ViewerHere,
    store: StoreHere,
    project_id: Id,
    limit: Limit = 50,
    offset: Offset = 0,
    cursor: Before = None,
) -> AuditPage:
    """Newest first, by offset or by cursor; with the trend of the last audits and its statistics."""
    store.project(project_id, team_id=person.team_id)
    found = store.audits_page(project_id, before=cursor, offset=offset, limit=limit + 1)
    shown = found[:limit]
    trend = store.trend(project_id, TREND_POINTS)
    total = store.audits_total(project_id)
    return AuditPage(
        total=total,
        results=[AuditOut(audit_id=row["id"], **row) for row in shown],
        next_cursor=str(shown[-1]["id"]) if len(found) > limit else None,
        trend_data=[TrendPoint(**row) for row in trend],
        summary_statistics=_summary(trend, total),
    )


def _summary(trend: list[dict[str, Any]], total: int) -> SummaryStatistics:
    scores = [row["score"] for row in trend if row["score"] is not None]
    return SummaryStatistics(
        audits_total=total,
        score_min=min(scores, default=None),
        score_max=max(scores, default=None),
        score_mean=round(statistics.fmean(scores), 1) if scores else None,
        score_change=round(scores[-1] - scores[0], 1) if scores else None,
        findings_fixed=sum(row["fixed"] for row in trend),
        findings_new=sum(row["new"] for row in trend),
    )


@router.post("/audit/trigger", status_code=202, summary="Ask for an audit")
def trigger_audit(person: MaintainerHere, store: StoreHere, project_id: Id, wanted: TriggerIn) -> TriggerOut:
    """Put it into the inbox; the sensor decides within seconds, and live events tell how it goes on."""
    project = store.project(project_id, team_id=person.team_id)
    if project.status != "active":
        raise Conflict(f"the project is {project.status}; only active projects are audited")
    for magic in wanted.magics:
        if magic not in MAGIC_ORDER:
            raise ConfigurationError("magics", magic, MAGIC_ORDER)
    put = store.ask_audit(
        project.key,
        source="api",
        delivery_id=secrets.token_hex(8),
        audit_type=wanted.audit_type,
        branch=wanted.branch,
        commit=wanted.commit,
        magics=wanted.magics,
        priority=PRIORITIES[wanted.priority],
        by=person.name,
    )
    look = project.first_look.get("files", 0)
    latest, _ = store.latest_state(project_id)
    files = latest["eligible_files"] if latest else look
    seconds, measured = store.expected_seconds(files, project_id)
    now = store.now()
    return TriggerOut(
        task_id=put.row,
        audit_type=wanted.audit_type,
        estimated_duration_seconds=seconds,
        estimated_completion_time=None if seconds is None else now + dt.timedelta(seconds=seconds),
        estimated_because=f"median of {measured} measured audits" if measured else "no audit was measured yet",
    )


@router.get("/compare", summary="What changed between two audits")
def compare(
    person: ViewerHere,
    store: StoreHere,
    project_id: Id,
    first: Annotated[Short, Query(min_length=1, description="number or commit of the earlier audit")],
    second: Annotated[Short, Query(min_length=1, description="number or commit of the later audit")],
) -> Comparison:
    """Scores by magic, and what became of findings after the first audit up to the second."""
    store.project(project_id, team_id=person.team_id)
    one, two = (store.audit_of(project_id, reference) for reference in (first, second))
    if one["id"] > two["id"]:
        raise ConfigurationError("second", second, f"a later audit than {first}")
    events = store.events_between(project_id, one, two, CHANGES_MAX + 1)
    before, after = (store.magic_scores(audit["snapshot_id"]) for audit in (one, two))
    return Comparison(
        project_id=project_id,
        first=_side(one),
        second=_side(two),
        is_same_ruler=one["ruler"] == two["ruler"],
        score_change=_difference(one["score"], two["score"]),
        magic_changes={name: _difference(before.get(name), after.get(name)) for name in sorted(before | after)},
        events=store.counts_between(project_id, one, two),
        changes=[FindingChange(**row) for row in events[:CHANGES_MAX]],
        is_complete=len(events) <= CHANGES_MAX,
    )


def _side(audit: dict[str, Any]) -> dict[str, Any]:
    named = {name: audit[name] for name in ("commit", "as_of", "audited_at", "status", "score", "ruler")}
    return {"audit_id": audit["id"], **named}


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else round(after - before, 1)
