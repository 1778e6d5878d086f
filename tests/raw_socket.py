"""WebSocket frames as bytes, also those that no client sends, to whatever serves ``/v1/ws`` at an address."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
from dataclasses import dataclass
from typing import Any, Self

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
PATIENCE_SECONDS = 60
"""How long something that must come may take on a busy machine."""

_HANDSHAKE = (
    b"GET /v1/ws HTTP/1.1\r\nHost: sanctum.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
_FIN = 0x80
_MASK = b"\x00\x00\x00\x00"
"""Leaves what is masked as it is."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that the server sent."""

    opcode: int
    payload: bytes


def encode_frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True, length: int | None = None
) -> bytes:
    """Encode a frame; ``length`` is what it says of its payload, where that is not the truth."""
    size = len(payload) if length is None else length
    bit = 0x80 if masked else 0
    head = bytes([(_FIN if fin else 0) | rsv << 4 | opcode])
    if size < 126:
        head += bytes([bit | size])
    elif size < 65_536:
        head += struct.pack("!BH", bit | 126, size)
    else:
        head += struct.pack("!BQ", bit | 127, size)
    return head + (_MASK if masked else b"") + payload


def encode_message(pieces: int, piece: bytes = b"", opcode: int = TEXT) -> bytes:
    """Encode a message in so many frames."""
    last = pieces - 1
    frames = (encode_frame(CONT if number else opcode, piece, fin=number == last) for number in range(pieces))
    return b"".join(frames)


class RawSocket:
    """A connection that has shaken hands. ``receive_buffer`` makes the kernel hold no more for it than that."""

    def __init__(self, port: int, *fields: str, receive_buffer: int | None = None) -> None:
        self.connection = socket.socket()
        self.connection.settimeout(PATIENCE_SECONDS)
        if receive_buffer is not None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.connection.connect(("127.0.0.1", port))
        lines = "".join(f"{field}\r\n" for field in fields)
        self.connection.sendall(_HANDSHAKE + lines.encode() + b"\r\n")
        self.answer = self._read_until(b"\r\n\r\n")
        """The head of the answer to the handshake."""

    def write(self, *raw: bytes) -> None:
        """Send bytes."""
        self.connection.sendall(b"".join(raw))

    def say(self, **frame: object) -> None:
        """Send a frame of our protocol."""
        self.write(encode_frame(TEXT, json.dumps(frame).encode()))

    def hear(self, *ops: str) -> dict[str, Any]:
        """Read until a frame of our protocol comes that has one of the ops."""
        while True:
            frame = self.read()
            assert frame.opcode == TEXT, frame
            said: dict[str, Any] = json.loads(frame.payload)
            if said["op"] in ops:
                return said

    def hello(self, token: str) -> None:
        """Open a user's stream and wait until it is live."""
        self.say(op="hello", token=token)
        self.hear("live")

    def read(self) -> Frame:
        """Read the next frame; fails if the connection ends before it."""
        first, second = self._read_exactly(2)
        assert first & 0xF0 == _FIN, "the server sends whole messages"
        assert second < 0x80, "the server masks nothing"
        size = second
        if second == 126:
            (size,) = struct.unpack("!H", self._read_exactly(2))
        elif second == 127:
            (size,) = struct.unpack("!Q", self._read_exactly(8))
        return Frame(first & 0x0F, self._read_exactly(size))

    def read_close_code(self) -> int:
        """Read until the server closes; return the code."""
        while (frame := self.read()).opcode != CLOSE:
            pass
        (code,) = struct.unpack("!H", frame.payload[:2])
        return int(code)

    def confirm_close(self) -> None:
        """Answer the server's close, as a client does."""
        with contextlib.suppress(ConnectionError):
            self.write(encode_frame(CLOSE))

    def is_at_end(self) -> bool:
        """Tell whether the server has ended the connection and left nothing to read."""
        try:
            return self.connection.recv(1) == b""
        except ConnectionResetError:
            return True

    def _read_exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self.connection.recv(size - len(parts))
            assert part, "the connection ended"
            parts += part
        return bytes(parts)

    def _read_until(self, end: bytes) -> bytes:
        said = b""
        while not said.endswith(end):
            said += self._read_exactly(1)
        return said

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()
