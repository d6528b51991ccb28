"""Traces: where a request's time went, from its first byte to the webhook it leads to.

Off unless a collector is named (`WINNOW_TRACES_URL`), and then sent as OpenTelemetry's OTLP over
HTTP. A caller's `traceparent` (https://www.w3.org/TR/trace-context/) is taken up, and carried in
the outbox's event, so that a delivery minutes later belongs to the trace of the request behind it.
Attributes are routes, sites, statuses and counts: never a text, an address, an IP or a key.

`stage` also measures for Prometheus; that is always on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import wraps
from importlib.util import find_spec
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from service import __version__, log, metrics

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

Stage = TypeVar("Stage", bound=Callable[..., Awaitable[Any]])

EXPORT_S: Final = 2.0
"""How long one export may take; spans that it lost are counted."""
EXTRA: Final = "winnow[otel]"

_tracer: Any = None
_provider: Any = None


def installed() -> bool:
    """Whether the packages of the extra `otel` are there."""
    names = ("opentelemetry", "opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
    try:
        return all(find_spec(name) is not None for name in names)
    except (ModuleNotFoundError, ValueError):  # a parent of one is missing
        return False


def start(url: str, share: float, role: str) -> None:
    """Begins to trace this process.

    Args:
        url: where the collector takes OTLP over HTTP, with its path (`…/v1/traces`).
        share: how many traces are recorded, from 0 to 1; a caller who says no is heeded.
        role: `web` or `worker`.

    Raises:
        ImportError: the packages of the extra `otel` are missing.
    """
    global _tracer, _provider
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    # `_Counting` tells of failures once, instead of at every try.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    ratio = TraceIdRatioBased(share)
    resource = Resource.create(
        {"service.name": "winnow", "service.version": __version__, "winnow.role": role}
    )
    _provider = TracerProvider(
        sampler=ParentBased(ratio, remote_parent_sampled=ratio),
        resource=resource,
        shutdown_on_exit=False,
    )
    exporter = _counting(OTLPSpanExporter(endpoint=url, timeout=EXPORT_S))
    _provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = _provider.get_tracer("winnow")


def stop() -> None:
    """Sends what is left and ends tracing."""
    global _tracer, _provider
    if _provider is not None:
        _provider.shutdown()
    _tracer = _provider = None


def on() -> bool:
    """Whether this process traces."""
    return _tracer is not None


class Span:
    """A stretch of work, with the work inside it below it; nothing where tracing is off.

    Args:
        name: what is done; the same for all of its kind.
        attributes: what may be known about it.
        parent: a `traceparent` from outside; '' = what is under way here.
        kind: `server` or `client`; '' = neither.
    """

    __slots__ = ("_attributes", "_entered", "_kind", "_name", "_parent", "_span")

    def __init__(
        self,
        name: str,
        attributes: Mapping[str, str | int] | None = None,
        *,
        parent: str = "",
        kind: str = "",
    ) -> None:
        self._name = name
        self._parent = parent
        self._kind = kind
        self._attributes = attributes or {}
        self._entered: Any = None
        self._span: Any = None

    def __enter__(self) -> Span:
        if _tracer is not None:
            self._begin()
        return self

    def _begin(self) -> None:
        from opentelemetry import trace

        kinds = {"server": trace.SpanKind.SERVER, "client": trace.SpanKind.CLIENT}
        self._entered = _tracer.start_as_current_span(
            self._name,
            context=_context(self._parent) if self._parent else None,
            kind=kinds.get(self._kind, trace.SpanKind.INTERNAL),
            attributes=self._attributes,
            record_exception=False,  # a message may quote what somebody wrote
            set_status_on_exception=False,
        )
        self._span = self._entered.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trail: TracebackType | None,
    ) -> None:
        if self._entered is None:
            return
        if kind is not None:
            self.failed(kind.__name__)
        self._entered.__exit__(kind, error, trail)

    def tell(self, attributes: Mapping[str, str | int]) -> None:
        """Adds what is known by now."""
        if self._span is not None:
            self._span.set_attributes(attributes)

    def rename(self, name: str) -> None:
        """What it turned out to be."""
        if self._span is not None:
            self._span.update_name(name)

    def failed(self, why: str) -> None:
        """Marks it as failed; `why` is a kind of failure, no message."""
        if self._span is not None:
            from opentelemetry.trace import StatusCode

            self._span.set_attribute("error.type", why)
            self._span.set_status(StatusCode.ERROR)


class stage:  # noqa: N801 (reads as a statement)
    """Measures one stage of a comment's journey, and traces it."""

    __slots__ = ("_began", "_name", "_span")

    def __init__(self, name: str) -> None:
        self._name = name
        self._span = Span(name) if _tracer is not None else None

    def __enter__(self) -> None:
        if self._span is not None:
            self._span.__enter__()
        self._began = perf_counter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trail: TracebackType | None,
    ) -> None:
        series = metrics.of(metrics.STAGE_SECONDS, self._name)
        series.observe(perf_counter() - self._began)
        if self._span is not None:
            self._span.__exit__(kind, error, trail)


def staged(name: str) -> Callable[[Stage], Stage]:
    """Makes a coroutine function one stage of a comment's journey."""

    def decorate(work: Stage) -> Stage:
        @wraps(work)
        async def measured(*given: Any, **named: Any) -> Any:
            with stage(name):
                return await work(*given, **named)

        return cast(Stage, measured)

    return decorate


def follow(future: asyncio.Future[Any], name: str) -> asyncio.Future[Any]:
    """The same future, traced until it has its answer."""
    if _tracer is not None:
        from opentelemetry.trace import SpanKind, StatusCode

        span = _tracer.start_span(f"store {name}", kind=SpanKind.CLIENT)

        def done(answered: asyncio.Future[Any]) -> None:
            if answered.cancelled() or answered.exception() is not None:
                span.set_status(StatusCode.ERROR)
            span.end()

        future.add_done_callback(done)
    return future


def carried() -> str:
    """The `traceparent` of what is under way, for an event; '' where nothing is recorded."""
    if _tracer is None:
        return ""
    from opentelemetry.trace import get_current_span

    span = get_current_span()
    if not span.is_recording():
        return ""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def trace_id() -> str:
    """The id of the trace under way, for log lines; '' where nothing is recorded."""
    return carried()[3:35]


def _context(traceparent: str) -> Any:
    """The context that a `traceparent` names; an invalid one names a new trace."""
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": traceparent}, Context())


def _counting(exporter: SpanExporter) -> SpanExporter:
    """An exporter that counts the spans it could not send, and tells once when that begins."""
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class Counting(SpanExporter):
        failing = False

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = exporter.export(spans)
            failed = result is not SpanExportResult.SUCCESS
            if failed:
                metrics.SPANS_LOST.inc(len(spans))
            if failed and not self.failing:
                log.get("tracing").warning("traces_not_taken", spans=len(spans))
            self.failing = failed
            return result

        def shutdown(self) -> None:
            exporter.shutdown()

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            return exporter.force_flush(timeout_millis)

    return Counting()
