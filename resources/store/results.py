"""What the API reads of audits, findings and deliveries: one page at a time, in SQL, within the reader's team.

`team_id` is always the reader's own team (None = all): rows of other teams do not exist for them.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from elder_assets.audit.errors import UnknownRecord
from resources.store import tables
from resources.store.audit_log import AuditLog
from resources.store.database import storable
from resources.store.findings import as_last_seen

Row = dict[str, Any]
MEASURED_MAX = 500
"""Audits looked at, newest first, when the time of another one is estimated."""
SIMILAR_FACTOR = 3
"""Repositories with a third to three times as many files are of similar size. Chosen by us."""

COMMIT_DIGITS_MIN = 7
"""Shortest beginning of a commit id that names one, as git shortens them."""


class Results(AuditLog):
    """A part of the store."""

    # --- audits -----------------------------------------------------------------------------------------------

    def expected_seconds(self, files: int, repository_id: int | None = None) -> tuple[float | None, int]:
        """How long an audit is likely to take, from the decision to its end, and of how many that is the median.

        Measured are audits of the repository itself, else of repositories of a similar size; (None, 0) without any.
        """
        inbox, latest = tables.inbox, tables.latest
        measured = (
            sa.select(inbox.c.repository_id, inbox.c.decided_at, inbox.c.finished_at, latest.c.eligible_files)
            .join(latest, latest.c.repository_id == inbox.c.repository_id)
            .where(inbox.c.state == "done", inbox.c.finished_at.is_not(None), inbox.c.decided_at.is_not(None))
            .order_by(inbox.c.id.desc())
            .limit(MEASURED_MAX)
        )
        with self._reading() as connection:
            own = (
                []
                if repository_id is None
                else _seconds(connection.execute(measured.where(inbox.c.repository_id == repository_id)).all())
            )
            if not own:
                rows = connection.execute(measured).all()
                own = _seconds([row for row in rows if files / SIMILAR_FACTOR <= row[3] <= files * SIMILAR_FACTOR])
        return (round(statistics.median(own), 1), len(own)) if own else (None, 0)

    def audits_page(
        self, repository_id: int, *, before: int | None = None, offset: int = 0, limit: int = 50
    ) -> list[Row]:
        """Audits of a repository, newest first.

        id, commit, as_of, audited_at, kind, status, reason, score, ruler, run_id, uploaded_by, eligible_files; of kind
        default also open, new, reopened, fixed, suppressed.
        """
        audits, snapshots, counts = tables.audits, tables.snapshots, tables.audit_counts
        statement = (
            sa.select(
                *(audits.c[name] for name in ("id", "kind", "audited_at", "run_id", "uploaded_by")),
                *(snapshots.c[name] for name in ("commit", "as_of", "ruler", "reason", "eligible_files")),
                sa.func.coalesce(counts.c.status, snapshots.c.status).label("status"),
                sa.func.coalesce(counts.c.score, snapshots.c.score).label("score"),
                *(counts.c[name] for name in ("open", "new", "reopened", "fixed", "suppressed")),
            )
            .join(snapshots, snapshots.c.id == audits.c.snapshot_id)
            .outerjoin(counts, counts.c.audit_id == audits.c.id)
            .where(snapshots.c.repository_id == repository_id)
            .order_by(audits.c.id.desc())
            .offset(offset)
            .limit(limit)
        )
        if before is not None:
            statement = statement.where(audits.c.id < before)
        return self._rows(statement)

    def audits_total(self, repository_id: int) -> int:
        """How many audits a repository has."""
        audits, snapshots = tables.audits, tables.snapshots
        statement = sa.select(sa.func.count()).select_from(
            audits.join(snapshots, snapshots.c.id == audits.c.snapshot_id)
        )
        with self._reading() as connection:
            return connection.scalar(statement.where(snapshots.c.repository_id == repository_id)) or 0

    def trend(self, repository_id: int, limit: int) -> list[Row]:
        """The last audits of kind default, oldest first: as_of, score, status, open, new, fixed."""
        table = tables.audit_counts
        columns = [table.c[name] for name in ("audit_id", "as_of", "score", "status", "open", "new", "fixed")]
        statement = sa.select(*columns).where(table.c.repository_id == repository_id)
        return self._rows(statement.order_by(table.c.as_of.desc(), table.c.audit_id.desc()).limit(limit))[::-1]

    def latest_state(self, repository_id: int) -> tuple[Row | None, list[Row]]:
        """What holds now: the row of `latest` (None before the first audit) and the rows of `latest_magics`."""
        latest = self._rows(sa.select(tables.latest).where(tables.latest.c.repository_id == repository_id))
        magics = self._rows(
            sa.select(tables.latest_magics).where(tables.latest_magics.c.repository_id == repository_id)
        )
        return (latest[0] if latest else None), magics

    def outcome_counts(self, snapshot_id: int) -> dict[str, dict[str, int]]:
        """How many rules of each magic ended how: magic -> status -> rules."""
        table = tables.outcomes
        statement = (
            sa.select(table.c.magic, table.c.status, sa.func.count().label("rules"))
            .where(table.c.snapshot_id == snapshot_id)
            .group_by(table.c.magic, table.c.status)
        )
        found: dict[str, dict[str, int]] = {}
        for row in self._rows(statement):
            found.setdefault(row["magic"], {})[row["status"]] = row["rules"]
        return found

    def audit_of(self, repository_id: int, reference: str) -> Row:
        """An audit of a repository by its number, or the last one of a commit (its id, 7 digits or more).

        Raises:
            UnknownRecord: there is none.
        """
        audits, snapshots = tables.audits, tables.snapshots
        statement = (
            sa.select(
                audits.c.id, audits.c.audited_at, snapshots.c.id.label("snapshot_id"),
                *(snapshots.c[name] for name in ("commit", "as_of", "ruler", "score", "status")),
            )
            .join(snapshots, snapshots.c.id == audits.c.snapshot_id)
            .where(snapshots.c.repository_id == repository_id, audits.c.kind == "default")
            .order_by(audits.c.id.desc())
            .limit(1)
        )  # fmt: skip
        wanted: list[sa.ColumnElement[bool]] = []
        if reference.isascii() and reference.isdecimal() and len(reference) < 19:
            wanted.append(audits.c.id == int(reference))
        if len(reference) >= COMMIT_DIGITS_MIN:
            wanted.append(snapshots.c.commit.startswith(reference, autoescape=True))
        found = self._rows(statement.where(sa.or_(sa.false(), *wanted)))
        if not found:
            msg = f"there is no default audit {reference!r} of this project; name its number or commit"
            raise UnknownRecord(msg)
        return found[0]

    def known_ruler(self, digest: str) -> bytes | None:
        """The document of a ruler; None when no audit used it."""
        table = tables.rulers
        with self._reading() as connection:
            document: str | None = connection.scalar(sa.select(table.c.document).where(table.c.digest == digest))
        return None if document is None else document.encode()

    def magic_scores(self, snapshot_id: int) -> dict[str, float | None]:
        """Score of each magic in a snapshot."""
        table = tables.scores
        statement = sa.select(table.c.magic, table.c.score).where(table.c.snapshot_id == snapshot_id)
        return {row["magic"]: row["score"] for row in self._rows(statement)}

    def events_between(self, repository_id: int, first: Row, second: Row, limit: int) -> list[Row]:
        """What became of findings after one audit up to another: finding_id, event, rule, severity, path, line."""
        events, state = tables.finding_events, tables.finding_states
        statement = (
            sa.select(
                events.c.finding_id, events.c.event,
                *(state.c[name] for name in ("magic", "rule", "severity", "path", "line", "message", "standing")),
            )
            .join(state, state.c.id == events.c.finding_id)
            .where(
                events.c.repository_id == repository_id,
                events.c.as_of >= min(first["as_of"], second["as_of"]),
                events.c.as_of <= max(first["as_of"], second["as_of"]),
                events.c.audit_id > first["id"],
                events.c.audit_id <= second["id"],
            )
            .order_by(events.c.as_of, events.c.id)
            .limit(limit)
        )  # fmt: skip
        return self._rows(statement)

    def counts_between(self, repository_id: int, first: Row, second: Row) -> dict[str, int]:
        """How many findings came and went after one audit up to another: new, unveiled, reopened, fixed, removed."""
        table = tables.audit_counts
        names = ("new", "unveiled", "reopened", "fixed", "removed")
        statement = sa.select(*(sa.func.coalesce(sa.func.sum(table.c[name]), 0).label(name) for name in names)).where(
            table.c.repository_id == repository_id, table.c.audit_id > first["id"], table.c.audit_id <= second["id"]
        )
        return {name: int(count) for name, count in self._rows(statement)[0].items()}

    def audits_under_way(self, repository_id: int) -> list[Row]:
        """Rows of the inbox that wait or run, oldest first: id, state, received_at, run_id, action, decision."""
        table = tables.inbox
        columns = [table.c[name] for name in ("id", "state", "received_at", "run_id", "action", "decision")]
        under_way = (table.c.repository_id == repository_id, table.c.state.in_(("waiting", "queued")))
        return self._rows(sa.select(*columns).where(*under_way).order_by(table.c.id).limit(50))

    # --- findings ---------------------------------------------------------------------------------------------

    def listed_findings(
        self,
        repository_id: int,
        standing: str = "open",
        *,
        magic: str | None = None,
        rule: str | None = None,
        severity: str | None = None,
        path: str = "",
        before: int | None = None,
        limit: int = 50,
    ) -> list[Row]:
        """Findings of a repository in one standing, newest first: the columns of `finding_states`."""
        table = tables.finding_states
        statement = as_last_seen().where(table.c.repository_id == repository_id, table.c.standing == standing)
        for column, value in ((table.c.magic, magic), (table.c.rule, rule), (table.c.severity, severity)):
            if value is not None:
                statement = statement.where(column == value)
        if path:
            statement = statement.where(table.c.path.startswith(path, autoescape=True))
        if before is not None:
            statement = statement.where(table.c.id < before)
        return self._rows(statement.order_by(table.c.id.desc()).limit(limit))

    def newest_finding(self) -> int:
        """The id of the finding that was found last; 0 before the first."""
        with self._reading() as connection:
            return connection.scalar(sa.select(sa.func.max(tables.finding_states.c.id))) or 0

    def finding(self, number: int, *, team_id: int | None = None) -> Row:
        """One finding over time: the columns of `finding_states` and `repository` (key).

        Raises:
            UnknownRecord: there is none, or it is another team's.
        """
        table, repositories = tables.finding_states, tables.repositories
        statement = (
            as_last_seen(repositories.c.key.label("repository"))
            .join(repositories, repositories.c.id == table.c.repository_id)
            .where(table.c.id == number, repositories.c.removed_at.is_(None))
        )
        if team_id is not None:
            statement = statement.where(repositories.c.team_id == team_id)
        found = self._rows(statement)
        if not found:
            msg = f"there is no finding {number}"
            raise UnknownRecord(msg)
        return found[0]

    def add_feedback(self, finding_id: int, verdict: str, comment: str, author: str) -> int:
        """Keep what a person thinks of a finding; the number of the verdict."""
        table = tables.feedback
        row = {"finding_id": finding_id, "verdict": verdict, "comment": storable(comment), "author": storable(author)}
        with self._writing() as connection:
            statement = sa.insert(table).values(**row, at=self._clock()).returning(table.c.id)
            number: int = connection.scalars(statement).one()
            self._log(connection, author, "finding.feedback", f"finding {finding_id}", {"verdict": verdict})
            return number

    def feedback_on(self, finding_id: int) -> list[Row]:
        """What people think of a finding, newest first: verdict, comment, author, at."""
        table = tables.feedback
        statement = sa.select(table).where(table.c.finding_id == finding_id).order_by(table.c.id.desc()).limit(100)
        return self._rows(statement)

    def suppressions_page(
        self,
        *,
        team_id: int | None,
        repository_id: int | None = None,
        state: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Row]:
        """Requests for suppressions, newest first: the columns of `suppression_requests` and `repository` (key)."""
        table = tables.suppression_requests
        statement = self._within(table, team_id).where(tables.repositories.c.removed_at.is_(None))
        if state is not None:
            statement = statement.where(table.c.state == state)
        return self._paged(statement, table, repository_id, before, limit)

    def suppression_of(self, number: int, *, team_id: int | None) -> Row:
        """One request for a suppression.

        Raises:
            UnknownRecord: there is none, or it is another team's.
        """
        return self._one_within(tables.suppression_requests, number, team_id, "suppression request")

    # --- deliveries -------------------------------------------------------------------------------------------

    def deliveries_page(
        self,
        *,
        team_id: int | None,
        repository_id: int | None = None,
        states: Sequence[str] = (),
        before: int | None = None,
        limit: int = 50,
    ) -> list[Row]:
        """Rows of the inbox, newest first, with `repository` (key); rows of no repository for readers of all teams."""
        table = tables.inbox
        statement = self._within(table, team_id)
        if states:
            statement = statement.where(table.c.state.in_(states))
        return self._paged(statement, table, repository_id, before, limit)

    def _within(self, table: sa.Table, team_id: int | None) -> sa.Select[Any]:
        """Rows about repositories of the reader's team, with the repository's key."""
        repositories = tables.repositories
        statement = sa.select(table, repositories.c.key.label("repository"))
        if team_id is None:
            return statement.outerjoin(repositories, repositories.c.id == table.c.repository_id)
        joined = statement.join(repositories, repositories.c.id == table.c.repository_id)
        return joined.where(repositories.c.team_id == team_id)

    def _paged(
        self, statement: sa.Select[Any], table: sa.Table, repository_id: int | None, before: int | None, limit: int
    ) -> list[Row]:
        if repository_id is not None:
            statement = statement.where(table.c.repository_id == repository_id)
        if before is not None:
            statement = statement.where(table.c.id < before)
        return self._rows(statement.order_by(table.c.id.desc()).limit(limit))

    def _one_within(self, table: sa.Table, number: int, team_id: int | None, what: str) -> Row:
        found = self._rows(self._within(table, team_id).where(table.c.id == number))
        if not found:
            msg = f"there is no {what} {number}"
            raise UnknownRecord(msg)
        return found[0]

    # --- teams ------------------------------------------------------------------------------------------------

    def scorecard_page(self, team_id: int, week: str | None = None) -> list[Row]:
        """A team's scorecard of a week, the newest by default: the columns of `scorecards` and `repository` (key)."""
        table, repositories = tables.scorecards, tables.repositories
        newest = sa.select(sa.func.max(table.c.week)).where(table.c.team_id == team_id).scalar_subquery()
        statement = (
            sa.select(table, repositories.c.key.label("repository"))
            .join(repositories, repositories.c.id == table.c.repository_id)
            .where(table.c.team_id == team_id, table.c.week == (week or newest))
            .order_by(repositories.c.key, table.c.magic)
        )
        return self._rows(statement)

    # --- live -------------------------------------------------------------------------------------------------

    def live_events_after(self, after: int, limit: int, repository_id: int | None = None) -> list[Row]:
        """Live events behind an id, oldest first: the columns of `live_events`, the owner's `team_id`."""
        table, repositories = tables.live_events, tables.repositories
        statement = (
            sa.select(table, repositories.c.team_id)
            .join(repositories, repositories.c.id == table.c.repository_id)
            .where(table.c.id > after)
            .order_by(table.c.id)
            .limit(limit)
        )
        if repository_id is not None:
            statement = statement.where(table.c.repository_id == repository_id)
        return self._rows(statement)

    def newest_live_event(self) -> int:
        """The id of the last live event; 0 before the first."""
        with self._reading() as connection:
            return connection.scalar(sa.select(sa.func.max(tables.live_events.c.id))) or 0

    def _rows(self, statement: sa.Select[Any]) -> list[Row]:
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]


def _seconds(rows: Sequence[sa.Row[Any]]) -> list[float]:
    """Times from a run's start to its end; rows are (repository, start, end, ...)."""
    return [(end - start).total_seconds() for _, start, end, *_ in rows if end > start]
