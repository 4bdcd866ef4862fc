"""One ticket for a finding, whoever asks, however often, and whatever breaks in between."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fleet_samples import BASKET, NOW, fill

from elder_assets.audit.errors import ConfigurationError, Conflict, ProviderError, ProviderUnavailable, UnknownRecord
from resources.git.providers.issues import Issue, OpenedIssue
from resources.settings import Settings, load_settings
from resources.store import Store, open_store
from resources.tickets import open_ticket


class Tracker:
    """A git host that keeps issues; may fail before or after it kept one."""

    name = "github"

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self.looked = 0
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None

    def open_issue(self, _host: object, _key: str, issue: Issue) -> OpenedIssue:
        self.before()
        self.issues.append(issue)
        self.after()
        return self._shown(len(self.issues))

    def find_issue(self, _host: object, _key: str, marker: str, _since: dt.datetime) -> OpenedIssue | None:
        self.looked += 1
        found = [number for number, issue in enumerate(self.issues, 1) if issue.marker == marker]
        return self._shown(found[0]) if found else None

    @staticmethod
    def _shown(number: int) -> OpenedIssue:
        return OpenedIssue(number=str(number), url=f"https://github.com/acme/shop/issues/{number}")


class Clock:
    now = NOW

    def __call__(self) -> dt.datetime:
        return self.now


class World:
    """A store with findings, a host, and somebody who asks for a ticket."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self.store, self.settings, self.clock, self.tracker = store, settings, clock, Tracker()
        self.project = store.repository(BASKET).id
        (self.finding, *_) = [row["id"] for row in store.listed_findings(self.project, "open", limit=5)]

    def ask(self, by: str = "ann", **options: Any) -> tuple[Any, bool]:
        client = SimpleNamespace(__enter__=None)
        opened = lambda *_: (self.tracker, SimpleNamespace(client=_Closing(client)))  # noqa: E731
        return open_ticket(self.store, self.settings, self.finding, by=by, hosts=opened, **options)


class _Closing:
    def __init__(self, client: object) -> None:
        self.client = client

    def __enter__(self) -> object:
        return self.client

    def __exit__(self, *_: object) -> None:
        return None


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    clock = Clock()
    with open_store(f"sqlite:///{tmp_path / 'elder.db'}", clock=clock) as store:
        fill(store)
        number = store.repository(BASKET).id
        store.change_project(number, {"credential": "env:TOKEN", "provider": "github"})
        given = {"ELDER_HOME": str(tmp_path), "ELDER_PUBLIC_URL": "https://elder.example.com", "TOKEN": "t"}
        yield World(store, load_settings(given), clock)


def test_the_second_click_shows_the_first_ones_ticket(world: World):
    first, is_new = world.ask("ann")
    again, is_again_new = world.ask("bob")
    assert (is_new, is_again_new) == (True, False)
    assert first == again
    assert (first.number, first.author, first.opened_at) == ("1", "ann", NOW)
    assert len(world.tracker.issues) == 1


def test_the_issue_says_rule_place_remedy_and_leads_back(world: World):
    world.ask()
    (issue,) = world.tracker.issues
    row = world.store.finding_now(world.finding)
    assert issue.rule == row["rule"]
    assert issue.place.startswith(row["path"])
    assert issue.place_link.startswith(f"https://{BASKET}/blob/{row['last_commit']}/")
    assert issue.link == f"https://elder.example.com/findings/{world.finding}"


def test_who_opened_it_is_in_the_audit_log(world: World):
    world.ask("ann")
    (entry,) = world.store.log_entries(action="ticket.open")
    assert (entry.actor, entry.target) == ("ann", f"finding {world.finding}")
    assert entry.detail == {"url": "https://github.com/acme/shop/issues/1"}


def test_of_two_who_click_together_one_opens_it_and_one_waits(world: World):
    refused: list[str] = []

    def meanwhile() -> None:
        with pytest.raises(Conflict) as caught:
            world.ask("bob")
        refused.append(str(caught.value))

    world.tracker.before = meanwhile
    ticket, _ = world.ask("ann")
    assert refused == ["ann asked for this ticket and it is being opened; look again in a moment"]
    assert (ticket.author, len(world.tracker.issues)) == ("ann", 1)


class _KilledError(BaseException):
    """The process ends here."""


def killed() -> None:
    raise _KilledError


def test_a_crash_between_call_and_store_does_not_make_two(world: World):
    world.tracker.after = killed
    with pytest.raises(_KilledError):
        world.ask("ann")
    world.tracker.after = lambda: None
    with pytest.raises(Conflict):
        world.ask("bob")
    world.clock.now = NOW + dt.timedelta(seconds=181)
    ticket, _ = world.ask("bob")
    assert (ticket.number, ticket.author, ticket.opened_at) == ("1", "ann", world.clock.now)
    assert (len(world.tracker.issues), world.tracker.looked) == (1, 1)


def test_an_answer_that_never_came_does_not_make_two(world: World):
    def silent() -> None:
        msg = "no answer in time"
        raise ProviderUnavailable(msg, "timeout")

    world.tracker.after = silent
    with pytest.raises(ProviderUnavailable):
        world.ask()
    world.tracker.after = lambda: None
    assert world.store.tickets_of([world.finding])[world.finding].error == "no answer in time"
    ticket, _ = world.ask()
    assert (ticket.number, ticket.error, len(world.tracker.issues)) == ("1", "", 1)


def test_a_refusal_is_kept_and_asking_again_tries_again(world: World):
    def refused() -> None:
        msg = "issues switched off"
        raise ProviderError(msg, "issues_disabled")

    world.tracker.before = refused
    with pytest.raises(ProviderError):
        world.ask()
    assert world.tracker.issues == []
    world.tracker.before = lambda: None
    ticket, is_new = world.ask("bob")
    assert (is_new, ticket.state, ticket.author) == (True, "open", "ann")


def test_a_slow_opener_whose_claim_lapsed_does_not_undo_the_one_who_found_its_issue(world: World):
    def overtaken() -> None:
        world.tracker.after = lambda: None
        world.clock.now = NOW + dt.timedelta(seconds=181)
        world.ask("bob")

    world.tracker.after = overtaken
    ticket, _ = world.ask("ann")
    assert ticket.number == "1"
    assert len(world.tracker.issues) == 1


def test_a_finding_that_is_gone_gets_no_ticket(world: World):
    closed = [row["id"] for row in world.store.listed_findings(world.project, "fixed", limit=1)]
    world.finding = closed[0]
    with pytest.raises(Conflict, match="is fixed"):
        world.ask()


def test_without_a_credential_nobody_is_called(world: World):
    world.store.change_project(world.project, {"credential": ""})
    with pytest.raises(ConfigurationError, match="credential that may open issues"):
        world.ask()
    assert world.store.tickets_of([world.finding]) == {}


def test_a_finding_of_another_team_is_not_there(world: World):
    growth = next(team.id for team in world.store.teams() if team.key == "growth")
    with pytest.raises(UnknownRecord):
        world.ask(team_id=growth)


def test_deleting_a_project_takes_its_tickets_along(world: World):
    world.ask()
    world.store.delete_project(world.project, by="root")
    assert world.store.tickets_of([world.finding]) == {}
