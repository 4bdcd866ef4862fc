"""The only code that reads and writes the results store.

Every write is one transaction. Readers give plain records, or frames of `elder_assets.audit.frames` (pandas is
imported by those readers alone).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from elder_assets.audit import rows
from elder_assets.audit.dates import utc
from elder_assets.audit.errors import RepositoryNotFound, StoreError
from elder_assets.audit.model import AuditKey, Coverage, RuleOutcome, Skipped, Snapshot, Status, Verdict
from elder_assets.audit.registry import MAGIC_ORDER
from resources.store import tables
from resources.store.access import Access
from resources.store.addresses import without_credentials
from resources.store.alerts import Alerts
from resources.store.bulk import insert_new_rows, insert_rows
from resources.store.circuits import CircuitRows
from resources.store.database import (
    Clock,
    Repository,
    make_engine,
    migrate,
    now_utc,
    storable,
    without_statement,
)
from resources.store.findings import Latest, Observed
from resources.store.gates import Gates
from resources.store.imports import Imports
from resources.store.inbox import Inbox
from resources.store.initiatives import Initiatives
from resources.store.load import Load
from resources.store.operations import Operations
from resources.store.operations_pages import OperationsPages
from resources.store.projects import Projects, added_project
from resources.store.releases import Releases
from resources.store.repository_pages import RepositoryPages
from resources.store.results import Results
from resources.store.retention import Retention
from resources.store.samples import Samples
from resources.store.scorecards import Scorecards
from resources.store.team_pages import TeamPages
from resources.store.tickets import Tickets
from resources.store.tiers import Tiers

if TYPE_CHECKING:
    import pandas as pd

    from elder_assets.audit.history import WeekScore

BIGINT_MAX = 2**63 - 1
DEFAULT = "default"


def open_store(url: str, clock: Clock = now_utc) -> Store:
    """Open the results store at a SQLAlchemy address and bring its schema up to date.

    Args:
        url: `sqlite:///<path>` (its folder is made) or `postgresql://...`.
        clock: gives the time of writes.

    Raises:
        StoreError: the database cannot be reached, or a newer Elder has changed its schema.
    """
    try:
        engine = make_engine(sa.make_url(url))
        migrate(engine)
    except sa.exc.SQLAlchemyError as error:
        msg = f"the results store cannot be opened: {without_statement(error)}"
        raise StoreError(msg) from error
    return Store(engine, clock)


class Store(
    Access,
    Projects,
    Results,
    Retention,
    RepositoryPages,
    Imports,
    Alerts,
    CircuitRows,
    Samples,
    Gates,
    Scorecards,
    TeamPages,
    Initiatives,
    Load,
    Inbox,
    Operations,
    OperationsPages,
    Releases,
    Tickets,
    Tiers,
):
    """The results store; open it with `open_store`."""

    # --- repositories ---------------------------------------------------------------------------------

    def add_repository(self, key: str, url: str) -> Repository:
        """Register a repository, or take one back that was removed; credentials in the address are dropped.

        It is a project at once, an active one, so that pages and API know it too.
        """
        row = {"key": key, "url": without_credentials(url), "added_at": self._clock()}
        with self._writing() as connection:
            if self._insert_new(connection, tables.repositories, row) is None:
                connection.execute(
                    sa.update(tables.repositories)
                    .where(tables.repositories.c.key == key)
                    .values(url=row["url"], removed_at=None)
                )
            found = self._repository(connection, key)
            self._insert_new(connection, tables.projects, added_project(found.id, key, self._clock()))
            self._tell_pages(connection, "changes")
            return found

    def remove_repository(self, key: str) -> Repository:
        """Mark a repository as removed; what is known about it stays.

        Raises:
            RepositoryNotFound: there is no such repository, or it is removed already.
        """
        with self._writing() as connection:
            found = self._repository(connection, key)
            if found.removed_at is not None:
                msg = f"{key} was removed on {found.removed_at:%Y-%m-%d}"
                raise RepositoryNotFound(msg)
            connection.execute(
                sa.update(tables.repositories)
                .where(tables.repositories.c.id == found.id)
                .values(removed_at=self._clock())
            )
            self._tell_pages(connection, "changes")
            return self._repository(connection, key)

    def rename_repository(self, key: str, new_key: str) -> Repository:
        """Give a repository another key; the old one stays its alias, its id and results stay its own.

        Raises:
            RepositoryNotFound: there is no such repository.
            StoreError: the new key belongs to another repository.
        """
        with self._writing() as connection:
            found = self._repository(connection, key)
            alias = {"alias": found.key, "repository_id": found.id, "renamed_at": self._clock()}
            self._insert_new(connection, tables.repository_aliases, alias)
            connection.execute(
                sa.update(tables.repositories).where(tables.repositories.c.id == found.id).values(key=new_key)
            )
            self._tell_pages(connection, "changes")
            return self._repository(connection, new_key)

    def repository(self, key: str) -> Repository:
        """The repository with this key, now or before a rename.

        Raises:
            RepositoryNotFound: there is none.
        """
        with self._reading() as connection:
            return self._repository(connection, key)

    def repositories(self, *, with_removed: bool = False) -> list[Repository]:
        """Every registered repository, in order of key."""
        statement = sa.select(tables.repositories).order_by(tables.repositories.c.key)
        if not with_removed:
            statement = statement.where(tables.repositories.c.removed_at.is_(None))
        with self._reading() as connection:
            return [Repository(**row) for row in connection.execute(statement).mappings()]

    # --- audits ---------------------------------------------------------------------------------------

    def record(
        self,
        verdict: Verdict,
        ruler_document: bytes,
        run_id: str | None = None,
        kind: str | None = None,
        observed: Observed | None = None,
        *,
        uploaded_by: str | None = None,
    ) -> int:
        """Keep a verdict, in one transaction, and return the id of its snapshot.

        A second audit with the same key adds an audit event and no second snapshot.

        Args:
            verdict: what the audit said; of a commit, a staged audit is never stored (D10).
            ruler_document: what judged; its sha256 is `verdict.ruler`.
            run_id: of the Dagster run.
            kind: why it was audited, when it is not the snapshot's own kind.
            observed: what else the audit saw; then, for kind default, the findings' lives go on (D12, D13).
            uploaded_by: who sent it in, when the platform did not make it itself.

        Raises:
            RepositoryNotFound: the repository is not registered.
            StoreError: the verdict has no commit, the ruler is another one, or the database fails.
        """
        if verdict.snapshot.commit is None:
            msg = "a staged audit is never stored: it has no commit"
            raise StoreError(msg)
        if hashlib.sha256(ruler_document).hexdigest() != verdict.ruler:
            msg = f"the ruler document is not the ruler {verdict.ruler[:12]} of the verdict"
            raise StoreError(msg)
        with self._writing() as connection:
            repository = self._repository(connection, verdict.snapshot.repository)
            ruler = {"digest": verdict.ruler, "document": ruler_document.decode(), "recorded_at": self._clock()}
            self._insert_new(connection, tables.rulers, ruler)
            row = _snapshot_row(verdict, repository.id)
            snapshot_id = self._insert_new(connection, tables.snapshots, row)
            if snapshot_id is None:
                key = [tables.snapshots.c[name] == row[name] for name in tables.AUDIT_KEY]
                snapshot_id = connection.scalars(sa.select(tables.snapshots.c.id).where(*key)).one()
                _bring_back_findings(connection, snapshot_id, verdict)
            else:
                _insert_results(connection, snapshot_id, verdict)
            audited_at = self._clock()
            event = {
                "snapshot_id": snapshot_id,
                "kind": kind or verdict.snapshot.kind,
                "audited_at": audited_at,
                "run_id": run_id,
                "content_digest": content_digest(verdict),
                "uploaded_by": None if uploaded_by is None else storable(uploaded_by),
            }
            audit_id = connection.scalars(sa.insert(tables.audits).returning(tables.audits.c.id), event).one()
            if observed is not None and event["kind"] == DEFAULT:
                audit = Latest(
                    audit_id=audit_id,
                    snapshot_id=snapshot_id,
                    commit=verdict.snapshot.commit,
                    ruler=verdict.ruler,
                    as_of=row["as_of"],
                    audited_at=audited_at,
                )
                self._advance(connection, repository.id, audit, verdict, observed)
            if uploaded_by is not None:
                detail = {"commit": verdict.snapshot.commit, "kind": event["kind"], "audit_id": audit_id}
                self._log(connection, uploaded_by, "audit.upload", repository.key, detail)
            return snapshot_id

    def last_audited_commit(self, repository: str, other_than: str = "") -> str | None:
        """The baseline of the next audit: the last audited commit of kind default, but for this one; None at first."""
        audits, snapshots = tables.audits, tables.snapshots
        with self._reading() as connection:
            try:
                repository_id = self._repository(connection, repository).id
            except RepositoryNotFound:
                return None
            commit: str | None = connection.scalar(
                sa.select(snapshots.c.commit)
                .join(audits, audits.c.snapshot_id == snapshots.c.id)
                .where(
                    snapshots.c.repository_id == repository_id,
                    snapshots.c.commit != other_than,
                    audits.c.kind == DEFAULT,
                )
                .order_by(audits.c.id.desc())
                .limit(1)
            )
            return commit

    def snapshot_id(self, key: AuditKey) -> int | None:
        """The snapshot with this audit key; None when it was never audited."""
        table = tables.snapshots
        with self._reading() as connection:
            repository_id = self._repository(connection, key.repository).id
            found: int | None = connection.scalar(
                sa.select(table.c.id).where(
                    table.c.repository_id == repository_id,
                    *(table.c[name] == getattr(key, name) for name in tables.AUDIT_KEY[1:]),
                )
            )
            return found

    def newest_snapshot_id(self) -> int:
        """The id of the last snapshot that was recorded; 0 when there is none."""
        with self._reading() as connection:
            return connection.scalar(sa.select(sa.func.max(tables.snapshots.c.id))) or 0

    def ruler_document(self, digest: str) -> bytes:
        """The document of a ruler.

        Raises:
            StoreError: no audit used such a ruler.
        """
        with self._reading() as connection:
            table = tables.rulers
            document: str | None = connection.scalar(sa.select(table.c.document).where(table.c.digest == digest))
        if document is None:
            msg = f"no audit used the ruler {digest}"
            raise StoreError(msg)
        return document.encode()

    def audit_events(self, snapshot_id: int) -> list[dict[str, Any]]:
        """Every time that a snapshot was audited, oldest first: kind, audited_at, run_id, content_digest."""
        table = tables.audits
        columns = (table.c.kind, table.c.audited_at, table.c.run_id, table.c.content_digest)
        with self._reading() as connection:
            statement = sa.select(*columns).where(table.c.snapshot_id == snapshot_id).order_by(table.c.id)
            return [dict(row) for row in connection.execute(statement).mappings()]

    def verdict(self, snapshot_id: int) -> Verdict:
        """The verdict as it was recorded; its kind is that of its first audit.

        Raises:
            StoreError: there is no such snapshot.
        """
        with self._reading() as connection:
            snapshot = connection.execute(_snapshots_statement(snapshot=snapshot_id)).mappings().one_or_none()
            if snapshot is None:
                msg = f"there is no snapshot {snapshot_id}"
                raise StoreError(msg)
            if snapshot["findings_let_go"] is not None:
                commit = snapshot["revision"][:12]
                msg = f"the findings of snapshot {snapshot_id} were let go of (ELDER_KEEP_DAYS): audit {commit} again"
                raise StoreError(msg)
            results = {
                table.name: list(
                    connection.execute(sa.select(table).where(table.c.snapshot_id == snapshot_id)).mappings()
                )
                for table in (tables.findings, tables.outcomes, tables.scores)
            }
        return _verdict(snapshot, results)

    # --- weeks ----------------------------------------------------------------------------------------

    def record_weeks(self, repository: str, scored: Sequence[WeekScore], ruler_document: bytes) -> int:
        """Keep scores of weeks, in one transaction; how many rows were new.

        A week that is scored again with the same commit, ruler and state adds nothing.

        Raises:
            RepositoryNotFound: the repository is not registered.
            StoreError: the ruler is another one, or the database fails.
        """
        digest = hashlib.sha256(ruler_document).hexdigest()
        if foreign := {row.ruler for row in scored} - {digest}:
            msg = f"the ruler document is not the ruler {foreign.pop()[:12]} of the weeks"
            raise StoreError(msg)
        with self._writing() as connection:
            found = self._repository(connection, repository)
            ruler = {"digest": digest, "document": ruler_document.decode(), "recorded_at": self._clock()}
            self._insert_new(connection, tables.rulers, ruler)
            content = []
            for row in scored:
                values = storable({name: value for name, value in rows.week_row(row).items() if name != "as_of_utc"})
                times = {"as_of": utc(row.as_of), "recorded_at": self._clock()}
                content.append({"repository_id": found.id, **values, **times})
            if not content:
                return 0
            added = insert_new_rows(connection, tables.week_scores, content)
            self._project_weeks(connection, found.id, digest)
            self._tell_pages(connection, "projections")
            return added

    def weeks(self, *, repository: str | None = None, ruler: str | None = None) -> pd.DataFrame:
        """Scores of weeks: a frame of WEEKS, the last that was recorded of each week, in order of repository and week.

        Args:
            repository: of this one only.
            ruler: under this one only; default: under the one that scored each repository last.
        """
        from elder_assets.audit import frames

        table, repositories = tables.week_scores, tables.repositories
        statement = (
            sa.select(table, repositories.c.key.label("repository"))
            .join(repositories, repositories.c.id == table.c.repository_id)
            .order_by(repositories.c.key, table.c.week, table.c.magic, table.c.id)
        )
        if repository is not None:
            statement = statement.where(repositories.c.key == repository)
        if ruler is not None:
            statement = statement.where(table.c.ruler == ruler)
        with self._reading() as connection:
            found = list(connection.execute(statement).mappings())
        newest = {row["repository"]: row["ruler"] for row in sorted(found, key=lambda row: row["id"])}
        latest = {
            (row["repository"], row["week"], row["magic"]): {**row, "as_of_utc": row["as_of"]}
            for row in found
            if row["ruler"] == newest[row["repository"]]
        }
        return frames.validate(frames.WEEKS, frames.frame(frames.WEEKS, latest.values()))

    # --- frames ---------------------------------------------------------------------------------------

    def snapshots(self, *, repository: str | None = None, snapshot: int | None = None, after: int = 0) -> pd.DataFrame:
        """Snapshots: a frame of SNAPSHOTS, in order of recording.

        Args:
            repository: of this one only.
            snapshot: this one only.
            after: recorded later than this snapshot id only.
        """
        from elder_assets.audit import frames

        with self._reading() as connection:
            statement = _snapshots_statement(repository=repository, snapshot=snapshot, after=after)
            content = [_snapshot_frame_row(row) for row in connection.execute(statement).mappings()]
        return frames.validate(frames.SNAPSHOTS, frames.frame(frames.SNAPSHOTS, content))

    def findings(
        self, *, repository: str | None = None, snapshot: int | None = None, magic: str | None = None, after: int = 0
    ) -> pd.DataFrame:
        """Findings: a frame of FINDINGS, in order of recording and then of place; arguments as `snapshots`."""
        return self._frame("findings", tables.findings, repository, snapshot, magic, after)

    def outcomes(
        self, *, repository: str | None = None, snapshot: int | None = None, magic: str | None = None, after: int = 0
    ) -> pd.DataFrame:
        """Outcomes: a frame of OUTCOMES, in order of recording and then of the catalogue; arguments as `snapshots`."""
        return self._frame("outcomes", tables.outcomes, repository, snapshot, magic, after)

    def scores(
        self, *, repository: str | None = None, snapshot: int | None = None, magic: str | None = None, after: int = 0
    ) -> pd.DataFrame:
        """Scores: a frame of SCORES, in order of recording and then of the catalogue; arguments as `snapshots`."""
        return self._frame("scores", tables.scores, repository, snapshot, magic, after)

    def _frame(  # noqa: PLR0917 - the readers' own arguments, passed on in their order
        self,
        name: str,
        table: sa.Table,
        repository: str | None,
        snapshot: int | None,
        magic: str | None,
        after: int,
    ) -> pd.DataFrame:
        from elder_assets.audit import frames

        chosen = _snapshots_statement(repository=repository, snapshot=snapshot, after=after)
        magics = sa.case({name: index for index, name in enumerate(MAGIC_ORDER)}, value=table.c.magic)
        order = (table.c.id,) if "id" in table.c else (magics, *table.primary_key.columns)
        with self._reading() as connection:
            same = {row["id"]: _identity(row) for row in connection.execute(chosen).mappings()}
            statement = (
                sa.select(table)
                .where(table.c.snapshot_id.in_(chosen.with_only_columns(tables.snapshots.c.id).order_by(None)))
                .order_by(table.c.snapshot_id, *order)
            )
            if magic is not None:
                statement = statement.where(table.c.magic == magic)
            content = [same[row["snapshot_id"]] | dict(row) for row in connection.execute(statement).mappings()]
        schema = frames.SCHEMAS[name]
        return frames.validate(schema, frames.frame(schema, content))


# --- rows ------------------------------------------------------------------------------------------------


def content_digest(verdict: Verdict) -> str:
    """sha256 of what a verdict says: not how long it took, why it was audited, or what limited it at the time."""
    snapshot = _snapshot_row(verdict, repository_id=0)
    del snapshot["notes"], snapshot["as_of"]
    parts = (rows.finding_rows(verdict), rows.outcome_rows(verdict), rows.score_rows(verdict))
    said = [[storable(row | {"duration_ms": 0}) for row in part] for part in parts]
    return hashlib.sha256(msgspec.json.encode([verdict.snapshot.repository, snapshot, said])).hexdigest()


def _snapshot_row(verdict: Verdict, repository_id: int) -> dict[str, Any]:
    snapshot, key, coverage = verdict.snapshot, verdict.key, verdict.coverage
    return {
        "repository_id": repository_id,
        "revision": key.revision,
        "ruler": key.ruler,
        "baseline": key.baseline,
        "refs_digest": key.refs_digest,
        "commit": snapshot.commit,
        "tree": snapshot.tree,
        "as_of": utc(snapshot.as_of),
        "as_of_seconds": min(max(snapshot.as_of, -BIGINT_MAX), BIGINT_MAX),
        "is_shallow": snapshot.is_shallow,
        "is_partial": snapshot.is_partial,
        "notes": storable(snapshot.notes),
        "eligible_files": coverage.eligible,
        "analysed_files": coverage.analysed,
        "skipped": storable([[skipped.path, skipped.reason] for skipped in coverage.skipped]),
        "status": verdict.status.value,
        "reason": storable(verdict.reason),
        **rows.score_columns(verdict.score),
    }


def _insert_results(connection: Connection, snapshot_id: int, verdict: Verdict) -> None:
    for table, content in (
        (tables.findings, rows.finding_rows(verdict)),
        (tables.outcomes, rows.outcome_rows(verdict)),
        (tables.scores, rows.score_rows(verdict)),
    ):
        insert_rows(connection, table, [{"snapshot_id": snapshot_id} | storable(row) for row in content])


def _bring_back_findings(connection: Connection, snapshot_id: int, verdict: Verdict) -> None:
    """An audit of the same key has the same findings: those that were let go of are here again."""
    snapshots = tables.snapshots
    let_go = (snapshots.c.id == snapshot_id, snapshots.c.findings_let_go.is_not(None))
    if connection.execute(sa.update(snapshots).where(*let_go).values(findings_let_go=None)).rowcount:
        content = [{"snapshot_id": snapshot_id} | storable(row) for row in rows.finding_rows(verdict)]
        insert_rows(connection, tables.findings, content)


def _snapshots_statement(
    *, repository: str | None = None, snapshot: int | None = None, after: int = 0
) -> sa.Select[Any]:
    """Snapshots with the key of their repository, their first audit and the number of their findings."""
    snapshots, audits, findings = tables.snapshots, tables.audits, tables.findings
    first = sa.select(audits.c.snapshot_id, sa.func.min(audits.c.id).label("id")).group_by(audits.c.snapshot_id)
    first_audit = first.subquery("first_audit")
    by_default = sa.exists().where(audits.c.snapshot_id == snapshots.c.id, audits.c.kind == DEFAULT)
    event = audits.alias("event")
    counted = sa.select(sa.func.count()).where(findings.c.snapshot_id == snapshots.c.id).scalar_subquery()
    statement = (
        sa.select(
            snapshots,
            tables.repositories.c.key.label("repository"),
            event.c.audited_at,
            event.c.run_id,
            sa.case((by_default, DEFAULT), else_=event.c.kind).label("kind"),
            sa.func.coalesce(snapshots.c.findings_let_go, counted).label("findings"),
        )
        .join(tables.repositories, tables.repositories.c.id == snapshots.c.repository_id)
        .join(first_audit, first_audit.c.snapshot_id == snapshots.c.id)
        .join(event, event.c.id == first_audit.c.id)
        .where(snapshots.c.id > after)
        .order_by(snapshots.c.id)
    )
    if repository is not None:
        statement = statement.where(tables.repositories.c.key == repository)
    if snapshot is not None:
        statement = statement.where(snapshots.c.id == snapshot)
    return statement


def _identity(row: RowMapping) -> dict[str, str]:
    key = AuditKey(repository=row["repository"], **{name: row[name] for name in tables.AUDIT_KEY[1:]})
    return {"audit_key": key.digest, "repository": key.repository, "revision": key.revision}


def _snapshot_frame_row(row: RowMapping) -> dict[str, Any]:
    eligible = row["eligible_files"]
    return {
        **row,
        **_identity(row),
        "as_of_utc": row["as_of"],
        "audited_at_utc": row["audited_at"],
        "baseline": row["baseline"] or None,
        "coverage_share": row["analysed_files"] / eligible if eligible else None,
    }


def _verdict(row: RowMapping, results: Mapping[str, Sequence[RowMapping]]) -> Verdict:
    outcomes: dict[str, list[RuleOutcome]] = {}
    for outcome in sorted(results["outcomes"], key=lambda outcome: str(outcome["rule"])):
        outcomes.setdefault(outcome["magic"], []).append(rows.outcome_of(outcome))
    order = {magic: index for index, magic in enumerate(MAGIC_ORDER)}
    scores = sorted(results["scores"], key=lambda score: (order.get(score["magic"], len(order)), str(score["magic"])))
    findings = [rows.finding_of(finding) for finding in results["findings"]]
    return Verdict(
        snapshot=_snapshot(row),
        ruler=row["ruler"],
        baseline=row["baseline"] or None,
        coverage=Coverage(
            row["eligible_files"], row["analysed_files"], tuple(Skipped(path, why) for path, why in row["skipped"])
        ),
        status=Status(row["status"]),
        reason=row["reason"],
        score=rows.fraction(row["score_exact"]),
        magics=tuple(rows.magic_result_of(score, outcomes.get(score["magic"], ())) for score in scores),
        findings=tuple(sorted(findings, key=lambda finding: finding.sort_key)),
    )


def _snapshot(row: RowMapping) -> Snapshot:
    return Snapshot(
        repository=row["repository"],
        commit=row["commit"],
        tree=row["tree"],
        as_of=row["as_of_seconds"],
        kind=row["kind"],
        refs_digest=row["refs_digest"],
        is_shallow=row["is_shallow"],
        is_partial=row["is_partial"],
        notes=tuple(row["notes"]),
    )
