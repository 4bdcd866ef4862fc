"""Tickets of findings: one issue at the git host for a finding, however many people ask and whoever crashes.

A ticket is claimed before the host is called. A claim lapses; whoever takes it up then looks at the host for the
ticket's marker before anything is opened (resources/tickets.py).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from elder_assets.audit.errors import Conflict
from resources.store import tables
from resources.store.audit_log import AuditLog
from resources.store.database import storable

CLAIM_SECONDS = 180
"""Longer than every call of one attempt together: an answer after this belongs to nobody. Chosen by us."""
MARKER_BYTES = 10


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """An issue at the git host that stands for a finding, or the wish for one."""

    id: int
    finding_id: int
    provider: str
    state: Literal["opening", "open"]
    marker: str
    attempts: int
    author: str
    """Who asked first."""
    asked_at: datetime
    claimed_until: datetime
    error: str
    """Of the last attempt; '' where there is none."""
    number: str
    url: str
    opened_at: datetime | None


class Tickets(AuditLog):
    """A part of the store."""

    def claim_ticket(self, finding_id: int, repository_id: int, provider: str, author: str) -> Ticket:
        """The ticket of a finding: open already, or claimed by the caller, who is to open it.

        Raises:
            Conflict: somebody else opens it right now.
        """
        table, now = tables.tickets, self._clock()
        until = now + timedelta(seconds=CLAIM_SECONDS)
        row = {
            "finding_id": finding_id, "repository_id": repository_id, "provider": provider, "state": "opening",
            "marker": f"elder-{secrets.token_hex(MARKER_BYTES)}", "attempts": 1, "author": storable(author),
            "asked_at": now, "claimed_until": until, "error": "", "number": "", "url": "",
        }  # fmt: skip
        own = table.c.finding_id == finding_id
        with self._writing() as connection:
            if self._insert_new(connection, table, row) is None:
                known = connection.execute(sa.select(table).where(own)).mappings().one()
                if known["state"] == "opening":
                    free = (own, table.c.attempts == known["attempts"], table.c.claimed_until <= now)
                    taken = sa.update(table).where(*free).values(attempts=known["attempts"] + 1, claimed_until=until)
                    if not connection.execute(taken).rowcount:
                        msg = f"{known['author']} asked for this ticket and it is being opened; look again in a moment"
                        raise Conflict(msg)
                    self._tell_pages(connection, "changes")
            return _ticket(connection.execute(sa.select(table).where(own)).mappings().one())

    def settle_ticket(self, claimed: Ticket, number: str, url: str, by: str) -> Ticket:
        """Keep that a claimed ticket is open at the host."""
        table = tables.tickets
        values = {"state": "open", "error": "", "number": storable(number), "url": storable(url)}
        with self._writing() as connection:
            still = (table.c.id == claimed.id, table.c.state == "opening")
            if connection.execute(sa.update(table).where(*still).values(**values, opened_at=self._clock())).rowcount:
                self._log(connection, by, "ticket.open", f"finding {claimed.finding_id}", {"url": url})
            return _ticket(connection.execute(sa.select(table).where(table.c.id == claimed.id)).mappings().one())

    def release_ticket(self, claimed: Ticket, error: str) -> None:
        """Give a claim back after an attempt that failed; the next one looks at the host first."""
        table = tables.tickets
        held = (table.c.id == claimed.id, table.c.state == "opening", table.c.attempts == claimed.attempts)
        with self._writing() as connection:
            values = {"claimed_until": self._clock(), "error": storable(error)[:500]}
            connection.execute(sa.update(table).where(*held).values(**values))
            self._tell_pages(connection, "changes")

    def tickets_of(self, finding_ids: Iterable[int]) -> dict[int, Ticket]:
        """Tickets of a few findings, by finding."""
        table = tables.tickets
        statement = sa.select(table).where(table.c.finding_id.in_(list(finding_ids)))
        with self._reading() as connection:
            return {row["finding_id"]: _ticket(row) for row in connection.execute(statement).mappings()}


def _ticket(row: RowMapping) -> Ticket:
    return Ticket(**{name: row[name] for name in Ticket.__struct_fields__})
