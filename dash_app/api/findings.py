"""Findings of a project, one finding with its history, what people think of it, and wishes that it be left alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from dash_app.access import MaintainerHere, ViewerHere
from dash_app.api.models import (
    Before,
    FeedbackIn,
    FeedbackOut,
    FindingDetail,
    FindingEvent,
    FindingOut,
    FindingPage,
    Id,
    Limit,
    ManyFeedbackIn,
    ManyOut,
    ManySuppressionsIn,
    Short,
    SuppressionDecisionIn,
    SuppressionIn,
    SuppressionOut,
    SuppressionPage,
    TicketOut,
)
from dash_app.api.parts import SettingsHere, StoreHere
from elder_assets.audit.errors import ConfigurationError, Conflict, UnknownRecord
from elder_assets.audit.finding_states import Standing
from elder_assets.audit.model import Severity
from elder_assets.audit.registry import MAGIC_ORDER, catalogue
from elder_assets.audit.ruler import calibration
from elder_assets.audit.suppression import suppression
from resources.store import Store
from resources.store.tickets import Ticket
from resources.tickets import open_ticket

router = APIRouter(prefix="/api/v1", tags=["findings"])
STATES = ("pending", "approved", "denied")


@router.get("/projects/{project_id}/findings", summary="Findings of a project")
def list_findings(
    person: ViewerHere,
    store: StoreHere,
    project_id: Id,
    standing: Standing = "open",
    magic: Annotated[Short | None, Query(description="one of the eight")] = None,
    rule: Short | None = None,
    severity: Short | None = None,
    path: Annotated[Short, Query(description="beginning of the path")] = "",
    cursor: Before = None,
    limit: Limit = 50,
) -> FindingPage:
    """Newest first."""
    store.project(project_id, team_id=person.team_id)
    _known("magic", magic, MAGIC_ORDER)
    _known("severity", severity, [level.value for level in Severity])
    found = store.listed_findings(
        project_id, standing, magic=magic, rule=rule, severity=severity, path=path, before=cursor, limit=limit + 1
    )
    shown = found[:limit]
    return FindingPage(
        findings=[_finding(row) for row in shown],
        next_cursor=str(shown[-1]["id"]) if len(found) > limit else None,
    )


def _known(key: str, value: str | None, allowed: Any) -> None:
    if value is not None and value not in allowed:
        raise ConfigurationError(key, value, allowed)


def _finding(row: dict[str, Any]) -> FindingOut:
    return FindingOut(**_finding_fields(row))


def _finding_fields(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "finding_id": row["id"], "project_id": row["repository_id"]}


@router.get("/findings/{finding_id}", summary="One finding")
def get_finding(person: ViewerHere, store: StoreHere, finding_id: Id) -> FindingDetail:
    """What it says, what became of it from audit to audit, and what it rests on."""
    row = store.finding(finding_id, team_id=person.team_id)
    latest, _ = store.latest_state(row["repository_id"])
    measured = calibration().get(row["rule"])
    ticket = store.tickets_of([finding_id]).get(finding_id)
    return FindingDetail(
        **_finding_fields(row),
        ticket=_ticket(ticket) if ticket else None,
        history=[FindingEvent(**event) for event in store.finding_history(finding_id)],
        feedback=[FeedbackOut(**said) for said in store.feedback_on(finding_id)],
        lineage={
            "rule": row["rule"],
            "judged_findings": measured.n if measured else 0,
            "precision": measured.precision if measured else None,
            "first_audit_id": row["first_audit_id"],
            "last_audit_id": latest["audit_id"] if latest else None,
            "ruler": latest["ruler"] if latest else None,
        },
    )


@router.post("/findings/{finding_id}/feedback", status_code=201, summary="Say what you think of a finding")
def add_feedback(person: ViewerHere, store: StoreHere, finding_id: Id, said: FeedbackIn) -> FeedbackOut:
    """Verdicts of people measure the precision of rules."""
    store.finding(finding_id, team_id=person.team_id)
    store.add_feedback(finding_id, said.verdict, said.comment, person.name)
    return FeedbackOut(**store.feedback_on(finding_id)[0])


# --- tickets -------------------------------------------------------------------------------------------------


@router.post("/findings/{finding_id}/ticket", status_code=201, summary="Open a ticket for a finding")
def add_ticket(
    person: MaintainerHere, store: StoreHere, settings: SettingsHere, finding_id: Id, response: Response
) -> TicketOut:
    """Open an issue (a work item) at the repository's own git host, once; 200 with the same ticket from then on.

    It says rule, place at the commit, remedy, and leads back here. The project's credential opens it.
    """
    made, is_new = open_ticket(store, settings, finding_id, by=person.name, team_id=person.team_id, circuits=store)
    response.status_code = 201 if is_new else 200
    return _ticket(made)


def _ticket(one: Ticket) -> TicketOut:
    return TicketOut(**{name: getattr(one, name) for name in TicketOut.model_fields})


# --- suppressions --------------------------------------------------------------------------------------------


@router.get("/suppressions", summary="Requests for suppressions")
def list_suppressions(
    person: ViewerHere,
    store: StoreHere,
    project_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    state: Short | None = None,
    cursor: Before = None,
    limit: Limit = 50,
) -> SuppressionPage:
    """Newest first."""
    _known("state", state, STATES)
    found = store.suppressions_page(
        team_id=person.team_id, repository_id=project_id, state=state, before=cursor, limit=limit + 1
    )
    shown = found[:limit]
    return SuppressionPage(
        suppressions=[_suppression(row) for row in shown],
        next_cursor=str(shown[-1]["id"]) if len(found) > limit else None,
    )


def _suppression(row: dict[str, Any]) -> SuppressionOut:
    return SuppressionOut(**row, project_id=row["repository_id"])


@router.post("/projects/{project_id}/suppressions", status_code=201, summary="Ask for a suppression")
def ask_suppression(person: ViewerHere, store: StoreHere, project_id: Id, wanted: SuppressionIn) -> SuppressionOut:
    """It holds nothing back before somebody else approves it."""
    project = store.project(project_id, team_id=person.team_id)
    rule, path, fingerprint = wanted.rule, wanted.path, ""
    if wanted.finding_id is not None:
        row = store.finding(wanted.finding_id, team_id=person.team_id)
        if row["repository_id"] != project_id:
            raise ConfigurationError("finding_id", wanted.finding_id, f"a finding of project {project_id}")
        rule, path, fingerprint = row["rule"], row["path"], row["fingerprint"]
    codes = _codes(rule)
    if wanted.until <= store.now().date():
        raise ConfigurationError("until", wanted.until.isoformat(), "a day after today")
    held = suppression(
        [rule], wanted.reason, wanted.until, codes, origin="request", place="api", path=path, fingerprint=fingerprint
    )
    made = store.request_suppression(project.key, held, person.name, wanted.finding_id)
    return _suppression(store.suppression_of(made.id, team_id=person.team_id))


# --- several at once -----------------------------------------------------------------------------------------


@router.post("/projects/{project_id}/findings/suppressions", summary="Ask for suppressions of several findings")
def ask_suppressions(person: ViewerHere, store: StoreHere, project_id: Id, wanted: ManySuppressionsIn) -> ManyOut:
    """Each is a request of its own, which somebody else decides; what is asked for already is not asked for twice."""
    project = store.project(project_id, team_id=person.team_id)
    if wanted.until <= store.now().date():
        raise ConfigurationError("until", wanted.until.isoformat(), "a day after today")
    asked = store.asked_suppressions(project_id)

    def ask(row: dict[str, Any]) -> None:
        if row["standing"] != "open":
            msg = f"it is {row['standing']}"
            raise Conflict(msg)
        if row["id"] in asked:
            raise Conflict("its suppression is asked for already")
        held = suppression(
            [row["rule"]], wanted.reason, wanted.until, _codes(row["rule"]), origin="request", place="api",
            path=row["path"], fingerprint=row["fingerprint"],
        )  # fmt: skip
        store.request_suppression(project.key, held, person.name, row["id"])

    return _each(store, person.team_id, project_id, wanted.finding_ids, ask)


@router.post("/projects/{project_id}/findings/feedback", summary="Say what you think of several findings")
def add_feedback_to_many(person: ViewerHere, store: StoreHere, project_id: Id, said: ManyFeedbackIn) -> ManyOut:
    """Verdicts of people measure the precision of rules."""
    store.project(project_id, team_id=person.team_id)

    def add(row: dict[str, Any]) -> None:
        store.add_feedback(row["id"], said.verdict, said.reason, person.name)

    return _each(store, person.team_id, project_id, said.finding_ids, add)


def _each(
    store: Store, team_id: int | None, project_id: int, wanted: list[int], act: Callable[[dict[str, Any]], None]
) -> ManyOut:
    """Do something to each finding of a project; one that is refused stops no other."""
    done, refused = [], {}
    for finding_id in dict.fromkeys(wanted):
        try:
            act(_of_project(store, team_id, project_id, finding_id))
            done.append(finding_id)
        except (Conflict, UnknownRecord, ConfigurationError) as error:
            refused[finding_id] = str(error)
    why = f"; {len(refused)} not: {next(iter(refused.values()))}" if refused else ""
    return ManyOut(done=done, refused=refused, detail=f"{len(done)} of {len(done) + len(refused)} findings{why}")


def _of_project(store: Store, team_id: int | None, project_id: int, finding_id: int) -> dict[str, Any]:
    row = store.finding(finding_id, team_id=team_id)
    if row["repository_id"] != project_id:
        msg = f"there is no finding {finding_id} in project {project_id}"
        raise UnknownRecord(msg)
    return row


def _codes(rule: str) -> list[str]:
    """Rules that a suppression may name: ours, and an imported one itself."""
    return [*(known.code for known in catalogue().rules), *([rule] if rule.startswith("EXT:") else [])]


# --- decisions -----------------------------------------------------------------------------------------------


@router.post("/suppressions/{number}/approve", summary="Approve a suppression")
def approve(
    person: MaintainerHere, store: StoreHere, number: Id, decision: SuppressionDecisionIn | None = None
) -> SuppressionOut:
    """Whoever asked for it cannot approve it."""
    return _decide(store, person.team_id, number, person.name, decision, is_approved=True)


@router.post("/suppressions/{number}/deny", summary="Deny a suppression")
def deny(
    person: MaintainerHere, store: StoreHere, number: Id, decision: SuppressionDecisionIn | None = None
) -> SuppressionOut:
    """Whoever asked for it cannot deny it."""
    return _decide(store, person.team_id, number, person.name, decision, is_approved=False)


def _decide(
    store: Store,
    team_id: int | None,
    number: int,
    by: str,
    decision: SuppressionDecisionIn | None,
    *,
    is_approved: bool,
) -> SuppressionOut:
    store.suppression_of(number, team_id=team_id)
    store.decide(number, is_approved=is_approved, decided_by=by, reason=decision.reason if decision else "")
    return _suppression(store.suppression_of(number, team_id=team_id))
