"""Projects, inbox, live events, feedback, tokens, sessions, audit log, channels, alerts, circuits, marks, costs."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables, and keep each magic's result with the counts of an audit."""
    op.add_column(
        "audit_counts",
        sa.Column(
            "magics",
            sa.JSON(),
            nullable=True,
            comment="[[magic, status, score, units, affected], ...] after suppressions",
        ),
    )
    op.create_table(
        "samples",
        sa.Column("id", BIG, nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="which process: serve, daemon, ..."),
        sa.Column("name", sa.Text(), nullable=False, comment="what was measured, with its unit: api_p95_ms"),
        sa.Column("value", sa.Float(53), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_samples")),
    )
    op.create_index(op.f("ix_samples_name_at"), "samples", ["name", "at"], unique=False)
    op.create_table(
        "audit_log",
        sa.Column("id", BIG, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False, comment="sha256 of the row and the hash before it"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
        sa.UniqueConstraint("hash", name=op.f("uq_audit_log_hash")),
    )
    op.create_table(
        "circuits",
        sa.Column("host", sa.Text(), nullable=False, comment="a git host"),
        sa.Column("state", sa.Text(), nullable=False, comment="closed, open, half open or paused"),
        sa.Column("failures", sa.BigInteger(), nullable=False, comment="in a row"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_circuits")),
    )
    op.create_table(
        "watermarks",
        sa.Column("name", sa.Text(), nullable=False, comment="who reads how far: alerts:audits, sweep, ..."),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_watermarks")),
    )
    op.create_table(
        "latest_files",
        sa.Column("repository_id", BIG, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("open", sa.BigInteger(), nullable=False, comment="findings"),
        sa.Column("weight", sa.BigInteger(), nullable=False, comment="sum of their severities' weights"),
        sa.Column("changes", sa.BigInteger(), nullable=False, comment="commits in a year, of a hotspot"),
        sa.Column("cognitive", sa.BigInteger(), nullable=False, comment="complexity, of a hotspot"),
        sa.Column("authors", sa.BigInteger(), nullable=False, comment="of a hotspot"),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_latest_files_repository_id_repositories")
        ),
        sa.PrimaryKeyConstraint("repository_id", "path", name=op.f("pk_latest_files")),
    )
    op.create_table(
        "latest_weeks",
        sa.Column("repository_id", BIG, nullable=False),
        sa.Column("magic", sa.Text(), nullable=False, comment="'' = the whole"),
        sa.Column("week", sa.Text(), nullable=False, comment="Monday, 2026-02-09"),
        sa.Column("ruler", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("score", sa.Float(53), nullable=True),
        sa.Column("findings", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_latest_weeks_repository_id_repositories")
        ),
        sa.PrimaryKeyConstraint("repository_id", "magic", "week", name=op.f("pk_latest_weeks")),
    )
    op.create_index(
        op.f("ix_latest_weeks_magic_week_repository_id_score"),
        "latest_weeks",
        ["magic", "week", "repository_id", "score"],
        unique=False,
    )
    op.create_table(
        "alert_decisions",
        sa.Column("id", BIG, nullable=False),
        sa.Column("repository_id", BIG, nullable=True, comment="null = about Elder itself"),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="of the episode"),
        sa.Column("action", sa.Text(), nullable=False, comment="sent, held or dropped, and why"),
        sa.Column("document", sa.JSON(), nullable=False, comment="the decision with its event"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_alert_decisions_repository_id_repositories")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_decisions")),
    )
    op.create_index(
        op.f("ix_alert_decisions_repository_id_id"), "alert_decisions", ["repository_id", "id"], unique=False
    )
    op.create_table(
        "alert_rules",
        sa.Column("id", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("team_id", BIG, nullable=True, comment="null = for all teams"),
        sa.Column("document", sa.JSON(), nullable=False, comment="the rule (audit/alerts.py)"),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_alert_rules_team_id_teams")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_rules")),
    )
    op.create_table(
        "channels",
        sa.Column("id", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("team_id", BIG, nullable=True, comment="null = for all teams"),
        sa.Column("kind", sa.Text(), nullable=False, comment="slack, discord, email or webhook"),
        sa.Column(
            "address", sa.Text(), nullable=False, comment="a reference, env:NAME or file:PATH: addresses are secrets"
        ),
        sa.Column("settings", sa.JSON(), nullable=False, comment="language, and what the kind needs"),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_channels_team_id_teams")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channels")),
        sa.UniqueConstraint("name", name=op.f("uq_channels_name")),
    )
    op.create_table(
        "inbox",
        sa.Column("id", BIG, nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="webhook, api, sweep, registration, alert or replay"),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column(
            "delivery_id", sa.Text(), nullable=False, comment="the provider's, else one of ours: nothing comes twice"
        ),
        sa.Column("repository_id", BIG, nullable=True, comment="null = no project matches"),
        sa.Column(
            "action", sa.Text(), nullable=False, comment="push, change_request, merge_queue, audit, remediation, ..."
        ),
        sa.Column("document", sa.JSON(), nullable=False, comment="the delivery as it was read, or what was asked for"),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="waiting, queued, skipped, collapsed, done or failed"),
        sa.Column("decision", sa.Text(), nullable=False, comment="what was decided and why"),
        sa.Column("audit_type", sa.Text(), nullable=False, comment="full, incremental, change_request or ''"),
        sa.Column("run_key", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("replay_of", BIG, nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("result", sa.JSON(), nullable=False, comment="commit, status, score, what was told to the host"),
        sa.ForeignKeyConstraint(["replay_of"], ["inbox.id"], name=op.f("fk_inbox_replay_of_inbox")),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_inbox_repository_id_repositories")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
        sa.UniqueConstraint("provider", "delivery_id", name="uq_inbox_delivery"),
    )
    op.create_index(op.f("ix_inbox_repository_id_id"), "inbox", ["repository_id", "id"], unique=False)
    op.create_index(op.f("ix_inbox_state_id"), "inbox", ["state", "id"], unique=False)
    op.create_table(
        "live_events",
        sa.Column("id", BIG, nullable=False, comment="where a client goes on after a lost connection"),
        sa.Column("repository_id", BIG, nullable=False),
        sa.Column("event", sa.Text(), nullable=False, comment="audit_update or audit_completed"),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_live_events_repository_id_repositories")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_live_events")),
    )
    op.create_index(op.f("ix_live_events_repository_id_id"), "live_events", ["repository_id", "id"], unique=False)
    op.create_table(
        "projects",
        sa.Column("repository_id", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False, comment="github, gitlab, ...; '' for a plain address or path"),
        sa.Column(
            "credential", sa.Text(), nullable=False, comment="a reference, env:NAME or file:PATH; never the secret"
        ),
        sa.Column("status", sa.Text(), nullable=False, comment="pending, active, refused or archived"),
        sa.Column("reason", sa.Text(), nullable=False, comment="why it was refused"),
        sa.Column("tier", sa.Text(), nullable=False, comment="micro, small, medium, large, xlarge"),
        sa.Column("scaling", sa.Text(), nullable=False, comment="auto or fixed"),
        sa.Column("is_auto_audited", sa.Boolean(), nullable=False, comment="audited after every push"),
        sa.Column("is_public", sa.Boolean(), nullable=False, comment="may be shown without sign-in"),
        sa.Column("channels", sa.JSON(), nullable=False, comment="names of channels"),
        sa.Column("compliance_tags", sa.JSON(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False, comment="custom settings"),
        sa.Column("first_look", sa.JSON(), nullable=False, comment="languages, size, CI, proposals with their reasons"),
        sa.Column("default_branch", sa.Text(), nullable=False),
        sa.Column("web_url", sa.Text(), nullable=False),
        sa.Column("webhook_id", sa.Text(), nullable=False, comment="'' = none was installed"),
        sa.Column(
            "webhook_secret_version", sa.BigInteger(), nullable=False, comment="its secret is derived, not stored"
        ),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_projects_repository_id_repositories")
        ),
        sa.PrimaryKeyConstraint("repository_id", name=op.f("pk_projects")),
    )
    op.create_table(
        "tokens",
        sa.Column("id", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="whose or what for"),
        sa.Column("hash", sa.Text(), nullable=False, comment="sha256 of the token; it has 256 random bits"),
        sa.Column("hint", sa.Text(), nullable=False, comment="its first characters, to tell tokens apart"),
        sa.Column("role", sa.Text(), nullable=False, comment="viewer, maintainer or admin"),
        sa.Column("team_id", BIG, nullable=True, comment="null = all teams"),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_tokens_team_id_teams")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("hash", name=op.f("uq_tokens_hash")),
    )
    op.create_table(
        "notices",
        sa.Column("id", BIG, nullable=False),
        sa.Column("decision_id", BIG, nullable=True),
        sa.Column("channel_id", BIG, nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="one message once"),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="waiting, sent or given up"),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_notices_channel_id_channels")),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["alert_decisions.id"], name=op.f("fk_notices_decision_id_alert_decisions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("channel_id", "key", name="uq_notices_once"),
    )
    op.create_index(op.f("ix_notices_state_next_at"), "notices", ["state", "next_at"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("hash", sa.Text(), nullable=False, comment="sha256 of the cookie's value"),
        sa.Column("token_id", BIG, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["token_id"], ["tokens.id"], name=op.f("fk_sessions_token_id_tokens")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_sessions")),
    )
    op.create_table(
        "feedback",
        sa.Column("id", BIG, nullable=False),
        sa.Column("finding_id", BIG, nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False, comment="true, false or unclear"),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["finding_id"], ["finding_states.id"], name=op.f("fk_feedback_finding_id_finding_states")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
    )
    op.create_index(op.f("ix_feedback_finding_id"), "feedback", ["finding_id"], unique=False)
    op.create_table(
        "costs",
        sa.Column("id", BIG, nullable=False),
        sa.Column("repository_id", BIG, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seconds", sa.Float(53), nullable=False, comment="to measure the repository at one commit"),
        sa.Column("cpu_seconds", sa.Float(53), nullable=False, comment="of the process and of git"),
        sa.Column("blobs_known", sa.BigInteger(), nullable=False, comment="found in the facts cache"),
        sa.Column("blobs_measured", sa.BigInteger(), nullable=False, comment="read and parsed"),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_costs_repository_id_repositories")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_costs")),
    )
