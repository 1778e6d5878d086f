"""Playing a row of the table to a service, cut in one way or another."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from enum import StrEnum
from typing import TYPE_CHECKING

from tests.raw_frames.row import NO_CODE, NORMAL, End, Outcome, Row, Then, close, cut, question, text
from tests.raw_socket import CLOSE, PONG, TEXT, Frame

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_LAST = "the last"
"""Names the question whether the server is still there."""
_HELLO = text(b'{"op":"hello"}')
_MAX_BYTE_BY_BYTE = 2_000
_EDGE_BYTES = 20
_PIECE_BYTES = 997
"""How what is long is cut but for its edges; no head of a frame falls to the same place twice."""


class Cut(StrEnum):
    """How a row's bytes reach the server."""

    WHOLE = "whole"
    BYTES = "byte_by_byte"
    BEHIND = "with_the_handshake"
    """With the handshake and the ``hello`` before them, in one write."""


async def play(port: int, token: str, row: Row, way: Cut) -> Outcome:
    """Play a row to the service on this loop, which reads between any two writes; return what came back."""
    async with _connected(port) as line:
        if way is Cut.BEHIND:
            await line.write(_handshake(token) + _HELLO + row.sent)
            await line.read_head()
        else:
            await line.write(_handshake(token))
            await line.read_head()
            await line.write(_HELLO)
            await line.hear_live()
            for piece in [row.sent] if way is Cut.WHOLE else _cut_fine(row.sent):
                await line.write(piece)
                await asyncio.sleep(0)
        if row.then is Then.ASK:
            await line.hear(row.outcomes[0])
            await line.write(text(question(_LAST)))
        elif row.then is Then.LEAVE:
            line.leave()
        return await line.hear_out(answers=row.then is not Then.WAIT)


class Line:
    """A connection of a client that looks at everything it is sent."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._unread = b""
        self._pongs: list[bytes] = []
        self._texts: list[str] = []
        self._end: int | End | None = None

    async def write(self, raw: bytes) -> None:
        """Send bytes, or some of them if the server has hung up meanwhile."""
        with contextlib.suppress(ConnectionError):
            await self._loop.sock_sendall(self._connection, raw)

    def leave(self) -> None:
        """Say that no more will come."""
        self._connection.shutdown(socket.SHUT_WR)

    async def read_head(self) -> None:
        """Read the answer to the handshake."""
        while b"\r\n\r\n" not in self._unread:
            chunk = await self._receive()
            assert chunk, self._unread
            self._unread += chunk
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head

    async def hear_live(self) -> None:
        """Read until the stream is live."""
        while (frame := await self._read()) is not None:
            if json.loads(frame.payload)["op"] == "live":
                return
        raise AssertionError("the connection ended")

    async def hear(self, outcome: Outcome) -> None:
        """Read as many answers as there shall be, so that none of them waits for what the client says next."""
        wanted = len(outcome.pongs) + len(outcome.texts)
        while self._end is None and len(self._pongs) + len(self._texts) < wanted:
            await self._hear_next()

    async def hear_out(self, *, answers: bool) -> Outcome:
        """Read to the end of the connection. Who has sent a close does not answer the server's."""
        while self._end is None:
            await self._hear_next()
        if self._end is not End.DROPPED:
            if answers:
                await self.write(close(NORMAL))
            await self._see_end(self._end)
        return Outcome(self._end, tuple(self._pongs), tuple(self._texts))

    async def _hear_next(self) -> None:
        frame = await self._read()
        if frame is None:
            self._end = End.DROPPED
        elif frame.opcode == CLOSE:
            self._end = _code_of(frame)
        elif frame.opcode == PONG:
            self._pongs.append(frame.payload)
        else:
            self._hear_text(frame)

    def _hear_text(self, frame: Frame) -> None:
        assert frame.opcode == TEXT, frame
        said = json.loads(frame.payload)
        if said["op"] == "error":
            self._texts.append(f"error {said['problem']['code']}")
        elif said["op"] == "ok" and said["id"] == _LAST:
            self._end = End.LIVES
        elif said["op"] == "ok":
            self._texts.append(f"ok {said['id']}")

    async def _see_end(self, end: int | End) -> None:
        """See that a server that lives answers the close, and that nothing follows one."""
        frame = await self._read()
        if end is End.LIVES:
            while frame is not None and frame.opcode == TEXT:
                frame = await self._read()
            assert frame is not None
            assert (frame.opcode, _code_of(frame)) == (CLOSE, NORMAL)
            frame = await self._read()
        assert frame is None, frame

    async def _read(self) -> Frame | None:
        """Read a frame: unmasked, whole and without reserved bits. None if the connection ended before it."""
        head = await self._read_bytes(2)
        if not head:
            return None
        first, size = head
        assert first & 0xF0 == 0x80, head
        assert size < 127, "the server masks nothing, and has nothing so long to say"
        if size == 126:
            (size,) = struct.unpack("!H", await self._read_bytes(2))
        payload = await self._read_bytes(size)
        assert len(payload) == size, "the connection ended within a frame"
        return Frame(first & 0x0F, payload)

    async def _read_bytes(self, size: int) -> bytes:
        """Read so many bytes; none if the connection ended before the first."""
        while len(self._unread) < size:
            chunk = await self._receive()
            if not chunk:
                assert not self._unread, self._unread
                return b""
            self._unread += chunk
        taken, self._unread = self._unread[:size], self._unread[size:]
        return taken

    async def _receive(self) -> bytes:
        try:
            return await self._loop.sock_recv(self._connection, 65_536)
        except ConnectionError:
            return b""


@contextlib.asynccontextmanager
async def _connected(port: int) -> AsyncGenerator[Line]:
    with socket.socket() as connection:
        connection.settimeout(0)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        yield Line(connection)


def _handshake(token: str) -> bytes:
    lines = (
        "GET /v1/ws HTTP/1.1",
        "Host: sanctum.test",
        f"Authorization: Bearer {token}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    )
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


def _cut_fine(raw: bytes) -> list[bytes]:
    """Cut into single bytes, and what is long into pieces between its first and its last bytes."""
    if len(raw) <= _MAX_BYTE_BY_BYTE:
        return cut(raw, 1)
    return [*cut(raw[:_EDGE_BYTES], 1), *cut(raw[_EDGE_BYTES:-_EDGE_BYTES], _PIECE_BYTES), *cut(raw[-_EDGE_BYTES:], 1)]


def _code_of(frame: Frame) -> int:
    """Read the code of a close; what follows it is a text."""
    if not frame.payload:
        return NO_CODE
    frame.payload[2:].decode()
    (code,) = struct.unpack("!H", frame.payload[:2])
    return int(code)
