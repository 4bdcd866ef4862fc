"""Repositories, rulers, snapshots, audits, findings, outcomes, scores."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the first tables."""
    op.create_table(
        "repositories",
        sa.Column("id", BIG, nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="host/owner/name or local/<folder> (D6)"),
        sa.Column("url", sa.Text(), nullable=False, comment="address or path, without credentials"),
        sa.Column("team_id", BIG, nullable=True, comment="owning team (D18); teams come with their own migration"),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repositories")),
        sa.UniqueConstraint("key", name=op.f("uq_repositories_key")),
    )
    op.create_table(
        "rulers",
        sa.Column("digest", sa.Text(), nullable=False, comment="sha256 of the document (D3)"),
        sa.Column("document", sa.Text(), nullable=False, comment="canonical JSON"),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_rulers")),
    )
    op.create_table(
        "repository_aliases",
        sa.Column("alias", sa.Text(), nullable=False, comment="a key that the repository had before"),
        sa.Column("repository_id", BIG, nullable=False),
        sa.Column("renamed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_repository_aliases_repository_id_repositories")
        ),
        sa.PrimaryKeyConstraint("alias", name=op.f("pk_repository_aliases")),
    )
    op.create_table(
        "snapshots",
        sa.Column("id", BIG, nullable=False),
        sa.Column("repository_id", BIG, nullable=False),
        sa.Column("revision", sa.Text(), nullable=False, comment="commit id, or tree id without a commit"),
        sa.Column("ruler", sa.Text(), nullable=False),
        sa.Column("baseline", sa.Text(), nullable=False, comment="commit compared with; '' = none"),
        sa.Column("refs_digest", sa.Text(), nullable=False),
        sa.Column("commit", sa.Text(), nullable=True),
        sa.Column("tree", sa.Text(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False, comment="valid time: date of the commit"),
        sa.Column("as_of_seconds", sa.BigInteger(), nullable=False, comment="the same, exactly as git has it"),
        sa.Column("is_shallow", sa.Boolean(), nullable=False),
        sa.Column("is_partial", sa.Boolean(), nullable=False),
        sa.Column("notes", sa.JSON(), nullable=False, comment="what limits this audit, in words"),
        sa.Column("eligible_files", sa.BigInteger(), nullable=False),
        sa.Column("analysed_files", sa.BigInteger(), nullable=False),
        sa.Column("skipped", sa.JSON(), nullable=False, comment="[[path, reason], ...]"),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("score_exact", sa.Text(), nullable=True, comment="fraction, 0-100"),
        sa.Column("score", sa.Float(precision=53), nullable=True, comment="rounded to 0.1"),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_snapshots_repository_id_repositories")
        ),
        sa.ForeignKeyConstraint(["ruler"], ["rulers.digest"], name=op.f("fk_snapshots_ruler_rulers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snapshots")),
        sa.UniqueConstraint(
            "repository_id", "revision", "ruler", "baseline", "refs_digest", name="uq_snapshots_audit_key"
        ),
    )
    op.create_table(
        "audits",
        sa.Column("id", BIG, nullable=False),
        sa.Column("snapshot_id", BIG, nullable=False),
        sa.Column(
            "kind", sa.Text(), nullable=False, comment="default, change_request or adhoc (D12): why it was audited"
        ),
        sa.Column("audited_at", sa.DateTime(timezone=True), nullable=False, comment="knowledge time"),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("content_digest", sa.Text(), nullable=False, comment="equal for equal audit keys, else META005"),
        sa.ForeignKeyConstraint(["snapshot_id"], ["snapshots.id"], name=op.f("fk_audits_snapshot_id_snapshots")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audits")),
    )
    op.create_index(op.f("ix_audits_snapshot_id"), "audits", ["snapshot_id"], unique=False)
    op.create_table(
        "findings",
        sa.Column("id", BIG, nullable=False),
        sa.Column("snapshot_id", BIG, nullable=False),
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
        sa.Column("unit", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["snapshot_id"], ["snapshots.id"], name=op.f("fk_findings_snapshot_id_snapshots")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_findings")),
        sa.UniqueConstraint("snapshot_id", "fingerprint", name=op.f("uq_findings_snapshot_id_fingerprint")),
    )
    op.create_index(op.f("ix_findings_fingerprint"), "findings", ["fingerprint"], unique=False)
    op.create_table(
        "outcomes",
        sa.Column("snapshot_id", BIG, nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("magic", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("affected", sa.BigInteger(), nullable=False),
        sa.Column("duration_ms", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(["snapshot_id"], ["snapshots.id"], name=op.f("fk_outcomes_snapshot_id_snapshots")),
        sa.PrimaryKeyConstraint("snapshot_id", "rule", name=op.f("pk_outcomes")),
    )
    op.create_table(
        "scores",
        sa.Column("snapshot_id", BIG, nullable=False),
        sa.Column("magic", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("score_exact", sa.Text(), nullable=True),
        sa.Column("score", sa.Float(precision=53), nullable=True),
        sa.Column("weight_share", sa.Text(), nullable=False, comment="fraction, 0-1"),
        sa.Column("findings", sa.BigInteger(), nullable=False),
        sa.Column("suggestions", sa.BigInteger(), nullable=False),
        sa.Column("duration_ms", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(["snapshot_id"], ["snapshots.id"], name=op.f("fk_scores_snapshot_id_snapshots")),
        sa.PrimaryKeyConstraint("snapshot_id", "magic", name=op.f("pk_scores")),
    )
