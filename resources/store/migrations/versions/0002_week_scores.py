"""Scores of weeks: points of the past, of each magic and the whole."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the table of weekly scores."""
    op.create_table(
        "week_scores",
        sa.Column("id", BIG, nullable=False),
        sa.Column("repository_id", BIG, nullable=False),
        sa.Column("week", sa.Text(), nullable=False, comment="Monday, 2026-02-09"),
        sa.Column("commit", sa.Text(), nullable=False, comment="last of the week"),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False, comment="valid time: date of the commit"),
        sa.Column("ruler", sa.Text(), nullable=False),
        sa.Column("magic", sa.Text(), nullable=False, comment="'' = the whole"),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("score_exact", sa.Text(), nullable=True, comment="fraction, 0-100"),
        sa.Column("score", sa.Float(53), nullable=True, comment="rounded to 0.1"),
        sa.Column("weight_share", sa.Text(), nullable=False, comment="fraction, 0-1"),
        sa.Column("eligible_files", sa.BigInteger(), nullable=False),
        sa.Column("analysed_files", sa.BigInteger(), nullable=False),
        sa.Column("findings", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="final, or provisional while the week runs"),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, comment="knowledge time"),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_week_scores_repository_id_repositories")
        ),
        sa.ForeignKeyConstraint(["ruler"], ["rulers.digest"], name=op.f("fk_week_scores_ruler_rulers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_week_scores")),
        sa.UniqueConstraint(
            "repository_id", "ruler", "week", "magic", "commit", "state", name=op.f("uq_week_scores_point")
        ),
    )
