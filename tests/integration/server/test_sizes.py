"""More than a client may send, and that it is noticed before it is kept."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from tests.integration.server.wire import HOST, parse_answers, read_to_end

if TYPE_CHECKING:
    from tests.integration.server.wire import Wire

GET = b"GET /healthz HTTP/1.1\r\n" + HOST
JSON = b"Content-Type: application/json\r\n"
POST = b"POST /v1/messages HTTP/1.1\r\n" + HOST + JSON


LARGE_CHUNK = b"c350\r\n" + b" " * 50_000 + b"\r\n"


def lines(count: int) -> bytes:
    return b"".join(b"X-%d: a\r\n" % number for number in range(count))


@pytest.mark.parametrize(
    ("request_", "status", "code", "reason"),
    [
        (GET + lines(64) + b"\r\n", 431, "headers_too_large", "head_too_large"),
        (GET + b"X-A: " + b"a" * 8_200 + b"\r\n\r\n", 431, "headers_too_large", "head_too_large"),
        (GET + b"X-A: " + b"a" * 20_000, 431, "headers_too_large", "head_too_large"),
        (GET + b"X" * 20_000, 431, "headers_too_large", "head_too_large"),
        (GET + (b"X-A: " + b"a" * 4_000 + b"\r\n") * 5, 431, "headers_too_large", "head_too_large"),
        (b"\r\n" * 10_000, 431, "headers_too_large", "head_too_large"),
        (b"GET /" + b"a" * 4_096 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414, "uri_too_long", "address_too_long"),
        (b"GET /" + b"a" * 20_000, 414, "uri_too_long", "address_too_long"),
        (b"GET /?" + b"a" * 4_096, 414, "uri_too_long", "address_too_long"),
    ],
    ids=["fields", "line", "value", "name", "lines", "line_ends", "path", "endless_path", "query"],
)
def test_s_d2_too_large_a_head_is_refused(wire: Wire, request_: bytes, status: int, code: str, reason: str) -> None:
    before = wire.intake.refused[reason]
    (answer,) = wire.exchange(request_)
    assert (answer.status, answer.problem["code"]) == (status, code)
    assert answer.headers["connection"] == "close"
    assert wire.intake.refused[reason] == before + 1


def test_s_d2_the_largest_head_is_taken(wire: Wire) -> None:
    """62 fields beside Host and Connection; a line of 8 KiB; an address of 4 KiB."""
    assert wire.ask(GET + lines(62)).status == 200
    assert wire.ask(GET + b"X-A: " + b"a" * (8_192 - len("X-A: \r\n")) + b"\r\n").status == 200
    assert wire.ask(b"GET /" + b"a" * 4_095 + b" HTTP/1.1\r\n" + HOST).status == 404


def test_s_d2_a_head_without_end_is_answered_while_it_is_sent(wire: Wire) -> None:
    """30 MB of fields: the answer is there after 16 KiB of them, and the rest is neither parsed nor kept."""
    sent = 0
    with wire.connect() as connection:
        answered = threading.Event()
        said: list[bytes] = []

        def listen() -> None:
            said.append(read_to_end(connection))
            answered.set()

        listener = threading.Thread(target=listen)
        listener.start()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(GET)
            while sent < 30_000_000 and not answered.is_set():
                connection.sendall(b"X-A: " + b"a" * 4_089 + b"\r\n")
                sent += 4_096
        answered.wait()
        listener.join()
    (answer,) = parse_answers(said[0])
    assert answer.status == 431


class TestBodies:
    def test_s_d7_are_bounded_by_their_length_before_they_come(self, wire: Wire) -> None:
        head = POST + wire.authorization() + b"Content-Length: 65537\r\nExpect: 100-continue\r\n"
        with wire.connect() as connection:
            connection.sendall(head + b"Connection: close\r\n\r\n")
            said = read_until_answer(connection)
        assert b"100 Continue" not in said
        assert said.startswith(b"HTTP/1.1 413 ")

    def test_s_d7_are_counted_where_they_come_in_chunks(self, wire: Wire) -> None:
        chunk = b"1000\r\n" + b" " * 4_096 + b"\r\n"
        head = POST + wire.authorization() + b"Transfer-Encoding: chunked\r\n"
        assert wire.ask(head, chunk * 17 + b"0\r\n\r\n").problem["code"] == "body_too_large"
        assert wire.ask(head, chunk * 16 + b"0\r\n\r\n").problem["code"] == "malformed_json"

    @pytest.mark.parametrize("media_type", [b"multipart/form-data; boundary=x", b"application/x-www-form-urlencoded"])
    def test_s_d7_of_forms_are_refused_before_they_come(self, wire: Wire, media_type: bytes) -> None:
        head = POST.replace(b"application/json", media_type) + wire.authorization()
        with wire.connect() as connection:
            connection.sendall(head + b"Content-Length: 60000\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
            said = read_until_answer(connection)
        assert said.startswith(b"HTTP/1.1 415 ")

    def test_s_d7_are_asked_for_where_they_are_wanted(self, wire: Wire) -> None:
        head = POST + wire.authorization() + b"Content-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
        with wire.connect() as connection:
            connection.sendall(head)
            assert connection.recv(1_024) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(b"{}")
            (answer,) = parse_answers(read_to_end(connection))
        assert answer.problem["code"] == "invalid"

    @pytest.mark.parametrize(
        "chunk",
        [
            b"1;" + b"x" * 70_000,
            b"0\r\n" + b"X-A: " + b"a" * 70_000,
            LARGE_CHUNK + b"0\r\n" + b"A:\r\n" * 18_000,
            LARGE_CHUNK + b"1;" + b"x" * 70_000,
        ],
        ids=["extension", "trailer", "trailers_behind_much", "extension_behind_much"],
    )
    def test_have_bounded_extensions_and_trailers(self, wire: Wire, chunk: bytes) -> None:
        (answer,) = wire.exchange(POST + wire.authorization() + b"Transfer-Encoding: chunked\r\n\r\n", chunk)
        assert (answer.status, answer.problem["code"]) == (400, "bad_request")

    def test_have_trailers_that_are_no_fields_of_the_head(self, wire: Wire) -> None:
        head = POST + b"Transfer-Encoding: chunked\r\n"
        answer = wire.ask(head, b"2;a=b\r\n{}\r\n0\r\n" + wire.authorization() + b"\r\n")
        assert answer.problem["code"] == "unauthenticated"

    def test_that_nobody_reads_are_swallowed_and_the_connection_lives_on(self, wire: Wire) -> None:
        body = b"x" * 60_000
        request = b"GET /healthz HTTP/1.1\r\n" + HOST + b"Content-Length: 60000\r\n"
        with wire.connect() as connection:
            connection.sendall(request + b"\r\n" + body + request + b"Connection: close\r\n\r\n" + body)
            answers = parse_answers(read_to_end(connection))
        assert {answer.status for answer in answers} == {200}


def read_until_answer(connection: socket.socket) -> bytes:
    """Read the head of an answer whose request's body never comes."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        chunk = connection.recv(65_536)
        assert chunk
        raw += chunk
    return raw
