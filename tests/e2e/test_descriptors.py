"""More connections than a process has file descriptors for."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.server import Service
from tests.integration.server.wire import HOST, PATIENCE, read_answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DESCRIPTORS = 128
CONNECTIONS = 300


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Run a service that may open few files."""
    service = Service(tmp_path / "data", wrapper=("sh", "-c", f'ulimit -n {DESCRIPTORS} && exec "$@"', "sh"))
    service.start()
    yield service
    service.stop()


def connect(service: Service) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE)


def ask(connection: socket.socket) -> None:
    connection.sendall(b"GET /readyz HTTP/1.1\r\n" + HOST + b"\r\n")
    assert read_answer(connection).status == 200


def wait_until_let_in(service: Service) -> None:
    """Come again until the crowd's leaving was noticed."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with connect(service) as later, contextlib.suppress(ConnectionResetError, BrokenPipeError):
            later.sendall(b"GET /readyz HTTP/1.1\r\n" + HOST + b"\r\n")
            if later.recv(1):
                return
    raise AssertionError("nobody is let in any more")


def test_f22_who_is_in_is_served_while_others_are_turned_away(service: Service) -> None:
    with connect(service) as inside:
        ask(inside)
        with contextlib.ExitStack() as stack:
            crowd = [stack.enter_context(connect(service)) for _ in range(CONNECTIONS)]
            # The oldest silent ones have made room for others.
            assert crowd[0].recv(1) == b""
            ask(inside)
        ask(inside)
        wait_until_let_in(service)
    assert not [line for line in service.log if "Too many open files" in line]
