"""Requests that a proxy before us could have understood differently."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.server.shapes import AMBIGUOUS, HOSTS, SMUGGLED
from tests.integration.server.wire import HOST, parse_answers, read_answer, read_to_end

if TYPE_CHECKING:
    from tests.integration.server.wire import Wire


@pytest.mark.parametrize("shape", AMBIGUOUS)
def test_s_d13_is_refused_and_nothing_behind_it_is_read(wire: Wire, shape: str) -> None:
    before = wire.intake.refused["malformed"]
    (answer,) = wire.exchange(AMBIGUOUS[shape] + SMUGGLED)
    assert (answer.status, answer.problem["code"]) == (400, "bad_request")
    assert answer.headers["connection"] == "close"
    assert wire.intake.refused["malformed"] == before + 1


@pytest.mark.parametrize("shape", AMBIGUOUS)
def test_s_d13_is_refused_byte_by_byte(wire: Wire, shape: str) -> None:
    """However the bytes are cut into segments, they mean the same."""
    request = AMBIGUOUS[shape]
    with wire.connect() as connection:
        for number in range(len(request)):
            try:
                connection.sendall(request[number : number + 1])
            except (BrokenPipeError, ConnectionResetError):
                break
        (answer,) = parse_answers(read_to_end(connection))
    # Who has no token may hear of that before his body has come.
    assert answer.status in ({400, 401} if shape.startswith("chunk") else {400})


@pytest.mark.parametrize("shape", HOSTS)
def test_s_d10_what_is_no_host_is_refused(wire: Wire, shape: str) -> None:
    (answer,) = wire.exchange(b"GET /healthz HTTP/1.1\r\nHost: " + HOSTS[shape] + b"\r\n\r\n")
    assert (answer.status, answer.problem["code"]) == (400, "bad_request")


@pytest.mark.parametrize("host", [b"sanctum.test", b"sanctum.test:8080", b"10.0.0.1", b"[::1]:8080", b"a_b"])
def test_hosts_are_taken(wire: Wire, host: bytes) -> None:
    assert wire.ask(b"GET /healthz HTTP/1.1\r\nHost: " + host + b"\r\n").status == 200


@pytest.mark.parametrize(
    "request_",
    [
        b"\r\nGET /healthz HTTP/1.1\r\n" + HOST,
        b"GET /healthz HTTP/1.0\r\n",
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"X-A: \xff\r\nX-B:\r\nX_C: d\r\n",
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"X-A: b\r\nX-A: c\r\n",
        b"GET //healthz/.. HTTP/1.1\r\n" + HOST,
    ],
)
def test_what_is_unusual_and_clear_is_taken(wire: Wire, request_: bytes) -> None:
    assert wire.ask(request_).status in {200, 404}


def test_other_protocols_are_not_spoken(wire: Wire) -> None:
    """Who asks for one gets his answer by this one, and the connection ends."""
    upgrade = b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    (answer,) = wire.exchange(upgrade + SMUGGLED)
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    (answer,) = wire.exchange(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    assert answer.status == 400


class TestPipelining:
    def test_a_second_request_is_not_answered(self, wire: Wire) -> None:
        (answer,) = wire.exchange((b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n") + SMUGGLED)
        assert (answer.status, answer.headers["connection"]) == (200, "close")

    def test_a_second_request_behind_a_body_is_not_answered(self, wire: Wire) -> None:
        body = b"POST /v1/messages HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\n{}"
        (answer,) = wire.exchange(body + SMUGGLED)
        assert (answer.status, answer.headers["connection"]) == (401, "close")

    def test_one_after_the_other_is_served(self, wire: Wire) -> None:
        with wire.connect() as connection:
            for _ in range(3):
                connection.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
                assert read_answer(connection).status == 200
