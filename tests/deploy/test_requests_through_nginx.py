"""Ambiguous requests through the load balancer: what reaches an instance is clear, or nothing does."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

import pytest

from tests.deploy.nginx import NginxServer, open_nginx
from tests.integration.server.shapes import AMBIGUOUS, SMUGGLED
from tests.integration.server.wire import PATIENCE, Wire, read_to_end, wire_to
from tests.servers.fixtures import leave_out
from tests.servers.server import NoServerError

if TYPE_CHECKING:
    from collections.abc import Iterator

LEFT_TO_US = {"control_in_a_value", "fragment_in_the_target", "http_0_9", "unknown_method", "upgrade_with_a_body"}
"""What some version of nginx hands on, with its end beyond doubt, and we refuse."""
LAST = SMUGGLED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with wire_to(tmp_path_factory.mktemp("data")) as wire:
        yield wire


@pytest.fixture(scope="module")
def nginx(wire: Wire) -> Iterator[NginxServer]:
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(open_nginx(wire.port))
        except NoServerError as missing:
            leave_out(str(missing))
        yield server


@pytest.mark.parametrize("shape", AMBIGUOUS)
def test_s_d13_behind_nginx_nothing_ambiguous_arrives(wire: Wire, nginx: NginxServer, shape: str) -> None:
    before = wire.intake.refused.total()
    with socket.create_connection(("127.0.0.1", nginx.port), timeout=PATIENCE) as connection:
        connection.sendall(AMBIGUOUS[shape] + LAST)
        said = read_to_end(connection)
    assert said.count(b"HTTP/1.1 ") <= 2
    assert wire.intake.refused.total() == before or shape in LEFT_TO_US
