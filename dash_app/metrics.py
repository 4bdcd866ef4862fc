"""What the control plane counts about itself. Labels are route templates, never paths: their number is bounded."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from elder_assets.audit.errors import StoreError
from elder_assets.version import elder_version
from resources.observability.figures import SECONDS as SECONDS_OF_RUNS
from resources.observability.figures import Family, Figures
from resources.settings import Settings
from resources.store import Store

REFRESH_SECONDS = 10
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 10)
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


REPORT_SECONDS = 30.0
"""How often the p95 of the API is reported."""
RECENT_MAX = 2_000


class Metrics:
    """One app's figures."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(StoreFigures(store, settings))
        Gauge("elder_build_info", "Which Elder this is", ("version",), registry=self.registry).labels(
            elder_version()
        ).set(1)
        labels = ("method", "route", "status")
        self.requests = Counter("elder_http_requests", "HTTP requests", labels, registry=self.registry)
        self.seconds = Histogram(
            "elder_http_request_seconds", "Time to answer", ("method", "route"), buckets=SECONDS, registry=self.registry
        )
        said = "Credentials that were refused, and further tries before their time"
        self._failed_sign_ins = Counter("elder_sign_in_failures", said, ("kind",), registry=self.registry)

    def count_failed_sign_in(self, kind: str) -> None:
        """Count credentials that were refused, by what they were (failed_sign_ins.Kind)."""
        self._failed_sign_ins.labels(kind).inc()


class StoreFigures(Collector):
    """The store's figures; asked for more often than REFRESH_SECONDS they are the last ones."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store, self._settings = store, settings
        self._figures: Figures | None = None
        self._lock, self._read_at = threading.Lock(), float("-inf")
        self._families: list[Family] = []

    def collect(self) -> Iterator[Metric]:
        """Every family, and whether the store could be read."""
        with self._lock:
            is_up = self._refreshed()
            yield GaugeMetricFamily("elder_store_up", "Whether the results store could be read", float(is_up))
            yield from map(_metric, self._families if is_up else [])

    def _refreshed(self) -> bool:
        if time.monotonic() - self._read_at < REFRESH_SECONDS:
            return True
        try:
            self._figures = self._figures or Figures(self._store, self._settings)
            self._families = self._figures.families()
        except StoreError:
            return False
        self._read_at = time.monotonic()
        return True

    def describe(self) -> Iterator[Metric]:
        """Nothing: to register is not to read the store."""
        return iter(())


def _metric(family: Family) -> Metric:
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        bounds = [*map(str, SECONDS_OF_RUNS), "+Inf"]
        for labels, counts, total in family.buckets:
            histogram.add_metric(labels, list(zip(bounds, counts, strict=True)), total)
        return histogram
    kind = GaugeMetricFamily if family.kind == "gauge" else CounterMetricFamily
    metric = kind(family.name, family.help, labels=family.labels)
    for labels, value in family.samples:
        metric.add_metric(labels, value)
    return metric


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
