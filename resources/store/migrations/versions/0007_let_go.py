"""What a snapshot's copy of its findings became."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Remember how many copies of findings were let go of."""
    op.add_column(
        "snapshots",
        sa.Column(
            "findings_let_go", sa.BigInteger(), nullable=True, comment="copies that were let go; null = all are here"
        ),
    )
