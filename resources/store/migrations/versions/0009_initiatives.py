"""Initiatives with their history and weekly points, and the declared owners of hotspots."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables and the nullable column."""
    op.create_table(
        "initiatives",
        sa.Column("id", BIG, nullable=False),
        sa.Column("team_id", BIG, nullable=True, comment="null = of the platform, for all teams"),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column(
            "kind", sa.Text(), nullable=False, comment="rule, magic, score or level: what a repository must have"
        ),
        sa.Column("subject", sa.Text(), nullable=False, comment="code, name or level; '' for a score of the whole"),
        sa.Column("least", sa.Float(53), nullable=True, comment="score, 0-100"),
        sa.Column("scope", sa.JSON(), nullable=False, comment="ids of repositories; [] = all of the team"),
        sa.Column("owner", sa.Text(), nullable=False, comment="who sees to it"),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("deadline", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="planned, active, reached, missed or withdrawn"),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "settled_at", sa.DateTime(timezone=True), nullable=True, comment="when it was reached, missed or withdrawn"
        ),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_initiatives_team_id_teams")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_initiatives")),
    )
    op.create_index(op.f("ix_initiatives_team_id"), "initiatives", ["team_id"], unique=False)
    op.create_table(
        "initiative_events",
        sa.Column("id", BIG, nullable=False),
        sa.Column("initiative_id", BIG, nullable=False),
        sa.Column("event", sa.Text(), nullable=False, comment="made, changed, or the state that it came to"),
        sa.Column("actor", sa.Text(), nullable=False, comment="'' = Elder"),
        sa.Column("detail", sa.JSON(), nullable=False, comment="reason, from and to, done and total"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["initiative_id"], ["initiatives.id"], name=op.f("fk_initiative_events_initiative_id_initiatives")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_initiative_events")),
    )
    op.create_index(op.f("ix_initiative_events_initiative_id"), "initiative_events", ["initiative_id"], unique=False)
    op.create_table(
        "initiative_points",
        sa.Column("initiative_id", BIG, nullable=False),
        sa.Column("team_id", BIG, nullable=False, comment="whose repositories are counted"),
        sa.Column("week", sa.Text(), nullable=False, comment="Monday, 2026-02-09"),
        sa.Column("done", sa.BigInteger(), nullable=False, comment="repositories that have what the goal asks for"),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["initiative_id"], ["initiatives.id"], name=op.f("fk_initiative_points_initiative_id_initiatives")
        ),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_initiative_points_team_id_teams")),
        sa.PrimaryKeyConstraint("initiative_id", "team_id", "week", name=op.f("pk_initiative_points")),
    )
    op.add_column(
        "latest_files",
        sa.Column(
            "declared_owners",
            sa.JSON(),
            nullable=True,
            comment="by CODEOWNERS, of a hotspot; null of rows older than 0009",
        ),
    )
