"""Teams and their policies, findings over time, gates, suppressions, imports, scorecards."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables; nothing that exists is changed."""
    op.create_table(
        "teams",
        sa.Column("id", BIG, nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="payments"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_teams")),
        sa.UniqueConstraint("key", name=op.f("uq_teams_key")),
    )
    op.create_table(
        "audit_failures",
        sa.Column("id", BIG, nullable=False),
        sa.Column("repository_id", BIG, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_audit_failures_repository_id_repositories")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_failures")),
    )
    op.create_index(op.f("ix_audit_failures_repository_id"), "audit_failures", ["repository_id"], unique=False)
    op.create_table(
        "gates",
        sa.Column("id", BIG, nullable=False),
        sa.Column("repository_id", BIG, nullable=False),
        sa.Column("base", sa.Text(), nullable=False, comment="merge base"),
        sa.Column("head", sa.Text(), nullable=False),
        sa.Column("change_number", sa.BigInteger(), nullable=True, comment="of the change request, where there is one"),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("ruler", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("failing", sa.BigInteger(), nullable=False),
        sa.Column("new", sa.BigInteger(), nullable=False),
        sa.Column("fixed", sa.BigInteger(), nullable=False),
        sa.Column("suppressed", sa.BigInteger(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False, comment="the gate's JSON document"),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("judged_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_gates_repository_id_repositories")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gates")),
    )
    op.create_index(op.f("ix_gates_repository_id_judged_at"), "gates", ["repository_id", "judged_at"], unique=False)
    op.create_table(
        "imports",
        sa.Column("id", BIG, nullable=False),
        sa.Column("repository_id", BIG, nullable=False),
        sa.Column("commit", sa.Text(), nullable=False),
        sa.Column("tool", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False, comment="sha256 of the file"),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.Column("skipped", sa.JSON(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_imports_repository_id_repositories")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
        sa.UniqueConstraint("repository_id", "commit", "tool", "digest", name="uq_imports_file"),
    )
    op.create_table(
        "latest_magics",
        sa.Column("repository_id", BIG, nullable=False),
        sa.Column("magic", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("score_exact", sa.Text(), nullable=True),
        sa.Column("score", sa.Float(53), nullable=True),
        sa.Column("weight_share", sa.Text(), nullable=False),
        sa.Column("findings", sa.BigInteger(), nullable=False, comment="open"),
        sa.Column("suggestions", sa.BigInteger(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("affected", sa.BigInteger(), nullable=False),
        sa.Column("duration_ms", sa.Float(53), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_latest_magics_repository_id_repositories")
        ),
        sa.PrimaryKeyConstraint("repository_id", "magic", name=op.f("pk_latest_magics")),
    )
    op.create_table(
        "latest_rules",
        sa.Column("repository_id", BIG, nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("magic", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("open", sa.BigInteger(), nullable=False),
        sa.Column("suppressed", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_latest_rules_repository_id_repositories")
        ),
        sa.PrimaryKeyConstraint("repository_id", "rule", "severity", name=op.f("pk_latest_rules")),
    )
    op.create_table(
        "memberships",
        sa.Column("id", BIG, nullable=False),
        sa.Column("repository_id", BIG, nullable=False),
        sa.Column("team_id", BIG, nullable=True),
        sa.Column("origin", sa.Text(), nullable=False, comment="registry or elder.yaml"),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True, comment="null while it holds"),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_memberships_repository_id_repositories")
        ),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_memberships_team_id_teams")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memberships")),
    )
    op.create_index(op.f("ix_memberships_repository_id"), "memberships", ["repository_id"], unique=False)
    op.create_table(
        "scorecards",
        sa.Column("id", BIG, nullable=False),
        sa.Column("team_id", BIG, nullable=False),
        sa.Column("week", sa.Text(), nullable=False, comment="Monday, 2026-02-09"),
        sa.Column("repository_id", BIG, nullable=False),
        sa.Column("magic", sa.Text(), nullable=False, comment="'' = the whole"),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("score", sa.Float(53), nullable=True),
        sa.Column("coverage_pct", sa.Float(53), nullable=True),
        sa.Column("gates_passed", sa.BigInteger(), nullable=False),
        sa.Column("gates_failed", sa.BigInteger(), nullable=False),
        sa.Column("open", sa.BigInteger(), nullable=True),
        sa.Column("new", sa.BigInteger(), nullable=True),
        sa.Column("fixed", sa.BigInteger(), nullable=True),
        sa.Column("level", sa.Text(), nullable=False, comment="none, bronze, silver, gold; '' for a magic"),
        sa.Column("missing", sa.Text(), nullable=False, comment="what the next level still asks for"),
        sa.Column("trend", sa.Float(53), nullable=True, comment="points a week over the last eight weeks"),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_scorecards_repository_id_repositories")
        ),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_scorecards_team_id_teams")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scorecards")),
        sa.UniqueConstraint("team_id", "week", "repository_id", "magic", name="uq_scorecards_row"),
    )
    op.create_table(
        "team_policies",
        sa.Column("id", BIG, nullable=False),
        sa.Column("team_id", BIG, nullable=False),
        sa.Column("document", sa.Text(), nullable=False, comment="the policy, YAML; '' = none"),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_team_policies_team_id_teams")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_team_policies")),
    )
    op.create_index(op.f("ix_team_policies_team_id"), "team_policies", ["team_id"], unique=False)
    op.create_table(
        "audit_counts",
        sa.Column("audit_id", BIG, nullable=False),
        sa.Column("repository_id", BIG, nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("previous", sa.BigInteger(), nullable=False),
        sa.Column("new", sa.BigInteger(), nullable=False),
        sa.Column("unveiled", sa.BigInteger(), nullable=False),
        sa.Column("reopened", sa.BigInteger(), nullable=False),
        sa.Column("open", sa.BigInteger(), nullable=False),
        sa.Column("suppressed", sa.BigInteger(), nullable=False),
        sa.Column("fixed", sa.BigInteger(), nullable=False),
        sa.Column("removed", sa.BigInteger(), nullable=False),
        sa.Column("not_answered", sa.BigInteger(), nullable=False),
        sa.Column("evaluated_on", sa.Date(), nullable=False, comment="day on which suppressions held (D11)"),
        sa.Column("score_exact", sa.Text(), nullable=True, comment="after suppressions"),
        sa.Column("score", sa.Float(53), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["audit_id"], ["audits.id"], name=op.f("fk_audit_counts_audit_id_audits")),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_audit_counts_repository_id_repositories")
        ),
        sa.PrimaryKeyConstraint("audit_id", name=op.f("pk_audit_counts")),
    )
    op.create_index(
        op.f("ix_audit_counts_repository_id_as_of"), "audit_counts", ["repository_id", "as_of"], unique=False
    )
    op.create_table(
        "finding_states",
        sa.Column("id", BIG, nullable=False, comment="the finding's own id, for good"),
        sa.Column("repository_id", BIG, nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="elder, or the tool that it was imported from"),
        sa.Column("standing", sa.Text(), nullable=False, comment="open, suppressed, fixed or removed"),
        sa.Column("magic", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("kin", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("first_commit", sa.Text(), nullable=False),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False, comment="valid time of that commit"),
        sa.Column("first_audit_id", BIG, nullable=True),
        sa.Column("last_commit", sa.Text(), nullable=False),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "closed_at", sa.DateTime(timezone=True), nullable=True, comment="valid time; null while it is active"
        ),
        sa.Column("arrival", sa.Text(), nullable=False, comment="new, unveiled or reopened: how it came the last time"),
        sa.Column("times_reopened", sa.BigInteger(), nullable=False),
        sa.Column(
            "introduced_commit", sa.Text(), nullable=True, comment="that wrote the line; null where it is not known"
        ),
        sa.Column(
            "introduced_change", sa.Text(), nullable=True, comment="first-parent commit that brought it to the branch"
        ),
        sa.Column("introduced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "suppression", sa.JSON(), nullable=True, comment="reason, until, origin, place; null unless suppressed"
        ),
        sa.ForeignKeyConstraint(
            ["first_audit_id"], ["audits.id"], name=op.f("fk_finding_states_first_audit_id_audits")
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_finding_states_repository_id_repositories")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finding_states")),
    )
    op.create_index(
        op.f("ix_finding_states_repository_id_standing"), "finding_states", ["repository_id", "standing"], unique=False
    )
    op.create_index(op.f("ix_finding_states_rule_standing"), "finding_states", ["rule", "standing"], unique=False)
    op.create_table(
        "latest",
        sa.Column("repository_id", BIG, nullable=False),
        sa.Column("audit_id", BIG, nullable=False),
        sa.Column("snapshot_id", BIG, nullable=False),
        sa.Column("commit", sa.Text(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("audited_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("ruler", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False, comment="after suppressions"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("score_exact", sa.Text(), nullable=True),
        sa.Column("score", sa.Float(53), nullable=True),
        sa.Column("eligible_files", sa.BigInteger(), nullable=False),
        sa.Column("analysed_files", sa.BigInteger(), nullable=False),
        sa.Column("open", sa.BigInteger(), nullable=False),
        sa.Column("suppressed", sa.BigInteger(), nullable=False),
        sa.Column("critical", sa.BigInteger(), nullable=False, comment="open, tier gate"),
        sa.Column("high", sa.BigInteger(), nullable=False, comment="open, tier gate"),
        sa.Column("problems", sa.JSON(), nullable=False, comment="suppressions that do not do what was meant"),
        sa.ForeignKeyConstraint(["audit_id"], ["audits.id"], name=op.f("fk_latest_audit_id_audits")),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_latest_repository_id_repositories")
        ),
        sa.ForeignKeyConstraint(["snapshot_id"], ["snapshots.id"], name=op.f("fk_latest_snapshot_id_snapshots")),
        sa.PrimaryKeyConstraint("repository_id", name=op.f("pk_latest")),
    )
    op.create_table(
        "finding_events",
        sa.Column("id", BIG, nullable=False),
        sa.Column("finding_id", BIG, nullable=False),
        sa.Column("repository_id", BIG, nullable=False),
        sa.Column("audit_id", BIG, nullable=True),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("commit", sa.Text(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False, comment="valid time"),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, comment="knowledge time"),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["audit_id"], ["audits.id"], name=op.f("fk_finding_events_audit_id_audits")),
        sa.ForeignKeyConstraint(
            ["finding_id"], ["finding_states.id"], name=op.f("fk_finding_events_finding_id_finding_states")
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_finding_events_repository_id_repositories")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finding_events")),
    )
    op.create_index(op.f("ix_finding_events_finding_id"), "finding_events", ["finding_id"], unique=False)
    op.create_index(
        op.f("ix_finding_events_repository_id_as_of"), "finding_events", ["repository_id", "as_of"], unique=False
    )
    op.create_table(
        "suppression_requests",
        sa.Column("id", BIG, nullable=False),
        sa.Column("repository_id", BIG, nullable=False),
        sa.Column("finding_id", BIG, nullable=True, comment="when it is about one finding"),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="pending, approved or denied"),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["finding_id"], ["finding_states.id"], name=op.f("fk_suppression_requests_finding_id_finding_states")
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_suppression_requests_repository_id_repositories")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppression_requests")),
    )
    op.create_index(
        op.f("ix_suppression_requests_repository_id_state"),
        "suppression_requests",
        ["repository_id", "state"],
        unique=False,
    )
