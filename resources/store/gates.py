"""Gates, requests for suppressions and imported findings in the results store."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from elder_assets.audit.errors import ConfigurationError, Conflict, UnknownRecord
from elder_assets.audit.suppression import Suppression, suppression
from resources.store import tables
from resources.store.audit_log import AuditLog
from resources.store.database import storable

if TYPE_CHECKING:
    from elder_assets.audit.gate import GateResult

PENDING, APPROVED, DENIED = "pending", "approved", "denied"


class SuppressionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody's wish that findings be left alone, and what became of it."""

    id: int
    repository: str
    finding_id: int | None
    rule: str
    path: str
    fingerprint: str
    reason: str
    until: dt.date
    requested_by: str
    requested_at: dt.datetime
    state: str
    """pending, approved or denied."""
    decided_by: str | None
    decided_at: dt.datetime | None
    decision_reason: str


class Gates(AuditLog):
    """A part of the store."""

    def record_gate(
        self,
        repository: str,
        result: GateResult,
        report: dict[str, Any],
        *,
        change_number: int | None = None,
        title: str = "",
        run_id: str | None = None,
    ) -> int:
        """Keep what a gate said about a change; its id.

        Raises:
            RepositoryNotFound: the repository is not registered.
        """
        row = {
            "base": result.before.snapshot.commit or "",
            "head": result.after.snapshot.commit or "",
            "change_number": change_number,
            "title": storable(title)[:200],
            "ruler": result.after.ruler,
            "status": result.status.value,
            "reason": storable(result.reason),
            "failing": len(result.failing),
            "new": len(result.changes.new),
            "fixed": len(result.changes.fixed),
            "suppressed": len(result.suppressed),
            "report": storable(report),
            "run_id": run_id,
            "judged_at": self._clock(),
        }
        with self._writing() as connection:
            row["repository_id"] = self._repository(connection, repository).id
            number: int = connection.scalars(sa.insert(tables.gates).returning(tables.gates.c.id), row).one()
            return number

    def gates(self, repository: str | None = None, *, limit: int = 100) -> list[dict[str, Any]]:
        """The last gates, newest first: the columns of `gates` and the repository's key."""
        table, repositories = tables.gates, tables.repositories
        statement = (
            sa.select(table, repositories.c.key.label("repository"))
            .join(repositories, repositories.c.id == table.c.repository_id)
            .order_by(table.c.id.desc())
            .limit(limit)
        )
        with self._reading() as connection:
            if repository is not None:
                statement = statement.where(table.c.repository_id == self._repository(connection, repository).id)
            return [dict(row) for row in connection.execute(statement).mappings()]

    # --- suppressions that were asked for ---------------------------------------------------------------------

    def request_suppression(
        self, repository: str, wanted: Suppression, requested_by: str, finding_id: int | None = None
    ) -> SuppressionRequest:
        """Keep a wish; it holds nothing back before it is approved."""
        table = tables.suppression_requests
        row = {
            "finding_id": finding_id,
            "rule": wanted.rules[0],
            "path": storable(wanted.path),
            "fingerprint": wanted.fingerprint,
            "reason": storable(wanted.reason),
            "until": wanted.until,
            "requested_by": storable(requested_by),
            "requested_at": self._clock(),
            "state": PENDING,
            "decision_reason": "",
        }
        with self._writing() as connection:
            row["repository_id"] = self._repository(connection, repository).id
            number = connection.scalars(sa.insert(table).returning(table.c.id), row).one()
            detail = {"repository": repository, "rule": row["rule"], "path": row["path"], "reason": row["reason"]}
            self._log(connection, requested_by, "suppression.request", f"suppression request {number}", detail)
        return self.suppression_request(number)

    def asked_suppressions(self, repository_id: int) -> frozenset[int]:
        """Findings of a repository whose suppression is asked for and not decided."""
        table = tables.suppression_requests
        pending = (table.c.repository_id == repository_id, table.c.state == PENDING, table.c.finding_id.is_not(None))
        with self._reading() as connection:
            return frozenset(connection.scalars(sa.select(table.c.finding_id).where(*pending)))

    def decide(self, number: int, *, is_approved: bool, decided_by: str, reason: str = "") -> SuppressionRequest:
        """Approve or deny a pending wish.

        Raises:
            UnknownRecord: there is no such wish.
            Conflict: it was decided before.
            ConfigurationError: whoever asked decides.
        """
        table = tables.suppression_requests
        found = self.suppression_request(number)
        if found.requested_by == decided_by:
            raise ConfigurationError("decided_by", decided_by, "somebody else than who asked for it")
        values = {
            "state": APPROVED if is_approved else DENIED,
            "decided_by": storable(decided_by),
            "decided_at": self._clock(),
            "decision_reason": storable(reason),
        }
        with self._writing() as connection:
            pending = (table.c.id == number, table.c.state == PENDING)
            done = connection.execute(sa.update(table).where(*pending).values(**values))
            if not done.rowcount:
                msg = f"request {number} was {found.state} before"
                raise Conflict(msg)
            detail = {"state": values["state"], "reason": values["decision_reason"]}
            self._log(connection, decided_by, "suppression.decide", f"suppression request {number}", detail)
        return self.suppression_request(number)

    def suppression_request(self, number: int) -> SuppressionRequest:
        """One wish.

        Raises:
            UnknownRecord: there is none.
        """
        found = self._requests(tables.suppression_requests.c.id == number)
        if not found:
            msg = f"there is no suppression request {number}"
            raise UnknownRecord(msg)
        return found[0]

    def suppression_requests(self, repository: str | None = None, state: str | None = None) -> list[SuppressionRequest]:
        """Wishes, newest first."""
        table = tables.suppression_requests
        wanted: list[sa.ColumnElement[bool]] = [] if state is None else [table.c.state == state]
        if repository is not None:
            with self._reading() as connection:
                wanted.append(table.c.repository_id == self._repository(connection, repository).id)
        return self._requests(*wanted)

    def _requests(self, *wanted: sa.ColumnElement[bool]) -> list[SuppressionRequest]:
        table, repositories = tables.suppression_requests, tables.repositories
        statement = (
            sa.select(table, repositories.c.key.label("repository"))
            .join(repositories, repositories.c.id == table.c.repository_id)
            .where(*wanted)
            .order_by(table.c.id.desc())
        )
        with self._reading() as connection:
            rows = connection.execute(statement).mappings()
            return [SuppressionRequest(**{k: row[k] for k in SuppressionRequest.__struct_fields__}) for row in rows]

    def approved(self, repository: str, known: Sequence[str]) -> list[Suppression]:
        """The approved wishes of a repository as suppressions, whatever their end; `known` are all rules."""
        return [
            suppression(
                [wish.rule],
                wish.reason,
                wish.until,
                known,
                origin="request",
                place=f"request {wish.id}, approved by {wish.decided_by}",
                path=wish.path,
                fingerprint=wish.fingerprint,
            )
            for wish in self.suppression_requests(repository, APPROVED)
            if wish.rule in known or wish.rule.startswith("EXT:")
        ]
