"""Heads are written as uvicorn writes them, at less expense, and what must not go out does not."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from sanctum_messaging.server.answer_cycle import AnswerCycle

if TYPE_CHECKING:
    from collections.abc import Sequence

Headers = list[tuple[bytes, bytes]]
LENGTH = (b"content-length", b"2")
DATE = (b"date", b"Mon, 23 Nov 2026 20:00:00 GMT")
"""What a server that runs has every answer bear."""


class Kept(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview[int]) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.written += b"<closed>"


async def written_by(
    kind: type[RequestResponseCycle],
    headers: Headers,
    *,
    status: int = 200,
    method: str = "GET",
    keep_alive: bool = True,
    default_headers: Headers | None = None,
) -> bytes:
    """Answer with these headers; return what goes out."""
    transport, scope = Kept(), {"type": "http", "method": method}
    cycle = kind(
        scope=scope,  # type: ignore[arg-type]  # the rest of it is not looked at
        transport=transport,
        flow=FlowControl(transport),
        logger=logging.getLogger(),
        access_logger=logging.getLogger(),
        access_log=False,
        default_headers=default_headers or [],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=keep_alive,
        on_response=lambda: None,
    )
    messages: Sequence[Any] = [
        {"type": "http.response.start", "status": status, "headers": headers},
        {"type": "http.response.body", "body": b"" if status == 204 else b"{}"},
    ]
    for message in messages:
        await cycle.send(message)
    return transport.written


@pytest.mark.parametrize(
    "headers",
    [
        [LENGTH],
        [LENGTH, (b"etag", b'"1"'), (b"location", b"/v1/x"), (b"x-tab", b"a\tb"), (b"x-obs", b"\xff")],
        [(b"content-type", b"text/plain")],
        [LENGTH, (b"connection", b"close")],
        [(b"transfer-encoding", b"chunked")],
    ],
)
@pytest.mark.parametrize("keep_alive", [True, False])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_goes_out_is_what_uvicorn_writes(headers: Headers, method: str, keep_alive: bool) -> None:  # noqa: FBT001
    ours, theirs = [
        await written_by(kind, headers, method=method, keep_alive=keep_alive, default_headers=[DATE])
        for kind in (AnswerCycle, RequestResponseCycle)
    ]
    assert ours == theirs


async def test_it_is_not_left_to_uvicorn_on_a_server_that_runs() -> None:
    """Who writes in small letters what is written in large ones."""
    written = await written_by(AnswerCycle, [LENGTH, (b"X-Name", b"value")], default_headers=[DATE])
    assert b"\r\nX-Name: value\r\n" in written


async def test_an_answer_without_a_body_needs_no_length() -> None:
    assert await written_by(AnswerCycle, [], status=204) == b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.mark.parametrize("character", [b"\r", b"\n", b"\0", b"\x7f", b"\r\n"])
@pytest.mark.parametrize("place", [0, 1])
async def test_no_header_can_begin_another_line(character: bytes, place: int) -> None:
    header = [b"x-name", b"value"]
    header[place] += character + b"x-evil: 1"
    with pytest.raises(RuntimeError, match="Invalid HTTP header"):
        await written_by(AnswerCycle, [LENGTH, (header[0], header[1])])
