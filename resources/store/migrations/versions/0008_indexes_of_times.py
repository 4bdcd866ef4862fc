"""Indexes of times: what pages count in the last day or weeks must not cost a look at all years."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the indexes."""
    for table, column in (
        ("audits", "audited_at"), ("gates", "judged_at"), ("audit_failures", "failed_at"), ("alert_decisions", "at")
    ):  # fmt: skip
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)
