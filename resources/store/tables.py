"""The schema of the results store, for SQLite and PostgreSQL alike.

Append-only: a row about an audit is never changed. `snapshots` holds what was judged, once for each audit key
(decision D2); `audits` holds every time it happened, why (kind) and by which run. Findings belong to a snapshot;
`finding_events` says what became of each from audit to audit (D13). `finding_states`, `latest`, `latest_magics` and
`latest_rules` are projections: what holds now, written in the audit's own transaction, for pages to read.
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

REVISION = "0009"
"""Newest migration; a test compares it with `migrations/versions/`."""

POSTGRESQL_SCHEMA = "elder"
"""Where the tables lie in PostgreSQL. Dagster keeps `snapshots` and `alembic_version` of its own in `public`."""


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC on both databases; SQLite itself keeps no time zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Refuse a time without zone; turn any other into UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            msg = f"{value} has no time zone"
            raise ValueError(msg)
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Give back a time that says UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""SQLite numbers rows by itself only in a column that is exactly INTEGER."""

METADATA = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

repositories = sa.Table(
    "repositories",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True, comment="host/owner/name or local/<folder> (D6)"),
    sa.Column("url", sa.Text, nullable=False, comment="address or path, without credentials"),
    sa.Column("team_id", BIG, comment="owning team (D18); teams come with their own migration"),
    sa.Column("added_at", UtcDateTime, nullable=False),
    sa.Column("removed_at", UtcDateTime),
)

repository_aliases = sa.Table(
    "repository_aliases",
    METADATA,
    sa.Column("alias", sa.Text, primary_key=True, comment="a key that the repository had before"),
    sa.Column("repository_id", BIG, sa.ForeignKey("repositories.id"), nullable=False),
    sa.Column("renamed_at", UtcDateTime, nullable=False),
)

rulers = sa.Table(
    "rulers",
    METADATA,
    sa.Column("digest", sa.Text, primary_key=True, comment="sha256 of the document (D3)"),
    sa.Column("document", sa.Text, nullable=False, comment="canonical JSON"),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
)

AUDIT_KEY = ("repository_id", "revision", "ruler", "baseline", "refs_digest")

snapshots = sa.Table(
    "snapshots",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("repository_id", BIG, sa.ForeignKey("repositories.id"), nullable=False),
    sa.Column("revision", sa.Text, nullable=False, comment="commit id, or tree id without a commit"),
    sa.Column("ruler", sa.Text, sa.ForeignKey("rulers.digest"), nullable=False),
    sa.Column("baseline", sa.Text, nullable=False, comment="commit compared with; '' = none"),
    sa.Column("refs_digest", sa.Text, nullable=False),
    sa.Column("commit", sa.Text),
    sa.Column("tree", sa.Text, nullable=False),
    sa.Column("as_of", UtcDateTime, nullable=False, comment="valid time: date of the commit"),
    sa.Column("as_of_seconds", sa.BigInteger, nullable=False, comment="the same, exactly as git has it"),
    sa.Column("is_shallow", sa.Boolean, nullable=False),
    sa.Column("is_partial", sa.Boolean, nullable=False),
    sa.Column("notes", sa.JSON, nullable=False, comment="what limits this audit, in words"),
    sa.Column("eligible_files", sa.BigInteger, nullable=False),
    sa.Column("analysed_files", sa.BigInteger, nullable=False),
    sa.Column("skipped", sa.JSON, nullable=False, comment="[[path, reason], ...]"),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("score_exact", sa.Text, comment="fraction, 0-100"),
    sa.Column("score", sa.Float(53), comment="rounded to 0.1"),
    sa.Column("findings_let_go", sa.BigInteger, comment="copies that were let go; null = all are here"),
    sa.UniqueConstraint(*AUDIT_KEY, name="uq_snapshots_audit_key"),
)

audits = sa.Table(
    "audits",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("snapshot_id", BIG, sa.ForeignKey("snapshots.id"), nullable=False),
    sa.Column("kind", sa.Text, nullable=False, comment="default, change_request or adhoc (D12): why it was audited"),
    sa.Column("audited_at", UtcDateTime, nullable=False, comment="knowledge time"),
    sa.Column("run_id", sa.Text),
    sa.Column("content_digest", sa.Text, nullable=False, comment="equal for equal audit keys, else META005"),
    sa.Column("uploaded_by", sa.Text, comment="who sent it in; null when the platform made it itself"),
    sa.Index(None, "snapshot_id"),
    sa.Index(None, "audited_at"),
)

findings = sa.Table(
    "findings",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("snapshot_id", BIG, sa.ForeignKey("snapshots.id"), nullable=False),
    sa.Column("magic", sa.Text, nullable=False),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("tier", sa.Text, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("line", sa.BigInteger, nullable=False),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("remedy", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    sa.UniqueConstraint("snapshot_id", "fingerprint"),
    sa.Index(None, "fingerprint"),
)

outcomes = sa.Table(
    "outcomes",
    METADATA,
    sa.Column("snapshot_id", BIG, sa.ForeignKey("snapshots.id"), primary_key=True),
    sa.Column("rule", sa.Text, primary_key=True),
    sa.Column("magic", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("units", sa.BigInteger, nullable=False),
    sa.Column("affected", sa.BigInteger, nullable=False),
    sa.Column("duration_ms", sa.Float(53), nullable=False),
)

scores = sa.Table(
    "scores",
    METADATA,
    sa.Column("snapshot_id", BIG, sa.ForeignKey("snapshots.id"), primary_key=True),
    sa.Column("magic", sa.Text, primary_key=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("score_exact", sa.Text),
    sa.Column("score", sa.Float(53)),
    sa.Column("weight_share", sa.Text, nullable=False, comment="fraction, 0-1"),
    sa.Column("findings", sa.BigInteger, nullable=False),
    sa.Column("suggestions", sa.BigInteger, nullable=False),
    sa.Column("duration_ms", sa.Float(53), nullable=False),
)

week_scores = sa.Table(
    "week_scores",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("repository_id", BIG, sa.ForeignKey("repositories.id"), nullable=False),
    sa.Column("week", sa.Text, nullable=False, comment="Monday, 2026-02-09"),
    sa.Column("commit", sa.Text, nullable=False, comment="last of the week"),
    sa.Column("as_of", UtcDateTime, nullable=False, comment="valid time: date of the commit"),
    sa.Column("ruler", sa.Text, sa.ForeignKey("rulers.digest"), nullable=False),
    sa.Column("magic", sa.Text, nullable=False, comment="'' = the whole"),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("score_exact", sa.Text, comment="fraction, 0-100"),
    sa.Column("score", sa.Float(53), comment="rounded to 0.1"),
    sa.Column("weight_share", sa.Text, nullable=False, comment="fraction, 0-1"),
    sa.Column("eligible_files", sa.BigInteger, nullable=False),
    sa.Column("analysed_files", sa.BigInteger, nullable=False),
    sa.Column("findings", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False, comment="final, or provisional while the week runs"),
    sa.Column("recorded_at", UtcDateTime, nullable=False, comment="knowledge time"),
    sa.UniqueConstraint("repository_id", "ruler", "week", "magic", "commit", "state", name="uq_week_scores_point"),
)

latest_weeks = sa.Table(
    "latest_weeks",
    METADATA,
    sa.Column("repository_id", BIG, sa.ForeignKey("repositories.id"), primary_key=True),
    sa.Column("magic", sa.Text, primary_key=True, comment="'' = the whole"),
    sa.Column("week", sa.Text, primary_key=True, comment="Monday, 2026-02-09"),
    sa.Column("ruler", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("score", sa.Float(53)),
    sa.Column("findings", sa.BigInteger, nullable=False),
    sa.Index(None, "magic", "week", "repository_id", "score"),
)
"""A projection for pages: the last recorded score of each week, under the ruler that scored the repository last."""

# --- teams -----------------------------------------------------------------------------------------------

teams = sa.Table(
    "teams",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True, comment="payments"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("added_at", UtcDateTime, nullable=False),
    sa.Column("removed_at", UtcDateTime),
)

memberships = sa.Table(
    "memberships",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("repository_id", BIG, sa.ForeignKey("repositories.id"), nullable=False),
    sa.Column("team_id", BIG, sa.ForeignKey("teams.id")),
    sa.Column("origin", sa.Text, nullable=False, comment="registry or elder.yaml"),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("until", UtcDateTime, comment="null while it holds"),
    sa.Index(None, "repository_id"),
)

team_policies = sa.Table(
    "team_policies",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("team_id", BIG, sa.ForeignKey("teams.id"), nullable=False),
    sa.Column("document", sa.Text, nullable=False, comment="the policy, YAML; '' = none"),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    sa.Index(None, "team_id"),
)

# --- findings over time ----------------------------------------------------------------------------------

finding_states = sa.Table(
    "finding_states",
    METADATA,
    sa.Column("id", BIG, primary_key=True, comment="the finding's own id, for good"),
    sa.Column("repository_id", BIG, sa.ForeignKey("repositories.id"), nullable=False),
    sa.Column("source", sa.Text, nullable=False, comment="elder, or the tool that it was imported from"),
    sa.Column("standing", sa.Text, nullable=False, comment="open, suppressed, fixed or removed"),
    sa.Column("magic", sa.Text, nullable=False),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("tier", sa.Text, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("line", sa.BigInteger, nullable=False),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("remedy", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("kin", sa.Text, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("first_commit", sa.Text, nullable=False),
    sa.Column("first_seen", UtcDateTime, nullable=False, comment="valid time of that commit"),
    sa.Column("first_audit_id", BIG, sa.ForeignKey("audits.id")),
    sa.Column("last_commit", sa.Text, nullable=False),
    sa.Column("last_seen", UtcDateTime, nullable=False),
    sa.Column("closed_at", UtcDateTime, comment="valid time; null while it is active"),
    sa.Column("arrival", sa.Text, nullable=False, comment="new, unveiled or reopened: how it came the last time"),
    sa.Column("times_reopened", sa.BigInteger, nullable=False),
    sa.Column("introduced_commit", sa.Text, comment="that wrote the line; null where it is not known"),
    sa.Column("introduced_change", sa.Text, comment="first-parent commit that brought it to the branch"),
    sa.Column("introduced_at", UtcDateTime),
    sa.Column("suppression", sa.JSON, comment="reason, until, origin, place; null unless suppressed"),
    sa.Index(None, "repository_id", "standing"),
    sa.Index(None, "rule", "standing"),
)

finding_events = sa.Table(
    "finding_events",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("finding_id", BIG, sa.ForeignKey("finding_states.id"), nullable=False),
    sa.Column("repository_id", BIG, sa.ForeignKey("repositories.id"), nullable=False),
    sa.Column("audit_id", BIG, sa.ForeignKey("audits.id")),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("commit", sa.Text, nullable=False),
    sa.Column("as_of", UtcDateTime, nullable=False, comment="valid time"),
    sa.Column("recorded_at", UtcDateTime, nullable=False, comment="knowledge time"),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Index(None, "finding_id"),
    sa.Index(None, "repository_id", "as_of"),
)

audit_counts = sa.Table(
    "audit_counts",
    METADATA,
    sa.Column("audit_id", BIG, sa.ForeignKey("audits.id"), primary_key=True),
    sa.Column("repository_id", BIG, sa.ForeignKey("repositories.id"), nullable=False),
    sa.Column("as_of", UtcDateTime, nullable=False),
    sa.Column("previous", sa.BigInteger, nullable=False),
    sa.Column("new", sa.BigInteger, nullable=False),
    sa.Column("unveiled", sa.BigInteger, nullable=False),
    sa.Column("reopened", sa.BigInteger, nullable=False),
    sa.Column("open", sa.BigInteger, nullable=False),
    sa.Column("suppressed", sa.BigInteger, nullable=False),
    sa.Column("fixed", sa.BigInteger, nullable=False),
    sa.Column("removed", sa.BigInteger, nullable=False),
    sa.Column("not_answered", sa.BigInteger, nullable=False),
    sa.Column("evaluated_on", sa.Date, nullable=False, comment="day on which suppressions held (D11)"),
    sa.Column("score_exact", sa.Text, comment="after suppressions"),
    sa.Column("score", sa.Float(53)),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("magics", sa.JSON, comment="[[magic, status, score, units, affected], ...] after suppressions"),
    sa.Index(None, "repository_id", "as_of"),
)

audit_failures = sa.Table(
    "audit_failures",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("repository_id", BIG, sa.ForeignKey("repositories.id"), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text),
    sa.Column("failed_at", UtcDateTime, nullable=False),
    sa.Index(None, "repository_id"),
    sa.Index(None, "failed_at"),
)

latest = sa.Table(
    "latest",
    METADATA,
    sa.Column("repository_id", BIG, sa.ForeignKey("repositories.id"), primary_key=True),
    sa.Column("audit_id", BIG, sa.ForeignKey("audits.id"), nullable=False),
    sa.Column("snapshot_id", BIG, sa.ForeignKey("snapshots.id"), nullable=False),
    sa.Column("commit", sa.Text, nullable=False),
    sa.Column("as_of", UtcDateTime, nullable=False),
    sa.Column("audited_at", UtcDateTime, nullable=False),
    sa.Column("run_id", sa.Text),
    sa.Column("ruler", sa.Text, nullable=False),
    sa.Column("profile", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False, comment="after suppressions"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("score_exact", sa.Text),
    sa.Column("score", sa.Float(53)),
    sa.Column("eligible_files", sa.BigInteger, nullable=False),
    sa.Column("analysed_files", sa.BigInteger, nullable=False),
    sa.Column("open", sa.BigInteger, nullable=False),
    sa.Column("suppressed", sa.BigInteger, nullable=False),
    sa.Column("critical", sa.BigInteger, nullable=False, comment="open, tier gate"),
    sa.Column("high", sa.BigInteger, nullable=False, comment="open, tier gate"),
    sa.Column("problems", sa.JSON, nullable=False, comment="suppressions that do not do what was meant"),
)

latest_magics = sa.Table(
    "latest_magics",
    METADATA,
    sa.Column("repository_id", BIG, sa.ForeignKey("repositories.id"), primary_key=True),
    sa.Column("magic", sa.Text, primary_key=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("score_exact", sa.Text),
    sa.Column("score", sa.Float(53)),
    sa.Column("weight_share", sa.Text, nullable=False),
    sa.Column("findings", sa.BigInteger, nullable=False, comment="open"),
    sa.Column("suggestions", sa.BigInteger, nullable=False),
    sa.Column("units", sa.BigInteger, nullable=False),
    sa.Column("affected", sa.BigInteger, nullable=False),
    sa.Column("duration_ms", sa.Float(53), nullable=False),
)

latest_rules = sa.Table(
    "latest_rules",
    METADATA,
    sa.Column("repository_id", BIG, sa.ForeignKey("repositories.id"), primary_key=True),
    sa.Column("rule", sa.Text, primary_key=True),
    sa.Column("severity", sa.Text, primary_key=True),
    sa.Column("magic", sa.Text, nullable=False),
    sa.Column("tier", sa.Text, nullable=False),
    sa.Column("open", sa.BigInteger, nullable=False),
    sa.Column("suppressed", sa.BigInteger, nullable=False),
)

latest_files = sa.Table(
    "latest_files",
    METADATA,
    sa.Column("repository_id", BIG, sa.ForeignKey("repositories.id"), primary_key=True),
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("open", sa.BigInteger, nullable=False, comment="findings"),
    sa.Column("weight", sa.BigInteger, nullable=False, comment="sum of their severities' weights"),
    sa.Column("changes", sa.BigInteger, nullable=False, comment="commits in a year, of a hotspot"),
    sa.Column("cognitive", sa.BigInteger, nullable=False, comment="complexity, of a hotspot"),
    sa.Column("authors", sa.BigInteger, nullable=False, comment="of a hotspot"),
    sa.Column("declared_owners", sa.JSON, comment="by CODEOWNERS, of a hotspot; null of rows older than 0009"),
    sa.Column("owner", sa.Text, comment="who changed it most in a year, of a hotspot; null where nobody did"),
    sa.Column("owner_share", sa.Float(53), comment="of those changes, 0-1"),
)
"""A projection: the files with most findings and risk, then the largest, FILES_KEPT at most."""

costs = sa.Table(
    "costs",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("repository_id", BIG, sa.ForeignKey("repositories.id"), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("seconds", sa.Float(53), nullable=False, comment="to measure the repository at one commit"),
    sa.Column("cpu_seconds", sa.Float(53), nullable=False, comment="of the process and of git"),
    sa.Column("blobs_known", sa.BigInteger, nullable=False, comment="found in the facts cache"),
    sa.Column("blobs_measured", sa.BigInteger, nullable=False, comment="read and parsed"),
)

gates = sa.Table(
    "gates",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("repository_id", BIG, sa.ForeignKey("repositories.id"), nullable=False),
    sa.Column("base", sa.Text, nullable=False, comment="merge base"),
    sa.Column("head", sa.Text, nullable=False),
    sa.Column("change_number", sa.BigInteger, comment="of the change request, where there is one"),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("ruler", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("failing", sa.BigInteger, nullable=False),
    sa.Column("new", sa.BigInteger, nullable=False),
    sa.Column("fixed", sa.BigInteger, nullable=False),
    sa.Column("suppressed", sa.BigInteger, nullable=False),
    sa.Column("report", sa.JSON, nullable=False, comment="the gate's JSON document"),
    sa.Column("run_id", sa.Text),
    sa.Column("judged_at", UtcDateTime, nullable=False),
    sa.Index(None, "repository_id", "judged_at"),
    sa.Index(None, "judged_at"),
)

suppression_requests = sa.Table(
    "suppression_requests",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("repository_id", BIG, sa.ForeignKey("repositories.id"), nullable=False),
    sa.Column("finding_id", BIG, sa.ForeignKey("finding_states.id"), comment="when it is about one finding"),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("until", sa.Date, nullable=False),
    sa.Column("requested_by", sa.Text, nullable=False),
    sa.Column("requested_at", UtcDateTime, nullable=False),
    sa.Column("state", sa.Text, nullable=False, comment="pending, approved or denied"),
    sa.Column("decided_by", sa.Text),
    sa.Column("decided_at", UtcDateTime),
    sa.Column("decision_reason", sa.Text, nullable=False),
    sa.Index(None, "repository_id", "state"),
)

imports = sa.Table(
    "imports",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("repository_id", BIG, sa.ForeignKey("repositories.id"), nullable=False),
    sa.Column("commit", sa.Text, nullable=False),
    sa.Column("tool", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False, comment="sha256 of the file"),
    sa.Column("findings", sa.JSON, nullable=False),
    sa.Column("skipped", sa.JSON, nullable=False),
    sa.Column("imported_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("repository_id", "commit", "tool", "digest", name="uq_imports_file"),
)

scorecards = sa.Table(
    "scorecards",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("team_id", BIG, sa.ForeignKey("teams.id"), nullable=False),
    sa.Column("week", sa.Text, nullable=False, comment="Monday, 2026-02-09"),
    sa.Column("repository_id", BIG, sa.ForeignKey("repositories.id"), nullable=False),
    sa.Column("magic", sa.Text, nullable=False, comment="'' = the whole"),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("score", sa.Float(53)),
    sa.Column("coverage_pct", sa.Float(53)),
    sa.Column("gates_passed", sa.BigInteger, nullable=False),
    sa.Column("gates_failed", sa.BigInteger, nullable=False),
    sa.Column("open", sa.BigInteger),
    sa.Column("new", sa.BigInteger),
    sa.Column("fixed", sa.BigInteger),
    sa.Column("level", sa.Text, nullable=False, comment="none, bronze, silver, gold; '' for a magic"),
    sa.Column("missing", sa.Text, nullable=False, comment="what the next level still asks for"),
    sa.Column("trend", sa.Float(53), comment="points a week over the last eight weeks"),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("team_id", "week", "repository_id", "magic", name="uq_scorecards_row"),
)
"""A projection: a week's rows are written again while it runs."""


# --- initiatives -----------------------------------------------------------------------------------------

initiatives = sa.Table(
    "initiatives",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("team_id", BIG, sa.ForeignKey("teams.id"), comment="null = of the platform, for all teams"),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, comment="rule, magic, score or level: what a repository must have"),
    sa.Column("subject", sa.Text, nullable=False, comment="code, name or level; '' for a score of the whole"),
    sa.Column("least", sa.Float(53), comment="score, 0-100"),
    sa.Column("scope", sa.JSON, nullable=False, comment="ids of repositories; [] = all of the team"),
    sa.Column("owner", sa.Text, nullable=False, comment="who sees to it"),
    sa.Column("starts_on", sa.Date, nullable=False),
    sa.Column("deadline", sa.Date, nullable=False),
    sa.Column("state", sa.Text, nullable=False, comment="planned, active, reached, missed or withdrawn"),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("settled_at", UtcDateTime, comment="when it was reached, missed or withdrawn"),
    sa.Index(None, "team_id"),
)

initiative_events = sa.Table(
    "initiative_events",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("initiative_id", BIG, sa.ForeignKey("initiatives.id"), nullable=False),
    sa.Column("event", sa.Text, nullable=False, comment="made, changed, or the state that it came to"),
    sa.Column("actor", sa.Text, nullable=False, comment="'' = Elder"),
    sa.Column("detail", sa.JSON, nullable=False, comment="reason, from and to, done and total"),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Index(None, "initiative_id"),
)

initiative_points = sa.Table(
    "initiative_points",
    METADATA,
    sa.Column("initiative_id", BIG, sa.ForeignKey("initiatives.id"), primary_key=True),
    sa.Column("team_id", BIG, sa.ForeignKey("teams.id"), primary_key=True, comment="whose repositories are counted"),
    sa.Column("week", sa.Text, primary_key=True, comment="Monday, 2026-02-09"),
    sa.Column("done", sa.BigInteger, nullable=False, comment="repositories that have what the goal asks for"),
    sa.Column("total", sa.BigInteger, nullable=False),
)
"""A projection: how far each initiative was in each week; the running week is written again while it runs."""


# --- the control plane -----------------------------------------------------------------------------------

projects = sa.Table(
    "projects",
    METADATA,
    sa.Column("repository_id", BIG, sa.ForeignKey("repositories.id"), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("provider", sa.Text, nullable=False, comment="github, gitlab, ...; '' for a plain address or path"),
    sa.Column("credential", sa.Text, nullable=False, comment="a reference, env:NAME or file:PATH; never the secret"),
    sa.Column("status", sa.Text, nullable=False, comment="pending, active, refused or archived"),
    sa.Column("reason", sa.Text, nullable=False, comment="why it was refused"),
    sa.Column("tier", sa.Text, nullable=False, comment="micro, small, medium, large, xlarge"),
    sa.Column("scaling", sa.Text, nullable=False, comment="auto or fixed"),
    sa.Column("is_auto_audited", sa.Boolean, nullable=False, comment="audited after every push"),
    sa.Column("is_public", sa.Boolean, nullable=False, comment="may be shown without sign-in"),
    sa.Column("channels", sa.JSON, nullable=False, comment="names of channels"),
    sa.Column("compliance_tags", sa.JSON, nullable=False),
    sa.Column("settings", sa.JSON, nullable=False, comment="custom settings"),
    sa.Column("first_look", sa.JSON, nullable=False, comment="languages, size, CI, proposals with their reasons"),
    sa.Column("default_branch", sa.Text, nullable=False),
    sa.Column("web_url", sa.Text, nullable=False),
    sa.Column("webhook_id", sa.Text, nullable=False, comment="'' = none was installed"),
    sa.Column("webhook_secret_version", sa.BigInteger, nullable=False, comment="its secret is derived, not stored"),
    sa.Column("changed_at", UtcDateTime, nullable=False),
)

inbox = sa.Table(
    "inbox",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("source", sa.Text, nullable=False, comment="webhook, api, sweep, registration, alert or replay"),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("delivery_id", sa.Text, nullable=False, comment="the provider's, else one of ours: nothing comes twice"),
    sa.Column("repository_id", BIG, sa.ForeignKey("repositories.id"), comment="null = no project matches"),
    sa.Column("action", sa.Text, nullable=False, comment="push, change_request, merge_queue, audit, remediation, ..."),
    sa.Column("document", sa.JSON, nullable=False, comment="the delivery as it was read, or what was asked for"),
    sa.Column("priority", sa.BigInteger, nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("state", sa.Text, nullable=False, comment="waiting, queued, skipped, collapsed, done or failed"),
    sa.Column("decision", sa.Text, nullable=False, comment="what was decided and why"),
    sa.Column("audit_type", sa.Text, nullable=False, comment="full, incremental, change_request or ''"),
    sa.Column("run_key", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text),
    sa.Column("replay_of", BIG, sa.ForeignKey("inbox.id")),
    sa.Column("decided_at", UtcDateTime),
    sa.Column("finished_at", UtcDateTime),
    sa.Column("result", sa.JSON, nullable=False, comment="commit, status, score, what was told to the host"),
    sa.UniqueConstraint("provider", "delivery_id", name="uq_inbox_delivery"),
    sa.Index(None, "state", "id"),
    sa.Index(None, "repository_id", "id"),
)

live_events = sa.Table(
    "live_events",
    METADATA,
    sa.Column("id", BIG, primary_key=True, comment="where a client goes on after a lost connection"),
    sa.Column("repository_id", BIG, sa.ForeignKey("repositories.id"), nullable=False),
    sa.Column("event", sa.Text, nullable=False, comment="audit_update or audit_completed"),
    sa.Column("document", sa.JSON, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Index(None, "repository_id", "id"),
)

feedback = sa.Table(
    "feedback",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("finding_id", BIG, sa.ForeignKey("finding_states.id"), nullable=False),
    sa.Column("verdict", sa.Text, nullable=False, comment="true, false or unclear"),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Index(None, "finding_id"),
)

tickets = sa.Table(
    "tickets",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("finding_id", BIG, sa.ForeignKey("finding_states.id"), nullable=False, unique=True),
    sa.Column("repository_id", BIG, sa.ForeignKey("repositories.id"), nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, comment="opening or open"),
    sa.Column("marker", sa.Text, nullable=False, comment="by chance; the issue's text holds it, so it is found again"),
    sa.Column("attempts", sa.BigInteger, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("asked_at", UtcDateTime, nullable=False, comment="first asked for: the issue is not older"),
    sa.Column("claimed_until", UtcDateTime, nullable=False, comment="until then one process opens it"),
    sa.Column("error", sa.Text, nullable=False, comment="of the last attempt"),
    sa.Column("number", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("opened_at", UtcDateTime),
    sa.Index(None, "repository_id"),
)
"""One issue at a git host for a finding, at most."""

releases = sa.Table(
    "releases",
    METADATA,
    sa.Column("repository_id", BIG, sa.ForeignKey("repositories.id"), primary_key=True),
    sa.Column("tag", sa.Text, primary_key=True),
    sa.Column("commit", sa.Text, nullable=False),
    sa.Column(
        "released_at", UtcDateTime, nullable=False, comment="of an annotated tag its own date, else the commit's"
    ),
    sa.Index(None, "repository_id", "released_at"),
)
"""A projection: the newest tags of a repository that lie on its default branch, as of its last audit."""

tokens = sa.Table(
    "tokens",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, comment="whose or what for"),
    sa.Column("hash", sa.Text, nullable=False, unique=True, comment="sha256 of the token; it has 256 random bits"),
    sa.Column("hint", sa.Text, nullable=False, comment="its first characters, to tell tokens apart"),
    sa.Column("role", sa.Text, nullable=False, comment="viewer, maintainer or admin"),
    sa.Column("team_id", BIG, sa.ForeignKey("teams.id"), comment="null = all teams"),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("last_used_at", UtcDateTime),
    sa.Column("revoked_at", UtcDateTime),
)

sessions = sa.Table(
    "sessions",
    METADATA,
    sa.Column("hash", sa.Text, primary_key=True, comment="sha256 of the cookie's value"),
    sa.Column("token_id", BIG, sa.ForeignKey("tokens.id"), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
)

audit_log = sa.Table(
    "audit_log",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Column("previous_hash", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False, unique=True, comment="sha256 of the row and the hash before it"),
)

# --- alerts ----------------------------------------------------------------------------------------------

channels = sa.Table(
    "channels",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("team_id", BIG, sa.ForeignKey("teams.id"), comment="null = for all teams"),
    sa.Column("kind", sa.Text, nullable=False, comment="slack, discord, email or webhook"),
    sa.Column("address", sa.Text, nullable=False, comment="a reference, env:NAME or file:PATH: addresses are secrets"),
    sa.Column("settings", sa.JSON, nullable=False, comment="language, and what the kind needs"),
    sa.Column("changed_at", UtcDateTime, nullable=False),
    sa.Column("removed_at", UtcDateTime),
)

alert_rules = sa.Table(
    "alert_rules",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("team_id", BIG, sa.ForeignKey("teams.id"), comment="null = for all teams"),
    sa.Column("document", sa.JSON, nullable=False, comment="the rule (audit/alerts.py)"),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("changed_at", UtcDateTime, nullable=False),
    sa.Column("removed_at", UtcDateTime),
    sa.Column("held_name", sa.Text, comment="team/name while it holds; null of rows older than 0005"),
    sa.Index("uq_alert_rules_held_name", "held_name", unique=True),
)

alert_decisions = sa.Table(
    "alert_decisions",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("repository_id", BIG, sa.ForeignKey("repositories.id"), comment="null = about Elder itself"),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False, comment="of the episode"),
    sa.Column("action", sa.Text, nullable=False, comment="sent, held or dropped, and why"),
    sa.Column("document", sa.JSON, nullable=False, comment="the decision with its event"),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Index(None, "repository_id", "id"),
    sa.Index(None, "at"),
)

notices = sa.Table(
    "notices",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("decision_id", BIG, sa.ForeignKey("alert_decisions.id")),
    sa.Column("channel_id", BIG, sa.ForeignKey("channels.id"), nullable=False),
    sa.Column("key", sa.Text, nullable=False, comment="one message once"),
    sa.Column("document", sa.JSON, nullable=False),
    sa.Column("state", sa.Text, nullable=False, comment="waiting, sent or given up"),
    sa.Column("attempts", sa.BigInteger, nullable=False),
    sa.Column("next_at", UtcDateTime, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("sent_at", UtcDateTime),
    sa.UniqueConstraint("channel_id", "key", name="uq_notices_once"),
    sa.Index(None, "state", "next_at"),
)

circuits = sa.Table(
    "circuits",
    METADATA,
    sa.Column("host", sa.Text, primary_key=True, comment="a git host"),
    sa.Column("state", sa.Text, nullable=False, comment="closed, open, half open or paused"),
    sa.Column("failures", sa.BigInteger, nullable=False, comment="in a row"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("retry_at", UtcDateTime),
    sa.Column("changed_at", UtcDateTime, nullable=False),
)

watermarks = sa.Table(
    "watermarks",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True, comment="who reads how far: alerts:audits, sweep, ..."),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("changed_at", UtcDateTime, nullable=False),
)

samples = sa.Table(
    "samples",
    METADATA,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("source", sa.Text, nullable=False, comment="which process: serve, daemon, ..."),
    sa.Column("name", sa.Text, nullable=False, comment="what was measured, with its unit: api_p95_ms"),
    sa.Column("value", sa.Float(53), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Index(None, "name", "at"),
)
"""What Elder measures of itself; older than a day is dropped."""
