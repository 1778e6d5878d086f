"""What a handshake is answered: the 101 that makes a WebSocket of its connection, or a refusal that ends it."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sanctum_messaging.server.heads import Fields

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""What a server adds to the client's key to show that it speaks WebSocket (RFC 6455, section 4.2.2)."""
_ACCEPTED = (b"HTTP/1.1 101 Switching Protocols", b"upgrade: websocket", b"connection: Upgrade")
_CONTROLS = bytes([*range(0x09), *range(0x0A, 0x20), 0x7F])
"""What no line may hold (RFC 9110, section 5.5); the tab may stand in a value."""
_PLAIN = (b"content-type", b"text/plain; charset=utf-8")


def write_accept(key: bytes, subprotocol: str | None, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Write the 101 to a client's key, with further fields; no extension is ever agreed upon.

    Raises:
        ValueError: a field is not fit to go out.
    """
    proof = b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
    lines = [*_ACCEPTED, b"sec-websocket-accept: " + proof, *_lines_of(fields)]
    if subprotocol is not None:
        lines.append(b"sec-websocket-protocol: " + subprotocol.encode("ascii"))
    return _join(lines)


def write_refusal(status: int, fields: Fields, body: bytes) -> bytes:
    """Write an answer that is the last of its connection.

    Raises:
        ValueError: a field is not fit to go out.
    """
    named = {name.lower() for name, _ in fields}
    own = [(b"connection", b"close"), (b"content-length", b"%d" % len(body)), _PLAIN]
    missing = [(name, value) for name, value in own if name not in named]
    return _join([STATUS_LINE[status].removesuffix(b"\r\n"), *_lines_of([*fields, *missing])]) + body


def _lines_of(fields: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    return [name + b": " + value for name, value in fields]


def _join(lines: list[bytes]) -> bytes:
    if any(len(line.translate(None, _CONTROLS)) != len(line) for line in lines):
        raise ValueError("a line of an answer holds a control character")
    return b"\r\n".join([*lines, b"", b""])
