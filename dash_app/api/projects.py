"""Projects: register, list, look at, change, archive, delete."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response

from dash_app.access import AdminHere, MaintainerHere, Person, ViewerHere
from dash_app.api.models import Id, Limit, Name, ProjectIn, ProjectOut, ProjectPage, ProjectPatch, Short
from dash_app.api.parts import SettingsHere, StoreHere
from dash_app.registration import Registrar
from elder_assets.audit.errors import AccessRefused, ConfigurationError
from elder_assets.audit.policy import PROFILES
from resources.registry import check_credential, forget_files, register
from resources.store import Store
from resources.store.inbox import NORMAL
from resources.store.projects import Project, ProjectStatus, ProjectTerms

router = APIRouter(prefix="/api/v1", tags=["projects"])
SETTINGS_BYTES_MAX = 20_000


@router.post("/projects", status_code=201, summary="Register a repository")
def add_project(
    person: MaintainerHere, store: StoreHere, settings: SettingsHere, request: Request, wanted: ProjectIn
) -> ProjectOut:
    """Check and keep it; access check, first look, webhook and first audit follow (status `pending`).

    Their progress comes as live events of the project.
    """
    registrar: Registrar = request.app.state.registrar
    team = own_team(store, person, wanted.team)
    if wanted.policy and wanted.policy not in PROFILES:
        raise ConfigurationError("policy", wanted.policy[:100], PROFILES)
    custom = checked_settings(wanted.settings) | ({"profile": wanted.policy} if wanted.policy else {})
    check_reference(person, wanted.credential)
    terms = ProjectTerms(
        name=wanted.name or wanted.url.rstrip("/").rpartition("/")[2].removesuffix(".git")[:200] or "repository",
        provider=wanted.provider,
        credential=wanted.credential,
        tier=wanted.tier,
        scaling=wanted.scaling,
        is_auto_audited=wanted.is_auto_audited,
        is_public=wanted.is_public,
        channels=tuple(wanted.channels),
        compliance_tags=tuple(wanted.compliance_tags),
        settings=custom,
    )
    made = register(store, settings, wanted.url, terms, team=team, by=person.name)
    registrar.submit(made.id)
    return project_out(made)


@router.get("/projects", summary="List projects")
def list_projects(
    person: ViewerHere,
    store: StoreHere,
    team_id: Annotated[Short | None, Query(description="key of a team")] = None,
    status: ProjectStatus | None = None,
    tag: Annotated[Name | None, Query(description="a compliance tag")] = None,
    q: Annotated[Short, Query(description="part of the name or key")] = "",
    cursor: Annotated[str, Query(max_length=2_000, pattern=r"^[^\x00]*$")] = "",
    limit: Limit = 50,
) -> ProjectPage:
    """A page of projects in order of key."""
    found = store.projects(
        team_id=person.team_id, team=team_id, status=status, tag=tag, text=q, after=cursor, limit=limit + 1
    )
    shown = found[:limit]
    return ProjectPage(
        projects=[project_out(project) for project in shown],
        next_cursor=shown[-1].key if len(found) > limit else None,
    )


@router.get("/projects/{project_id}", summary="One project")
def get_project(person: ViewerHere, store: StoreHere, project_id: Id) -> ProjectOut:
    """How it is registered, and how it stands."""
    return project_out(store.project(project_id, team_id=person.team_id))


@router.patch("/projects/{project_id}", summary="Change a project")
def change_project(
    person: MaintainerHere, store: StoreHere, settings: SettingsHere, project_id: Id, wanted: ProjectPatch
) -> ProjectOut:
    """Change what is given; the address stays: another address is another project."""
    given = wanted.model_dump(exclude_unset=True, exclude_none=True)
    team: Any = msgspec.UNSET
    if "team" in given:
        team = given.pop("team") or None
        if person.team_id is not None and own_team(store, person, team) != team:
            raise AccessRefused("a project leaves its team only by an admin of all teams")
    if "credential" in given:
        check_reference(person, given["credential"])
        check_credential(settings, given["credential"])
    if "settings" in given:
        given["settings"] = checked_settings(given["settings"])
    return project_out(store.change_project(project_id, given, team_id=person.team_id, by=person.name, team=team))


@router.post("/projects/{project_id}/archive", summary="Archive a project")
def archive_project(person: MaintainerHere, store: StoreHere, project_id: Id) -> ProjectOut:
    """It is audited no more; what is known stays."""
    return _moved(store, person, project_id, "archived")


@router.post("/projects/{project_id}/activate", summary="Take an archived or refused project up again")
def activate_project(person: MaintainerHere, store: StoreHere, project_id: Id, request: Request) -> ProjectOut:
    """It is registered anew: access is checked and an audit queued."""
    moved = _moved(store, person, project_id, "pending")
    store.put_inbox(
        source="registration",
        provider="registration",
        delivery_id=f"project {project_id} again {moved.changed_at.isoformat()}",
        action="audit",
        document={"audit_type": "incremental"},
        repository_id=project_id,
        priority=NORMAL,
    )
    registrar: Registrar = request.app.state.registrar
    registrar.submit(project_id)
    return moved


def _moved(store: Store, person: Person, project_id: int, status: ProjectStatus) -> ProjectOut:
    changed = store.change_project(project_id, {}, team_id=person.team_id, by=person.name, status=status)
    return project_out(changed)


@router.delete("/projects/{project_id}", status_code=204, summary="Delete a project with all of its data")
def delete_project(person: AdminHere, store: StoreHere, settings: SettingsHere, project_id: Id) -> Response:
    """Nothing of it is left but the row of the audit log that says so."""
    forget_files(settings, store.delete_project(project_id, team_id=person.team_id, by=person.name))
    return Response(status_code=204)


def own_team(store: Store, person: Person, wanted: str | None) -> str | None:
    """The team that a person may give a project to: their own one, or any for people of all teams.

    Raises:
        AccessRefused: it is another team.
    """
    if person.team_id is None:
        return wanted
    own = next((team.key for team in store.teams() if team.id == person.team_id), None)
    if own is None or wanted not in {None, own}:
        raise AccessRefused("a project can be given to your own team only")
    return own


def check_reference(person: Person, reference: str) -> None:
    """See that only people of all teams name secrets of the server: a team could read another's with its reference.

    Raises:
        AccessRefused: the person belongs to one team.
    """
    if reference and person.team_id is not None:
        raise AccessRefused("a credential is named by an admin of all teams")


def checked_settings(given: dict[str, Any]) -> dict[str, Any]:
    """Custom settings, in bounds.

    Raises:
        ConfigurationError: they are too large.
    """
    if len(msgspec.json.encode(given)) > SETTINGS_BYTES_MAX:
        raise ConfigurationError("settings", "a larger object", f"at most {SETTINGS_BYTES_MAX:,} bytes of JSON")
    return given


def project_out(project: Project) -> ProjectOut:
    """The project as the API shows it."""
    row = msgspec.structs.asdict(project)
    return ProjectOut(
        **{name: row[name] for name in ProjectOut.model_fields if name in row},
        has_webhook=bool(project.webhook_id),
        open_findings=project.open,
        open_critical=project.critical,
        open_high=project.high,
    )
