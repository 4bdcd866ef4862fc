"""What the control plane counts about itself. Labels are route templates, never paths: their number is bounded."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 10)
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


REPORT_SECONDS = 30.0
"""How often the p95 of the API is reported."""
RECENT_MAX = 2_000


class Metrics:
    """One app's figures."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter("elder_http_requests", "HTTP requests", labels, registry=self.registry)
        self.seconds = Histogram(
            "elder_http_request_seconds", "Time to answer", ("method", "route"), buckets=SECONDS, registry=self.registry
        )


class CountRequests:
    """Counts each HTTP request by method, route template and status."""

    def __init__(self, app: ASGIApp, metrics: Metrics, report: Callable[[float], None] | None = None) -> None:
        self._app = app
        self._metrics = metrics
        self._report = report
        self._recent: deque[float] = deque(maxlen=RECENT_MAX)
        self._reported = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            route = getattr(scope.get("route"), "path", "") or "unmatched"
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._metrics.requests.labels(method, route, str(status)).inc()
            self._metrics.seconds.labels(method, route).observe(time.monotonic() - started)
            if scope["path"].startswith("/api/"):
                self._recent.append(time.monotonic() - started)
            if self._report and self._recent and time.monotonic() - self._reported > REPORT_SECONDS:
                self._reported, slow = time.monotonic(), p95(self._recent) * 1000
                self._recent.clear()
                asyncio.get_running_loop().run_in_executor(None, self._report, slow)


def p95(values: Sequence[float] | deque[float]) -> float:
    """The value that 95 % of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[math.ceil(0.95 * len(ordered)) - 1]
