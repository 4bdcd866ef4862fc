"""Findings of other tools in the results store: files as they were read, and the findings' lives."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from elder_assets.audit.errors import StoreError
from elder_assets.audit.finding_states import Count, Evidence, advance
from elder_assets.audit.model import Finding, RuleOutcome, Status
from elder_assets.audit.sarif_import import Imported
from resources.store import tables
from resources.store.database import storable
from resources.store.findings import FindingsOverTime

IMPORTED = "imported"
"""What stands as the magic of imported findings: none of ours answers for them."""


class Imports(FindingsOverTime):
    """A part of the store."""

    def record_import(self, repository: str, commit: str, content: bytes, imported: Imported) -> bool:
        """Keep a file of another tool; False when the same file was kept for the commit before.

        Raises:
            RepositoryNotFound: the repository is not registered.
        """
        row = {
            "commit": commit,
            "tool": ", ".join(tool.name for tool in imported.tools)[:200],
            "digest": hashlib.sha256(content).hexdigest(),
            "findings": storable(msgspec.to_builtins(imported)),
            "skipped": storable([[item.path, item.reason] for item in imported.skipped]),
            "imported_at": self._clock(),
        }
        with self._writing() as connection:
            row["repository_id"] = self._repository(connection, repository).id
            return self._insert_new(connection, tables.imports, row) is not None

    def imports(self, repository: str, commit: str) -> list[Imported]:
        """The files that were imported for a commit: of each set of tools the newest, in order of import."""
        table = tables.imports
        with self._reading() as connection:
            statement = sa.select(table.c.tool, table.c.findings).where(
                table.c.repository_id == self._repository(connection, repository).id, table.c.commit == commit
            )
            rows = list(connection.execute(statement.order_by(table.c.id)))
        newest: dict[str, Any] = {}
        for tool, document in rows:
            newest.pop(tool, None)
            newest[tool] = document
        return [msgspec.convert(document, Imported) for document in newest.values()]

    def advance_imported(
        self, repository: str, tool: str, found: Sequence[Finding], paths: frozenset[str], *, is_complete: bool
    ) -> Count:
        """Carry on the lives of one tool's findings on the commit of the last audit; the same again moves nothing.

        Args:
            repository: key.
            tool: whose findings they are.
            found: those that count.
            paths: files of the commit.
            is_complete: whether the tool says that it ran to its end; if not, what is absent is not fixed.

        Raises:
            StoreError: the repository was never audited.
        """
        source = f"sarif:{tool}"
        with self._writing() as connection:
            repository_id = self._repository(connection, repository).id
            audit = self._latest(connection, repository_id)
            if audit is None:
                msg = f"{repository} was never audited; imported findings need an audit to stand beside"
                raise StoreError(msg)
            known = self._known(connection, repository_id, source)
            rules = {finding.rule for finding in found} | {item.finding.rule for item in known}
            status = Status.FINDING if is_complete else Status.NOT_AVAILABLE
            evidence = Evidence(
                outcomes=tuple(RuleOutcome(rule=rule, status=status) for rule in sorted(rules)),
                paths=paths,
                asked_before=frozenset(rules),
                is_first=not known,
            )
            moves, count = advance(known, found, (), evidence)
            self._keep_moves(connection, repository_id, audit, moves, dict.fromkeys(rules, IMPORTED), source)
            self._count_rules(connection, repository_id)
            return count

    def tools_imported(self, repository: str) -> list[str]:
        """Tools that findings of the repository were ever imported from, in order."""
        table = tables.finding_states
        with self._reading() as connection:
            statement = (
                sa.select(table.c.source)
                .distinct()
                .where(
                    table.c.repository_id == self._repository(connection, repository).id,
                    table.c.source.like("sarif:%"),
                )
            )
            return sorted(source.removeprefix("sarif:") for source in connection.scalars(statement))
