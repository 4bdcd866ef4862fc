"""Tickets, releases, owners of hotspots, and names of alert rules that are held once.

`alert_rules.held_name` is null in every row that is there: two rules of one name, from before, go on as they are.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables and the nullable columns."""
    op.create_table(
        "tickets",
        sa.Column("id", BIG, nullable=False),
        sa.Column("finding_id", BIG, nullable=False),
        sa.Column("repository_id", BIG, nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="opening or open"),
        sa.Column(
            "marker", sa.Text(), nullable=False, comment="by chance; the issue's text holds it, so it is found again"
        ),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column(
            "asked_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="first asked for: the issue is not older",
        ),
        sa.Column(
            "claimed_until", sa.DateTime(timezone=True), nullable=False, comment="until then one process opens it"
        ),
        sa.Column("error", sa.Text(), nullable=False, comment="of the last attempt"),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["finding_id"], ["finding_states.id"], name=op.f("fk_tickets_finding_id_finding_states")
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_tickets_repository_id_repositories")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tickets")),
        sa.UniqueConstraint("finding_id", name=op.f("uq_tickets_finding_id")),
    )
    op.create_index(op.f("ix_tickets_repository_id"), "tickets", ["repository_id"], unique=False)
    op.create_table(
        "releases",
        sa.Column("repository_id", BIG, nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("commit", sa.Text(), nullable=False),
        sa.Column(
            "released_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="of an annotated tag its own date, else the commit's",
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_releases_repository_id_repositories")
        ),
        sa.PrimaryKeyConstraint("repository_id", "tag", name=op.f("pk_releases")),
    )
    op.create_index(
        op.f("ix_releases_repository_id_released_at"), "releases", ["repository_id", "released_at"], unique=False
    )
    op.add_column(
        "latest_files",
        sa.Column(
            "owner",
            sa.Text(),
            nullable=True,
            comment="who changed it most in a year, of a hotspot; null where nobody did",
        ),
    )
    op.add_column(
        "latest_files", sa.Column("owner_share", sa.Float(53), nullable=True, comment="of those changes, 0-1")
    )
    op.add_column(
        "alert_rules",
        sa.Column(
            "held_name", sa.Text(), nullable=True, comment="team/name while it holds; null of rows older than 0005"
        ),
    )
    op.create_index(op.f("uq_alert_rules_held_name"), "alert_rules", ["held_name"], unique=True)
