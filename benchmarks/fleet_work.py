"""What pages about work in progress read, for the made-up organisation of `fleet.py`: alerts, failures, log, map.

The plan is that of `fleet.py`; every function yields rows of one table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from elder_assets.audit.alert_events import Event
from elder_assets.audit.alerts import Action, AlertRule, Notice
from resources.store.findings import FILES_KEPT

if TYPE_CHECKING:
    from benchmarks.fleet import Plan
    from resources.store import Store

FAILING_EACH = 60
"""One repository in so many cannot be audited."""
FOLDERS = ("api", "billing", "core", "jobs", "shop", "web")


def files(plan: Plan) -> Iterator[dict[str, Any]]:
    """The map of each repository, as many files as are kept."""
    for repository in plan.repositories:
        for number in range(FILES_KEPT):
            is_hot = number < 40
            yield {
                "repository_id": repository,
                "path": f"src/{FOLDERS[number % len(FOLDERS)]}/module_{number:03}.py",
                "size_bytes": 400 + (number * 7_919) % 40_000,
                "open": 3 * is_hot,
                "weight": 9 * is_hot,
                "changes": (60 - number) * is_hot,
                "cognitive": 20 * is_hot,
                "authors": 3 * is_hot,
            }


def failures(plan: Plan) -> Iterator[dict[str, Any]]:
    """Attempts that failed after the last audit."""
    for number, repository in enumerate(plan.repositories[::FAILING_EACH], 1):
        at = plan.at(len(plan.mondays) - 1).replace(" 12:", " 13:")
        yield {
            "id": number,
            "repository_id": repository,
            "reason": "the host said 404",
            "run_id": None,
            "failed_at": at,
        }


def channels(plan: Plan) -> Iterator[dict[str, Any]]:
    """One for all, and one of each team."""
    for number, team in enumerate((None, *plan.teams), 1):
        yield {
            "id": number, "name": f"channel-{number}", "team_id": team, "kind": "slack", "address": "env:SLACK",
            "settings": {"language": "en", "time_zone": "UTC"}, "changed_at": plan.at(0), "removed_at": None,
        }  # fmt: skip


def decisions(plan: Plan) -> Iterator[dict[str, Any]]:
    """One a week and repository."""
    for number, (repository, week) in enumerate(_weeks(plan), 1):
        action = (Action.SEND, Action.DIGEST, Action.MUTED)[number % 3]
        event = Event(kind="gate_failed", project=f"service-{repository:03}", team="", at=1, after="failed", found=2)
        notice = Notice(key=f"gates|{number}", event=event, severity="warning")
        document = {"reason": "", "notice": msgspec.to_builtins(notice)}
        yield {
            "id": number, "repository_id": repository, "rule": "gates", "key": f"gates|{number}",
            "action": str(action), "document": document, "at": plan.at(week),
        }  # fmt: skip


def notices(plan: Plan) -> Iterator[dict[str, Any]]:
    """What became of the decisions that told somebody."""
    for number, (_, week) in enumerate(_weeks(plan), 1):
        if number % 3 == 0:
            yield {
                "id": number, "decision_id": number, "channel_id": 1, "key": f"gates|{number}", "document": {},
                "state": "given up" if number % 300 == 0 else "sent", "attempts": 1, "next_at": plan.at(week),
                "error": "", "created_at": plan.at(week), "sent_at": plan.at(week),
            }  # fmt: skip


def _weeks(plan: Plan) -> Iterator[tuple[int, int]]:
    """Week by week, as time goes."""
    for week in range(len(plan.mondays)):
        for repository in plan.repositories:
            yield repository, week


def keep_log(store: Store, rows: int) -> None:
    """Rules, and an audit log whose chain is whole."""
    store.put_rule(AlertRule(name="gates", kind="gate_failed", channels=("channel-1",)), "root")
    with store._writing() as connection:  # noqa: SLF001 - one transaction for all of them
        for number in range(rows):
            store._log(connection, f"person-{number % 20}", "project.change", f"service-{number % 300:03}")  # noqa: SLF001
