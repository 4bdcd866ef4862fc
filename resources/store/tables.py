"""The schema of the results store, for SQLite and PostgreSQL alike.

Append-only: a row about an audit is never changed. `snapshots` holds what was judged, once for each audit key
(decision D2); `audits` holds every time it happened, why (kind) and by which run. Findings belong to a snapshot;
their lifecycle (events, `latest`, roll-ups: D13) will be tables of their own beside these.
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

REVISION = "0002"
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
    sa.Index(None, "snapshot_id"),
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
