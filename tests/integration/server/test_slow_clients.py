"""Clients that take their time: they are let go, and nobody else notices."""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.server.limits import ServerLimits
from tests.integration.server.wire import HOST, PATIENCE, Wire, parse_answers, read_answer, read_to_end, wire_to

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = b"GET /healthz HTTP/1.1\r\n" + HOST
POST = b"POST /v1/messages HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\nContent-Length: 5000\r\n"
SHORT = ServerLimits(
    head_seconds=1.0, body_seconds=0.3, idle_seconds=0.3, answer_seconds=0.3, linger_seconds=0.3, max_strangers=1_000
)
TRICKLING = 500


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with wire_to(tmp_path_factory.mktemp("data"), SHORT) as wire:
        yield wire


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """Run a service that is in a hurry with heads, and with who reads no answer."""
    limits = ServerLimits(head_seconds=1.0, answer_seconds=0.3, max_strangers=2 * TRICKLING)
    with wire_to(tmp_path_factory.mktemp("patient"), limits) as wire:
        yield wire


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """Run a service for four connections, two of which may be silent."""
    limits = ServerLimits(max_connections=4, max_strangers=2)
    with wire_to(tmp_path_factory.mktemp("four"), limits) as wire:
        yield wire


def test_s_d1_trickling_heads_are_cut_off_and_others_are_served(patient: Wire) -> None:
    with contextlib.ExitStack() as stack:
        honest = stack.enter_context(patient.connect())
        ask(honest)
        slow = [stack.enter_context(patient.connect()) for _ in range(TRICKLING)]
        for each in slow:
            each.sendall(HEAD)
        for number in trickle(slow):
            if number % 100 == 0:
                ask(honest)
        ask(honest)
    assert patient.intake.refused["slow_head"] > 0


def trickle(slow: list[socket.socket]) -> Iterator[int]:
    """Send a byte to each in turn and take out those that were ended, until none is left; yield after each byte."""
    with selectors.DefaultSelector() as selector:
        for each in slow:
            selector.register(each, selectors.EVENT_READ)
        number = 0
        while left := [each for each in slow if each in selector.get_map()]:
            for each in left:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    each.sendall(b"a")
                number += 1
                yield number
            for key, _ in selector.select(timeout=0):
                # Whether it is the answer 408 or the end: no byte of it makes a request any more.
                selector.unregister(key.fileobj)


def ask(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"\r\n")
    assert read_answer(connection).status == 200


class TestDeadlines:
    def test_s_d1_a_slow_head_is_told_so_and_silence_ends_without_a_word(self, wire: Wire) -> None:
        with wire.connect() as silent:
            (answer,) = wire.exchange(HEAD)
            assert (answer.status, answer.problem["code"]) == (408, "request_timeout")
            assert read_to_end(silent) == b""

    def test_s_d1_a_slow_body_is_told_so(self, wire: Wire) -> None:
        (answer,) = wire.exchange(POST + wire.authorization() + b"\r\n{")
        assert (answer.status, answer.problem["code"]) == (408, "request_timeout")
        assert answer.problem["retryable"] is True

    def test_s_d1_a_body_that_nobody_reads_ends_its_connection(self, wire: Wire) -> None:
        (answer,) = wire.exchange(POST + b"\r\n{")
        # The application answers at once, unless the machine is too busy for that.
        assert answer.status in {401, 408}

    def test_an_idle_connection_ends_without_a_word(self, wire: Wire) -> None:
        (answer,) = wire.exchange(HEAD + b"\r\n")
        assert answer.status == 200

    def test_who_reads_no_answer_is_let_go(self, patient: Wire) -> None:
        """The answer does not fit into what the system holds for the two."""
        request = b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n"
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            connection.settimeout(PATIENCE)
            connection.connect(("127.0.0.1", patient.port))
            connection.sendall(request)
            assert connection.recv(1) == b"H"
            wait_until_alone(patient)

    def test_a_refused_client_that_goes_on_sending_is_let_go(self, wire: Wire) -> None:
        with wire.connect() as connection:
            connection.sendall(b"GET /\r\n\r\n")
            wait_until_reset(connection)


def wait_until_alone(wire: Wire) -> None:
    """Wait until the server has no connection any more."""
    until = time.monotonic() + PATIENCE
    while wire.open_connections:
        assert time.monotonic() < until
        time.sleep(0.01)


def wait_until_reset(connection: socket.socket) -> None:
    """Send until the other end does not take it any more."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        while True:
            connection.sendall(b"a" * 1_024)


class TestStrangers:
    @pytest.fixture
    def small(self, four: Wire) -> Wire:
        wait_until_alone(four)
        four.intake.turned_away.clear()
        return four

    def test_make_room_for_who_comes_later(self, small: Wire) -> None:
        with small.connect() as first, small.connect(), small.connect():
            assert read_to_end(first) == b""
        assert small.intake.turned_away == {"silent": 1}

    def test_do_not_count_once_they_have_shown_a_head(self, small: Wire) -> None:
        with contextlib.ExitStack() as stack:
            for each in known(small, stack, 3):
                ask(each)
        assert not small.intake.turned_away

    def test_are_turned_away_where_there_is_no_room_at_all(self, small: Wire) -> None:
        with contextlib.ExitStack() as stack:
            inside = known(small, stack, 4)
            assert read_to_end(stack.enter_context(small.connect())) == b""
            for each in inside:
                ask(each)
        assert small.intake.turned_away == {"full": 1}


def known(wire: Wire, stack: contextlib.ExitStack, count: int) -> list[socket.socket]:
    """Open connections that have shown a head."""
    connections = []
    for _ in range(count):
        connections.append(stack.enter_context(wire.connect()))
        ask(connections[-1])
    return connections


def test_a_handshake_has_no_deadline_of_a_request(wire: Wire) -> None:
    """What comes after it is the hub's affair."""
    upgrade = (
        b"GET /v1/ws HTTP/1.1\r\n"
        + HOST
        + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    with wire.connect() as connection, wire.connect() as slower:
        connection.sendall(upgrade)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 101 ")
        # Longer than any of the deadlines that are set here.
        (answer,) = parse_answers(send_and_read(slower, HEAD))
        assert answer.status == 408
        connection.sendall(b"\x89\x80\x00\x00\x00\x00")
        assert connection.recv(1_024) == b"\x8a\x00"


def send_and_read(connection: socket.socket, data: bytes) -> bytes:
    connection.sendall(data)
    return read_to_end(connection)
