"""Tells people when an initiative is reached or its deadline has passed: once an hour, from what happened to it.

How far its history was read stands in the results store; what is read twice is told once, because a condition that is
open is not told again.
"""

from __future__ import annotations

from elder_assets.audit.alert_events import Event
from elder_assets.audit.initiatives import words
from resources.alerting.dispatch import Told, tell_own
from resources.store import Store
from resources.store.initiatives import Initiative
from resources.teams.initiatives import measure_all

EVERY_SECONDS = 3600
TOLD = ("reached", "missed", "active")
"""What is news: `active` clears what was missed, when there is another deadline."""


def tell_initiatives(store: Store, now: int) -> Told:
    """Measure every initiative, and decide about what happened to them since the last time.

    Args:
        store: where initiatives, rules and decisions are.
        now: seconds since the epoch.
    """
    read, at = store.initiative_mark()
    if at is not None and now - at < EVERY_SECONDS:
        return Told()
    if at is None:  # the past is no news
        read = store.newest_initiative_event()
    measure_all(store)
    news = store.initiative_news(read, TOLD)
    teams = {team.id: team.key for team in store.teams()}
    events = [event for _, known, state in news for event in _events(known, state, teams, now)]
    told = tell_own(store, events, now) if events else Told()
    store.keep_initiative_mark(max([read, *(number for number, _, _ in news)]), now)
    return told


def _events(known: Initiative, state: str, teams: dict[int, str], now: int) -> list[Event]:
    team = "" if known.team_id is None else teams.get(known.team_id, "")
    missed = Event(
        kind="initiative_missed",
        project=team or "all teams",
        team=team,
        at=now,
        what=f"{known.title} (#{known.id})",
        after=state,
        found=int(state == "missed"),
        reason=f"{words(known.goal)}, by {known.deadline}; {known.owner} sees to it",
        link=f"/teams/{team}?tab=initiatives" if team else "/teams",
    )
    if state != "reached":
        return [missed]
    values = {name: getattr(missed, name) for name in Event.__struct_fields__}
    return [missed, Event(**(values | {"kind": "initiative_reached", "found": 1}))]
