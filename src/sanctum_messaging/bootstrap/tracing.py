"""Traces, where they are asked for."""

from __future__ import annotations

from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import structlog

from sanctum_messaging import __version__

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from sanctum_messaging.domain.events import Committed
    from sanctum_messaging.hub.hub import WebSocketHub
    from sanctum_messaging.observability.tracing import Tracer

    Publish = Callable[[Committed], None]

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")

_log = structlog.get_logger()


@asynccontextmanager
async def open_tracer(environ: Mapping[str, str]) -> AsyncGenerator[Tracer | None]:
    """Export traces if OpenTelemetry's own variables ask for it, and the extra is installed."""
    if not _is_wanted(environ):
        yield None
    elif find_spec("opentelemetry") is None or find_spec("opentelemetry.exporter.otlp.proto.http") is None:
        _log.warning("traces_not_exported", reason="needs the extra: pip install 'sanctum-messaging[otel]'")
        yield None
    else:
        from sanctum_messaging.adapters.otel.exporting import exporting  # noqa: PLC0415 # The SDK is optional.

        async with exporting(__version__) as tracer:
            yield tracer


def traced(publish: Publish, tracer: Tracer | None, hub: Callable[[], WebSocketHub]) -> Publish:
    """Have the delivery of each recorded commit be a span: from its being told until all who get it are woken."""
    if tracer is None:
        return publish

    def publish_traced(committed: Committed) -> None:
        link = tracer.find_current()
        if link is None:
            publish(committed)
            return
        span = tracer.begin("deliver", link)
        publish(committed)
        span.note(events=len(committed.events), position=committed.before.position + len(committed.events))
        hub().view.flush.when_done(span.end)

    return publish_traced


def _is_wanted(environ: Mapping[str, str]) -> bool:
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    return exporter == "otlp" or (not exporter and any(environ.get(name, "").strip() for name in ENDPOINTS))
