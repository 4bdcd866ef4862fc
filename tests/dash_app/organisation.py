"""Two teams with a repository each, whose rows say whose they are; for tests of the API."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import sqlalchemy as sa

from elder_assets.audit.ruler import default_ruler
from elder_assets.audit.suppression import suppression
from resources.store import Store, tables
from resources.store.projects import ProjectTerms

NOW = dt.datetime(2026, 2, 9, 12, tzinfo=dt.UTC)
TEAMS = ("apples", "pears")


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """What one team has; every text of its rows holds its name."""

    team: str
    token: str
    """Of a viewer."""
    admin: str
    project_id: int
    finding_id: int
    suppression_id: int
    delivery_id: int
    audit_ids: tuple[int, int]


def build(store: Store) -> dict[str, Side]:
    """Both teams."""
    return {team: _side(store, team) for team in TEAMS}


def _side(store: Store, team: str) -> Side:
    store.add_team(team)
    key = f"git.example.com/{team}/shop-{team}"
    terms = ProjectTerms(name=f"shop of {team}", compliance_tags=(f"tag-{team}",))
    project = store.add_project(key, f"https://{key}", terms, team=team, status="active")
    audits = tuple(_audit(store, project.id, team, number) for number in (1, 2))
    with store._writing() as connection:
        finding = _insert(connection, tables.finding_states, _finding(project.id, team, audits[0]))
        event = {"finding_id": finding, "repository_id": project.id, "audit_id": audits[1], "event": "new"}
        times = {"commit": team, "as_of": NOW, "recorded_at": NOW, "detail": {"by": team}}
        connection.execute(sa.insert(tables.finding_events).values(**event, **times))
    rule = next(iter(default_ruler().rules))
    held = suppression([rule], f"because of {team}", dt.date(2036, 1, 1), [rule], origin="request", place="")
    wish = store.request_suppression(key, held, f"ann of {team}", finding)
    put = store.ask_audit(key, source="api", delivery_id=f"delivery of {team}", by=f"ann of {team}")
    store.put_channel(f"shop-{team}", "slack", "env:PLACE", team)
    with store._writing() as connection:
        decided = {"rule": f"rule of {team}", "key": team, "action": "send", "document": {"by": team}, "at": NOW}
        connection.execute(sa.insert(tables.alert_decisions).values(repository_id=project.id, **decided))
    store.put_live_event(project.id, "audit_update", {"team": team})
    return Side(
        team=team,
        token=store.create_token(f"reader of {team}", "viewer", days=1, team=team, by="root")[1],
        admin=store.create_token(f"admin of {team}", "admin", days=1, team=team, by="root")[1],
        project_id=project.id,
        finding_id=finding,
        suppression_id=wish.id,
        delivery_id=put.row,
        audit_ids=(audits[0], audits[1]),
    )


def _insert(connection: sa.Connection, table: sa.Table, row: dict[str, Any]) -> int:
    return connection.scalars(sa.insert(table).returning(next(iter(table.primary_key.columns))), row).one()


def _audit(store: Store, project_id: int, team: str, number: int) -> int:
    """One default audit with its counts, and what holds after it."""
    ruler, commit = default_ruler(), (f"{number}" * 40)
    at = NOW - dt.timedelta(weeks=2 - number)
    numbers = dict.fromkeys(["previous", "new", "unveiled", "reopened", "open", "suppressed", "removed"], number)
    with store._writing() as connection:
        rule_row = {"digest": ruler.digest, "document": ruler.document().decode(), "recorded_at": NOW}
        store._insert_new(connection, tables.rulers, rule_row)
        whole = {"status": "passed", "reason": f"reason of {team}", "score": 80.0 + number, "score_exact": "81"}
        files = {"eligible_files": 10, "analysed_files": 10}
        snapshot = _insert(
            connection,
            tables.snapshots,
            {
                "repository_id": project_id, "revision": commit, "ruler": ruler.digest, "baseline": "", "tree": commit,
                "refs_digest": "", "commit": commit, "as_of": at, "as_of_seconds": int(at.timestamp()), "notes": [],
                "is_shallow": False, "is_partial": False, "skipped": [], **whole, **files,
            },
        )  # fmt: skip
        audit = _insert(
            connection,
            tables.audits,
            {"snapshot_id": snapshot, "kind": "default", "audited_at": at, "content_digest": ""},
        )
        _insert(
            connection,
            tables.audit_counts,
            {
                "audit_id": audit, "repository_id": project_id, "as_of": at, **numbers, "fixed": 3, "not_answered": 0,
                "evaluated_on": at.date(), "score": whole["score"], "score_exact": "81", "status": "passed",
            },
        )  # fmt: skip
        magic = {"magic": "tdd", "weight_share": "1/8", "findings": 2, "suggestions": 1, "duration_ms": 5.0, **whole}
        connection.execute(sa.insert(tables.scores).values(snapshot_id=snapshot, **magic))
        for table in (tables.latest, tables.latest_magics):
            connection.execute(sa.delete(table).where(table.c.repository_id == project_id))
        connection.execute(
            sa.insert(tables.latest).values(
                repository_id=project_id, audit_id=audit, snapshot_id=snapshot, commit=commit, as_of=at, audited_at=at,
                ruler=ruler.digest, profile="default", open=2, suppressed=1, critical=0, high=1, problems=[], **whole,
                **files,
            )
        )  # fmt: skip
        connection.execute(
            sa.insert(tables.latest_magics).values(repository_id=project_id, units=9, affected=2, **magic)
        )
    return audit


def _finding(project_id: int, team: str, audit: int) -> dict[str, Any]:
    texts = {
        name: f"{name} of {team}" for name in ("path", "symbol", "message", "remedy", "fingerprint", "kin", "unit")
    }
    return {
        "repository_id": project_id, "source": "elder", "standing": "open", "magic": "tdd", "rule": "TDD001",
        "severity": "high", "tier": "gate", "line": 3, "first_commit": "1" * 40, "first_seen": NOW,
        "first_audit_id": audit, "last_commit": "2" * 40, "last_seen": NOW, "arrival": "new", "times_reopened": 0,
        **texts,
    }  # fmt: skip
