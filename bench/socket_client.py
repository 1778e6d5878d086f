"""A small WebSocket client, for the same reason as the HTTP one: frames are masked with zeros, which costs nothing."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Self, cast

if TYPE_CHECKING:
    from collections.abc import Callable

_END_OF_HEAD = b"\r\n\r\n"
_ZERO_MASK = bytes(4)
_TEXT = 0x81
_CLOSE = 0x88
_TWO_BYTES = 126
_HANDSHAKE = """GET {path} HTTP/1.1\r
Host: 127.0.0.1\r
Upgrade: websocket\r
Connection: Upgrade\r
Sec-WebSocket-Version: 13\r
Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r
Sec-WebSocket-Protocol: sanctum.v1\r
{authorization}\r
"""


class RefusedError(Exception):
    """The handshake got another answer than 101."""


class Socket(asyncio.Protocol):
    """One WebSocket. ``on_text`` is called with each text frame; a close by the server ends the benchmark."""

    def __init__(self, on_text: Callable[[bytes], None]) -> None:
        """``open`` connects."""
        self.on_text = on_text
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._is_open = False
        self._is_closing = False
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(cls, port: int, path: str, *, token: str = "", on_text: Callable[[bytes], None]) -> Self:
        """Connect to this machine and shake hands."""
        loop = asyncio.get_running_loop()
        _, socket = await loop.create_connection(lambda: cls(on_text), "127.0.0.1", port)
        await socket.shake_hands(path, token)
        return socket

    @classmethod
    async def open_plain(cls, port: int, *, on_text: Callable[[bytes], None]) -> Self:
        """Connect without a handshake, to somebody who sends frames at once."""
        _, socket = await asyncio.get_running_loop().create_connection(lambda: cls(on_text), "127.0.0.1", port)
        socket.skip_handshake()
        return socket

    async def shake_hands(self, path: str, token: str = "") -> None:
        """Become a WebSocket, once connected."""
        assert self._transport is not None
        self._transport.write(build_handshake(path, token))
        await self._opened

    def skip_handshake(self) -> None:
        """Take frames at once, of somebody who speaks no HTTP."""
        self._is_open = True

    def send(self, text: bytes) -> None:
        """Send a text frame."""
        assert self._transport is not None
        self._transport.write(frame_text(text))

    def pause_reading(self) -> None:
        """Read nothing any more."""
        assert self._transport is not None
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        assert self._transport is not None
        self._transport.resume_reading()

    def close(self) -> None:
        """Hang up without a word."""
        self._is_closing = True
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; that of uvloop has the methods, not the class."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """A server that hangs up spoils the measurement: what waits for more will time out."""
        if not self._opened.done():
            self._opened.set_exception(exc or RefusedError(bytes(self._buffer)))
        elif not self._is_closing:
            self._warn("cut off")

    def data_received(self, data: bytes) -> None:
        """Take the handshake's answer, then frame after frame."""
        buffer = self._buffer
        buffer += data
        if not self._is_open and not self._take_handshake():
            return
        at = 0
        while (frame := _find_frame(buffer, at)) is not None:
            start, end = frame
            if buffer[at] == _CLOSE:
                self._warn(f"closed with {int.from_bytes(buffer[start : start + 2])}")
            else:
                self.on_text(bytes(buffer[start:end]))
            at = end
        del buffer[:at]

    def _warn(self, what: str) -> None:
        if not self._is_closing:
            self._is_closing = True
            print(f"a socket was {what}", file=sys.stderr)

    def _take_handshake(self) -> bool:
        end = self._buffer.find(_END_OF_HEAD)
        if end < 0:
            return False
        if not self._buffer.startswith(b"HTTP/1.1 101"):
            self._opened.set_exception(RefusedError(bytes(self._buffer)))
            self.close()
            return False
        del self._buffer[: end + len(_END_OF_HEAD)]
        self._is_open = True
        self._opened.set_result(None)
        return True


def build_handshake(path: str, token: str = "") -> bytes:
    """Write the request that asks for a WebSocket."""
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    return _HANDSHAKE.format(path=path, authorization=authorization).encode()


def frame_text(text: bytes) -> bytes:
    """Frame a text as a client does."""
    size = len(text)
    length = bytes([0x80 | size]) if size < _TWO_BYTES else bytes([0x80 | _TWO_BYTES]) + size.to_bytes(2)
    return bytes([_TEXT]) + length + _ZERO_MASK + text


def _find_frame(buffer: bytearray, at: int) -> tuple[int, int] | None:
    """Return where the payload of the frame at an offset begins and ends; none while it is not all there."""
    if len(buffer) < at + 2:
        return None
    size, start = buffer[at + 1], at + 2
    if size >= _TWO_BYTES:
        start += 2 if size == _TWO_BYTES else 8
        if len(buffer) < start:
            return None
        size = int.from_bytes(buffer[at + 2 : start])
    return None if len(buffer) < start + size else (start, start + size)
