"""Live updates of one project over a WebSocket.

    -> {"type": "subscribe_updates", "filter": {"event": "audit_completed"}, "last_event_id": 17}
    <- {"type": "subscribed", "project_id": 3, "last_event_id": 17}
    <- {"type": "audit_completed", "event_id": 18, "project_id": 3, "at": "...", "data": {...}}

Without a subscription everything is sent, from the moment of the connection on.
"""

from __future__ import annotations

import contextlib
from collections import deque
from typing import Annotated, Any, Literal

import anyio
import msgspec
from fastapi import APIRouter, Path, WebSocket, WebSocketDisconnect
from starlette.concurrency import run_in_threadpool

from dash_app.access import Person, person_of
from dash_app.api.parts import StoreHere
from dash_app.live import EVENTS_AT_ONCE, Event, Follower, LiveEvents, wanted
from elder_assets.audit.errors import ElderError
from resources.store import Store

router = APIRouter()
CHECK_SECONDS = 30.0
"""How often a quiet connection is asked whether its person may still see the project."""
TOO_SLOW, NOT_ALLOWED, NOT_UNDERSTOOD = 4008, 4003, 1003
FILTERS_MAX = 10
SENT_REMEMBERED = 1_000
"""An event that was missed may also be among those that wait; it is sent once."""
BIGGEST_EVENT = 2**63 - 1


_NOTHING: Event = {}
"""No event came in time."""


class Subscribe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client may say."""

    type: Literal["subscribe_updates"]
    filter: dict[str, str | int | bool | list[str]] = {}
    last_event_id: Annotated[int, msgspec.Meta(ge=0, le=BIGGEST_EVENT)] | None = None


@router.websocket("/ws/projects/{project_id}/audit-updates")
async def audit_updates(
    socket: WebSocket, store: StoreHere, project_id: Annotated[int, Path(ge=1, le=BIGGEST_EVENT)]
) -> None:
    """Send the project's live events until either side ends it."""
    try:
        person = person_of(socket)
        await run_in_threadpool(store.project, project_id, team_id=person.team_id)
    except ElderError as error:
        await socket.close(NOT_ALLOWED, str(error)[:120])
        return
    live: LiveEvents = socket.app.state.live
    newest = await run_in_threadpool(store.newest_live_event)
    await socket.accept()
    follower = live.follow(project_id)
    talk = _Talk(socket, store, follower, newest)
    try:
        async with anyio.create_task_group() as both:
            both.start_soon(talk.listen, both.cancel_scope)
            both.start_soon(talk.tell, person, both.cancel_scope)
    finally:
        live.leave(follower)
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # the client may have closed it first
        await socket.close(talk.code, talk.reason)


class _Talk:
    """One connection: what the client asked for, and what it has been sent."""

    def __init__(self, socket: WebSocket, store: Store, follower: Follower, newest: int) -> None:
        self._socket = socket
        self._store = store
        self._follower = follower
        self._is_wanted = wanted({})
        self._seen_before = newest
        self._sent: deque[int] = deque(maxlen=SENT_REMEMBERED)
        self._lock = anyio.Lock()
        self.code = 1000
        self.reason = ""

    async def listen(self, both: anyio.CancelScope) -> None:
        """Read subscriptions until the client leaves or says something else; that ends the connection."""
        while not both.cancel_called:
            try:
                said = msgspec.json.decode(await self._socket.receive_text(), type=Subscribe)
            except (msgspec.MsgspecError, UnicodeDecodeError, KeyError) as error:
                self._end(both, NOT_UNDERSTOOD, f"not understood: {error}")
                return
            except WebSocketDisconnect:
                both.cancel()
                return
            if len(said.filter) > FILTERS_MAX:
                self._end(both, NOT_UNDERSTOOD, f"at most {FILTERS_MAX} filters")
                return
            await self._subscribe(said)

    async def _subscribe(self, said: Subscribe) -> None:
        async with self._lock:
            self._is_wanted = wanted(said.filter)
            answer = {"project_id": self._follower.repository_id, "last_event_id": said.last_event_id}
            await self._socket.send_json({"type": "subscribed", **answer})
            after = said.last_event_id
            if after is not None:
                self._seen_before = after
            while after is not None:
                number = self._follower.repository_id
                missed = await run_in_threadpool(self._store.live_events_after, after, EVENTS_AT_ONCE, number)
                for event in missed:
                    await self._send(event)
                after = missed[-1]["id"] if len(missed) == EVENTS_AT_ONCE else None

    async def tell(self, person: Person, both: anyio.CancelScope) -> None:
        """Send events as they come, as long as the person may see the project."""
        checked_at = anyio.current_time()
        while not both.cancel_called:
            event: Event | None = _NOTHING
            with anyio.move_on_after(CHECK_SECONDS):
                event = await self._follower.events.get()
            if event is None:
                self._end(both, TOO_SLOW, "too slow; connect again and name your last_event_id")
                return
            if anyio.current_time() - checked_at >= CHECK_SECONDS:
                checked_at = anyio.current_time()
                if not await run_in_threadpool(self._may_see, person):
                    self._end(both, NOT_ALLOWED, "you may not see this project any more")
                    return
            if event is _NOTHING:
                continue
            if not person.sees(event["team_id"]):
                self._end(both, NOT_ALLOWED, "you may not see this project any more")
                return
            async with self._lock:
                await self._send(event)

    def _may_see(self, person: Person) -> bool:
        try:
            self._store.project(self._follower.repository_id, team_id=person.team_id)
            return person.token_id is None or self._store.is_usable(person.token_id)
        except ElderError:
            return False

    async def _send(self, event: Event) -> None:
        """Send an event that was asked for, once."""
        if event["id"] in self._sent or event["id"] <= self._seen_before:
            return
        self._sent.append(event["id"])
        if self._is_wanted(event):
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # it has left; `listen` hears of it
                await self._socket.send_json(_message(event))

    def _end(self, both: anyio.CancelScope, code: int, reason: str) -> None:
        self.code, self.reason = code, reason[:100]
        both.cancel()


def _message(event: Event) -> dict[str, Any]:
    return {
        "type": event["event"],
        "event_id": event["id"],
        "project_id": event["repository_id"],
        "at": event["at"].isoformat(),
        "data": event["document"],
    }
