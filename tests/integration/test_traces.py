"""Which spans a request leaves, how they are linked, and what they never hold."""

from __future__ import annotations

import contextlib
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import httpx2
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from sanctum_messaging.adapters.otel.tracer import OTelTracer
from sanctum_messaging.bootstrap.identity import development_issuer
from sanctum_messaging.bootstrap.service import open_service
from sanctum_messaging.bootstrap.tracing import open_tracer
from sanctum_messaging.config import ConfigError, load_config
from tests.integration.calling import BASE_URL, Api, got, refused
from tests.log_lines import logged

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator
    from pathlib import Path

    from sanctum_messaging.observability.tracing import Tracer

CANARY = "canary7f3a"
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@contextlib.asynccontextmanager
async def traced_api(data_dir: Path, tracer: Tracer | None) -> AsyncGenerator[Api]:
    config = load_config({"DATA_DIR": str(data_dir)}, dev=True)
    async with open_service(config, tracer=tracer) as service:
        transport = httpx2.ASGITransport(service.asgi)
        async with httpx2.AsyncClient(transport=transport, base_url=BASE_URL) as client:
            yield Api(client, development_issuer(config), service)


@pytest.fixture
def exported() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
async def api(tmp_path: Path, exported: InMemorySpanExporter) -> AsyncGenerator[Api]:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exported))
    async with traced_api(tmp_path, OTelTracer(provider)) as api:
        yield api


def by_name(exported: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exported.get_finished_spans()}


def linked(span: ReadableSpan) -> list[int]:
    return [link.context.span_id for link in span.links]


def own(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


async def test_a_send_leaves_a_request_a_commit_and_a_delivery_that_are_linked(
    api: Api, exported: InMemorySpanExporter
) -> None:
    ann = api.user("ann")
    group = await ann.create("bob")
    exported.clear()

    await ann.send(group)

    spans = by_name(exported)
    assert set(spans) == {"POST /v1/messages", "commit", "deliver"}
    assert len(exported.get_finished_spans()) == 3
    assert linked(spans["commit"]) == [own(spans["POST /v1/messages"])]
    assert linked(spans["deliver"]) == [own(spans["commit"])]
    assert dict(spans["commit"].attributes or {}) == {"sanctum.entries": 1}
    assert dict(spans["deliver"].attributes or {}) == {"sanctum.events": 1, "sanctum.position": 2}


async def test_it_goes_on_with_the_trace_of_its_caller(api: Api, exported: InMemorySpanExporter) -> None:
    response = await api.user("ann").get("/v1/unread", traceparent=f"00-{TRACE}-{CALLER}-01")

    (span,) = exported.get_finished_spans()
    assert span.context is not None
    assert span.parent is not None
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, CALLER)
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "/v1/unread",
        "http.response.status_code": 200,
        "sanctum.request_id": response.headers["x-request-id"],
    }


async def test_what_a_caller_does_not_record_leaves_nothing(api: Api, exported: InMemorySpanExporter) -> None:
    ann = api.user("ann")
    body = {"kind": "group", "participants": [{"userId": "bob"}]}

    response = await ann.call("POST", "/v1/conversations", body, headers={"traceparent": f"00-{TRACE}-{CALLER}-00"})

    got(response, 201)
    assert exported.get_finished_spans() == ()


async def test_nothing_that_a_client_wrote_is_in_a_span(api: Api, exported: InMemorySpanExporter) -> None:
    ann = api.user(f"ann-{CANARY}")
    group = await ann.create("bob", title=CANARY)
    await ann.send(group, f"id-{CANARY}", body=CANARY)
    await ann.get(f"/{CANARY}?{CANARY}", traceparent=CANARY, **{CANARY: CANARY})
    await ann.call(CANARY.upper(), f"/v1/conversations/{CANARY}")
    await api.nobody.get("/v1/unread", Authorization=f"Bearer {CANARY}")

    spans = exported.get_finished_spans()
    assert len(spans) == 9
    assert CANARY not in "".join(span.to_json() for span in spans).lower()


async def test_a_fault_is_a_span_without_its_words(
    api: Api, exported: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError(CANARY)

    monkeypatch.setattr("sanctum_messaging.adapters.sqlite.store.SQLiteStore.count_unread", fail)

    refused(await api.user("ann").get("/v1/unread"), 500, "internal")

    (span,) = exported.get_finished_spans()
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == 500
    assert CANARY not in span.to_json()


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """A collector's address, and what it was sent."""
    received: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    thread.join()
    server.server_close()


async def test_spans_reach_a_collector_by_the_time_the_service_has_stopped(
    tmp_path: Path, collector: tuple[str, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, received = collector
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": address}
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)

    async with open_tracer(environ) as tracer, traced_api(tmp_path, tracer) as api:
        got(await api.user("ann").get("/v1/unread"), 200)

    assert b"GET /v1/unread" in b"".join(received)
    assert b"sanctum-messaging" in b"".join(received)


async def test_a_collector_that_is_away_disturbs_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", environ["OTEL_EXPORTER_OTLP_ENDPOINT"])
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setattr("sanctum_messaging.adapters.otel.exporting.FAREWELL_SECONDS", 0.05)

    async with open_tracer(environ) as tracer, traced_api(tmp_path, tracer) as api:
        await api.user("ann").create("bob")


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"},
        {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"},
    ],
)
async def test_they_are_off_unless_asked_for(environ: dict[str, str]) -> None:
    async with open_tracer(environ) as tracer:
        assert tracer is None


async def test_without_the_extra_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    # As where another package has brought a part of OpenTelemetry.
    monkeypatch.delitem(sys.modules, "sanctum_messaging.adapters.otel.exporting", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)

    with logged() as lines:
        async with open_tracer({"OTEL_TRACES_EXPORTER": "otlp"}) as tracer:
            assert tracer is None

    (line,) = lines.of("traces_not_exported")
    assert "sanctum-messaging[otel]" in line["reason"]


async def test_variables_that_make_no_sense_are_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "0")

    with pytest.raises(ConfigError, match=r"^OTEL_…: OpenTelemetry refuses its variables: max_queue_size"):
        async with open_tracer({"OTEL_TRACES_EXPORTER": "otlp"}):
            pass
