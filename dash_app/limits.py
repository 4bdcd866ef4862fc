"""Limits on what one client may ask of the process. Kept in memory: one process serves, and a restart forgives."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

REQUESTS_PER_MINUTE = 1_200
"""For each token or address; a page of ours asks about 40 times when it opens. Chosen by us."""
REQUESTS_BURST = 600
FAILURES_PER_MINUTE = 10
"""Requests of one address that nobody signed, before it has to wait. Chosen by us."""
FAILURES_BURST = 20
CLIENTS_MAX = 10_000
"""The clients seen longest ago are forgotten first, so that many addresses cannot fill the memory."""
BODY_BYTES_MAX = 1_000_000
WEBHOOK_BYTES_MAX = 25 * 1024 * 1024
"""GitHub caps payloads at 25 MB: https://docs.github.com/en/webhooks/webhook-events-and-payloads"""


class Allowance:
    """Token buckets: each client may ask `burst` times at once, and then as often as its bucket fills."""

    def __init__(self, per_minute: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_minute / 60
        self._burst = float(burst)
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_seconds(self, client: str) -> float:
        """How long the client must wait before its next request; 0 when it need not."""
        with self._lock:
            return self._wait(self._now(client))

    def take(self, client: str) -> float:
        """Count a request; how long the client must wait instead, 0 when it need not."""
        with self._lock:
            left = self._now(client)
            if wait := self._wait(left):
                return wait
            self._left[client] = (left - 1, self._clock())
            self._left.move_to_end(client)
            while len(self._left) > CLIENTS_MAX:
                self._left.popitem(last=False)
            return 0.0

    def _wait(self, left: float) -> float:
        return 0.0 if left >= 1 else (1 - left) / self._per_second

    def _now(self, client: str) -> float:
        left, at = self._left.get(client, (self._burst, self._clock()))
        return min(self._burst, left + (self._clock() - at) * self._per_second)


def bounded(receive: Receive, most: int) -> Receive:
    """A body that may have so many bytes; counted while it comes, whatever its length claims to be."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise HTTPException(413, too_large(most))
        return message

    return counted


def too_large(most: int) -> str:
    """What a client is told whose body is too large."""
    return f"the body has more than {most:,} bytes"
