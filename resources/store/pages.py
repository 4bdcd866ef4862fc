"""What pages read: bounded, sorted and paged in SQL, from projections and roll-ups, never from raw findings.

Every reader takes `team_id`, the authorisation key (D18): None sees all teams.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from resources.store import tables
from resources.store.database import TOLD, Told
from resources.store.findings import FindingsOverTime

Row = dict[str, Any]
WHOLE = ""
"""The magic of rows about the whole repository."""
PAGE_ROWS_MAX = 5_000
"""Rows that one reader gives at most; exports stop there and say so."""

SHOWN_CHANGE_MIN = 0.05
"""Points below which a change is shown as none."""

RepositorySort = Literal["repository", "team", "score", "change", "open", "critical", "coverage", "audited"]


class RepositoryFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which repositories are shown, and in which order."""

    text: str = ""
    """Part of the key, in any case."""
    status: str = ""
    """passed, warning, failed, ..., `failing` (cannot be audited) or `never` (not audited yet)."""
    team: str = ""
    sort: RepositorySort = "score"
    is_descending: bool = False
    offset: int = 0
    limit: int = 25


class Pages(FindingsOverTime):
    """A part of the store."""

    # --- the projection of weeks -----------------------------------------------------------------------------

    def _project_weeks(self, connection: Connection, repository_id: int, ruler: str) -> None:
        """Say again what the last recorded score of each week is, under a ruler, in the caller's transaction."""
        source, target = tables.week_scores, tables.latest_weeks
        connection.execute(sa.delete(target).where(target.c.repository_id == repository_id))
        newest = (
            sa.select(sa.func.max(source.c.id))
            .where(source.c.repository_id == repository_id, source.c.ruler == ruler)
            .group_by(source.c.week, source.c.magic)
        )
        names = [column.name for column in target.columns]
        rows = sa.select(*(source.c[name] for name in names)).where(source.c.id.in_(newest))
        connection.execute(sa.insert(target).from_select(names, rows))

    def rebuild_weeks(self) -> None:
        """Make the projection of weeks anew, of every repository."""
        source = tables.week_scores
        with self._writing() as connection:
            last = sa.select(sa.func.max(source.c.id)).group_by(source.c.repository_id)
            rulers = connection.execute(sa.select(source.c.repository_id, source.c.ruler).where(source.c.id.in_(last)))
            for row in list(rulers):
                self._project_weeks(connection, row.repository_id, row.ruler)

    # --- the fleet -------------------------------------------------------------------------------------------

    def fleet_totals(self, team_id: int | None = None) -> Row:
        """One row about now.

        repositories, audited, score (mean, None without one), open, critical, high, suppressed, eligible_files,
        analysed_files, audited_at (newest), statuses ({status: repositories}).
        """
        latest, repositories = tables.latest, tables.repositories
        known = known_repositories(team_id)
        joined = repositories.join(latest, latest.c.repository_id == repositories.c.id)
        sums = [
            sa.func.coalesce(sa.func.sum(latest.c[name]), 0).label(name)
            for name in ("open", "critical", "high", "suppressed", "eligible_files", "analysed_files")
        ]
        newest = sa.func.max(latest.c.audited_at).label("audited_at")
        count = sa.func.count().label("audited")
        totals = sa.select(count, sa.func.avg(latest.c.score).label("score"), newest, *sums)
        statuses = sa.select(latest.c.status, sa.func.count()).select_from(joined).where(*known)
        with self._reading() as connection:
            row = dict(connection.execute(totals.select_from(joined).where(*known)).mappings().one())
            row["repositories"] = connection.scalar(sa.select(sa.func.count(repositories.c.id)).where(*known)) or 0
            found = connection.execute(statuses.group_by(latest.c.status))
            row["statuses"] = dict(list(found.tuples()))
        return row

    def fleet_change(self, before: str, team_id: int | None = None) -> tuple[float | None, int]:
        """Points that the mean score moved since the Monday `before`, and over how many repositories.

        Like is compared with like: only repositories that have a score of that week and one of now, so that one that
        came or went moves nothing. None without any.
        """
        latest, weeks, repositories = tables.latest, tables.latest_weeks, tables.repositories
        at_week = sa.and_(
            weeks.c.repository_id == latest.c.repository_id, weeks.c.magic == WHOLE, weeks.c.week == before
        )
        statement = (
            sa.select(sa.func.avg(latest.c.score - weeks.c.score), sa.func.count(latest.c.score - weeks.c.score))
            .select_from(latest)
            .join(weeks, at_week)
            .join(repositories, repositories.c.id == latest.c.repository_id)
            .where(*known_repositories(team_id))
        )
        with self._reading() as connection:
            change, repositories_compared = connection.execute(statement).tuples().one()
            return change, repositories_compared

    def fleet_weeks(
        self, since: str, team_id: int | None = None, *, magic: str = WHOLE
    ) -> list[tuple[str, list[float]]]:
        """(week, scores of the repositories that have one), oldest week first, from the Monday `since` on.

        One row a week comes from the database: a year of a fleet is 15,000 scores, and a row for each costs 40 ms.
        """
        weeks, repositories = tables.latest_weeks, tables.repositories
        shown = sa.select(repositories.c.id).where(*known_repositories(team_id))
        scores = sa.func.aggregate_strings(sa.cast(weeks.c.score, sa.Text), ",")
        statement = (
            sa.select(weeks.c.week, scores)
            .where(weeks.c.magic == magic, weeks.c.week >= since, weeks.c.score.is_not(None))
            .where(weeks.c.repository_id.in_(shown))
            .group_by(weeks.c.week)
            .order_by(weeks.c.week)
        )
        with self._reading() as connection:
            return [
                (week, [float(score) for score in joined.split(",")]) for week, joined in connection.execute(statement)
            ]

    def fleet_page(self, wanted: RepositoryFilter, *, before: str, team_id: int | None = None) -> tuple[list[Row], int]:
        """Repositories of one page, and how many there are on all pages.

        Each: id, repository, team, team_name, score, status, reason, open, critical, high, coverage (share), as_of,
        audited_at, change (points since the Monday `before`), failed_at; what no audit said is None.
        """
        statement, columns = _fleet_statement(wanted, before, team_id)
        order = columns[wanted.sort]
        ordered = order.desc() if wanted.is_descending else order.asc()
        page = (
            statement.order_by(order.is_(None), ordered, tables.repositories.c.key)
            .offset(wanted.offset)
            .limit(min(wanted.limit, PAGE_ROWS_MAX))
        )
        total = sa.select(sa.func.count()).select_from(statement.order_by(None).subquery())
        with self._reading() as connection:
            rows = [dict(row) for row in connection.execute(page).mappings()]
            return rows, connection.scalar(total) or 0

    def sparklines(self, repositories: Iterable[int], since: str, magic: str = WHOLE) -> dict[int, list[float | None]]:
        """Scores by week of a few repositories, oldest first, from the Monday `since` on."""
        weeks = tables.latest_weeks
        wanted = list(repositories)
        found: dict[int, list[float | None]] = {number: [] for number in wanted}
        statement = (
            sa.select(weeks.c.repository_id, weeks.c.score)
            .where(weeks.c.repository_id.in_(wanted), weeks.c.magic == magic, weeks.c.week >= since)
            .order_by(weeks.c.repository_id, weeks.c.week)
        )
        with self._reading() as connection:
            for number, score in connection.execute(statement).tuples():
                found[number].append(score)
        return found

    def movers(self, since: dt.datetime, week: str, *, limit: int = 8, team_id: int | None = None) -> list[Row]:
        """Repositories whose score moved most since a time, largest move first.

        Compared is the last audit with the score that history gave the week of that Monday, as the table of changes
        does. Where the last audit before that time had another ruler, it is that one: people saw its score. Where no
        such week is known, it is the last audit before. Without a newer commit only another ruler counts as a move.
        Each row: id, repository, before and after (scores), change, ruler_before, ruler_after, snapshot_before (None
        where no audit had that score), snapshot_after.
        """
        latest, counts, repositories, weeks = (
            tables.latest, tables.audit_counts, tables.repositories, tables.latest_weeks
        )  # fmt: skip
        earlier = counts.alias("earlier")
        before = (
            sa.select(sa.func.max(earlier.c.audit_id))
            .where(
                earlier.c.repository_id == latest.c.repository_id,
                earlier.c.as_of <= since,
                earlier.c.audit_id < latest.c.audit_id,
            )
            .correlate(latest)
            .scalar_subquery()
        )
        snapshots = tables.snapshots
        is_other_ruler = snapshots.c.ruler != latest.c.ruler
        is_same_week = weeks.c.ruler == latest.c.ruler
        first = sa.case(
            (is_other_ruler, counts.c.score),
            (is_same_week, weeks.c.score),
            else_=sa.func.coalesce(counts.c.score, weeks.c.score),
        )
        ruler = sa.case(
            (is_other_ruler, snapshots.c.ruler),
            (is_same_week, weeks.c.ruler),
            else_=sa.func.coalesce(snapshots.c.ruler, weeks.c.ruler),
        )
        has_audit = sa.func.abs(counts.c.score - first) < SHOWN_CHANGE_MIN
        change = (latest.c.score - first).label("change")
        statement = (
            sa.select(
                repositories.c.id,
                repositories.c.key.label("repository"),
                first.label("before"),
                latest.c.score.label("after"),
                change,
                latest.c.ruler.label("ruler_after"),
                latest.c.snapshot_id.label("snapshot_after"),
                sa.case((has_audit, tables.audits.c.snapshot_id)).label("snapshot_before"),
                ruler.label("ruler_before"),
            )
            .select_from(latest)
            .join(repositories, repositories.c.id == latest.c.repository_id)
            .outerjoin(counts, counts.c.audit_id == before)
            .outerjoin(tables.audits, tables.audits.c.id == counts.c.audit_id)
            .outerjoin(snapshots, snapshots.c.id == tables.audits.c.snapshot_id)
            .outerjoin(
                weeks,
                sa.and_(weeks.c.repository_id == latest.c.repository_id, weeks.c.magic == WHOLE, weeks.c.week == week),
            )
            .where(
                *known_repositories(team_id),
                sa.func.abs(change) >= SHOWN_CHANGE_MIN,
                sa.or_(
                    latest.c.as_of > since,
                    sa.and_(latest.c.audited_at > since, ruler != latest.c.ruler),
                ),
            )
            .order_by(sa.func.abs(change).desc(), repositories.c.key)
            .limit(limit)
        )
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def outcomes_of(self, snapshots: Iterable[int]) -> dict[int, dict[str, Row]]:
        """Outcomes of a few snapshots, by snapshot and rule: status, units, affected, magic."""
        table = tables.outcomes
        wanted = list(snapshots)
        found: dict[int, dict[str, Row]] = {number: {} for number in wanted}
        columns = (table.c.rule, table.c.magic, table.c.status, table.c.reason, table.c.units, table.c.affected)
        statement = sa.select(table.c.snapshot_id, *columns, table.c.duration_ms)
        with self._reading() as connection:
            for row in connection.execute(statement.where(table.c.snapshot_id.in_(wanted))).mappings():
                found[row["snapshot_id"]][row["rule"]] = dict(row)
        return found

    def magics_since(
        self, repositories: Iterable[int], week: str
    ) -> dict[int, dict[str, tuple[float | None, float | None]]]:
        """Scores of the magics in the week of a Monday and now, by repository and magic."""
        weeks, now = tables.latest_weeks, tables.latest_magics
        found: dict[int, dict[str, tuple[float | None, float | None]]] = {}
        statement = (
            sa.select(now.c.repository_id, now.c.magic, weeks.c.score, now.c.score)
            .join(weeks, sa.and_(weeks.c.repository_id == now.c.repository_id, weeks.c.magic == now.c.magic))
            .where(now.c.repository_id.in_(list(repositories)), weeks.c.week == week)
            .order_by(now.c.repository_id, now.c.magic)
        )
        with self._reading() as connection:
            for number, magic, before, after in connection.execute(statement).tuples():
                found.setdefault(number, {})[magic] = (before, after)
        return found

    def week_score(self, repository_id: int, week: str, ruler: str) -> float | None:
        """The score of the whole in the week of a Monday; None where that ruler did not judge it."""
        weeks = tables.latest_weeks
        statement = sa.select(weeks.c.score).where(
            weeks.c.repository_id == repository_id,
            weeks.c.magic == WHOLE,
            weeks.c.week == week,
            weeks.c.ruler == ruler,
        )
        with self._reading() as connection:
            score: float | None = connection.scalar(statement)
            return score

    def cannot_audit(self, team_id: int | None = None) -> list[Row]:
        """Repositories whose last attempts failed, longest first.

        id, repository, team, since, reason (of the last attempt), attempts, run_id.
        """
        repositories, teams = tables.repositories, tables.teams
        failing = self.failing()
        statement = (
            sa.select(repositories.c.id, repositories.c.key.label("repository"), teams.c.key.label("team"))
            .join(teams, teams.c.id == repositories.c.team_id, isouter=True)
            .where(*known_repositories(team_id), repositories.c.id.in_(list(failing)))
        )
        with self._reading() as connection:
            rows = [{**row, **failing[row["id"]]} for row in connection.execute(statement).mappings()]
        return sorted(rows, key=lambda row: (row["since"], row["repository"]))

    def newest_change(self) -> str:
        """A mark that differs when something that pages show was written: newest ids, and counters of other writes."""
        counters = tables.watermarks
        newest = [sa.select(sa.func.max(table.c.id)).scalar_subquery() for table in _WATCHED]
        told = sa.select(counters.c.name, counters.c.value).where(counters.c.name.in_(_TOLD))
        with self._reading() as connection:
            marks = connection.execute(sa.select(*newest)).one()
            counted = {row.name: row.value for row in connection.execute(told)}
        return "-".join([str(mark or 0) for mark in marks] + [counted.get(name, "0") for name in _TOLD])


_WATCHED = (
    tables.audits, tables.live_events, tables.gates, tables.audit_failures, tables.inbox, tables.alert_decisions,
    tables.notices, tables.feedback, tables.audit_log, tables.tickets,
)  # fmt: skip
"""What grows whenever something changes that pages show; what people change stands in the audit log. Whoever writes
other tables, or changes rows that are there, calls `_tell_pages`."""
_TOLD = tuple(f"{TOLD}{told}" for told in get_args(Told))


def known_repositories(team_id: int | None) -> Sequence[sa.ColumnElement[bool]]:
    """Registered, and visible to whoever has a team."""
    repositories = tables.repositories
    shown: list[sa.ColumnElement[bool]] = [repositories.c.removed_at.is_(None)]
    return shown if team_id is None else [*shown, repositories.c.team_id == team_id]


def _fleet_statement(
    wanted: RepositoryFilter, before: str, team_id: int | None
) -> tuple[sa.Select[Any], dict[str, sa.ColumnElement[Any]]]:
    latest, repositories, teams = tables.latest, tables.repositories, tables.teams
    weeks = tables.latest_weeks
    at_week = sa.and_(weeks.c.repository_id == repositories.c.id, weeks.c.magic == WHOLE, weeks.c.week == before)
    failures = tables.audit_failures
    failed_at = (
        sa.select(sa.func.max(failures.c.failed_at))
        .where(
            failures.c.repository_id == repositories.c.id,
            sa.or_(latest.c.audited_at.is_(None), failures.c.failed_at > latest.c.audited_at),
        )
        .correlate(repositories, latest)
        .scalar_subquery()
    )
    coverage = latest.c.analysed_files * 1.0 / sa.func.nullif(latest.c.eligible_files, 0)
    change = latest.c.score - weeks.c.score
    columns: dict[str, sa.ColumnElement[Any]] = {
        "repository": repositories.c.key,
        "team": teams.c.key,
        "score": latest.c.score,
        "change": change,
        "open": latest.c.open,
        "critical": latest.c.critical * 1_000_000 + latest.c.high,
        "coverage": coverage,
        "audited": latest.c.audited_at,
    }
    statement = (
        sa.select(
            repositories.c.id,
            repositories.c.key.label("repository"),
            teams.c.key.label("team"),
            teams.c.name.label("team_name"),
            *(latest.c[name] for name in ("score", "status", "reason", "open", "critical", "high")),
            latest.c.as_of,
            latest.c.audited_at,
            coverage.label("coverage"),
            change.label("change"),
            failed_at.label("failed_at"),
        )
        .select_from(repositories)
        .join(latest, latest.c.repository_id == repositories.c.id, isouter=True)
        .join(teams, teams.c.id == repositories.c.team_id, isouter=True)
        .join(weeks, at_week, isouter=True)
        .where(*known_repositories(team_id))
    )
    return _narrowed(statement, wanted, failed_at), columns


def _narrowed(statement: sa.Select[Any], wanted: RepositoryFilter, failed_at: sa.ScalarSelect[Any]) -> sa.Select[Any]:
    latest, repositories, teams = tables.latest, tables.repositories, tables.teams
    if wanted.text:
        statement = statement.where(repositories.c.key.icontains(wanted.text, autoescape=True))
    if wanted.team:
        statement = statement.where(teams.c.key == wanted.team)
    if wanted.status == "failing":
        return statement.where(failed_at.is_not(None))
    if wanted.status == "never":
        return statement.where(latest.c.repository_id.is_(None))
    return statement.where(latest.c.status == wanted.status) if wanted.status else statement
