"""As much of PostgreSQL's protocol as it takes to give it an order, from any thread and without an event loop.

The tests of our adapter use the driver; what starts servers has to work without it, and while a loop is running.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = "postgres"
_PROTOCOL_3_0 = 196_608
_ANSWER_SECONDS = 30
_NULL = -1


class PostgresError(Exception):
    """What the server refused, with its ``sqlstate``."""

    def __init__(self, body: bytes) -> None:
        fields = {part[:1]: part[1:].decode() for part in body.split(b"\0") if part}
        self.sqlstate = fields[b"C"]
        super().__init__(f"{self.sqlstate}: {fields[b'M']}")


def run_sql(port: int, sql: str, *, database: str = USER) -> list[list[str | None]]:
    """Run one statement and return its rows, each value as text. Raises ``PostgresError`` or ``OSError``."""
    with _connect(port, database) as (connection, answers):
        connection.sendall(_message(b"Q", sql.encode() + b"\0"))
        return [_row(body) for kind, body in _until_ready(answers) if kind == b"D"]


def send_sql(port: int, sql: str, *, database: str = USER) -> None:
    """Have one statement run and don't wait for it; whether it works, nobody learns."""
    with _connect(port, database) as (connection, _):
        connection.sendall(_message(b"Q", sql.encode() + b"\0"))


@contextlib.contextmanager
def _connect(port: int, database: str) -> Iterator[tuple[socket.socket, BinaryIO]]:
    hello = struct.pack("!i", _PROTOCOL_3_0) + b"".join(
        text.encode() + b"\0" for text in ("user", USER, "database", database, "")
    )
    with (
        socket.create_connection(("127.0.0.1", port), _ANSWER_SECONDS) as connection,
        connection.makefile("rb") as answers,
    ):
        connection.sendall(_message(b"", hello))
        for _ in _until_ready(answers):
            pass
        yield connection, answers


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _until_ready(answers: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Read what the server says until it waits for the next order."""
    while (kind := answers.read(1)) != b"Z":
        (length,) = struct.unpack("!i", _exactly(answers, 4))
        body = _exactly(answers, length - 4)
        if kind == b"E":
            raise PostgresError(body)
        yield kind, body
    _exactly(answers, 5)


def _exactly(answers: BinaryIO, length: int) -> bytes:
    data = answers.read(length)
    if len(data) < length:
        raise ConnectionResetError("the server went away")
    return data


def _row(body: bytes) -> list[str | None]:
    (count,) = struct.unpack_from("!h", body)
    values: list[str | None] = []
    offset = 2
    for _ in range(count):
        (length,) = struct.unpack_from("!i", body, offset)
        offset += 4
        values.append(None if length == _NULL else body[offset : offset + length].decode())
        offset += max(length, 0)
    return values
