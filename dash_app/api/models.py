"""Requests and answers of the API: shapes, bounds and examples. Names carry units; unknown fields are refused."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from resources.store.projects import ProjectStatus, Scaling, Tier

BIGGEST_ID = 2**63 - 1
PAGE_MAX = 200

Text = Annotated[str, StringConstraints(max_length=2_000, pattern=r"^[^\x00]*$")]
Short = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Id = Annotated[int, Path(ge=1, le=BIGGEST_ID, description="number of the record")]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX, description="rows of a page")]
Offset = Annotated[int, Query(ge=0, le=1_000_000, description="rows to pass over; a cursor is faster")]
Before = Annotated[int | None, Query(ge=1, le=BIGGEST_ID, description="`next_cursor` of the page before")]


class Request(BaseModel):
    """What comes in."""

    model_config = ConfigDict(extra="forbid")


class Answer(BaseModel):
    """What goes out."""


class Page(Answer):
    """A page of rows."""

    next_cursor: str | None = Field(description="give it back as `cursor`; null on the last page")


class Problem(Answer):
    """RFC 9457 problem details."""

    type: str = Field(examples=["urn:problem-type:elder:not-found"])
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] = []


# --- projects ------------------------------------------------------------------------------------------------


class ProjectIn(Request):
    """A repository to register."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"url": "https://github.com/octo/basket", "team": "payments", "compliance_tags": ["pci"]}]
        },
    )

    url: Annotated[str, StringConstraints(min_length=1, max_length=2_000)] = Field(
        description="https, ssh or user@host:path; never with a password in it"
    )
    name: Short = Field("", description="default: the last part of the address")
    provider: Short = Field("", description="github, gitlab, ...; default: read off the host")
    team: Short | None = Field(None, description="key of the owning team")
    credential: Short = Field("", description="a reference, env:NAME or file:/path; never the secret itself")
    policy: Short = Field("", description="a built-in profile; it holds as long as the team has no policy")
    tier: Tier = Field("small", description="the first look says which one fits")
    scaling: Scaling = "auto"
    is_auto_audited: bool = Field(True, description="audited after every push")
    is_public: bool = Field(False, description="may be shown without sign-in")
    channels: Annotated[list[Name], Field(max_length=20)] = []
    compliance_tags: Annotated[list[Name], Field(max_length=20)] = []
    settings: dict[str, Any] = Field({}, description="custom settings")


class ProjectPatch(Request):
    """What is to be changed; what is left out stays."""

    name: Name | None = None
    team: Short | None = Field(None, description="key of the new owner; '' for nobody")
    credential: Short | None = None
    tier: Tier | None = None
    scaling: Scaling | None = None
    is_auto_audited: bool | None = None
    is_public: bool | None = None
    channels: Annotated[list[Name], Field(max_length=20)] | None = None
    compliance_tags: Annotated[list[Name], Field(max_length=20)] | None = None
    settings: dict[str, Any] | None = None


class ProjectOut(Answer):
    """A registered repository, and how it stands now."""

    id: int
    key: str = Field(examples=["github.com/octo/basket"])
    name: str
    url: str
    provider: str
    team: str | None
    status: ProjectStatus
    reason: str = Field(description="why it was refused")
    credential: str = Field(description="the reference, never the secret")
    tier: Tier
    scaling: Scaling
    is_auto_audited: bool
    is_public: bool
    channels: list[str]
    compliance_tags: list[str]
    settings: dict[str, Any]
    first_look: dict[str, Any] = Field(
        description="files, bytes, commits, languages, ci, recommended profile and tier with reasons, expected seconds"
    )
    default_branch: str
    web_url: str
    has_webhook: bool
    added_at: dt.datetime
    changed_at: dt.datetime
    audit_status: str | None = Field(description="null before the first audit")
    score: float | None = Field(description="0-100")
    commit: str | None
    audited_at: dt.datetime | None
    open_findings: int | None
    open_critical: int | None
    open_high: int | None


class ProjectPage(Page):
    """Projects in order of key."""

    projects: list[ProjectOut]


# --- audits --------------------------------------------------------------------------------------------------


class MagicOut(Answer):
    """Result of one magic (decision D22)."""

    magic: str
    status: str
    reason: str
    score: float | None
    findings: int = Field(description="open")
    suggestions: int = Field(description="findings with a remedy or patch")
    outcomes: dict[str, int] = Field(description="rules by how they ended")
    units: int
    affected: int
    last_run: dt.datetime
    duration_ms: float


class Insight(Answer):
    """What the predictive magic says of one place."""

    finding_id: int
    rule: str
    path: str
    line: int
    message: str
    confidence: float | None = Field(description="share of judged findings of the rule that were true, 0-1")
    withheld: str = Field(description="why there is no confidence; '' where there is one")


class NextAudit(Answer):
    """When the next audit comes, as far as that is known."""

    at: dt.datetime | None
    because: str


class AuditUnderWay(Answer):
    """Something that waits or runs."""

    task_id: int
    state: str
    action: str
    received_at: dt.datetime
    run_id: str | None


class AuditStatus(Answer):
    """How a project stands."""

    project_id: int
    repository: str
    status: str = Field(description="of the last audit; `not audited` before the first")
    reason: str
    score: float | None
    commit: str | None
    as_of: dt.datetime | None
    audited_at: dt.datetime | None
    ruler: str | None
    profile: str | None
    eligible_files: int | None
    analysed_files: int | None
    open_findings: int
    suppressed_findings: int
    magics: list[MagicOut]
    ai_insights: list[Insight]
    insights_withheld: str = Field(description="why there are none; '' where there are")
    under_way: list[AuditUnderWay]
    next_scheduled_audit: NextAudit
    problems: list[dict[str, Any]] = Field(description="suppressions that do not do what was meant")


class AuditOut(Answer):
    """One audit."""

    audit_id: int
    commit: str | None
    as_of: dt.datetime
    audited_at: dt.datetime
    kind: str
    status: str
    reason: str
    score: float | None
    ruler: str
    run_id: str | None
    uploaded_by: str | None = Field(description="who sent it in (`elder audit --upload`); null when made here")
    open: int | None
    new: int | None
    reopened: int | None
    fixed: int | None
    suppressed: int | None


class TrendPoint(Answer):
    """How it stood after one audit."""

    audit_id: int
    as_of: dt.datetime
    score: float | None
    status: str
    open: int
    new: int
    fixed: int


class SummaryStatistics(Answer):
    """The trend in numbers."""

    audits_total: int
    score_min: float | None
    score_max: float | None
    score_mean: float | None
    score_change: float | None = Field(description="points from the first to the last point of the trend")
    findings_fixed: int = Field(description="over the trend")
    findings_new: int


class AuditPage(Page):
    """Audits, newest first, with their trend, oldest first."""

    total: int
    results: list[AuditOut]
    trend_data: list[TrendPoint]
    summary_statistics: SummaryStatistics


class OriginIn(Request):
    """The commit that wrote a finding's line, and the change that brought it to the branch."""

    finding_id: Annotated[int, Field(ge=1, le=BIGGEST_ID)]
    commit: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]
    change: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]
    at: Annotated[int, Field(ge=-(2**53), le=2**53, description="seconds since the epoch, UTC")]


class OriginsIn(Request):
    """Commits that brought new findings."""

    origins: Annotated[list[OriginIn], Field(max_length=50)]


class OriginsOut(Answer):
    """What became of them."""

    named: int


class TriggerIn(Request):
    """An audit that somebody asks for."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"audit_type": "full"}]})

    audit_type: Literal["full", "incremental"] = "incremental"
    branch: Short = Field("", description="audited beside the default branch, without changing how the project stands")
    commit: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{7,64})?$")] = ""
    magics: Annotated[list[Name], Field(max_length=20)] = Field([], description="only these; default: all")
    priority: Literal["low", "normal", "high"] = "normal"


class TriggerOut(Answer):
    """What was queued."""

    task_id: int
    audit_type: str
    estimated_duration_seconds: float | None
    estimated_completion_time: dt.datetime | None
    estimated_because: str


class FindingChange(Answer):
    """What became of one finding between two audits."""

    finding_id: int
    event: str
    rule: str
    severity: str
    path: str
    line: int
    message: str


class Comparison(Answer):
    """Two audits of a project."""

    project_id: int
    first: dict[str, Any]
    second: dict[str, Any]
    is_same_ruler: bool
    score_change: float | None
    magic_changes: dict[str, float | None] = Field(description="points by magic; null where one side has no score")
    events: dict[str, int] = Field(description="how many findings became what")
    changes: list[FindingChange]
    is_complete: bool = Field(description="false where there were more events than are listed")


# --- findings ------------------------------------------------------------------------------------------------


class FindingOut(Answer):
    """A finding over time."""

    finding_id: int
    project_id: int
    source: str
    standing: str
    magic: str
    rule: str
    severity: str
    tier: str
    path: str
    line: int
    symbol: str
    message: str
    remedy: str
    fingerprint: str
    first_commit: str
    first_seen: dt.datetime
    last_commit: str
    last_seen: dt.datetime
    closed_at: dt.datetime | None
    arrival: str
    times_reopened: int
    introduced_commit: str | None
    introduced_change: str | None
    introduced_at: dt.datetime | None
    suppression: dict[str, Any] | None


class FindingPage(Page):
    """Findings, newest first."""

    findings: list[FindingOut]


class FindingEvent(Answer):
    """What happened to a finding."""

    event: str
    commit: str
    as_of: dt.datetime
    recorded_at: dt.datetime
    audit_id: int | None
    detail: dict[str, Any]


class FeedbackIn(Request):
    """What a person thinks of a finding."""

    verdict: Literal["true", "false", "unclear"]
    comment: Text = ""


class FeedbackOut(Answer):
    """What a person thought of a finding."""

    verdict: str
    comment: str
    author: str
    at: dt.datetime


class TicketOut(Answer):
    """The issue at the git host that stands for a finding."""

    finding_id: int
    state: Literal["opening", "open"] = Field(
        description="opening: asked for, and not known yet whether it is there; asking again finds out"
    )
    provider: str = Field(examples=["github"])
    number: str = Field(description="as people name it at the host", examples=["12"])
    url: str = Field(examples=["https://github.com/octo/basket/issues/12"])
    author: str = Field(description="who asked first")
    asked_at: dt.datetime
    opened_at: dt.datetime | None
    error: str = Field(description="why the last attempt failed; empty where none did")


class FindingDetail(FindingOut):
    """A finding with its history, and what it rests on."""

    repository: str
    ticket: TicketOut | None = Field(description="null while nobody asked for one")
    history: list[FindingEvent]
    feedback: list[FeedbackOut]
    lineage: dict[str, Any] = Field(description="rule, its precision, and the ruler and audit that last saw it")


# --- suppressions --------------------------------------------------------------------------------------------


class SuppressionIn(Request):
    """A wish that a finding, or a rule at a path, be left alone."""

    finding_id: Annotated[int, Field(ge=1, le=BIGGEST_ID)] | None = None
    rule: Short = Field("", description="with `path`, instead of a finding")
    path: Annotated[str, StringConstraints(max_length=1_000, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    reason: Annotated[str, StringConstraints(min_length=1, max_length=1_000, pattern=r"^[^\x00]+$")]
    until: dt.date


FindingIds = Annotated[list[Annotated[int, Field(ge=1, le=BIGGEST_ID)]], Field(min_length=1, max_length=PAGE_MAX)]


class ManySuppressionsIn(Request):
    """A wish that several findings of a project be left alone, for one reason."""

    finding_ids: FindingIds
    reason: Annotated[str, StringConstraints(min_length=1, max_length=1_000, pattern=r"^[^\x00]+$")]
    until: dt.date


class ManyFeedbackIn(Request):
    """What somebody thinks of several findings of a project, for one reason."""

    finding_ids: FindingIds
    verdict: Literal["true", "false", "unclear"]
    reason: Text = ""


class ManyOut(Answer):
    """What came of a wish for several findings: each is done or refused by itself."""

    done: list[int] = Field(description="findings")
    refused: dict[int, str] = Field(description="finding to the reason")
    detail: str


class SuppressionDecisionIn(Request):
    """Why it was decided so."""

    reason: Text = ""


class SuppressionOut(Answer):
    """A wish, and what became of it."""

    id: int
    repository: str
    project_id: int
    finding_id: int | None
    rule: str
    path: str
    reason: str
    until: dt.date
    requested_by: str
    requested_at: dt.datetime
    state: str
    decided_by: str | None
    decided_at: dt.datetime | None
    decision_reason: str


class SuppressionPage(Page):
    """Wishes, newest first."""

    suppressions: list[SuppressionOut]


# --- teams ---------------------------------------------------------------------------------------------------


class TeamIn(Request):
    """A team to register."""

    key: Annotated[str, StringConstraints(min_length=1, max_length=64)] = Field(examples=["payments"])
    name: Short = ""


class TeamOut(Answer):
    """A team."""

    id: int
    key: str
    name: str
    added_at: dt.datetime


class TeamList(Answer):
    """Teams in order of key."""

    teams: list[TeamOut]


class PolicyVersion(Answer):
    """One version of a team's configuration."""

    version: int
    author: str
    comment: str
    recorded_at: dt.datetime
    document: str


class ConfigurationIn(Request):
    """A team's policy, as YAML text or as JSON."""

    document: Annotated[str, StringConstraints(max_length=100_000, pattern=r"^[^\x00]*$")] | dict[str, Any] = Field(
        description="the form of elder.yaml; '' takes the policy away", examples=[{"version": 1, "profile": "startup"}]
    )
    comment: Text = ""


class ConfigurationOut(Answer):
    """A team's policy now and before."""

    team: str
    document: str
    customization_history: list[PolicyVersion]
    available_options: dict[str, Any]


class SettingsIn(Request):
    """A team's settings to try: the keys that are to change, in the form of elder.yaml."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"settings": {"profile": "enterprise", "weights": {"tdd": 3}, "gate": {"fails_from": "medium"}}}
            ]
        },
    )

    settings: dict[str, Any] = Field(description="profile, gate, weights, scorecard, rules; others stay as they are")


class SettingsSave(SettingsIn):
    """A team's settings to save."""

    reason: Text = Field(description="why, in at least eight characters")
    version: int = Field(ge=0, le=BIGGEST_ID, description="the version that was seen; 0 = there was none")


class SettingsChange(Answer):
    """One value that differs."""

    key: str = Field(examples=["weights.tdd"])
    before: str
    after: str


class SettingsVersion(Answer):
    """Who changed what, when and why."""

    version: int
    author: str
    reason: str
    recorded_at: dt.datetime
    changes: list[SettingsChange]
    problem: str = Field(description="why it cannot be compared; '' where it can")


class SettingsOut(Answer):
    """A team's settings now, every value that holds, and their history."""

    team: str
    version: int = Field(description="0 = none; give it back when you save")
    settings: dict[str, str] = Field(description="key to the value that holds")
    history: list[SettingsVersion]


class RepositoryPreview(Answer):
    """One repository before and after."""

    repository: str
    before: dict[str, Any] = Field(description="status, score, level, missing, magics")
    after: dict[str, Any]
    change: float | None = Field(description="points")
    causes: list[dict[str, Any]] = Field(description="kind (weights, rules, levels), names, points")
    unknown: str = Field(description="why `after` is not known; '' where it is")


class GatePreview(Answer):
    """A change that passed its gate, and would fail it."""

    id: int
    repository: str
    change_number: int | None
    title: str
    reason: str


class SettingsPreview(Answer):
    """What settings would do. Nothing was saved."""

    team: str
    version: int = Field(description="that it is compared with")
    changes: list[SettingsChange]
    mean_before: float | None
    mean_after: float | None
    level_before: str
    level_after: str
    levels_before: dict[str, int]
    levels_after: dict[str, int]
    repositories: list[RepositoryPreview] = Field(description="those that move most first")
    gates: list[GatePreview]
    duration_ms: float


class InitiativeIn(Request):
    """A goal with a deadline."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"title": "no merge conflicts", "kind": "rule", "subject": "INT001", "deadline": "2026-12-31"},
                {"title": "servant 80", "kind": "magic", "subject": "servant", "least": 80, "deadline": "2027-03-31"},
            ]
        },
    )

    title: Text
    kind: Short = Field(description="rule, magic, score or level")
    subject: Short = Field("", description="rule's code, magic or level; '' for a score")
    least: float | None = Field(None, description="score, 0-100; of kinds magic and score")
    deadline: dt.date
    starts_on: dt.date | None = Field(None, description="default: today")
    owner: Short = Field("", description="who sees to it; default: who makes it")
    repositories: list[Short] = Field([], max_length=1_000, description="keys; default: all of the team")


class InitiativeChange(Request):
    """What is to be different."""

    title: Text | None = None
    owner: Short | None = None
    deadline: dt.date | None = None
    reason: Text


class InitiativeReason(Request):
    """Why."""

    reason: Text


class InitiativeNumber(Answer):
    """An initiative that was made."""

    id: int


class InitiativeEventOut(Answer):
    """What happened to an initiative."""

    event: str
    actor: str = Field(description="'' = Elder")
    at: dt.datetime
    detail: dict[str, Any]


class InitiativePoint(Answer):
    """How far it was in a week."""

    week: str
    done: int
    total: int


class InitiativeOut(Answer):
    """A goal with a deadline, and how far it is."""

    id: int
    team: str | None = Field(description="null = of the platform")
    title: str
    kind: str
    subject: str
    least: float | None
    owner: str
    starts_on: dt.date
    deadline: dt.date
    state: str = Field(description="planned, active, reached, missed or withdrawn")
    is_overdue: bool
    done: int = Field(description="of the team's repositories that are asked for something")
    total: int
    left: list[str] = Field(description="repositories that lack it")
    per_week: float = Field(description="repositories a week, over the last weeks")
    reached_on: dt.date | None = Field(description="at this pace; null = no pace yet")
    points: list[InitiativePoint]
    history: list[InitiativeEventOut]


class InitiativeList(Answer):
    """A team's initiatives, those that end first at first."""

    team: str
    initiatives: list[InitiativeOut]


class HotspotOut(Answer):
    """A risky file, and who owns it."""

    repository: str
    path: str
    changes: int = Field(description="commits in a year")
    cognitive: int
    risk: int
    authors: int
    owner_share: float | None = Field(description="of whoever changed it most, 0-1")
    declared_owners: list[str] | None = Field(description="by CODEOWNERS; null = no audit has looked yet")
    open: int


class HotspotList(Answer):
    """A team's hotspots, those that nobody owns at first."""

    team: str
    hotspots: list[HotspotOut]


class ScorecardRow(Answer):
    """A repository, or one of its magics, in one week."""

    repository: str
    magic: str = Field(description="'' = the whole")
    week: str
    status: str
    reason: str
    score: float | None
    coverage_pct: float | None
    gates_passed: int
    gates_failed: int
    open: int | None
    new: int | None
    fixed: int | None
    level: str
    missing: str
    trend: float | None = Field(description="points a week over the last eight weeks")


class Scorecard(Answer):
    """A team's scorecard of one week."""

    team: str
    week: str | None
    rows: list[ScorecardRow]


# --- rules, deliveries, log ----------------------------------------------------------------------------------


class RuleOut(Answer):
    """One question that Elder asks."""

    rule: str
    name: str
    magic: str
    severity: str
    tier: str
    unit: str
    summary: str
    limits: dict[str, int]
    verdicts: int = Field(description="findings that people judged")
    precision: float | None = Field(description="share of them that were true, 0-1")


class RuleList(Answer):
    """Every rule, in order of the catalogue."""

    ruler: str = Field(description="digest of the built-in ruler")
    rules: list[RuleOut]


class DeliveryOut(Answer):
    """Something that was asked of Elder, and what became of it."""

    id: int
    source: str
    provider: str
    delivery_id: str
    project_id: int | None
    repository: str
    action: str
    audit_type: str
    target_files: list[str]
    state: str
    decision: str
    priority: int
    run_id: str | None
    replay_of: int | None
    received_at: dt.datetime
    decided_at: dt.datetime | None
    finished_at: dt.datetime | None
    result: dict[str, Any]


class DeliveryPage(Page):
    """Deliveries, newest first."""

    deliveries: list[DeliveryOut]


class LogEntryOut(Answer):
    """One change."""

    id: int
    at: dt.datetime
    actor: str
    action: str
    target: str
    detail: dict[str, Any]
    hash: str


class LogPage(Page):
    """Changes, newest first."""

    entries: list[LogEntryOut]
