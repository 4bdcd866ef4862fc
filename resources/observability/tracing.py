"""Traces from a delivery to its verdict, as OpenTelemetry spans over OTLP/HTTP; off unless ELDER_TRACES says where to.

Off, nothing of OpenTelemetry's SDK is imported and a span is an empty context. On, spans carry keys of repositories,
numbers and states: never a path, a message, an address or a secret; of an error its kind alone. A delivery's own
`traceparent` header is not believed: strangers send deliveries.

How the trace goes on: the delivery's span is kept in its inbox row (CARRIED), the decision's in the run's tags. A run's
own span has an id that follows from the run's id, so that every process of the run can name it as the parent; it is
made when the run has ended, by the sensor that sees that, also for a run that was killed.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from elder_assets.audit.errors import PLATFORM_SETUP, ConfigurationError
from elder_assets.version import elder_version
from resources.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span as OtelSpan

CARRIED = "traceparent"
"""Key in an inbox row's document; https://www.w3.org/TR/trace-context/#traceparent-header"""
TRACE_TAG = "elder/traceparent"
"""Run tag that says to which trace a run belongs."""
EXPORT_SECONDS = 5.0
"""How long an export may take; a collector that is away costs a run no more than that."""
Attribute = str | int | float | bool | None


class Span:
    """A span that is open; the same object where traces are off, and then it does nothing."""

    def __init__(self, inner: OtelSpan | None = None) -> None:
        self._inner = inner

    def set(self, **attributes: Attribute) -> None:
        """Add attributes, each under `elder.`; None and '' are left out."""
        if self._inner is not None:
            self._inner.set_attributes(_named(attributes))

    @property
    def carried(self) -> str:
        """What a row or tag carries so that another process goes on with this trace; '' where traces are off."""
        if self._inner is None:
            return ""
        from opentelemetry.trace import set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier, set_span_in_context(self._inner))
        return carrier.get("traceparent", "")


NOTHING = Span()


@contextlib.contextmanager
def span(settings: Settings, name: str, parent: str | None = None, **attributes: Attribute) -> Iterator[Span]:
    """A span around a block of work.

    Args:
        settings: say whether and where to.
        name: of the kind of work; one of few.
        parent: what a row or tag carried, '' to begin a trace; None for a child of the span around this one.
        attributes: as `Span.set`.
    """
    if not settings.traces:
        yield NOTHING
        return
    from opentelemetry.trace import SpanKind, Status, StatusCode

    tracer = _provider(settings.traces, settings.trace_share).get_tracer("elder")
    with tracer.start_as_current_span(
        name,
        context=None if parent is None else _context_of(parent),
        kind=SpanKind.INTERNAL,
        attributes=_named(attributes),
        record_exception=False,  # its text may name paths and addresses
        set_status_on_exception=False,
    ) as inner:
        try:
            yield Span(inner)
        except BaseException as error:
            inner.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def _named(attributes: dict[str, Attribute]) -> dict[str, str | int | float | bool]:
    return {f"elder.{name}": value for name, value in attributes.items() if value is not None and value != ""}


def _context_of(carried: str) -> Context:
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": carried}, Context())


# --- a run -----------------------------------------------------------------------------------------------------


def of_run(settings: Settings, run_id: str, carried: str) -> str:
    """The parent of every span of a run, in whichever process: it is known before the run's own span is.

    Args:
        settings: say whether, and how many traces are kept.
        run_id: of Dagster.
        carried: of the run's tag; '' where no delivery asked for it, then the run begins a trace.
    """
    if not settings.traces:
        return ""
    digits = hashlib.sha256(run_id.encode()).hexdigest()
    own = digits[:16]
    if carried.count("-") == 3:
        version, trace, _, flags = carried.split("-")
        return f"{version}-{trace}-{own}-{flags}"
    trace = digits[16:48]
    is_kept = int(trace[16:], 16) < settings.trace_share * 2**64 // 100  # as the sampler decides by ratio
    return f"00-{trace}-{own}-{int(is_kept):02}"


def record_run(  # noqa: PLR0917 - what is known of a run that has ended
    settings: Settings, run_id: str, carried: str, began: float, ended: float, error: str, **attributes: Attribute
) -> None:
    """Make the span of a run that has ended, whether its process could say so or not.

    Args:
        settings: as `span`.
        run_id: of Dagster.
        carried: as `of_run`.
        began: seconds since the epoch, as `ended`.
        ended: likewise.
        error: kind of its failure, one word; '' when it succeeded.
        attributes: as `Span.set`.
    """
    if not settings.traces:
        return
    from opentelemetry.trace import Status, StatusCode

    _, trace, own, _ = of_run(settings, run_id, carried).split("-")
    provider = _provider(settings.traces, settings.trace_share)
    chosen = _CHOSEN.set((int(trace, 16), int(own, 16)))
    try:
        inner = provider.get_tracer("elder").start_span(
            "run", context=_context_of(carried), attributes=_named(attributes), start_time=int(began * 1e9)
        )
    finally:
        _CHOSEN.reset(chosen)
    if error:
        inner.set_status(Status(StatusCode.ERROR, error))
    inner.end(int(ended * 1e9))


_CHOSEN: ContextVar[tuple[int, int] | None] = ContextVar("chosen", default=None)
"""Trace and span id that the next span takes instead of ids by chance."""


# --- where to --------------------------------------------------------------------------------------------------


def check_installed(settings: Settings) -> None:
    """See that traces can be sent where they are asked for; for the start of a process.

    Raises:
        ConfigurationError: the packages are not installed.
    """
    if settings.traces:
        _provider(settings.traces, settings.trace_share)


def flush(settings: Settings) -> None:
    """Send what waits; a collector that is away is left alone after EXPORT_SECONDS."""
    if settings.traces:
        _provider(settings.traces, settings.trace_share).force_flush(int(EXPORT_SECONDS * 1000))


@functools.lru_cache(maxsize=4)
def _provider(endpoint: str, share: int) -> TracerProvider:
    """What makes spans, once a process: its thread sends them in batches."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
    except ImportError as error:
        allowed = f"empty, or {error.name}, which is not installed; {PLATFORM_SETUP}"
        raise ConfigurationError("ELDER_TRACES", endpoint, allowed) from error

    class Ids(RandomIdGenerator):
        """By chance, unless they were chosen."""

        def generate_trace_id(self) -> int:
            chosen = _CHOSEN.get()
            return chosen[0] if chosen else super().generate_trace_id()

        def generate_span_id(self) -> int:
            chosen = _CHOSEN.get()
            return chosen[1] if chosen else super().generate_span_id()

    resource: Any = Resource.create({"service.name": "elder", "service.version": elder_version()})
    sampler = ParentBased(TraceIdRatioBased(share / 100))
    provider = TracerProvider(sampler=sampler, resource=resource, id_generator=Ids())
    exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", timeout=EXPORT_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter, export_timeout_millis=EXPORT_SECONDS * 1000))
    return provider
