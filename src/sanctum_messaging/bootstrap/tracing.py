"""Traces, where they are asked for."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from sanctum_messaging import __version__
from sanctum_messaging.config import ConfigError, Fault

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from sanctum_messaging.domain.events import Committed
    from sanctum_messaging.hub.hub import WebSocketHub
    from sanctum_messaging.observability.tracing import Tracer

    Publish = Callable[[Committed], None]

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")

_log = structlog.get_logger()


@asynccontextmanager
async def open_tracer(environ: Mapping[str, str]) -> AsyncGenerator[Tracer | None]:
    """Export traces if OpenTelemetry's own variables ask for it, and the extra is installed.

    Raises:
        ConfigError: these variables make no sense.
    """
    exporting = _find_exporting() if _is_wanted(environ) else None
    if exporting is None:
        yield None
    else:
        async with exporting as tracer:
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


def _find_exporting() -> AbstractAsyncContextManager[Tracer] | None:
    try:
        from sanctum_messaging.adapters.otel.exporting import create_provider, exporting  # noqa: PLC0415 # As it says.
    except ImportError:
        # Of OpenTelemetry's packages others may have brought some.
        _log.warning("traces_not_exported", reason="needs the extra: pip install 'sanctum-messaging[otel]'")
        return None
    try:
        return exporting(create_provider(__version__))
    except ValueError as error:
        raise ConfigError(Fault("OTEL_…", f"OpenTelemetry refuses its variables: {error}")) from error


def _is_wanted(environ: Mapping[str, str]) -> bool:
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    return exporter == "otlp" or (not exporter and any(environ.get(name, "").strip() for name in ENDPOINTS))
