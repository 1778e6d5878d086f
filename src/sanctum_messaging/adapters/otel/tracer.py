"""``observability.tracing.Tracer`` on the SDK of OpenTelemetry."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from sanctum_messaging.observability.tracing import Link

_PREFIX = "sanctum."
_NOWHERE = Context()
"""Where a span begins a trace of its own."""


class OTelSpan:
    """``observability.tracing.Span``."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def note(self, **attributes: str | int) -> None:
        """Say more about it; ``__`` in a name stands for a dot, and other names are ours."""
        if self._span.is_recording():
            self._span.set_attributes({_named(name): value for name, value in attributes.items()})

    def rename(self, name: str) -> None:
        """Call it by what it turned out to be."""
        self._span.update_name(name)

    def end(self) -> None:
        """Be done with it."""
        self._span.end()


class OTelTracer:
    """Makes spans by a provider, which decides what is recorded and where it goes."""

    def __init__(self, provider: trace.TracerProvider) -> None:
        self._tracer = provider.get_tracer("sanctum_messaging")
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def follow(self, name: str, traceparent: str | None) -> Generator[OTelSpan]:
        """Be in a span that goes on with the trace of a caller."""
        parent = _NOWHERE
        if traceparent is not None:
            parent = self._propagator.extract({"traceparent": traceparent}, _NOWHERE)
        with self._in(self._tracer.start_span(name, parent, trace.SpanKind.SERVER)) as span:
            yield span

    @contextmanager
    def commit(self, name: str, links: Sequence[Link]) -> Generator[OTelSpan]:
        """Be in a span with a trace of its own that is linked to others."""
        with self._in(self._tracer.start_span(name, _NOWHERE, links=_links(links))) as span:
            yield span

    def begin(self, name: str, link: Link) -> OTelSpan:
        """Begin a span with a trace of its own that is linked to another one."""
        return OTelSpan(self._tracer.start_span(name, _NOWHERE, links=_links([link])))

    def find_current(self) -> Link | None:
        """Find the span that this is in, if it is recorded."""
        span = trace.get_current_span()
        return span.get_span_context() if span.is_recording() else None

    @contextmanager
    def _in(self, span: trace.Span) -> Generator[OTelSpan]:
        if not span.is_recording():
            # Whoever looks for the current span finds none, as he should, and to be in one has its price.
            yield OTelSpan(span)
            return
        # An exception's message may hold what a client wrote.
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            yield OTelSpan(span)


def _links(contexts: Sequence[Link]) -> list[trace.Link]:
    return [trace.Link(each) for each in contexts if isinstance(each, trace.SpanContext)]


def _named(name: str) -> str:
    return name.replace("__", ".") if "__" in name else _PREFIX + name
