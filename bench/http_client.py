"""A small HTTP client: what it costs is little beside what it measures, which heavier clients can't say."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, cast

from bench.loads import Load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length:"


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer."""

    status: int
    body: bytes


class ConnectionLostError(Exception):
    """The server hung up while an answer was due."""


class Connection(asyncio.Protocol):
    """One connection that is kept alive, with one request in flight."""

    def __init__(self) -> None:
        """``open`` connects."""
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._needed = 0
        self._answer: asyncio.Future[Response] | None = None

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect to this machine."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    async def call(self, request: bytes) -> Response:
        """Send a request and wait for the answer."""
        if self._transport is None:
            raise ConnectionLostError
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; that of uvloop has the methods, not the class."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let whoever waits know."""
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionLostError())

    def data_received(self, data: bytes) -> None:
        """Collect an answer; its length is in its head."""
        self._buffer += data
        if len(self._buffer) < self._needed:
            return
        self._needed = find_length(self._buffer)
        if self._needed and len(self._buffer) >= self._needed and self._answer is not None and not self._answer.done():
            _, _, body = self._buffer.partition(_END_OF_HEAD)
            response = Response(int(self._buffer[9:12]), body)
            self._buffer, self._needed = b"", 0
            self._answer.set_result(response)


def find_length(answer: bytes) -> int:
    """Return how long an answer is with its head; 0 while that is not known."""
    end = answer.find(_END_OF_HEAD)
    if end < 0:
        return 0
    head = answer[:end].lower()
    at = head.find(_LENGTH)
    body = 0 if at < 0 else int(head[at + len(_LENGTH) :].partition(b"\r\n")[0])
    return end + len(_END_OF_HEAD) + body


def build_request(method: str, path: str, token: str = "", body: bytes = b"") -> bytes:
    """Write a request as a client of the API would."""
    head = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    if token:
        head.append(f"Authorization: Bearer {token}")
    if body:
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, "", ""]).encode() + body


async def put_load(
    connections: Sequence[Connection], make_request: Callable[[int], bytes], *, seconds: float, expected: int = 201
) -> Load:
    """Have every connection send one request after the other; ``make_request`` is given the connection's number."""
    load = Load()
    begun = time.perf_counter()
    until = begun + seconds

    async def keep_sending(number: int, connection: Connection) -> None:
        while (before := time.perf_counter()) < until:
            response = await connection.call(make_request(number))
            assert response.status == expected, response
            load.latencies.append(time.perf_counter() - before)

    async with asyncio.TaskGroup() as tasks:
        for number, connection in enumerate(connections):
            tasks.create_task(keep_sending(number, connection))
    load.seconds = time.perf_counter() - begun
    return load
