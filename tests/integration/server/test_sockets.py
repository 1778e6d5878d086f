"""Frames that no client of ours sends, on a real socket."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from tests.integration.server.wire import HOST, read_to_end

if TYPE_CHECKING:
    import socket

    from tests.integration.server.wire import Wire

UPGRADE = (
    b"GET /v1/ws HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
MASK = b"\x00\x00\x00\x00"
TOO_LARGE = 1_009


def shake_hands(connection: socket.socket, *fields: bytes) -> bytes:
    connection.sendall(UPGRADE + b"".join(fields) + b"\r\n")
    said = b""
    while b"\r\n\r\n" not in said:
        chunk = connection.recv(1)
        assert chunk
        said += chunk
    assert said.startswith(b"HTTP/1.1 101 ")
    return said.lower()


def close_code(connection: socket.socket) -> int:
    """Read the close frame that ends a connection on which nothing else was said."""
    said = read_to_end(connection)
    assert said[0] == 0x88
    return int(struct.unpack("!H", said[2:4])[0])


def test_s_d5_compression_is_not_negotiated(wire: Wire) -> None:
    with wire.connect() as connection:
        said = shake_hands(connection, b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n")
        assert b"sec-websocket-extensions" not in said
        # A compressed frame all the same (RSV1).
        connection.sendall(b"\xc1\x82" + MASK + b"{}")
        assert close_code(connection) == 1002


@pytest.mark.parametrize("size", [65_537, 2**31, 2**62, 2**63 - 1])
def test_s_d6_an_oversized_frame_is_refused_by_its_length(wire: Wire, size: int) -> None:
    with wire.connect() as connection:
        shake_hands(connection)
        connection.sendall(b"\x81\xff" + struct.pack("!Q", size) + MASK)
        assert close_code(connection) == TOO_LARGE


def test_s_d6_a_length_of_more_than_63_bits_is_none(wire: Wire) -> None:
    with wire.connect() as connection:
        shake_hands(connection)
        connection.sendall(b"\x81\xff" + struct.pack("!Q", 2**63) + MASK)
        assert close_code(connection) in {1002, TOO_LARGE}


def test_s_d6_fragments_count_together(wire: Wire) -> None:
    part = b"a" * 40_000
    with wire.connect() as connection:
        shake_hands(connection)
        connection.sendall(b"\x01\xfe" + struct.pack("!H", len(part)) + MASK + part)
        connection.sendall(b"\x80\xfe" + struct.pack("!H", len(part)) + MASK + part)
        assert close_code(connection) == TOO_LARGE
