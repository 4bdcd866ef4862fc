"""How findings stood after an earlier audit, read off what became of them (finding_states.py has the words)."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from elder_assets.audit.finding_states import ARRIVALS
from resources.store import tables

OPENING = (*ARRIVALS, "suppression ended")
CLOSING = ("fixed", "removed", "suppressed")


def standings_after(
    connection: Connection, repository_id: int, audit_id: int, wanted: sa.ColumnElement[bool]
) -> list[int]:
    """Ids of the findings of ours that were open after an audit, in order of id.

    Args:
        connection: to the store.
        repository_id: whose findings.
        audit_id: the audit.
        wanted: a condition on `finding_states`.
    """
    events, states = tables.finding_events, tables.finding_states
    statement = (
        sa.select(events.c.finding_id, events.c.event)
        .join(states, states.c.id == events.c.finding_id)
        .where(
            states.c.repository_id == repository_id,
            states.c.source == "elder",
            wanted,
            events.c.audit_id <= audit_id,
            events.c.event.in_((*OPENING, *CLOSING)),
        )
        .order_by(events.c.id)
    )
    last = {row.finding_id: row.event for row in connection.execute(statement)}
    return sorted(number for number, event in last.items() if event in OPENING)
