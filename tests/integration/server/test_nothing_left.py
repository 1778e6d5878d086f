"""What belongs to a connection is freed with it: by the count of references, and not once the collector comes."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from websockets.protocol import Protocol

from sanctum_messaging.hub.connection import Connection
from sanctum_messaging.server.deadline import Deadline
from sanctum_messaging.server.http_protocol import HTTPProtocol
from sanctum_messaging.server.socket_protocol import SocketProtocol
from tests.raw_socket import TEXT, RawSocket, encode_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.server.wire import Wire

PARTS = (Connection, Deadline, HTTPProtocol, Protocol, RequestResponseCycle, SocketProtocol)
PATIENCE_SECONDS = 20


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def count_parts() -> int:
    return sum(isinstance(each, PARTS) for each in gc.get_objects())


def wait_for_parts(count: int) -> int:
    """Wait until there are no more than these; return how many there are."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := count_parts()) > count and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def test_an_ended_socket_leaves_nothing(wire: Wire, uncollected: None) -> None:
    before = count_parts()
    with RawSocket(wire.port) as raw:
        raw.hello(wire.token)
        assert count_parts() > before
    with RawSocket(wire.port) as broken_off:
        broken_off.write(encode_frame(TEXT, b'{"op":'))
    with RawSocket(wire.port) as faulty:
        faulty.hello(wire.token)
        faulty.write(b"\xff\xff")
        faulty.read_close_code()
    assert wait_for_parts(before) == before


def test_an_ended_request_leaves_nothing(wire: Wire, uncollected: None) -> None:
    before = count_parts()
    for token in (b"no.to.ken", b"x"):
        head = b"GET /v1/conversations HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer "
        with wire.connect() as plain:
            plain.sendall(head + token + b"\r\n\r\n")
            while plain.recv(65_536):
                pass
    assert wait_for_parts(before) == before


def test_a_refused_request_leaves_nothing(wire: Wire, uncollected: None) -> None:
    before = count_parts()
    with wire.connect() as malformed:
        malformed.sendall(b"GET /v1/conversations HTTP/1.1\r\nHost: x\r\nno field\r\n\r\n")
        while malformed.recv(65_536):
            pass
    assert wait_for_parts(before) == before
