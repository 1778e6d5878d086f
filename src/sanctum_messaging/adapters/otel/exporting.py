"""Spans on their way to a collector: by OTLP over HTTP, in batches, by a thread of their own."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from sanctum_messaging.adapters.otel.tracer import OTelTracer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

FAREWELL_SECONDS = 2.0
"""How long the end of the service waits for a collector to take the last spans."""


def create_provider(version: str) -> TracerProvider:
    """Make what makes spans and sends them away; where to, and which, the standard variables ``OTEL_…`` say.

    Raises:
        ValueError: one of them is a number that makes no sense.
    """
    defaults = Resource({"service.name": "sanctum-messaging", "service.version": version})
    provider = TracerProvider(resource=defaults.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


@asynccontextmanager
async def exporting(provider: TracerProvider) -> AsyncGenerator[OTelTracer]:
    """Export spans. A collector that can't be reached costs spans and nothing else."""
    try:
        yield OTelTracer(provider)
    finally:
        # It would wait for an answer for as long as the exporter has patience; the process waits for no such thread.
        farewell = threading.Thread(target=provider.shutdown, name="traces", daemon=True)
        farewell.start()
        await asyncio.to_thread(farewell.join, FAREWELL_SECONDS)
