"""Live events: read once for the whole process, a few times a second, and handed to whoever follows a project.

A client that lost its connection names the last event that it saw and gets what it missed from the database.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool

from elder_assets.audit.errors import ElderError
from resources.store import Store

LOG = logging.getLogger("elder.live")
POLL_SECONDS = 0.25
"""An event reaches its followers in half of this on average; the query reads the primary key's end. Chosen by us."""
EVENTS_AT_ONCE = 500
LATE_IDS = 50
"""Of two transactions in PostgreSQL the later number may be visible first; so many numbers are read again."""
WAITING_MAX = 1_000
"""Events that wait for one slow client; beyond, its connection is closed, and it resumes by the last id it saw."""
Event = dict[str, Any]


class Follower:
    """One subscription: the events of one project that wait for its client."""

    def __init__(self, repository_id: int) -> None:
        self.repository_id = repository_id
        self.events: asyncio.Queue[Event | None] = asyncio.Queue(WAITING_MAX)
        """None says that events were lost: the client is too slow."""

    def offer(self, event: Event) -> None:
        """Let an event wait for the client."""
        if self.events.full():
            self.events.get_nowait()
            self.events.put_nowait(None)
            return
        self.events.put_nowait(event)


class LiveEvents:
    """The process's one reader of live events."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._followers: set[Follower] = set()
        self._task: asyncio.Task[None] | None = None
        self._seen = 0
        self._given: set[int] = set()

    async def start(self) -> None:
        """Begin to read, from the newest event on."""
        self._seen = await run_in_threadpool(self._store.newest_live_event)
        known = await run_in_threadpool(self._store.live_events_after, max(0, self._seen - LATE_IDS), EVENTS_AT_ONCE)
        self._given = {event["id"] for event in known}
        self._task = asyncio.create_task(self._read_on())

    async def stop(self) -> None:
        """End reading."""
        if self._task is not None:
            self._task.cancel()

    def follow(self, repository_id: int) -> Follower:
        """Begin a subscription."""
        follower = Follower(repository_id)
        self._followers.add(follower)
        return follower

    def leave(self, follower: Follower) -> None:
        """End a subscription."""
        self._followers.discard(follower)

    async def _read_on(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self.poll()
            except ElderError as error:  # the database is away for a while; nothing is lost, reading goes on behind
                LOG.warning("live events wait: %s", error)

    async def poll(self) -> None:
        """Read what is new and hand it out."""
        start = max(0, self._seen - LATE_IDS)
        events = await run_in_threadpool(self._store.live_events_after, start, EVENTS_AT_ONCE)
        fresh = [event for event in events if event["id"] not in self._given]
        self._given = {event["id"] for event in events}
        for event in fresh:
            self._seen = max(self._seen, event["id"])
            for follower in list(self._followers):
                if follower.repository_id == event["repository_id"]:
                    follower.offer(event)


def wanted(filters: dict[str, Any]) -> Callable[[Event], bool]:
    """Which events a client asked for: names of events, and values that their document must have."""
    names = filters.get("event")
    allowed = {names} if isinstance(names, str) else set(names or ())
    values = {name: value for name, value in filters.items() if name != "event"}

    def is_wanted(event: Event) -> bool:
        document = event["document"]
        return (not allowed or event["event"] in allowed) and all(
            document.get(name) in (value if isinstance(value, list) else [value]) for name, value in values.items()
        )

    return is_wanted
