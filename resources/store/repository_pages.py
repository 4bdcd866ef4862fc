"""What the pages of one repository, of findings, rules, gates and teams read; bounded and paged in SQL."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from elder_assets.audit.errors import RepositoryNotFound, UnknownRecord
from elder_assets.audit.finding_states import ACTIVE
from resources.store import tables
from resources.store.findings import as_last_seen
from resources.store.pages import PAGE_ROWS_MAX, Pages, Row, known_repositories

FindingSort = Literal["severity", "path", "rule", "seen"]
SEVERITIES = ("critical", "high", "medium", "low", "info")
AUDITS_SHOWN = 60


class FindingFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which findings are shown, and in which order."""

    standing: str = "active"
    """active (open and suppressed), open, suppressed, fixed, removed or all."""
    severity: str = ""
    magic: str = ""
    rule: str = ""
    path: str = ""
    """Part of the path, in any case."""
    arrival: str = ""
    """new, unveiled or reopened."""
    sort: FindingSort = "severity"
    is_descending: bool = False
    offset: int = 0
    limit: int = 50


class RepositoryPages(Pages):
    """A part of the store."""

    def repository_now(self, key: str, team_id: int | None = None) -> Row:
        """A repository, its team, project and last audit in one row; what is not there is None.

        Raises:
            RepositoryNotFound: it is not registered, or of another team.
        """
        repositories, latest, teams, projects = tables.repositories, tables.latest, tables.teams, tables.projects
        kept = [column for column in latest.columns if column.name != "repository_id"]
        statement = (
            sa.select(
                repositories.c.id,
                repositories.c.key.label("repository"),
                repositories.c.url,
                repositories.c.team_id,
                teams.c.key.label("team"),
                teams.c.name.label("team_name"),
                *(projects.c[name] for name in ("web_url", "is_public", "tier", "default_branch")),
                projects.c.status.label("project_status"),
                *kept,
            )
            .join(latest, latest.c.repository_id == repositories.c.id, isouter=True)
            .join(teams, teams.c.id == repositories.c.team_id, isouter=True)
            .join(projects, projects.c.repository_id == repositories.c.id, isouter=True)
        )
        with self._reading() as connection:
            found = self._repository(connection, key)
            shown = statement.where(repositories.c.id == found.id, *known_repositories(team_id))
            row = connection.execute(shown).mappings().one_or_none()
        if row is None:
            msg = f"{key} is not registered; add it with: elder repo add <path or URL>"
            raise RepositoryNotFound(msg)
        return dict(row)

    def magics_now(self, repository_id: int) -> dict[str, Row]:
        """Each magic's result now, by magic: the columns of `latest_magics`."""
        table = tables.latest_magics
        with self._reading() as connection:
            found = connection.execute(sa.select(table).where(table.c.repository_id == repository_id)).mappings()
            return {row["magic"]: dict(row) for row in found}

    def magics_of(self, repository_ids: Iterable[int]) -> dict[int, dict[str, Row]]:
        """Status and score of each magic of a few repositories now, by repository and magic."""
        table = tables.latest_magics
        found: dict[int, dict[str, Row]] = {}
        statement = sa.select(table.c.repository_id, table.c.magic, table.c.status, table.c.score)
        with self._reading() as connection:
            for row in connection.execute(statement.where(table.c.repository_id.in_(list(repository_ids)))).mappings():
                found.setdefault(row["repository_id"], {})[row["magic"]] = dict(row)
        return found

    def rules_now(self, repository_id: int) -> list[Row]:
        """Active findings by rule and severity, most first: the columns of `latest_rules`."""
        table = tables.latest_rules
        statement = sa.select(table).where(table.c.repository_id == repository_id)
        with self._reading() as connection:
            return [
                dict(row)
                for row in connection.execute(statement.order_by(table.c.open.desc(), table.c.rule)).mappings()
            ]

    def files_now(self, repository_id: int) -> list[Row]:
        """Files for the map of a repository, in order of path: the columns of `latest_files`."""
        table = tables.latest_files
        statement = sa.select(table).where(table.c.repository_id == repository_id).order_by(table.c.path)
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def weeks_of(self, repository_id: int, since: str) -> list[Row]:
        """Scores by week and magic from a Monday on, oldest first: week, magic, score, status, findings."""
        weeks = tables.latest_weeks
        columns = (weeks.c.week, weeks.c.magic, weeks.c.score, weeks.c.status, weeks.c.findings)
        statement = sa.select(*columns).where(weeks.c.repository_id == repository_id, weeks.c.week >= since)
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(statement.order_by(weeks.c.week, weeks.c.magic)).mappings()]

    def audits_of(self, repository_id: int, limit: int = AUDITS_SHOWN) -> list[Row]:
        """The last audits, newest first.

        id, kind, audited_at, run_id, uploaded_by, commit, as_of, ruler, and of default audits the columns of
        `audit_counts`.
        """
        audits, snapshots, counts = tables.audits, tables.snapshots, tables.audit_counts
        names = ("score", "status", "open", "new", "unveiled", "reopened", "fixed", "removed", "suppressed")
        own = sa.select(snapshots.c.id).where(snapshots.c.repository_id == repository_id)
        statement = (
            sa.select(
                audits.c.id, audits.c.kind, audits.c.audited_at, audits.c.run_id, audits.c.uploaded_by,
                snapshots.c.commit, snapshots.c.as_of, snapshots.c.ruler,
                *(counts.c[name] for name in names),
            )
            .join(snapshots, snapshots.c.id == audits.c.snapshot_id)
            .join(counts, counts.c.audit_id == audits.c.id, isouter=True)
            .where(audits.c.snapshot_id.in_(own))
            .order_by(audits.c.id.desc())
            .limit(limit)
        )  # fmt: skip
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def failures_of(self, repository_id: int, limit: int = 10) -> list[Row]:
        """The last attempts that failed, newest first: the columns of `audit_failures`."""
        table = tables.audit_failures
        statement = sa.select(table).where(table.c.repository_id == repository_id)
        with self._reading() as connection:
            return [
                dict(row) for row in connection.execute(statement.order_by(table.c.id.desc()).limit(limit)).mappings()
            ]

    # --- findings --------------------------------------------------------------------------------------------

    def findings_page(self, repository_id: int, wanted: FindingFilter) -> tuple[list[Row], int]:
        """Findings of one page, and how many there are on all pages: the columns of `finding_states`."""
        table = tables.finding_states
        statement = _findings(wanted).where(table.c.repository_id == repository_id)
        total = sa.select(sa.func.count()).select_from(statement.subquery())
        order = _finding_order(wanted.sort)
        first = order.desc() if wanted.is_descending else order.asc()
        ordered = (first, _severity_rank(), table.c.path, table.c.line, table.c.id)
        # keys first: whole rows of a large repository are too wide to be sorted in memory
        keys = statement.with_only_columns(table.c.id).order_by(*ordered)
        shown = keys.offset(wanted.offset).limit(min(wanted.limit, PAGE_ROWS_MAX)).subquery()
        page = as_last_seen().join(shown, shown.c.id == table.c.id).order_by(*ordered)
        with self._reading() as connection:
            rows = [dict(row) for row in connection.execute(page).mappings()]
            return rows, connection.scalar(total) or 0

    def finding_now(self, finding_id: int, team_id: int | None = None) -> Row:
        """One finding with its repository (key), url and web_url: the columns of `finding_states`.

        Raises:
            UnknownRecord: there is none, or it is of another team.
        """
        table, repositories, projects = tables.finding_states, tables.repositories, tables.projects
        statement = (
            as_last_seen(repositories.c.key.label("repository"), repositories.c.url, projects.c.web_url)
            .join(repositories, repositories.c.id == table.c.repository_id)
            .join(projects, projects.c.repository_id == repositories.c.id, isouter=True)
            .where(table.c.id == finding_id, *known_repositories(team_id))
        )
        with self._reading() as connection:
            row = connection.execute(statement).mappings().one_or_none()
        if row is None:
            msg = f"there is no finding {finding_id}"
            raise UnknownRecord(msg)
        return dict(row)

    def lineage(self, audit_id: int | None) -> Row | None:
        """The audit behind a finding: audit, snapshot, ruler, run_id, uploaded_by, audited_at, commit, delivery."""
        audits, snapshots, inbox = tables.audits, tables.snapshots, tables.inbox
        statement = (
            sa.select(
                audits.c.id.label("audit"), audits.c.audited_at, audits.c.run_id, audits.c.kind, audits.c.uploaded_by,
                snapshots.c.id.label("snapshot"), snapshots.c.ruler, snapshots.c.commit, snapshots.c.tree,
            )
            .join(snapshots, snapshots.c.id == audits.c.snapshot_id)
            .where(audits.c.id == audit_id)
        )  # fmt: skip
        with self._reading() as connection:
            row = connection.execute(statement).mappings().one_or_none()
            if row is None:
                return None
            came = sa.select(inbox.c.id, inbox.c.source, inbox.c.delivery_id, inbox.c.received_at).where(
                inbox.c.run_id == row["run_id"]
            )
            by = connection.execute(came.limit(1)).mappings().one_or_none() if row["run_id"] else None
        return {**row, "delivery": dict(by) if by else None}

    def feedback_of(self, finding_id: int) -> list[Row]:
        """What people said of a finding, newest first: the columns of `feedback`."""
        table = tables.feedback
        statement = sa.select(table).where(table.c.finding_id == finding_id).order_by(table.c.id.desc()).limit(20)
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    # --- teams -------------------------------------------------------------------------------------------------

    def team_rows(self, team_id: int | None = None) -> list[Row]:
        """Teams in order of key: id, key, name, repositories, audited, score (mean), open, gating."""
        teams, repositories, latest = tables.teams, tables.repositories, tables.latest
        own = sa.and_(repositories.c.team_id == teams.c.id, repositories.c.removed_at.is_(None))
        statement = (
            sa.select(
                teams.c.id,
                teams.c.key,
                teams.c.name,
                sa.func.count(repositories.c.id).label("repositories"),
                sa.func.count(latest.c.repository_id).label("audited"),
                sa.func.avg(latest.c.score).label("score"),
                sa.func.coalesce(sa.func.sum(latest.c.open), 0).label("open"),
                sa.func.coalesce(sa.func.sum(latest.c.critical + latest.c.high), 0).label("gating"),
            )
            .join(repositories, own, isouter=True)
            .join(latest, latest.c.repository_id == repositories.c.id, isouter=True)
            .where(teams.c.removed_at.is_(None))
            .group_by(teams.c.id, teams.c.key, teams.c.name)
            .order_by(teams.c.key)
        )
        if team_id is not None:
            statement = statement.where(teams.c.id == team_id)
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def scorecard_now(self, team_id: int) -> list[Row]:
        """The newest week of a team's scorecard, by repository and magic: the columns of `scorecards`, repository."""
        table, repositories = tables.scorecards, tables.repositories
        newest = sa.select(sa.func.max(table.c.week)).where(table.c.team_id == team_id).scalar_subquery()
        statement = (
            sa.select(table, repositories.c.key.label("repository"))
            .join(repositories, repositories.c.id == table.c.repository_id)
            .where(table.c.team_id == team_id, table.c.week == newest, repositories.c.removed_at.is_(None))
            .order_by(repositories.c.key, table.c.magic)
        )
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    # --- rules and magics across the fleet ---------------------------------------------------------------------

    def rule_totals(self, team_id: int | None = None) -> dict[str, Row]:
        """By rule: open, suppressed, repositories (with open ones)."""
        table, repositories = tables.latest_rules, tables.repositories
        statement = (
            sa.select(
                table.c.rule,
                sa.func.sum(table.c.open).label("open"),
                sa.func.sum(table.c.suppressed).label("suppressed"),
                sa.func.count(sa.distinct(table.c.repository_id)).label("repositories"),
            )
            .join(repositories, repositories.c.id == table.c.repository_id)
            .where(*known_repositories(team_id))
            .group_by(table.c.rule)
        )
        with self._reading() as connection:
            return {row["rule"]: dict(row) for row in connection.execute(statement).mappings()}

    def rule_repositories(self, rule: str, team_id: int | None = None, limit: int = 50) -> list[Row]:
        """Repositories with active findings of a rule, most first: repository, severity, open, suppressed."""
        table, repositories = tables.latest_rules, tables.repositories
        statement = (
            sa.select(repositories.c.key.label("repository"), table.c.severity, table.c.open, table.c.suppressed)
            .join(repositories, repositories.c.id == table.c.repository_id)
            .where(table.c.rule == rule, *known_repositories(team_id))
            .order_by(table.c.open.desc(), repositories.c.key)
            .limit(limit)
        )
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def rule_verdicts(self, rule: str) -> dict[str, int]:
        """What people said of a rule's findings: how often true, false, unclear."""
        table, states = tables.feedback, tables.finding_states
        # by what was said, which is little: a join lets a planner read every finding of the rule
        its_rule = sa.select(states.c.rule).where(states.c.id == table.c.finding_id).scalar_subquery()
        statement = sa.select(table.c.verdict, sa.func.count()).where(its_rule == rule).group_by(table.c.verdict)
        with self._reading() as connection:
            return dict(list(connection.execute(statement).tuples()))

    def magic_totals(self, team_id: int | None = None) -> list[Row]:
        """By magic and status: repositories, score (mean), findings."""
        table, repositories = tables.latest_magics, tables.repositories
        statement = (
            sa.select(
                table.c.magic,
                table.c.status,
                sa.func.count().label("repositories"),
                sa.func.avg(table.c.score).label("score"),
                sa.func.sum(table.c.findings).label("findings"),
            )
            .join(repositories, repositories.c.id == table.c.repository_id)
            .where(*known_repositories(team_id))
            .group_by(table.c.magic, table.c.status)
        )
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def magic_page(
        self, magic: str, *, offset: int, limit: int, is_descending: bool = False, team_id: int | None = None
    ) -> tuple[list[Row], int]:
        """Repositories by their score in a magic, and how many there are: the columns of `latest_magics`."""
        table, repositories = tables.latest_magics, tables.repositories
        statement = (
            sa.select(table, repositories.c.key.label("repository"))
            .join(repositories, repositories.c.id == table.c.repository_id)
            .where(table.c.magic == magic, *known_repositories(team_id))
        )
        order = table.c.score.desc() if is_descending else table.c.score.asc()
        page = statement.order_by(table.c.score.is_(None), order, repositories.c.key).offset(offset).limit(limit)
        total = sa.select(sa.func.count()).select_from(statement.subquery())
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(page).mappings()], connection.scalar(total) or 0

    def failed_gates(self, repository_id: int, since: dt.datetime, limit: int = 20) -> list[Row]:
        """The last gates of a repository that failed since a time, newest first: id, judged_at, title."""
        table = tables.gates
        statement = (
            sa.select(table.c.id, table.c.judged_at, table.c.title)
            .where(table.c.repository_id == repository_id, table.c.status == "failed", table.c.judged_at >= since)
            .order_by(table.c.judged_at.desc())
            .limit(limit)
        )
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]


def _severity_rank() -> sa.ColumnElement[int]:
    ranks = {name: index for index, name in enumerate(SEVERITIES)}
    return sa.case(ranks, value=tables.finding_states.c.severity, else_=len(ranks))


def _finding_order(sort: FindingSort) -> sa.ColumnElement[Any]:
    table = tables.finding_states
    # an expression: else PostgreSQL walks the index of rules through every repository to spare itself the sort
    rule = sa.func.coalesce(table.c.rule, "")
    return {"severity": _severity_rank(), "path": table.c.path, "rule": rule, "seen": table.c.first_seen}[sort]


def _findings(wanted: FindingFilter) -> sa.Select[Any]:
    table = tables.finding_states
    statement = sa.select(table)
    if wanted.standing == "active":
        statement = statement.where(table.c.standing.in_(ACTIVE))
    elif wanted.standing != "all":
        statement = statement.where(table.c.standing == wanted.standing)
    for name in ("severity", "magic", "rule", "arrival"):
        if value := getattr(wanted, name):
            statement = statement.where(table.c[name] == value)
    return statement.where(table.c.path.icontains(wanted.path, autoescape=True)) if wanted.path else statement
