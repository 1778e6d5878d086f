"""What the middleware does where a whole service would never get."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from structlog.testing import capture_logs

from sanctum_messaging.api.calls import ACCEPTED, Reply, send_reply
from sanctum_messaging.api.middleware.body_limit import BodyLimit
from sanctum_messaging.api.middleware.cors import CORS
from sanctum_messaging.api.middleware.front import Front
from sanctum_messaging.api.middleware.problems import Problems
from sanctum_messaging.api.middleware.request_id import RequestIds
from sanctum_messaging.api.origins import OriginPolicy
from sanctum_messaging.api.problems import ClientGoneError
from sanctum_messaging.domain.errors import SanctumError, UnavailableError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from tests.conftest import HandClock

SECRET = "what the user wrote"


def wrapped(app: ASGIApp, clock: HandClock) -> ASGIApp:
    inner = Problems(BodyLimit(app, max_bytes=10))
    app = CORS(inner, OriginPolicy((), credentials=False))
    return Front(app, clock, prepare=[RequestIds(clock).give])


def scope_of(kind: str = "http", **headers: str) -> Scope:
    encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": kind, "method": "POST", "path": "/", "scheme": "http", "headers": encoded}


async def call(app: ASGIApp, scope: Scope, *chunks: bytes) -> list[Message]:
    sent: list[Message] = []
    incoming = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    incoming.append({"type": "http.disconnect"})

    async def receive() -> Message:
        return incoming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def raising(error: BaseException) -> ASGIApp:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise error

    return app


class TestProblems:
    async def test_what_nobody_foresaw_is_logged_and_not_told(self, clock: HandClock) -> None:
        with capture_logs() as logs:
            start, body = await call(wrapped(raising(RuntimeError(SECRET)), clock), scope_of(origin="https://a.test"))
        problem = msgspec.json.decode(body["body"])
        assert (start["status"], problem["code"], problem["retryable"]) == (500, "internal", False)
        assert SECRET not in body["body"].decode()
        headers = dict(start["headers"])
        assert headers[b"x-request-id"].decode() == problem["requestId"]
        assert {b"x-frame-options", b"strict-transport-security", b"access-control-allow-origin"} <= headers.keys()
        (line,) = logs
        assert (line["event"], line["request_id"]) == ("request_failed", problem["requestId"])

    async def test_refusals_are_not_logged(self, clock: HandClock) -> None:
        refusal = UnavailableError("Busy.", code="overloaded", retry_after_ms=1_001)
        with capture_logs() as logs:
            start, body = await call(wrapped(raising(refusal), clock), scope_of())
        assert start["status"] == 503
        assert dict(start["headers"])[b"retry-after"] == b"2"
        assert msgspec.json.decode(body["body"])["retryAfterMs"] == 1_001
        assert logs == []

    async def test_half_an_answer_is_cut_off(self, clock: HandClock) -> None:
        async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            raise SanctumError(SECRET)

        with pytest.raises(SanctumError):
            await call(wrapped(app, clock), scope_of())

    async def test_who_has_gone_is_not_answered(self, clock: HandClock) -> None:
        assert await call(wrapped(raising(ClientGoneError()), clock), scope_of()) == []

    async def test_a_fault_of_an_open_socket_is_left_to_the_server(self, clock: HandClock) -> None:
        with pytest.raises(RuntimeError):
            await call(wrapped(raising(RuntimeError(SECRET)), clock), {**scope_of("websocket"), ACCEPTED: True})

    async def test_a_fault_before_a_socket_is_open_refuses_it(self, clock: HandClock) -> None:
        sent = await call(wrapped(raising(RuntimeError(SECRET)), clock), scope_of("websocket"))
        assert sent == [{"type": "websocket.close"}]


class TestBodyLimit:
    async def echo(self, scope: Scope, receive: Receive, send: Send) -> None:
        received = []
        while (message := await receive())["type"] == "http.request":
            received.append(message["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"".join(received)})

    async def test_an_announced_length_is_believed_before_anything_is_read(self, clock: HandClock) -> None:
        app = wrapped(raising(AssertionError("it was read")), clock)
        start, _ = await call(app, scope_of(content_length="11"))
        assert start["status"] == 413

    async def test_what_comes_unannounced_is_counted(self, clock: HandClock) -> None:
        for last, status in ((b"", 200), (b"x", 413)):
            start, _ = await call(wrapped(self.echo, clock), scope_of(), b"12345", b"67890", last)
            assert start["status"] == status

    async def test_a_length_that_is_no_number_is_not_believed(self, clock: HandClock) -> None:
        start, _ = await call(wrapped(self.echo, clock), scope_of(content_length="-1"), b"12345", b"678901")
        assert start["status"] == 413


class TestSecurityHeaders:
    async def test_an_answer_may_say_itself_how_it_is_cached(self, clock: HandClock) -> None:
        async def app(scope: Scope, _receive: Receive, send: Send) -> None:
            await send_reply(scope, send, Reply(204, headers=((b"cache-control", b"max-age=60"),)))

        start, _ = await call(wrapped(app, clock), scope_of())
        assert [value for name, value in start["headers"] if name == b"cache-control"] == [b"max-age=60"]

    async def test_a_refused_handshake_bears_them_too(self, clock: HandClock) -> None:
        async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
            await send({"type": "websocket.http.response.start", "status": 401, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b""})

        start, _ = await call(wrapped(app, clock), scope_of("websocket"))
        assert {b"x-request-id", b"x-content-type-options", b"cache-control"} <= dict(start["headers"]).keys()


async def test_the_servers_life_passes_through(clock: HandClock) -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.startup.complete"})

    assert await call(wrapped(app, clock), {"type": "lifespan"}) == [{"type": "lifespan.startup.complete"}]
