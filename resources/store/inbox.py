"""The inbox of the results store: what was asked of Elder, once each, and what became of it.

Webhooks, the API, the sweep, registration and alerts put rows in; the sensor decides them, a run finishes them. States:
waiting -> queued, skipped or collapsed; queued -> done or failed, or waiting again when its run is lost.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from elder_assets.audit.errors import ConfigurationError, Conflict, UnknownRecord
from resources.store import tables
from resources.store.audit_log import AuditLog
from resources.store.database import storable

Source = Literal["webhook", "api", "sweep", "registration", "alert", "replay"]
InboxState = Literal["waiting", "queued", "skipped", "collapsed", "done", "failed"]
AuditType = Literal["", "full", "incremental", "change_request"]
INBOX_STATES: tuple[InboxState, ...] = ("waiting", "queued", "skipped", "collapsed", "done", "failed")
ENDED: tuple[InboxState, ...] = ("skipped", "collapsed", "done", "failed")

INBOX_TAG = "elder/inbox"
"""Run tag: the number of the inbox row that asked for the run."""
UPLOADS_ONLY = "uploads_only"
"""Setting of a project, true or false."""
LARGEST_PAGE = 500
HIGH, NORMAL, LOW = 10, 0, -10
"""Priorities, as Dagster's run queue reads them: a change request waits for nobody, a sweep for everybody."""


class InboxRow(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was asked of Elder, and what became of it."""

    id: int
    source: Source
    provider: str
    delivery_id: str
    repository_id: int | None
    """None where no registered repository matches."""
    repository: str
    """Its key; '' without one."""
    action: str
    document: dict[str, Any]
    """The delivery as it was read, or what was asked for."""
    priority: int
    received_at: datetime
    state: InboxState
    decision: str
    audit_type: AuditType
    run_key: str
    run_id: str | None
    replay_of: int | None
    decided_at: datetime | None
    finished_at: datetime | None
    result: dict[str, Any]


class InboxDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What is to become of one row."""

    row: int
    state: InboxState
    reason: str
    audit_type: AuditType = ""
    run_key: str = ""


class Put(msgspec.Struct, frozen=True):
    """What came of putting something into the inbox."""

    row: int
    is_new: bool
    """False when it was there before: nothing comes twice."""


class AuditTarget(msgspec.Struct, frozen=True, kw_only=True):
    """What decisions need to know of a registered repository."""

    id: int
    key: str
    url: str
    is_removed: bool
    team: str
    """'' without one."""
    provider: str = ""
    credential: str = ""
    status: str = ""
    """Of its project; '' where it was only added, by `elder repo add`."""
    tier: str = ""
    is_auto_audited: bool = True
    default_branch: str = ""
    settings: dict[str, Any] = {}
    latest_commit: str = ""
    """Of the last audit of kind default; '' before the first."""
    latest_ruler: str = ""

    @property
    def is_audited_elsewhere(self) -> bool:
        """Whether its audits come by upload alone, because the platform cannot read it."""
        return self.settings.get(UPLOADS_ONLY) is True


class Inbox(AuditLog):
    """A part of the store."""

    def put_inbox(
        self,
        *,
        source: Source,
        provider: str,
        delivery_id: str,
        action: str,
        document: Mapping[str, Any],
        repository_id: int | None = None,
        priority: int = NORMAL,
        state: InboxState = "waiting",
        decision: str = "",
        by: str = "",
    ) -> Put:
        """Keep what was asked, unless (provider, delivery_id) is there already.

        Args:
            source: who asks.
            provider: of a webhook; else a word of ours, such as `api`: delivery ids are unique below it.
            delivery_id: the same for the same wish.
            action: push, change_request, merge_queue, audit, remediation, ...
            document: all that the decision needs.
            repository_id: None where no registered repository matches.
            priority: as Dagster's run queue reads it; higher goes first.
            state: waiting, or skipped where nothing is to be decided.
            decision: why, then.
            by: the person who asks; then it is a row of the audit log too.
        """
        now = self._clock()
        row = {
            "source": source,
            "provider": storable(provider),
            "delivery_id": storable(delivery_id),
            "repository_id": repository_id,
            "action": storable(action),
            "document": storable(dict(document)),
            "priority": priority,
            "received_at": now,
            "state": state,
            "decision": storable(decision),
            "audit_type": "",
            "run_key": "",
            "decided_at": None if state == "waiting" else now,
            "finished_at": now if state in ENDED else None,
            "result": {},
        }
        table = tables.inbox
        with self._writing() as connection:
            number = self._insert_new(connection, table, row)
            if number is not None:
                if by:  # the row itself tells pages; deliveries need not wait for each other
                    asked = {"task_id": number, "repository_id": repository_id, **row["document"]}
                    self._log(connection, by, f"{action}.ask", f"inbox {number}", asked)
                return Put(number, is_new=True)
            same = (table.c.provider == row["provider"], table.c.delivery_id == row["delivery_id"])
            return Put(connection.scalars(sa.select(table.c.id).where(*same)).one(), is_new=False)

    def ask_audit(
        self,
        repository: str,
        *,
        source: Source,
        delivery_id: str,
        audit_type: Literal["full", "incremental"] = "incremental",
        branch: str = "",
        commit: str = "",
        magics: Sequence[str] = (),
        priority: int = NORMAL,
        by: str = "",
    ) -> Put:
        """Ask for an audit of a registered repository: of its default branch, another branch, or one commit.

        Raises:
            RepositoryNotFound: it is not registered.
        """
        with self._reading() as connection:
            number = self._repository(connection, repository).id
        wish = {"audit_type": audit_type, "branch": branch, "commit": commit, "magics": list(magics)}
        return self.put_inbox(
            source=source,
            provider=source,
            delivery_id=delivery_id,
            action="audit",
            document=wish,
            repository_id=number,
            priority=priority,
            by=by,
        )

    # --- reading ----------------------------------------------------------------------------------------------

    def inbox_row(self, number: int) -> InboxRow:
        """One row.

        Raises:
            UnknownRecord: there is none.
        """
        with self._reading() as connection:
            return self._inbox_row(connection, number)

    def _inbox_row(self, connection: Connection, number: int) -> InboxRow:
        row = connection.execute(_rows().where(tables.inbox.c.id == number)).mappings().one_or_none()
        if row is None:
            msg = f"there is no delivery {number}"
            raise UnknownRecord(msg)
        return InboxRow(**row)

    def waiting_inbox(self, limit: int, actions: Collection[str] = ()) -> list[InboxRow]:
        """Rows that wait for a decision: highest priority first, then in order of arrival; of these actions, or all."""
        table = tables.inbox
        statement = _rows().where(table.c.state == "waiting").order_by(table.c.priority.desc(), table.c.id)
        if actions:
            statement = statement.where(table.c.action.in_(tuple(actions)))
        return self._inbox_rows(statement.limit(limit))

    def queued_inbox(self, actions: Collection[str] = ()) -> list[InboxRow]:
        """Rows whose run was asked for and has not ended, in order of arrival; of these actions, or all."""
        statement = _rows().where(tables.inbox.c.state == "queued").order_by(tables.inbox.c.id)
        if actions:
            statement = statement.where(tables.inbox.c.action.in_(tuple(actions)))
        return self._inbox_rows(statement)

    def judged_changes(self, numbers: Collection[int]) -> list[InboxRow]:
        """The last change requests of repositories that were judged or are being judged, newest first."""
        table = tables.inbox
        wanted = (
            table.c.repository_id.in_(tuple(numbers)),
            table.c.action == "change_request",
            table.c.state.in_(("done", "queued")),
        )
        return self._inbox_rows(_rows().where(*wanted).order_by(table.c.id.desc()).limit(LARGEST_PAGE))

    def inbox_rows(
        self,
        *,
        repository: str | None = None,
        states: Collection[InboxState] = (),
        before: int | None = None,
        limit: int = 50,
    ) -> tuple[list[InboxRow], int | None]:
        """A page of rows, newest first, and the cursor of the next page (None on the last).

        Args:
            repository: of this one only.
            states: in these only.
            before: the cursor: rows older than this one.
            limit: rows of a page.

        Raises:
            RepositoryNotFound: it is not registered.
            ConfigurationError: the limit is not from 1 to LARGEST_PAGE.
        """
        if not 1 <= limit <= LARGEST_PAGE:
            raise ConfigurationError("limit", limit, f"1 to {LARGEST_PAGE}")
        table = tables.inbox
        statement = _rows().order_by(table.c.id.desc()).limit(limit + 1)
        if states:
            statement = statement.where(table.c.state.in_(tuple(states)))
        if before is not None:
            statement = statement.where(table.c.id < before)
        with self._reading() as connection:
            if repository is not None:
                statement = statement.where(table.c.repository_id == self._repository(connection, repository).id)
        found = self._inbox_rows(statement)
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    def inbox_counts(self) -> dict[InboxState, int]:
        """How many rows are in each state; every state is named."""
        table = tables.inbox
        with self._reading() as connection:
            statement = sa.select(table.c.state, sa.func.count()).group_by(table.c.state)
            counted: dict[InboxState, int] = {row[0]: row[1] for row in connection.execute(statement)}
        return {state: counted.get(state, 0) for state in INBOX_STATES}

    def oldest_waiting(self) -> datetime | None:
        """When the oldest waiting row came; None when nothing waits."""
        table = tables.inbox
        with self._reading() as connection:
            statement = sa.select(table.c.received_at).where(table.c.state == "waiting").order_by(table.c.id).limit(1)
            found: datetime | None = connection.scalar(statement)
            return found

    def _inbox_rows(self, statement: sa.Select[Any]) -> list[InboxRow]:
        with self._reading() as connection:
            return [InboxRow(**row) for row in connection.execute(statement).mappings()]

    def audit_targets(self, numbers: Collection[int] | None = None) -> dict[int, AuditTarget]:
        """What decisions need to know of repositories, by id; of all that are registered when none is named."""
        repositories, projects, latest, teams = tables.repositories, tables.projects, tables.latest, tables.teams
        columns = (projects.c[name] for name in _PROJECT_COLUMNS)
        statement = (
            sa.select(
                repositories.c.id,
                repositories.c.key,
                repositories.c.url,
                repositories.c.removed_at,
                teams.c.key.label("team"),
                *columns,
                latest.c.commit.label("latest_commit"),
                latest.c.ruler.label("latest_ruler"),
            )
            .outerjoin(projects, projects.c.repository_id == repositories.c.id)
            .outerjoin(latest, latest.c.repository_id == repositories.c.id)
            .outerjoin(teams, teams.c.id == repositories.c.team_id)
            .order_by(repositories.c.id)
        )
        if numbers is not None:
            statement = statement.where(repositories.c.id.in_(tuple(numbers)))
        with self._reading() as connection:
            return {row["id"]: _target(row) for row in connection.execute(statement).mappings()}

    def webhook_secret_version(self, project_id: int) -> int:
        """Which version of its webhook secret a project has; 1 for a repository without a project."""
        table = tables.projects
        with self._reading() as connection:
            version = sa.select(table.c.webhook_secret_version).where(table.c.repository_id == project_id)
            return connection.scalar(version) or 1

    # --- writing ----------------------------------------------------------------------------------------------

    def decide_inbox(self, decisions: Sequence[InboxDecision]) -> list[InboxDecision]:
        """Write what was decided of waiting rows, in one transaction; those that were still waiting."""
        table, now = tables.inbox, self._clock()
        taken = []
        with self._writing() as connection:
            for decision in decisions:
                values = {
                    "state": decision.state,
                    "decision": storable(decision.reason),
                    "audit_type": decision.audit_type,
                    "run_key": decision.run_key,
                    "decided_at": now,
                    "finished_at": now if decision.state in ENDED else None,
                }
                waiting = (table.c.id == decision.row, table.c.state == "waiting")
                if connection.execute(sa.update(table).where(*waiting).values(**values)).rowcount:
                    taken.append(decision)
            if taken:
                self._tell_pages(connection, "inbox")
        return taken

    def start_inbox(self, number: int, run_id: str) -> None:
        """Say which run works on a queued row."""
        table = tables.inbox
        with self._writing() as connection:
            queued = (table.c.id == number, table.c.state == "queued")
            connection.execute(sa.update(table).where(*queued).values(run_id=run_id))
            self._tell_pages(connection, "inbox")

    def finish_inbox(
        self, number: int, *, state: Literal["done", "failed"], decision: str = "", result: Mapping[str, Any]
    ) -> bool:
        """End a queued row; False when it was no longer queued. What its run wrote into the result before stays."""
        with self._writing() as connection:
            row = self._inbox_row(connection, number)
            values = {
                "state": state,
                "decision": storable(decision) or row.decision,
                "finished_at": self._clock(),
                "result": {**row.result, **storable(dict(result))},
            }
            return self._end_queued(connection, number, values)

    def row_of_run(self, run_id: str) -> InboxRow | None:
        """The queued row that a run works on; None when there is none."""
        table = tables.inbox
        found = self._inbox_rows(_rows().where(table.c.run_id == run_id, table.c.state == "queued"))
        return found[0] if found else None

    def note_inbox(self, number: int, result: Mapping[str, Any]) -> None:
        """Add to the result of a row, whatever its state."""
        table = tables.inbox
        with self._writing() as connection:
            row = self._inbox_row(connection, number)
            merged = {**row.result, **storable(dict(result))}
            connection.execute(sa.update(table).where(table.c.id == number).values(result=merged))
            self._tell_pages(connection, "inbox")

    def release_inbox(self, number: int, reason: str, *, is_attempt: bool = True) -> bool:
        """Let a queued row wait again; False when it was no longer queued.

        Args:
            number: of the row.
            reason: what became of its run.
            is_attempt: whether a run was there; it is counted in the result, and the next one has another key.
        """
        with self._writing() as connection:
            result = self._inbox_row(connection, number).result
            if is_attempt:
                result = {**result, "attempts": int(result.get("attempts", 0)) + 1}
            values = {"state": "waiting", "decision": storable(reason), "run_id": None, "decided_at": None}
            return self._end_queued(connection, number, {**values, "result": result})

    def _end_queued(self, connection: Connection, number: int, values: Mapping[str, Any]) -> bool:
        """Bring a queued row to another state; False when it was no longer queued."""
        table = tables.inbox
        queued = (table.c.id == number, table.c.state == "queued")
        is_ended = bool(connection.execute(sa.update(table).where(*queued).values(**values)).rowcount)
        if is_ended:
            self._tell_pages(connection, "inbox")
        return is_ended

    def replay_inbox(self, number: int, by: str = "") -> Put:
        """Ask for the same again, in a new row that names the old one; it is decided anew.

        Raises:
            UnknownRecord: there is no such row.
            Conflict: it has not ended.
        """
        table, now = tables.inbox, self._clock()
        with self._writing() as connection:
            old = self._inbox_row(connection, number)
            if old.state not in ENDED:
                msg = f"delivery {number} is {old.state}; only what has ended is replayed"
                raise Conflict(msg)
            times = connection.scalar(sa.select(sa.func.count()).where(table.c.replay_of == number)) or 0
            row = {
                "source": "replay",
                "provider": old.provider,
                "delivery_id": f"{old.delivery_id}#replay-{number}-{times + 1}",
                "repository_id": old.repository_id or self._named(connection, old),
                "action": old.action,
                "document": old.document,
                "priority": old.priority,
                "received_at": now,
                "state": "waiting",
                "decision": "",
                "audit_type": "",
                "run_key": "",
                "replay_of": number,
                "result": {},
            }
            new = connection.scalars(sa.insert(table).returning(table.c.id), row).one()
            self._log(connection, by, "delivery.replay", f"delivery {number}", {"delivery": new})
            return Put(new, is_new=True)

    def _named(self, connection: Connection, row: InboxRow) -> int | None:
        """The repository that the delivery names, when it was registered since."""
        table = tables.repositories
        named = str(row.document.get("repository", ""))
        statement = sa.select(table.c.id).where(table.c.key == named, table.c.removed_at.is_(None))
        found: int | None = connection.scalar(statement)
        return found

    # --- live events ------------------------------------------------------------------------------------------

    def put_live_event(self, repository_id: int, event: str, document: Mapping[str, Any]) -> int:
        """Keep an event for clients that follow the repository; its id."""
        table = tables.live_events
        row = {"repository_id": repository_id, "event": event, "document": storable(dict(document))}
        with self._writing() as connection:
            number: int = connection.scalars(sa.insert(table).returning(table.c.id), {**row, "at": self._clock()}).one()
            return number


_PROJECT_COLUMNS = ("provider", "credential", "status", "tier", "is_auto_audited", "default_branch", "settings")


def _rows() -> sa.Select[Any]:
    table, repositories = tables.inbox, tables.repositories
    key = sa.func.coalesce(repositories.c.key, "").label("repository")
    return sa.select(table, key).outerjoin(repositories, repositories.c.id == table.c.repository_id)


def _target(row: Mapping[Any, Any]) -> AuditTarget:
    known = {name: row[name] for name in (*_PROJECT_COLUMNS, "latest_commit", "latest_ruler") if row[name] is not None}
    return AuditTarget(
        id=row["id"],
        key=row["key"],
        url=row["url"],
        is_removed=row["removed_at"] is not None,
        team=row["team"] or "",
        **known,
    )
