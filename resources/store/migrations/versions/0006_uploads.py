"""Who uploaded an audit that was made elsewhere."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column; audits that are there were all made by the platform itself."""
    op.add_column(
        "audits",
        sa.Column(
            "uploaded_by", sa.Text(), nullable=True, comment="who sent it in; null when the platform made it itself"
        ),
    )
