"""The application beside its routes: sockets, the server's life, and what development adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from sanctum_messaging.api.application import create_api
from sanctum_messaging.api.services import Readiness, Services
from sanctum_messaging.observability.metrics import share_with_nobody
from tests.acting import running_ports
from tests.unit.guards.conftest import limits_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from sanctum_messaging.adapters.sqlite.store import SQLiteStore
    from tests.conftest import HandClock


class Nowhere:
    """What is not asked for in here."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(name)


async def accept(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "websocket.accept"})


async def hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"hello {request.path_params['name']}")


async def ready() -> Readiness:
    return Readiness("ready")


@pytest.fixture
async def app(store: SQLiteStore, clock: HandClock) -> AsyncGenerator[ASGIApp]:
    async with running_ports(store, clock) as ports:
        yield create_api(
            Services(
                ports=ports,
                admission=Nowhere(),  # type: ignore[arg-type]  # no call in here has a token
                rate_limits=limits_of(clock),
                streams=Nowhere(),  # type: ignore[arg-type]  # nor a stream
                websocket=accept,
                render_metrics=share_with_nobody(lambda: b""),
                ready=ready,
                extra_routes=(Route("/extra/{name}", hello, methods=["GET"]),),
            )
        )


async def call(app: ASGIApp, scope: Scope, *received: Message) -> list[Message]:
    sent: list[Message] = []
    incoming = list(received)

    async def receive() -> Message:
        return incoming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def http(method: str, path: str) -> Scope:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [],
    }


async def test_the_socket_has_its_path(app: ASGIApp) -> None:
    scope = {"type": "websocket", "path": "/v1/ws", "headers": []}
    assert await call(app, scope) == [{"type": "websocket.accept"}]
    elsewhere = {**scope, "path": "/ws"}
    assert (await call(app, elsewhere))[0]["type"] == "websocket.close"
    answer, body = await call(app, {**elsewhere, "extensions": {"websocket.http.response": {}}})
    assert (answer["type"], answer["status"]) == ("websocket.http.response.start", 404)
    assert body["type"] == "websocket.http.response.body"


async def test_the_servers_life_is_followed(app: ASGIApp) -> None:
    sent = await call(app, {"type": "lifespan"}, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_extra_routes_stand_behind_the_same_middleware(app: ASGIApp) -> None:
    start, body = await call(app, http("GET", "/extra/ann"))
    assert (start["status"], body["body"]) == (200, b"hello ann")
    assert b"x-request-id" in dict(start["headers"])
    start, _ = await call(app, http("POST", "/extra/ann"))
    allowed = dict(start["headers"])[b"allow"].split(b", ")
    assert (start["status"], sorted(allowed)) == (405, [b"GET", b"HEAD"])
    start, _ = await call(app, http("GET", "/extra"))
    assert start["status"] == 404
