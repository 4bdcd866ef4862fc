"""One step of telling people: the next thing that happened, what was before it, and what is decided about it.

Everything of a turn is one transaction that holds the mark how far events were read: a process that dies in between
neither loses nor doubles, and of two processes one waits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, RowMapping

from elder_assets.audit.alert_events import (
    DAY_SECONDS,
    JUDGED,
    AuditSummary,
    MagicSummary,
    ScorePoint,
    Suppression,
    TopFinding,
)
from elder_assets.audit.alerts import TOLD, Action, AlertRule, Decision, Notice, Past
from elder_assets.audit.dates import utc
from elder_assets.audit.model import Severity, Status
from resources.store import tables
from resources.store.database import storable
from resources.store.finding_standings import standings_after

MARK = "alerts"
WAITING = "waiting"
DEFAULT, FAILED_STATUS = "default", Status.ERROR.value
SourceName = Literal["audits", "failures", "gates"]
LATEST_KEPT = 200
"""Of the newest decisions all are looked at; of older ones those that people know of. A dropped one only says that this
event was decided before, and an event comes once."""
POINTS_MAX = 5_000


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """How far each source was read: ids of the last rows, and the day on which suppressions were looked at."""

    audits: int = 0
    failures: int = 0
    gates: int = 0
    suppressions_on: str = ""


class News(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, and that people may have to be told of."""

    source: SourceName
    id: int
    repository_id: int
    moment: datetime

    @property
    def at(self) -> int:
        """When, as seconds since the epoch."""
        return int(self.moment.timestamp())


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Decisions on one repository, oldest first, and the id of the last one."""

    until_id: int = 0
    pasts: list[Past] = []


class GateNews(msgspec.Struct, frozen=True, kw_only=True):
    """A gate of a change, and how the change stood at the gate before."""

    repository: str
    team: str
    what: str
    """The change: its number, or its base where it has none."""
    at: int
    head: str
    status: str
    before: str | None
    reason: str
    failing: tuple[TopFinding, ...]
    failed: int


def newest_marks(connection: Connection, *, is_settled: bool = False) -> Marks:
    """The newest row of each source; when settled, no lower one can appear any more.

    In PostgreSQL a transaction may still hold a lower id than one that is visible; a lock that waits for every writer
    shuts that out. SQLite has one writer at a time.
    """
    sources = {"audits": tables.audits, "failures": tables.audit_failures, "gates": tables.gates}
    if is_settled and connection.dialect.name == "postgresql":
        names = ", ".join(f"{tables.POSTGRESQL_SCHEMA}.{table.name}" for table in sources.values())
        connection.exec_driver_sql(f"LOCK TABLE {names} IN SHARE MODE")
    newest = {name: connection.scalar(sa.select(sa.func.max(table.c.id))) or 0 for name, table in sources.items()}
    return Marks(audits=newest["audits"], failures=newest["failures"], gates=newest["gates"])


class AlertTurn:
    """What can be read and written in one turn."""

    def __init__(
        self,
        connection: Connection,
        marks: Marks,
        rules: Sequence[AlertRule],
        channels: dict[str, int],
        clock: Callable[[], datetime],
    ) -> None:
        self._connection, self._clock, self._channels = connection, clock, channels
        self.marks, self.rules = marks, rules

    # --- what happened ----------------------------------------------------------------------------------------

    def next_news(self, settled: Marks) -> News | None:
        """The oldest thing that was not read yet; None when everything up to `settled` was."""
        found = [self._next_audit(settled), self._next("failures", settled), self._next("gates", settled)]
        return min((news for news in found if news), key=lambda news: (news.moment, news.source), default=None)

    def _next_audit(self, settled: Marks) -> News | None:
        audits, counts = tables.audits, tables.audit_counts
        statement = (
            sa.select(audits.c.id, audits.c.audited_at.label("at"), counts.c.repository_id)
            .join(counts, counts.c.audit_id == audits.c.id)
            .where(audits.c.id > self.marks.audits, audits.c.id <= settled.audits)
            .order_by(audits.c.id)
            .limit(1)
        )
        return self._news("audits", statement)

    def _next(self, source: Literal["failures", "gates"], settled: Marks) -> News | None:
        table = {"failures": tables.audit_failures, "gates": tables.gates}[source]
        at = table.c.failed_at if source == "failures" else table.c.judged_at
        statement = (
            sa.select(table.c.id, at.label("at"), table.c.repository_id)
            .where(table.c.id > getattr(self.marks, source), table.c.id <= getattr(settled, source))
            .order_by(table.c.id)
            .limit(1)
        )
        return self._news(source, statement)

    def _news(self, source: SourceName, statement: sa.Select[Any]) -> News | None:
        row = self._connection.execute(statement).mappings().one_or_none()
        if row is None:
            return None
        return News(source=source, id=row["id"], repository_id=row["repository_id"], moment=row["at"])

    def read(self, marks: Marks) -> None:
        """Set the mark how far events were read."""
        table = tables.watermarks
        values = {"value": msgspec.json.encode(marks).decode(), "changed_at": self._clock()}
        self._connection.execute(sa.update(table).where(table.c.name == MARK).values(**values))
        self.marks = marks

    # --- how things stood -------------------------------------------------------------------------------------

    def summary(self, news: News) -> AuditSummary:
        """What an audit, or an attempt at one, says."""
        return self._audit(news) if news.source == "audits" else self._failure(news)

    def before(self, news: News) -> tuple[AuditSummary | None, AuditSummary | None]:
        """The audit or attempt before this one, and the last audit before it that was not an error."""
        audit, judged = self._last_audit(news), self._last_audit(news, only_judged=True)
        failure = self._last_failure(news)
        last = max((n for n in (audit, failure) if n), key=lambda n: (n.moment, n.source), default=None)
        good = self.summary(judged) if judged else None
        if last is None or (judged and (last.source, last.id) == (judged.source, judged.id)):
            return good, good
        return self.summary(last), good

    def _last_audit(self, news: News, *, only_judged: bool = False) -> News | None:
        audits, counts = tables.audits, tables.audit_counts
        statement = (
            sa.select(audits.c.id, audits.c.audited_at.label("at"), counts.c.repository_id)
            .join(counts, counts.c.audit_id == audits.c.id)
            .where(counts.c.repository_id == news.repository_id)
            .order_by(audits.c.id.desc())
            .limit(1)
        )
        if news.source == "audits":
            statement = statement.where(audits.c.id < news.id)
        else:
            statement = statement.where(audits.c.id <= self.marks.audits)
        if only_judged:
            statement = statement.where(counts.c.status != FAILED_STATUS)
        return self._news("audits", statement)

    def _last_failure(self, news: News) -> News | None:
        table = tables.audit_failures
        statement = (
            sa.select(table.c.id, table.c.failed_at.label("at"), table.c.repository_id)
            .where(table.c.repository_id == news.repository_id)
            .order_by(table.c.id.desc())
            .limit(1)
        )
        is_own = news.source == "failures"
        return self._news(
            "failures", statement.where(table.c.id < news.id if is_own else table.c.id <= self.marks.failures)
        )

    def _audit(self, news: News) -> AuditSummary:
        audits, snapshots, counts = tables.audits, tables.snapshots, tables.audit_counts
        statement = (
            sa.select(
                *(snapshots.c.commit, snapshots.c.revision, snapshots.c.as_of_seconds, snapshots.c.reason),
                *(counts.c.status, counts.c.score, counts.c.magics),
            )
            .join(snapshots, snapshots.c.id == audits.c.snapshot_id)
            .join(counts, counts.c.audit_id == audits.c.id)
            .where(audits.c.id == news.id)
        )
        row = self._connection.execute(statement).mappings().one()
        key, team = self._names(news.repository_id)
        status = Status(row["status"])
        return AuditSummary(
            repository=key,
            team=team,
            commit=row["commit"] or row["revision"],
            as_of=row["as_of_seconds"],
            audited_at=news.at,
            status=status,
            score=row["score"],
            magics=tuple(_magic(values) for values in row["magics"] or ()),
            criticals=self._open_findings(news, _IS_CRITICAL),
            predictions=self._open_findings(news, _IS_PREDICTION),
            reason=row["reason"] if status is Status.ERROR else "",
            link=f"/repositories/{key}",
        )

    def _failure(self, news: News) -> AuditSummary:
        table = tables.audit_failures
        reason = self._connection.scalars(sa.select(table.c.reason).where(table.c.id == news.id)).one()
        key, team = self._names(news.repository_id)
        return AuditSummary(
            repository=key,
            team=team,
            commit="",
            as_of=news.at,
            audited_at=news.at,
            status=Status.ERROR,
            score=None,
            reason=reason,
            link=f"/repositories/{key}",
        )

    def _names(self, repository_id: int) -> tuple[str, str]:
        repositories, teams = tables.repositories, tables.teams
        statement = (
            sa.select(repositories.c.key, teams.c.key.label("team"))
            .outerjoin(teams, teams.c.id == repositories.c.team_id)
            .where(repositories.c.id == repository_id)
        )
        row = self._connection.execute(statement).one()
        return row.key, row.team or ""

    def _open_findings(self, news: News, wanted: sa.ColumnElement[bool]) -> tuple[TopFinding, ...]:
        """Findings that were open after an audit, worst first."""
        open_ids = standings_after(self._connection, news.repository_id, news.id, wanted)
        table = tables.finding_states
        rows: list[RowMapping] = []
        for start in range(0, len(open_ids), 500):
            statement = sa.select(table).where(table.c.id.in_(open_ids[start : start + 500]))
            rows += self._connection.execute(statement).mappings()
        ordered = sorted(rows, key=lambda r: (Severity(r["severity"]).rank, r["path"], r["line"], r["rule"], r["id"]))
        return tuple(_top(row) for row in ordered)

    def points(self, news: News, days: int) -> list[ScorePoint]:
        """Scores of earlier audits within some days before this one, oldest first."""
        audits, counts = tables.audits, tables.audit_counts
        statement = (
            sa.select(audits.c.audited_at, counts.c.score)
            .join(counts, counts.c.audit_id == audits.c.id)
            .where(
                counts.c.repository_id == news.repository_id,
                audits.c.id < news.id,
                audits.c.audited_at >= utc(news.at - days * DAY_SECONDS),
                counts.c.score.is_not(None),
                counts.c.status.in_([status.value for status in JUDGED]),
            )
            .order_by(audits.c.id.desc())
            .limit(POINTS_MAX)
        )
        return [ScorePoint(_seconds(at), score) for at, score in self._connection.execute(statement)]

    def gate(self, news: News) -> GateNews:
        """A gate, and how the same change stood at the gate before."""
        table = tables.gates
        row = self._connection.execute(sa.select(table).where(table.c.id == news.id)).mappings().one()
        number = row["change_number"]
        same = (
            table.c.change_number == number
            if number is not None
            else sa.and_(table.c.change_number.is_(None), table.c.base == row["base"])
        )
        earlier = (
            sa.select(table.c.status)
            .where(table.c.repository_id == news.repository_id, table.c.id < news.id, same)
            .order_by(table.c.id.desc())
            .limit(1)
        )
        key, team = self._names(news.repository_id)
        name = f"#{number} {row['title']}".strip() if number is not None else row["head"][:12]
        return GateNews(
            repository=key,
            team=team,
            what=f"#{number}" if number is not None else row["base"][:12],
            at=news.at,
            head=row["head"],
            status=row["status"],
            before=self._connection.scalar(earlier),
            reason=f"{name}: {row['reason']}",
            failing=tuple(_reported(finding) for finding in row["report"].get("failing", ())[:3]),
            failed=row["failing"],
        )

    def expiring(self, until_days: int, today: str) -> list[tuple[int, str, str, list[Suppression]]]:
        """(repository id, key, team, suppressions) of what is held back now and ends within some days."""
        table = tables.finding_states
        statement = sa.select(table).where(table.c.standing == "suppressed", table.c.suppression.is_not(None))
        found: dict[int, dict[str, Suppression]] = {}
        for row in self._connection.execute(statement.order_by(table.c.id)).mappings():
            held = _suppression(row)
            if held and held.until - _midnight(today) <= (until_days + 1) * DAY_SECONDS:
                found.setdefault(row["repository_id"], {}).setdefault(held.suppression_id, held)
        return [(number, *self._names(number), list(held.values())) for number, held in sorted(found.items())]

    # --- what is decided --------------------------------------------------------------------------------------

    def history(self, repository_id: int | None, known: History | None = None) -> History:
        """Earlier decisions on a repository (None: on Elder itself), oldest first.

        Args:
            repository_id: whose.
            known: what a turn before this one read; only what came since is read again, for nothing is ever changed.
        """
        table = tables.alert_decisions
        about = table.c.repository_id == repository_id if repository_id is not None else table.c.repository_id.is_(None)
        statement = sa.select(table.c.id, table.c.document).where(about).order_by(table.c.id)
        if known is None:
            newest = sa.select(table.c.id).where(about).order_by(table.c.id.desc()).limit(LATEST_KEPT)
            told = table.c.action.in_([action.value for action in TOLD]) | table.c.key.like("%|recovered")
            statement, known = statement.where(told | table.c.id.in_(newest)), History()
        rows = self._connection.execute(statement.where(table.c.id > known.until_id)).all()
        if not rows:
            return known
        more = [msgspec.convert(row.document, Decision).past for row in rows]
        return History(until_id=rows[-1].id, pasts=[*known.pasts, *more])

    def keep(self, repository_id: int | None, decisions: Sequence[Decision]) -> int:
        """Keep decisions, and for those that people are told of a notice a channel; how many notices are new."""
        own = self._own_channels(repository_id)
        return sum(self._keep_one(repository_id, decision, own) for decision in decisions)

    def _keep_one(self, repository_id: int | None, decision: Decision, own: Sequence[str]) -> int:
        table, now = tables.alert_decisions, self._clock()
        row = {
            "repository_id": repository_id,
            "rule": decision.rule,
            "key": storable(decision.notice.key),
            "action": decision.action.value,
            "document": storable(msgspec.to_builtins(decision)),
            "at": utc(decision.at),
        }
        number = self._connection.scalars(sa.insert(table).returning(table.c.id), row).one()
        if decision.action not in TOLD:
            return 0
        wanted = [self._channels[name] for name in dict.fromkeys((*decision.channels, *own)) if name in self._channels]
        is_held = decision.action is not Action.SEND
        dialect = postgresql if self._connection.dialect.name == "postgresql" else sqlite
        made = 0
        for channel_id in wanted:
            values = notice_row(decision.notice, channel_id, decision.at, now, is_held=is_held, decision_id=number)
            insert = dialect.insert(tables.notices).values(**values).on_conflict_do_nothing()
            made += self._connection.execute(insert).rowcount
        return made

    def _own_channels(self, repository_id: int | None) -> Sequence[str]:
        """Channels that the project itself names; they are told beside those of a rule."""
        table = tables.projects
        statement = sa.select(table.c.channels).where(table.c.repository_id == repository_id)
        found: list[str] | None = self._connection.scalar(statement)
        return found or []


def notice_row(notice: Notice, channel_id: int, leaves_at: int, created_at: datetime, **more: Any) -> dict[str, Any]:
    """A row of the outbox."""
    document = {"notice": msgspec.to_builtins(notice), "leaves_at": leaves_at, "is_held": more.get("is_held", False)}
    return {
        "decision_id": more.get("decision_id"),
        "channel_id": channel_id,
        "key": storable(notice.key),
        "document": storable(document),
        "state": WAITING,
        "attempts": 0,
        "next_at": utc(leaves_at),
        "error": "",
        "created_at": created_at,
    }


_STATES = tables.finding_states.c
_IS_CRITICAL = sa.and_(_STATES.tier == "gate", _STATES.severity == Severity.CRITICAL.value)
_IS_PREDICTION = sa.and_(_STATES.rule.like("PRD%"), _STATES.severity != Severity.INFO.value)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _midnight(day: str) -> int:
    return _seconds(datetime.fromisoformat(f"{day}T00:00:00+00:00"))


def _magic(values: Sequence[Any]) -> MagicSummary:
    magic, status, score, units, affected = values
    return MagicSummary(magic=magic, status=Status(status), score=score, units=units, affected=affected)


def _top(row: RowMapping) -> TopFinding:
    return TopFinding(
        finding_id=str(row["id"]),
        rule=row["rule"],
        place=f"{row['path']}:{row['line']}" if row["line"] else row["path"],
        message=row["message"],
        remedy=row["remedy"],
    )


def _reported(finding: dict[str, Any]) -> TopFinding:
    path, line = str(finding.get("path", "")), finding.get("line", 0)
    return TopFinding(
        finding_id=str(finding.get("fingerprint", "")),
        rule=str(finding.get("rule", "")),
        place=f"{path}:{line}" if line else path,
        message=str(finding.get("message", "")),
        remedy=str(finding.get("remedy", "")),
    )


def _suppression(row: RowMapping) -> Suppression | None:
    """What holds a finding back, with the end of its last day."""
    held = row["suppression"]
    if not held.get("until"):
        return None
    return Suppression(
        suppression_id=f"{held['place']} {row['rule']} {held['until']}",
        rule=row["rule"],
        place=f"{row['path']}:{row['line']}" if row["line"] else row["path"],
        reason=held["reason"],
        until=_midnight(held["until"]) + DAY_SECONDS,
    )
