"""Teams: their configuration with its versions, and their scorecards."""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query

from dash_app.access import AdminHere, MaintainerHere, OperatorHere, Person, ViewerHere
from dash_app.api.models import (
    ConfigurationIn,
    ConfigurationOut,
    HotspotList,
    HotspotOut,
    Id,
    InitiativeChange,
    InitiativeEventOut,
    InitiativeIn,
    InitiativeList,
    InitiativeNumber,
    InitiativeOut,
    InitiativePoint,
    InitiativeReason,
    PolicyVersion,
    Scorecard,
    ScorecardRow,
    SettingsIn,
    SettingsOut,
    SettingsPreview,
    SettingsSave,
    SettingsVersion,
    Short,
    TeamIn,
    TeamList,
    TeamOut,
)
from dash_app.api.parts import SettingsHere, StoreHere
from elder_assets.audit.errors import AccessRefused, UnknownRecord
from elder_assets.audit.model import Severity
from elder_assets.audit.policy import PROFILES, read_policy
from elder_assets.audit.registry import MAGIC_ORDER
from elder_assets.audit.ruler import default_ruler
from elder_assets.audit.team_settings import effective
from resources.store import Store
from resources.store.teams import Team
from resources.teams import initiatives
from resources.teams.settings import held_settings, preview_settings, save_settings, versions_of

router = APIRouter(prefix="/api/v1", tags=["teams"])
HISTORY_MAX = 100


def _team(store: Store, person: Person, key: str) -> Team:
    """A team that the person may see; its number will do too.

    Raises:
        UnknownRecord: there is none, or it is another one.
    """
    known = next((team for team in store.teams() if key in {team.key, str(team.id)}), None)
    if known is None or not person.sees(known.id):
        raise UnknownRecord(f"there is no team {key!r}")
    return known


@router.get("/teams", summary="Teams")
def list_teams(person: ViewerHere, store: StoreHere) -> TeamList:
    """All that the person may see, in order of key."""
    seen = [team for team in store.teams() if person.sees(team.id)]
    return TeamList(teams=[_team_out(team) for team in seen])


@router.post("/teams", status_code=201, summary="Register a team")
def add_team(person: OperatorHere, store: StoreHere, wanted: TeamIn) -> TeamOut:
    """A team that was removed is taken up again."""
    return _team_out(store.add_team(wanted.key, wanted.name, by=person.name))


def _team_out(team: Team) -> TeamOut:
    return TeamOut(id=team.id, key=team.key, name=team.name, added_at=team.added_at)


@router.get("/teams/{team_id}/configuration", summary="A team's policy")
def get_configuration(person: ViewerHere, store: StoreHere, team_id: Short) -> ConfigurationOut:
    """The policy that holds for all of the team's repositories, its versions, and what may be set."""
    return _configuration(store, _team(store, person, team_id))


@router.put("/teams/{team_id}/configuration", summary="Set a team's policy")
def put_configuration(person: AdminHere, store: StoreHere, team_id: Short, wanted: ConfigurationIn) -> ConfigurationOut:
    """Keep a new version, after it was validated; earlier versions stay."""
    team = _team(store, person, team_id)
    document = wanted.document if isinstance(wanted.document, str) else json.dumps(wanted.document, indent=1)
    if document.strip():
        read_policy(document.encode("utf-8", errors="replace"), default_ruler(), "document")
    store.set_policy(team.key, document if document.strip() else "", person.name, wanted.comment)
    return _configuration(store, team)


def _configuration(store: Store, team: Team) -> ConfigurationOut:
    versions = store.policies(team.key)
    return ConfigurationOut(
        team=team.key,
        document=versions[0].document if versions else "",
        customization_history=[
            PolicyVersion(version=known.id, **_without_id(msgspec.structs.asdict(known)))
            for known in versions[:HISTORY_MAX]
        ],
        available_options=_options(),
    )


def _options() -> dict[str, Any]:
    """What a policy may say: profiles, magics, severities, and rules with their limits."""
    ruler = default_ruler()
    return {
        "profiles": {name: msgspec.to_builtins(profile) for name, profile in PROFILES.items()},
        "magics": list(MAGIC_ORDER),
        "severities": [level.value for level in Severity],
        "tiers": ["gate", "advise", "shadow"],
        "rules": {code: {"tier": str(rule.tier), "limits": rule.limits} for code, rule in ruler.rules.items()},
    }


@router.get("/teams/{team_id}/settings", summary="A team's settings")
def get_settings(person: ViewerHere, store: StoreHere, team_id: Short) -> SettingsOut:
    """Every value that holds, by the key of elder.yaml, and who changed what."""
    return _settings_out(store, _team(store, person, team_id))


@router.post("/teams/{team_id}/settings/preview", summary="Try settings")
def preview_team_settings(
    person: MaintainerHere, store: StoreHere, here: SettingsHere, team_id: Short, wanted: SettingsIn
) -> SettingsPreview:
    """Score the team's repositories again under other settings; nothing is saved."""
    team = _team(store, person, team_id)
    found = preview_settings(store, here, team.key, wanted.settings)
    plain = msgspec.to_builtins(found)
    for row, one in zip(plain["repositories"], found.repositories, strict=True):
        row["change"] = one.change
    return SettingsPreview(**plain)


@router.put("/teams/{team_id}/settings", summary="Save settings")
def put_settings(person: AdminHere, store: StoreHere, team_id: Short, wanted: SettingsSave) -> SettingsOut:
    """Keep a new version, with author, time and reason; 409 when somebody else has saved meanwhile."""
    team = _team(store, person, team_id)
    save_settings(store, team.key, wanted.settings, by=person.name, reason=wanted.reason, based_on=wanted.version)
    return _settings_out(store, team)


def _settings_out(store: Store, team: Team) -> SettingsOut:
    held = held_settings(store, team.key)
    versions = versions_of(store, team.key, HISTORY_MAX)
    return SettingsOut(
        team=team.key,
        version=held.version,
        settings=effective(held.policy, default_ruler()),
        history=[SettingsVersion(version=one.id, **_without_id(msgspec.to_builtins(one))) for one in versions],
    )


def _without_id(plain: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in plain.items() if name != "id"}


@router.get("/teams/{team_id}/scorecard", summary="A team's scorecard")
def get_scorecard(
    person: ViewerHere,
    store: StoreHere,
    team_id: Short,
    week: Annotated[str | None, Query(pattern=r"^\d{4}-\d{2}-\d{2}$", description="a Monday; default: newest")] = None,
) -> Scorecard:
    """A row a repository and magic."""
    team = _team(store, person, team_id)
    rows = [ScorecardRow(**row) for row in store.scorecard_page(team.id, week)]
    return Scorecard(team=team.key, week=rows[0].week if rows else week, rows=rows)


# --- initiatives -----------------------------------------------------------------------------------------------


@router.get("/teams/{team_id}/initiatives", summary="A team's initiatives")
def list_initiatives(person: ViewerHere, store: StoreHere, team_id: Short) -> InitiativeList:
    """Those of the team and of the platform, with how far the team's repositories are."""
    team = _team(store, person, team_id)
    return _initiatives(store, team)


@router.post("/teams/{team_id}/initiatives", status_code=201, summary="Make an initiative")
def add_initiative(person: MaintainerHere, store: StoreHere, team_id: Short, wanted: InitiativeIn) -> InitiativeOut:
    """A goal for the team's repositories, with a deadline."""
    team = _team(store, person, team_id)
    made = initiatives.make(store, team, _wanted(wanted), by=person.name)
    return _initiative(store, team, made.id)


@router.post("/initiatives", status_code=201, summary="Make an initiative of the platform")
def add_platform_initiative(person: OperatorHere, store: StoreHere, wanted: InitiativeIn) -> InitiativeNumber:
    """A goal for the repositories of all teams, with a deadline."""
    return InitiativeNumber(id=initiatives.make(store, None, _wanted(wanted), by=person.name).id)


@router.patch("/teams/{team_id}/initiatives/{initiative_id}", summary="Change an initiative")
def change_initiative(
    person: MaintainerHere, store: StoreHere, team_id: Short, initiative_id: Id, wanted: InitiativeChange
) -> InitiativeOut:
    """Title, owner or deadline, with a reason; what was there stays in its history."""
    team = _team(store, person, team_id)
    _own_initiative(store, person, team, initiative_id)
    values = {name: value for name in ("title", "owner", "deadline") if (value := getattr(wanted, name)) is not None}
    initiatives.change(store, initiative_id, values, by=person.name, reason=wanted.reason)
    return _initiative(store, team, initiative_id)


@router.post("/teams/{team_id}/initiatives/{initiative_id}/withdraw", summary="Give an initiative up")
def withdraw_initiative(
    person: MaintainerHere, store: StoreHere, team_id: Short, initiative_id: Id, wanted: InitiativeReason
) -> InitiativeOut:
    """It stays with its history."""
    team = _team(store, person, team_id)
    _own_initiative(store, person, team, initiative_id)
    initiatives.withdraw(store, initiative_id, by=person.name, reason=wanted.reason)
    return _initiative(store, team, initiative_id)


def _own_initiative(store: Store, person: Person, team: Team, number: int) -> None:
    """See that the initiative is the team's; one of the platform is changed by people of all teams alone.

    Raises:
        UnknownRecord: it is another team's.
        AccessRefused: it is of the platform.
    """
    known = store.initiative(number)
    if known.team_id is None and person.team_id is not None:
        raise AccessRefused("an initiative of the platform is changed by somebody of all teams")
    if known.team_id not in {None, team.id}:
        raise UnknownRecord(f"there is no initiative {number}")


def _wanted(given: InitiativeIn) -> initiatives.Wanted:
    plain = given.model_dump()
    return initiatives.Wanted(**{**plain, "repositories": tuple(plain["repositories"])})


def _initiatives(store: Store, team: Team) -> InitiativeList:
    return InitiativeList(
        team=team.key, initiatives=[_initiative_out(team, one) for one in initiatives.seen_by(store, team)]
    )


def _initiative(store: Store, team: Team, number: int) -> InitiativeOut:
    (found,) = [one for one in initiatives.seen_by(store, team) if one.initiative.id == number]
    return _initiative_out(team, found)


def _initiative_out(team: Team, one: initiatives.Seen) -> InitiativeOut:
    known = one.initiative
    names = ("id", "title", "owner", "starts_on", "deadline", "state")
    return InitiativeOut(
        **{name: getattr(known, name) for name in names},
        **msgspec.structs.asdict(known.goal),
        team=None if one.is_platform else team.key,
        is_overdue=one.is_overdue,
        done=one.done,
        total=one.total,
        left=list(one.left),
        per_week=round(one.pace.per_week, 2),
        reached_on=one.pace.reached_on,
        points=[InitiativePoint(**msgspec.structs.asdict(point)) for point in one.points],
        history=[InitiativeEventOut(**msgspec.structs.asdict(event)) for event in one.events],
    )


@router.get("/teams/{team_id}/hotspots", summary="Owners of a team's hotspots")
def list_hotspots(person: ViewerHere, store: StoreHere, team_id: Short) -> HotspotList:
    """The riskiest files of the team's repositories, those that nobody owns at first."""
    team = _team(store, person, team_id)
    return HotspotList(team=team.key, hotspots=[HotspotOut(**row) for row in store.team_hotspots(team.id)])
