"""What stands behind a request in the same bytes, or behind a part of one, is neither lost nor taken for another."""

from __future__ import annotations

import socket

from sanctum_messaging.server.limits import MAX_PIECES
from sanctum_messaging.server.refusals import Reason
from tests.integration.server.wire import HOST, PATIENCE, Wire, read_answer, read_to_end

_GET = b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
_CHUNKED = b"POST /v1/nothing HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
_HANDSHAKE = (
    b"GET /v1/ws HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
_PING = b"\x89\x82\x00\x00\x00\x00hi"
_PONG = b"\x8a\x02hi"


def test_a_frame_behind_a_handshake_is_answered_after_it(wire: Wire) -> None:
    with wire.connect() as connection:
        connection.sendall(_HANDSHAKE + wire.authorization() + b"\r\n" + _PING)

        assert read_until(connection, _PONG).startswith(b"HTTP/1.1 101 ")


def test_a_frame_that_begins_where_a_head_would_be_too_long_is_answered(wire: Wire) -> None:
    head = _HANDSHAKE + wire.authorization() + b"\r\n"
    filler = b"".join(b"X-%d: %s\r\n" % (each, b"x" * 4_000) for each in range(3))
    filler += b"X-Last: " + b"x" * (16 * 1024 - len(head) - len(filler) - len(b"X-Last: \r\n") - 3) + b"\r\n"
    with wire.connect() as connection:
        connection.sendall(head.removesuffix(b"\r\n") + filler + b"\r\n" + _PING)

        assert read_until(connection, _PONG).startswith(b"HTTP/1.1 101 ")


def test_s_d3_a_handshake_behind_an_answer_that_was_not_read_is_refused(wire: Wire) -> None:
    """The connection is full by then, and would never tell the socket so."""
    refused = wire.intake.refused[Reason.HANDSHAKE]
    with socket.socket() as connection:
        # The answer does not fit into what the system holds for the two.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.settimeout(PATIENCE)
        connection.connect(("127.0.0.1", wire.port))
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n")
        assert connection.recv(1) == b"H"
        connection.sendall(_HANDSHAKE + wire.authorization() + b"\r\n")

        assert b"HTTP/1.1 400 " in read_to_end(connection)

    assert wire.intake.refused[Reason.HANDSHAKE] == refused + 1


def test_a_request_behind_the_body_of_an_answered_one_is_answered(wire: Wire) -> None:
    with wire.connect() as connection:
        connection.sendall(_CHUNKED)
        assert read_answer(connection).status == 404

        connection.sendall(b"2\r\n{}\r\n0\r\n\r\n" + _GET)

        assert read_answer(connection).status == 200


def test_a_request_that_begins_behind_the_body_of_an_answered_one_is_answered(wire: Wire) -> None:
    for at in range(1, len(_GET)):
        with wire.connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(_CHUNKED)
            assert read_answer(connection).status == 404

            connection.sendall(b"2\r\n{}\r\n0\r\n\r\n" + _GET[:at])
            connection.sendall(_GET[at:])

            assert read_answer(connection).status == 200


def test_s_d2_a_head_behind_the_body_of_an_answered_one_has_no_more_room_than_two(wire: Wire) -> None:
    refused = wire.intake.refused[Reason.HEAD_TOO_LARGE]
    field = b"X-A: " + b"a" * 1_000 + b"\r\n"
    with wire.connect() as connection:
        connection.sendall(_CHUNKED)
        assert read_answer(connection).status == 404

        connection.sendall(b"2\r\n{}\r\n0\r\n\r\n" + _GET.removesuffix(b"\r\n") + field * 40 + b"\r\n")

        assert read_answer(connection).status == 431

    assert wire.intake.refused[Reason.HEAD_TOO_LARGE] == refused + 1


def test_much_behind_an_answer_is_thrown_away_and_the_next_request_is_found(wire: Wire) -> None:
    with wire.connect() as connection:
        connection.sendall(_CHUNKED)
        assert read_answer(connection).status == 404

        connection.sendall(b"30d40\r\n" + b"x" * 200_000 + b"\r\n0\r\n\r\n" + _GET)

        assert read_answer(connection).status == 200


def test_a_trailer_that_ends_the_connection_is_heard(wire: Wire) -> None:
    with wire.connect() as connection:
        connection.sendall(_CHUNKED + b"2\r\n{}\r\n0\r\nConnection: close\r\n\r\n")

        assert read_to_end(connection).startswith(b"HTTP/1.1 404 ")


def test_s_d2_a_body_in_too_many_pieces_is_not_read(wire: Wire) -> None:
    refused = wire.intake.refused[Reason.MALFORMED]
    with wire.connect() as connection:
        connection.sendall(_CHUNKED)
        assert read_answer(connection).status == 404

        connection.sendall(b"1\r\nx\r\n" * (MAX_PIECES + 1))

        assert read_to_end(connection) == b""

    assert wire.intake.refused[Reason.MALFORMED] == refused + 1


def read_until(connection: socket.socket, last: bytes) -> bytes:
    """Read until what has come ends so."""
    raw = b""
    while not raw.endswith(last):
        chunk = connection.recv(65_536)
        assert chunk, raw
        raw += chunk
    return raw
