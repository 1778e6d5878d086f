"""What a connection keeps of what comes over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from uvicorn.server import ServerState

from sanctum_messaging.server.intake import Intake
from sanctum_messaging.server.limits import MAX_UNREAD_BYTES
from sanctum_messaging.server.server import create_server
from tests.unit.server.test_socket_protocol import Loop, Transport

if TYPE_CHECKING:
    from collections.abc import Callable

REQUEST = b"POST /v1/nothing HTTP/1.1\r\nHost: sanctum.test\r\n"


async def _answer_at_once(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - any application's
    del scope, receive
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


class Line:
    """A connection in memory to an application that answers without reading."""

    def __init__(self) -> None:
        self.transport = Transport()
        server = create_server(_answer_at_once, Intake())
        server.config.load()
        self._state = ServerState()
        kind: Callable[..., Any] = server.config.http_protocol_class
        self.protocol = self.transport.protocol = kind(server.config, self._state, {}, Loop())
        self.protocol.connection_made(self.transport)

    async def send(self, data: bytes) -> None:
        self.protocol.data_received(data)
        for task in list(self._state.tasks):
            await task


async def test_s_d2_trailers_are_not_kept() -> None:
    line = Line()
    await line.send(REQUEST + b"Transfer-Encoding: chunked\r\n\r\n")
    await line.send(b"2\r\n{}\r\n0\r\n" + b"A:\r\n" * 4_000)
    assert line.transport.written.startswith(b"HTTP/1.1 404 ")
    assert list(line.protocol.headers) == []
    await line.send(b"\r\n" + REQUEST + b"Content-Length: 0\r\n\r\n")
    assert line.transport.written.count(b"HTTP/1.1 404 ") == 2
    assert not line.transport.is_closing()


async def test_what_was_thrown_away_behind_one_answer_does_not_count_against_the_next() -> None:
    line, body = Line(), b"x" * (MAX_UNREAD_BYTES // 4)
    for number in range(1, 8):
        await line.send(REQUEST + b"Content-Length: %d\r\n\r\n" % len(body))
        await line.send(body)
        assert line.transport.written.count(b"HTTP/1.1 404 ") == number
    assert not line.transport.is_closing()


@pytest.mark.parametrize(("version", "asks"), [(b"1.1", True), (b"1.0", False)])
async def test_s_d7_only_http_1_1_knows_of_asking_before_the_body(version: bytes, asks: bool) -> None:  # noqa: FBT001
    line = Line()
    head = REQUEST.replace(b"HTTP/1.1", b"HTTP/" + version)
    await line.send(head + b"Content-Length: 2\r\nExpect: 100-Continue\r\n\r\n")
    assert line.protocol.expect_100_continue == asks
