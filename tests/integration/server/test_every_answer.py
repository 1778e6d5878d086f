"""What every answer bears, whoever made it: the application, a handshake's refusal, or the server itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.integration.calling import SECURITY
from tests.integration.server.wire import HOST, Answer, Wire, wire_to

if TYPE_CHECKING:
    from collections.abc import Iterator

EVERYWHERE = {**SECURITY, "cache-control": "no-store"}
PAGE = b"Origin: https://app.example.com\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
KEY = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
SOCKET = UPGRADE + KEY + b"Sec-WebSocket-Version: 13\r\n"
WS = b"GET /v1/ws HTTP/1.1\r\n" + HOST

HEADS = {
    "ok": (200, b"GET /healthz HTTP/1.1\r\n" + HOST),
    "unauthenticated": (401, b"GET /v1/unread HTTP/1.1\r\n" + HOST),
    "not_found": (404, b"GET /nowhere HTTP/1.1\r\n" + HOST),
    "wrong_method": (405, b"PUT /v1/messages HTTP/1.1\r\n" + HOST),
    "body_too_large": (413, b"POST /v1/messages HTTP/1.1\r\n" + HOST + b"Content-Length: 70000\r\n"),
    "preflight": (204, b"OPTIONS /v1/messages HTTP/1.1\r\n" + HOST + b"Access-Control-Request-Method: POST\r\n"),
    "host_not_allowed": (421, b"GET /v1/unread HTTP/1.1\r\nHost: other.test\r\n"),
    "socket_unauthenticated": (401, WS + SOCKET + b"Authorization: Bearer x\r\n"),
    "socket_elsewhere": (404, b"GET /v2/ws HTTP/1.1\r\n" + HOST + SOCKET),
    "socket_host_not_allowed": (421, b"GET /v1/ws HTTP/1.1\r\nHost: other.test\r\n" + SOCKET),
}
"""Answers of the application, to a page that may see them."""

BARE = {
    "malformed": (400, b"GET /\r\n\r\n"),
    "uri_too_long": (414, b"GET /" + b"a" * 5_000),
    "headers_too_large": (431, b"GET / HTTP/1.1\r\nX-A: " + b"a" * 20_000),
    "handshake_without_key": (400, WS + UPGRADE + b"Sec-WebSocket-Version: 13\r\n\r\n"),
    "handshake_with_bad_key": (400, WS + UPGRADE + b"Sec-WebSocket-Key: AAAA\r\nSec-WebSocket-Version: 13\r\n\r\n"),
    "handshake_with_two_keys": (400, WS + SOCKET + KEY + b"\r\n"),
    "handshake_of_another_version": (400, WS + UPGRADE + KEY + b"Sec-WebSocket-Version: 8\r\n\r\n"),
    "handshake_without_version": (400, WS + UPGRADE + KEY + b"\r\n"),
    "handshake_with_a_body": (400, WS + SOCKET + b"Content-Length: 5\r\n\r\nhello"),
    "handshake_with_chunks": (400, WS + SOCKET + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "handshake_by_post": (400, WS.replace(b"GET", b"POST") + SOCKET + b"\r\n"),
    "handshake_of_http_1_0": (400, WS.replace(b"HTTP/1.1", b"HTTP/1.0") + SOCKET + b"\r\n"),
    "handshake_with_bad_subprotocol": (400, WS + SOCKET + b"Sec-WebSocket-Protocol: a b\r\n\r\n"),
    "handshake_too_large": (431, WS + SOCKET + b"X-A: " + b"a" * 20_000),
}
"""Answers to what the application never gets to see as it came."""


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """Run a service that lists its hosts and its pages' origins."""
    listed = {"ALLOWED_HOSTS": "sanctum.test", "CORS_ALLOWED_ORIGINS": "https://app.example.com"}
    with wire_to(tmp_path_factory.mktemp("data"), environ=listed) as wire:
        yield wire


def check(answer: Answer, status: int) -> None:
    assert answer.status == status
    assert {name: answer.headers.get(name) for name in EVERYWHERE} == EVERYWHERE
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-request-id"])
    if status >= 400:
        assert answer.problem["requestId"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("kind", HEADS)
def test_headers_and_cors_are_on_every_answer(wire: Wire, kind: str) -> None:
    status, head = HEADS[kind]
    fields = PAGE + b"\r\n" if b"Upgrade" in head else PAGE + b"Connection: close\r\n\r\n"
    (answer,) = wire.exchange(head + fields)
    check(answer, status)
    assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
    assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize("kind", BARE)
def test_headers_are_on_what_the_server_refuses(wire: Wire, kind: str) -> None:
    status, request = BARE[kind]
    (answer,) = wire.exchange(request)
    check(answer, status)
    assert ("sec-websocket-version" in answer.headers) == (kind.startswith("handshake") and status == 400)


def test_a_page_of_another_origin_sees_no_refused_handshake(wire: Wire) -> None:
    (answer,) = wire.exchange(WS + SOCKET + b"Origin: https://evil.example\r\n\r\n")
    check(answer, 403)
    assert answer.problem["code"] == "origin_not_allowed"
    assert "access-control-allow-origin" not in answer.headers


class TestHosts:
    @pytest.mark.parametrize("host", [b"sanctum.test", b"SANCTUM.test:8443", b"sanctum.test."])
    def test_that_are_listed_are_answered(self, wire: Wire, host: bytes) -> None:
        assert wire.ask(b"GET /v1/unread HTTP/1.1\r\nHost: " + host + b"\r\n").status == 401

    @pytest.mark.parametrize("host", [b"other.test", b"sanctum.test.evil.example", b"evil-sanctum.test", b"127.0.0.1"])
    def test_s_d10_others_are_not(self, wire: Wire, host: bytes) -> None:
        answer = wire.ask(b"GET /v1/unread HTTP/1.1\r\nHost: " + host + b"\r\n")
        assert (answer.status, answer.problem["code"]) == (421, "host_not_allowed")

    @pytest.mark.parametrize("path", [b"/healthz", b"/readyz", b"/metrics"])
    def test_do_not_matter_to_what_probes_ask(self, wire: Wire, path: bytes) -> None:
        assert wire.ask(b"GET " + path + b" HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n").status == 200


def test_refusals_are_counted_by_reason(wire: Wire) -> None:
    wire.exchange(b"GET /\r\n\r\n")
    shown = wire.ask(b"GET /metrics HTTP/1.1\r\n" + HOST).body.decode()
    assert re.search(r'^sanctum_requests_refused_total\{reason="malformed"\} [1-9]', shown, re.MULTILINE)
    assert 'sanctum_requests_refused_total{reason="slow_head"} 0.0' in shown
    assert 'sanctum_connections_turned_away_total{reason="full"} 0.0' in shown
