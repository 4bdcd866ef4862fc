"""A made-up organisation for benchmarks: teams, repositories, years of audits, millions of findings.

    python benchmarks/fleet.py sqlite:////tmp/fleet.db --repositories 300 --weeks 104 --findings 2000000

`fill` writes what as many audits would have left behind: projections and history agree with each other. The rows of
`findings` (what each single snapshot had) are left out; nobody reads them but the quality job.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import io
import json
import random
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import sqlalchemy as sa  # noqa: E402

from benchmarks import fleet_work  # noqa: E402
from elder_assets.audit.registry import MAGIC_ORDER, catalogue  # noqa: E402
from elder_assets.audit.ruler import default_ruler  # noqa: E402
from resources.store import open_store, tables  # noqa: E402
from resources.store.database import make_engine  # noqa: E402

NOON = dt.time(12, tzinfo=dt.UTC)
CHUNK_ROWS = 50_000
REPOSITORIES_PER_TEAM = 10
FOLDERS = ("api", "billing", "core", "jobs", "shop", "web")
STANDINGS = ("open",) * 34 + ("suppressed",) * 2 + ("fixed",) * 60 + ("removed",) * 4
"""Of a hundred findings; most of what was ever found is fixed."""


class Plan:
    """Numbers and choices that every table shares."""

    def __init__(self, repositories: int, weeks: int, findings: int, seed: int, last: dt.date) -> None:
        self.random = random.Random(seed)  # noqa: S311 - made-up rows, no secrets
        self.repositories = range(1, repositories + 1)
        self.teams = range(1, max(1, repositories // REPOSITORIES_PER_TEAM) + 1)
        self.mondays = [last - dt.timedelta(weeks=n) for n in reversed(range(weeks))]
        ruler = default_ruler()
        self.rules = [(rule.code, rule.magic, str(rule.severity), str(ruler.rules[rule.code].tier), rule.summary)
                      for rule in catalogue().rules]  # fmt: skip
        self.document = ruler.document().decode()
        self.digest = hashlib.sha256(self.document.encode()).hexdigest()
        sizes = [self.random.lognormvariate(0, 1) for _ in self.repositories]
        self.findings_of = [int(findings * size / sum(sizes)) for size in sizes]
        self.findings_of[0] += findings - sum(self.findings_of)

    def snapshot(self, repository: int, week: int) -> int:
        """Id of the snapshot, and of its audit, of a week (counted from 0)."""
        return (repository - 1) * len(self.mondays) + week + 1

    def team(self, repository: int) -> int:
        """The owner of a repository."""
        return (repository - 1) % len(self.teams) + 1

    def at(self, week: int) -> str:
        """When the week's audit ran."""
        return f"{self.mondays[week].isoformat()} 12:00:00.000000"

    def score(self, repository: int, week: int, magic: int = 0) -> float:
        """A score that moves slowly."""
        return round(40 + (repository * 37 + magic * 11) % 50 + 8 * week / max(1, len(self.mondays)), 1)


def fill(
    store_url: str, repositories: int, weeks: int, findings: int, *, seed: int = 1, last: dt.date | None = None
) -> None:
    """Write an organisation into an empty store (its schema is made).

    Args:
        store_url: SQLAlchemy address, SQLite or PostgreSQL.
        repositories: how many; ten a team.
        weeks: one audit a week of each repository.
        findings: that were ever found, open and closed.
        seed: of the choices; the same seed and the same last week, the same rows.
        last: Monday of the last week; default: that of the week before this one, so that pages show a whole year.
    """
    open_store(store_url).close()
    today = dt.datetime.now(dt.UTC).date()
    plan = Plan(repositories, weeks, findings, seed, last or today - dt.timedelta(days=today.weekday() + 7))
    engine = make_engine(sa.make_url(store_url))
    with engine.connect().execution_options(elder_write=True) as connection, connection.begin():
        for table, rows in _content(plan):
            _bulk(connection, table, rows)
        _project(connection)
        if connection.dialect.name == "postgresql":
            _set_sequences(connection)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    engine.dispose()
    with open_store(store_url) as store:
        store.rebuild_weeks()
        fleet_work.keep_log(store, 20 * repositories)


def _content(plan: Plan) -> Iterator[tuple[sa.Table, Iterable[dict[str, Any]]]]:
    yield tables.teams, _teams(plan)
    yield tables.repositories, _repositories(plan)
    yield tables.memberships, _memberships(plan)
    yield tables.projects, _projects(plan)
    yield tables.rulers, [{"digest": plan.digest, "document": plan.document, "recorded_at": plan.at(0)}]
    yield tables.snapshots, _snapshots(plan)
    yield tables.audits, _audits(plan)
    yield tables.scores, _scores(plan)
    yield tables.week_scores, _week_scores(plan)
    yield tables.audit_counts, _audit_counts(plan)
    yield tables.scorecards, _scorecards(plan)
    yield tables.finding_states, _finding_states(plan)
    yield tables.finding_events, _finding_events(plan)
    yield tables.latest_magics, _latest_magics(plan)
    yield tables.gates, _gates(plan)
    yield tables.inbox, _inbox(plan)
    yield tables.live_events, _live_events(plan)
    yield from _work(plan)


def _work(plan: Plan) -> Iterator[tuple[sa.Table, Iterable[dict[str, Any]]]]:
    """What the pages about work in progress show beside gates and deliveries."""
    yield tables.latest_files, fleet_work.files(plan)
    yield tables.audit_failures, fleet_work.failures(plan)
    yield tables.channels, fleet_work.channels(plan)
    yield tables.alert_decisions, fleet_work.decisions(plan)
    yield tables.notices, fleet_work.notices(plan)


# --- who there is --------------------------------------------------------------------------------------------


def _teams(plan: Plan) -> Iterator[dict[str, Any]]:
    for team in plan.teams:
        yield {"id": team, "key": f"team-{team:02}", "name": f"Team {team}", "added_at": plan.at(0)}


def _key(repository: int) -> str:
    return f"git.example.com/{FOLDERS[repository % len(FOLDERS)]}/service-{repository:03}"


def _repositories(plan: Plan) -> Iterator[dict[str, Any]]:
    for number in plan.repositories:
        key = _key(number)
        yield {"id": number, "key": key, "url": f"https://{key}", "team_id": plan.team(number), "added_at": plan.at(0)}


def _memberships(plan: Plan) -> Iterator[dict[str, Any]]:
    for number in plan.repositories:
        yield {"id": number, "repository_id": number, "team_id": plan.team(number), "origin": "registry", "since": plan.at(0)}  # fmt: skip # noqa: E501


def _projects(plan: Plan) -> Iterator[dict[str, Any]]:
    for number in plan.repositories:
        yield {
            "repository_id": number,
            "name": f"service-{number:03}",
            "provider": "github",
            "credential": "",
            "status": "archived" if number % 50 == 0 else "active",
            "reason": "",
            "tier": ("micro", "small", "medium", "large")[number % 4],
            "scaling": "auto",
            "is_auto_audited": True,
            "is_public": number % 20 == 0,
            "channels": [],
            "compliance_tags": ["pci"] if number % 5 == 0 else [],
            "settings": {},
            "first_look": {},
            "default_branch": "main",
            "web_url": f"https://{_key(number)}",
            "webhook_id": "",
            "webhook_secret_version": 1,
            "changed_at": plan.at(0),
        }


# --- audits --------------------------------------------------------------------------------------------------


def _commit(snapshot: int) -> str:
    return hashlib.sha1(str(snapshot).encode(), usedforsecurity=False).hexdigest()


def _weeks(plan: Plan) -> Iterator[tuple[int, int]]:
    for repository in plan.repositories:
        for week in range(len(plan.mondays)):
            yield repository, week


def _snapshots(plan: Plan) -> Iterator[dict[str, Any]]:
    for repository, week in _weeks(plan):
        number, score = plan.snapshot(repository, week), plan.score(repository, week)
        commit = _commit(number)
        seconds = int(dt.datetime.combine(plan.mondays[week], NOON).timestamp())
        yield {
            "id": number,
            "repository_id": repository,
            "revision": commit,
            "ruler": plan.digest,
            "baseline": "",
            "refs_digest": "",
            "commit": commit,
            "tree": commit,
            "as_of": plan.at(week),
            "as_of_seconds": seconds,
            "is_shallow": False,
            "is_partial": False,
            "notes": [],
            "eligible_files": 400,
            "analysed_files": 398,
            "skipped": [],
            "status": _status(score),
            "reason": "",
            "score_exact": f"{round(score * 10)}/10",
            "score": score,
        }


def _status(score: float) -> str:
    return "passed" if score >= 80 else "warning" if score >= 50 else "failed"


def _audits(plan: Plan) -> Iterator[dict[str, Any]]:
    for repository, week in _weeks(plan):
        number = plan.snapshot(repository, week)
        yield {
            "id": number,
            "snapshot_id": number,
            "kind": "default",
            "audited_at": plan.at(week),
            "content_digest": "",
        }


def _magic(plan: Plan, repository: int, week: int, index: int, magic: str) -> dict[str, Any]:
    score = plan.score(repository, week, index)
    return {
        "magic": magic,
        "status": _status(score),
        "reason": "",
        "score_exact": f"{round(score * 10)}/10",
        "score": score,
        "weight_share": "1/8",
        "findings": 40 + index,
    }


def _scores(plan: Plan) -> Iterator[dict[str, Any]]:
    for repository, week in _weeks(plan):
        for index, magic in enumerate(MAGIC_ORDER, 1):
            row = _magic(plan, repository, week, index, magic)
            yield {"snapshot_id": plan.snapshot(repository, week), **row, "suggestions": 5, "duration_ms": 900.0}


def _week_scores(plan: Plan) -> Iterator[dict[str, Any]]:
    number = 0
    for repository, week in _weeks(plan):
        for index, magic in enumerate(("", *MAGIC_ORDER)):
            number += 1
            yield {
                "id": number,
                "repository_id": repository,
                "week": plan.mondays[week].isoformat(),
                "commit": _commit(plan.snapshot(repository, week)),
                "as_of": plan.at(week),
                "ruler": plan.digest,
                **_magic(plan, repository, week, index, magic),
                "eligible_files": 400,
                "analysed_files": 398,
                "state": "final",
                "recorded_at": plan.at(week),
            }


def _audit_counts(plan: Plan) -> Iterator[dict[str, Any]]:
    for repository, week in _weeks(plan):
        total, score = plan.findings_of[repository - 1], plan.score(repository, week)
        brought = total // len(plan.mondays)
        yield {
            "audit_id": plan.snapshot(repository, week),
            "repository_id": repository,
            "as_of": plan.at(week),
            "previous": total // 3,
            "new": brought,
            "unveiled": 0,
            "reopened": brought // 50,
            "open": total // 3,
            "suppressed": total // 50,
            "fixed": brought,
            "removed": 0,
            "not_answered": 0,
            "evaluated_on": plan.mondays[week].isoformat(),
            "score_exact": f"{round(score * 10)}/10",
            "score": score,
            "status": _status(score),
        }


def _scorecards(plan: Plan) -> Iterator[dict[str, Any]]:
    number = 0
    for repository, week in _weeks(plan):
        for index, magic in enumerate(("", *MAGIC_ORDER)):
            number, score = number + 1, plan.score(repository, week, index)
            yield {
                "id": number,
                "team_id": plan.team(repository),
                "week": plan.mondays[week].isoformat(),
                "repository_id": repository,
                "magic": magic,
                "status": _status(score),
                "reason": "",
                "score": score,
                "coverage_pct": 99.5,
                "gates_passed": 3,
                "gates_failed": 1,
                "open": 40,
                "new": 3,
                "fixed": 4,
                "level": ("bronze" if score < 80 else "silver") if not magic else "",
                "missing": "",
                "trend": 0.1,
                "recorded_at": plan.at(week),
            }


def _latest_magics(plan: Plan) -> Iterator[dict[str, Any]]:
    last = len(plan.mondays) - 1
    for repository in plan.repositories:
        for index, magic in enumerate(MAGIC_ORDER, 1):
            row = _magic(plan, repository, last, index, magic)
            yield {
                "repository_id": repository,
                **row,
                "suggestions": 5,
                "units": 500,
                "affected": 40,
                "duration_ms": 900.0,
            }


# --- findings ------------------------------------------------------------------------------------------------


def _lives(plan: Plan) -> Iterator[tuple[int, int, str, int, int | None]]:
    """Id, repository, standing, first week and the week that closed it; the same each time it is asked."""
    choose = random.Random(len(plan.repositories))  # noqa: S311 - as above
    last, number = len(plan.mondays) - 1, 0
    for repository in plan.repositories:
        for _ in range(plan.findings_of[repository - 1]):
            number += 1
            standing = STANDINGS[int(choose.random() * 100)]
            first = int(choose.random() * last)
            closed = None if standing in {"open", "suppressed"} else first + 1 + int(choose.random() * (last - first))
            yield number, repository, standing, first, closed


def _finding_states(plan: Plan) -> Iterator[dict[str, Any]]:
    choose = plan.random.random
    suppression = {"reason": "checked by hand", "until": "2026-12-31", "origin": "request", "place": "request 1"}
    for number, repository, standing, first, closed in _lives(plan):
        rule, magic, severity, tier, summary = plan.rules[int(choose() ** 2 * len(plan.rules))]
        folder, line = FOLDERS[int(choose() * len(FOLDERS))], int(choose() * 900) + 1
        first_commit = _commit(plan.snapshot(repository, first))
        last = closed if closed is not None else len(plan.mondays) - 1
        yield {
            "id": number,
            "repository_id": repository,
            "source": "elder",
            "standing": standing,
            "magic": magic,
            "rule": rule,
            "severity": severity,
            "tier": tier,
            "path": f"src/{folder}/module_{int(choose() * 400):03}.py",
            "line": line,
            "symbol": f"function_{line % 40}",
            "message": f"{summary} (line {line})",
            "remedy": "",
            "fingerprint": f"v1:{number:064x}",
            "kin": "",
            "unit": "",
            "first_commit": first_commit,
            "first_seen": plan.at(first),
            "first_audit_id": plan.snapshot(repository, first),
            "last_commit": _commit(plan.snapshot(repository, last)),
            "last_seen": plan.at(last),
            "closed_at": None if closed is None else plan.at(closed),
            "arrival": "new",
            "times_reopened": 0,
            "introduced_commit": first_commit,
            "introduced_change": first_commit,
            "introduced_at": plan.at(first),
            "suppression": suppression if standing == "suppressed" else None,
        }


def _finding_events(plan: Plan) -> Iterator[dict[str, Any]]:
    event_number = 0
    for number, repository, standing, first, closed in _lives(plan):
        for event, week in (("new", first), (standing, closed)):
            if week is None and event != "suppressed":
                continue
            event_number += 1
            week = first if week is None else week  # noqa: PLW2901 - a suppression holds from the start here
            snapshot = plan.snapshot(repository, week)
            yield {
                "id": event_number,
                "finding_id": number,
                "repository_id": repository,
                "audit_id": snapshot,
                "event": event,
                "commit": _commit(snapshot),
                "as_of": plan.at(week),
                "recorded_at": plan.at(week),
                "detail": {},
            }


# --- what was asked and told ---------------------------------------------------------------------------------


def _gates(plan: Plan) -> Iterator[dict[str, Any]]:
    for number, (repository, week) in enumerate(_weeks(plan), 1):
        failing = number % 4 == 0
        yield {
            "id": number,
            "repository_id": repository,
            "base": _commit(number),
            "head": _commit(-number),
            "change_number": week + 1,
            "title": f"Change {week + 1}",
            "ruler": plan.digest,
            "status": "failed" if failing else "passed",
            "reason": "2 new gate-tier findings" if failing else "",
            "failing": 2 * failing,
            "new": 3,
            "fixed": 1,
            "suppressed": 0,
            "report": {},
            "judged_at": plan.at(week),
        }


def _inbox(plan: Plan) -> Iterator[dict[str, Any]]:
    for number, (repository, week) in enumerate(_weeks(plan), 1):
        commit = _commit(plan.snapshot(repository, week))
        yield {
            "id": number,
            "source": "webhook",
            "provider": "github",
            "delivery_id": f"delivery-{number}",
            "repository_id": repository,
            "action": "push",
            "document": {"head": commit, "ref": "refs/heads/main", "target_files": ["src/core/module_001.py"]},
            "priority": 0,
            "received_at": plan.at(week),
            "state": "done",
            "decision": "audited",
            "audit_type": "incremental",
            "run_key": f"audit:{number}",
            "run_id": f"run-{number}",
            "decided_at": plan.at(week),
            "finished_at": plan.at(week),
            "result": {"commit": commit, "status": "passed"},
        }


def _live_events(plan: Plan) -> Iterator[dict[str, Any]]:
    for number, (repository, week) in enumerate(_weeks(plan), 1):
        document = {"commit": _commit(number), "status": "passed"}
        yield {"id": number, "repository_id": repository, "event": "audit_completed", "document": document, "at": plan.at(week)}  # fmt: skip # noqa: E501


# --- writing -------------------------------------------------------------------------------------------------


def _bulk(connection: sa.Connection, table: sa.Table, rows: Iterable[dict[str, Any]]) -> None:
    """Insert many rows by the driver's own fast way: SQLAlchemy's costs five times as much."""
    iterator = iter(rows)
    while chunk := list(islice(iterator, CHUNK_ROWS)):
        columns = list(chunk[0])
        times = {column.name for column in table.columns if isinstance(column.type, tables.UtcDateTime)}
        if connection.dialect.name == "postgresql":
            _copy(connection, table.name, columns, chunk, times)
            continue
        named = ", ".join(f'"{name}"' for name in columns)
        statement = f"INSERT INTO {table.name} ({named}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608
        connection.exec_driver_sql(statement, [tuple(_flat(row[name]) for name in columns) for row in chunk])


def _flat(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value


def _copy(
    connection: sa.Connection, table: str, columns: Sequence[str], chunk: Iterable[dict[str, Any]], times: set[str]
) -> None:
    """PostgreSQL's COPY in its text format: https://www.postgresql.org/docs/current/sql-copy.html."""
    text = io.StringIO()
    for row in chunk:
        cells = []
        for name in columns:
            value = _flat(row[name])
            cell = (
                "\\N" if value is None else str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
            )
            cells.append(f"{cell}+00" if name in times and value is not None else cell)
        text.write("\t".join(cells) + "\n")
    text.seek(0)
    named = ", ".join(f'"{name}"' for name in columns)
    cursor = connection.connection.cursor()
    cursor.copy_expert(f"COPY {table} ({named}) FROM STDIN", text)  # type: ignore[attr-defined]


def _project(connection: sa.Connection) -> None:
    """What holds now, by counting what was written."""
    state, rules = tables.finding_states, tables.latest_rules
    counted = (
        sa.select(
            *(state.c[name] for name in ("repository_id", "rule", "severity")),
            *(sa.func.min(state.c[name]) for name in ("magic", "tier")),
            *(sa.func.sum(sa.case((state.c.standing == name, 1), else_=0)) for name in ("open", "suppressed")),
        )
        .where(state.c.standing.in_(("open", "suppressed")))
        .group_by(state.c.repository_id, state.c.rule, state.c.severity)
    )
    names = ["repository_id", "rule", "severity", "magic", "tier", "open", "suppressed"]
    connection.execute(sa.insert(rules).from_select(names, counted))
    _project_latest(connection, rules)


def _project_latest(connection: sa.Connection, rules: sa.Table) -> None:
    snapshots, audits = tables.snapshots, tables.audits
    gating = {
        name: sa.case(((rules.c.severity == name) & (rules.c.tier == "gate"), rules.c.open), else_=0)
        for name in ("critical", "high")
    }
    sums = {"open": rules.c.open, "suppressed": rules.c.suppressed, **gating}
    totals = (
        sa.select(rules.c.repository_id, *(sa.func.sum(value).label(name) for name, value in sums.items()))
        .group_by(rules.c.repository_id)
        .subquery()
    )
    newest = sa.select(sa.func.max(snapshots.c.id)).group_by(snapshots.c.repository_id)
    shared = (
        "commit",
        "as_of",
        "ruler",
        "status",
        "reason",
        "score_exact",
        "score",
        "eligible_files",
        "analysed_files",
    )
    content = {
        "repository_id": snapshots.c.repository_id,
        "audit_id": audits.c.id,
        "snapshot_id": snapshots.c.id,
        "audited_at": audits.c.audited_at,
        "profile": sa.literal("default"),
        **{name: snapshots.c[name] for name in shared},
        **{name: sa.func.coalesce(totals.c[name], 0) for name in sums},
        "problems": sa.literal([], sa.JSON),
    }
    whole = (
        sa.select(*content.values())
        .join(audits, audits.c.snapshot_id == snapshots.c.id)
        .join(totals, totals.c.repository_id == snapshots.c.repository_id, isouter=True)
        .where(snapshots.c.id.in_(newest))
    )
    connection.execute(sa.insert(tables.latest).from_select(list(content), whole))


def _set_sequences(connection: sa.Connection) -> None:
    """Let PostgreSQL number further rows behind those that brought their own numbers."""
    for table in tables.METADATA.sorted_tables:
        if "id" in table.c and table.c.id.primary_key:
            connection.exec_driver_sql(
                f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), COALESCE(MAX(id), 1)) FROM {table.name}"  # noqa: S608
            )


def main() -> None:
    """Fill a store from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store_url")
    parser.add_argument("--repositories", type=int, default=300)
    parser.add_argument("--weeks", type=int, default=104)
    parser.add_argument("--findings", type=int, default=2_000_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    started = time.perf_counter()
    fill(given.store_url, given.repositories, given.weeks, given.findings, seed=given.seed)
    print(f"filled in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
