"""Circuits of git hosts in the results store; what the states mean stands in resources/git/circuit.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from elder_assets.audit.dates import utc
from resources.git.circuit import Circuit, paused, resting, resumed
from resources.store import tables
from resources.store.database import storable
from resources.store.inbox import Inbox

POSTPONED = "postponed"
"""Action of an inbox row that waits for its host (sensors/remediation.py)."""


class CircuitRows(Inbox):
    """A part of the store."""

    def circuit(self, host: str) -> Circuit:
        """The circuit of a host; a closed one where nothing is known."""
        table = tables.circuits
        with self._reading() as connection:
            row = connection.execute(sa.select(table).where(table.c.host == host)).mappings().one_or_none()
        return Circuit(host=host) if row is None else _circuit(row)

    def circuits(self) -> list[Circuit]:
        """Every host that ever failed, in order of name."""
        table = tables.circuits
        with self._reading() as connection:
            return [_circuit(row) for row in connection.execute(sa.select(table).order_by(table.c.host)).mappings()]

    def resting_hosts(self, now: int) -> dict[str, str]:
        """Hosts that are not to be called now, and why."""
        return {circuit.host: reason for circuit in self.circuits() if (reason := resting(circuit, now))}

    def change_circuit(
        self, host: str, change: Callable[[Circuit], Circuit | None], *, by: str = "", action: str = ""
    ) -> Circuit | None:
        """Put what `change` makes of the circuit in its place, in one step; None, and no change, when it gives None."""
        table, now = tables.circuits, self._clock()
        with self._writing() as connection:
            first = {"host": host, "state": "closed", "failures": 0, "reason": "", "changed_at": now}
            self._insert_new(connection, table, first)
            held = sa.select(table).where(table.c.host == host).with_for_update()
            known = _circuit(connection.execute(held).mappings().one())
            changed = change(known)
            if changed is None or changed == known:
                return changed
            values = {
                "state": changed.state,
                "failures": changed.failures,
                "reason": storable(changed.reason),
                "retry_at": None if changed.retry_at is None else utc(changed.retry_at),
                "changed_at": now,
            }
            connection.execute(sa.update(table).where(table.c.host == host).values(**values))
            self._log(connection, by, action, host, {"reason": changed.reason})
            return changed

    def postpone_audit(self, repository: str, host: str, reason: str) -> int:
        """Keep that a repository is to be audited when its host may be called again; once for each rest of the host."""
        circuit = self.circuit(host)
        with self._reading() as connection:
            number = self._repository(connection, repository).id
        return self.put_inbox(
            source="sweep",
            provider=POSTPONED,
            delivery_id=f"{repository}:{circuit.state}:{circuit.retry_at}",
            action=POSTPONED,
            document={"repository": repository, "host": host, "reason": reason},
            repository_id=number,
        ).row

    def remedied_since(self, since: int) -> dict[tuple[str, str], float]:
        """When each remediation (what, to what) was done last, of those since a time; seconds since the epoch."""
        table = tables.inbox
        statement = sa.select(table.c.document, table.c.decided_at).where(
            table.c.action == "remediation",
            table.c.state.in_(("queued", "done")),
            table.c.decided_at >= utc(since),
        )
        with self._reading() as connection:
            rows = connection.execute(statement.order_by(table.c.decided_at)).all()
        return {(row.document["wish"], row.document["target"]): row.decided_at.timestamp() for row in rows}

    def log_remediation(self, actor: str, action: str, target: str, detail: Mapping[str, Any]) -> None:
        """Keep in the audit log what was done because an alert asked for it."""
        with self._writing() as connection:
            self._log(connection, actor, f"remediation.{action}", target, detail)

    def pause_host(self, host: str, reason: str, until: int | None, by: str) -> None:
        """Call a git host no more until a time, or until it is resumed."""
        self.change_circuit(host, lambda known: paused(known, reason, until), by=by, action="git_host.pause")

    def resume_host(self, host: str, by: str) -> None:
        """Call a git host again."""
        self.change_circuit(host, resumed, by=by, action="git_host.resume")


def _circuit(row: Mapping[Any, Any]) -> Circuit:
    retry_at = row["retry_at"]
    return Circuit(
        host=row["host"],
        state=row["state"],
        failures=row["failures"],
        reason=row["reason"],
        retry_at=None if retry_at is None else int(retry_at.timestamp()),
    )
