"""Which heads are handshakes, judged by the handshake of ``websockets``, and what they are answered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from uvicorn.server import ServerState
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake
from websockets.http11 import Request
from websockets.server import ServerProtocol

from sanctum_messaging.server.handshake_answers import write_accept, write_refusal
from sanctum_messaging.server.heads import Offer, find_offer
from sanctum_messaging.server.intake import Intake
from sanctum_messaging.server.server import create_server
from tests.unit.server.test_socket_protocol import HANDSHAKE, Loop, Transport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sanctum_messaging.server.heads import Fields

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
SOUND: Fields = [
    (b"host", b"sanctum.test"),
    (b"connection", b"keep-alive, Upgrade"),
    (b"upgrade", b"websocket"),
    (b"sec-websocket-key", KEY),
    (b"sec-websocket-version", b"13"),
]
CHANGED: dict[str, list[bytes]] = {
    "connection": [
        b"Upgrade",
        b"upgrade",
        b", ,Upgrade ,",
        b"keep-alive",
        b"",
        b",",
        b"Upgrade keep-alive",
        b'"Upgrade"',
    ],
    "upgrade": [b"WebSocket", b"h2c", b""],
    "sec-websocket-key": [
        *(b"AAAAAAAAAAAAAAAAAAAAAB==", b"AAAA", b"", KEY + b"=", KEY[:-2], KEY[:-1], KEY + b"AAAA", b"-" * 22 + b"=="),
        *(b"dGhlIHNhbXBsZSBub25jZ\xff==", b"A" * 24, b"dGhlIHNhbXBs ZSBub25jZ==", KEY + b" "),
    ],
    "sec-websocket-version": [b"8", b"013", b"13, 8", b"", b"13 "],
    "sec-websocket-protocol": [b"sanctum.v1", b"sanctum.v1, bearer.a.b-c_d", b"a b", b"", b",", b"a;b", b",a,,b ,\t"],
    "sec-websocket-extensions": [b"permessage-deflate; client_max_window_bits", b";"],
    "origin": [b"https://sanctum.test", b"null"],
}
ADDED: list[tuple[bytes, bytes]] = [
    *((b"connection", b"close"), (b"connection", b"a b"), (b"connection", b"")),
    *((b"upgrade", b"websocket"), (b"upgrade", b"h2c"), (b"upgrade", b"")),
    *((b"sec-websocket-key", KEY), (b"sec-websocket-version", b"13"), (b"sec-websocket-protocol", b"c")),
]


def changed(name: str, value: bytes) -> Fields:
    kept = [each for each in SOUND if each[0] != name.encode()]
    return [*kept, (name.encode(), value)]


HEADS: dict[str, Fields] = {
    "sound": SOUND,
    **{f"{name}: {value!r}": changed(name, value) for name, values in CHANGED.items() for value in values},
    **{f"without {name!r}": [each for each in SOUND if each[0] != name] for name, _ in SOUND},
    **{f"besides {name!r}: {value!r}": [*SOUND, (name, value)] for name, value in ADDED},
    "two origins": [*SOUND, (b"origin", b"https://a.test"), (b"origin", b"https://b.test")],
    "two lists of protocols": [*SOUND, (b"sec-websocket-protocol", b"a, b"), (b"sec-websocket-protocol", b"c")],
}


def passes_elsewhere(method: str, version: str, fields: Fields) -> bool:
    headers = Headers()
    for name, value in fields:
        headers[name.decode()] = value.decode("latin-1")
    try:
        ServerProtocol().process_request(Request("/v1/ws", headers, method=method, protocol=f"HTTP/{version}"))
    except InvalidHandshake:
        return False
    return True


@pytest.mark.parametrize("kind", HEADS)
def test_s_d8_a_head_is_a_handshake_where_others_take_it_for_one(kind: str) -> None:
    assert (find_offer("GET", "1.1", HEADS[kind]) is not None) == passes_elsewhere("GET", "1.1", HEADS[kind])


@pytest.mark.parametrize(("method", "version"), [("POST", "1.1"), ("HEAD", "1.1"), ("GET", "1.0")])
def test_s_d8_only_a_get_of_http_1_1_is_one(method: str, version: str) -> None:
    assert find_offer(method, version, SOUND) is None
    assert not passes_elsewhere(method, version, SOUND)


def test_what_it_offers_is_read() -> None:
    assert find_offer("GET", "1.1", HEADS["two lists of protocols"]) == Offer(KEY, ["a", "b", "c"])


def test_a_key_is_answered_as_the_rfc_does() -> None:
    answer = write_accept(KEY, "sanctum.v1", [(b"date", b"today")])
    head, *fields = answer.removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert head == b"HTTP/1.1 101 Switching Protocols"
    assert sorted(fields) == [
        b"connection: Upgrade",
        b"date: today",
        b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        b"sec-websocket-protocol: sanctum.v1",
        b"upgrade: websocket",
    ]


@pytest.mark.parametrize("control", [b"\r\n", b"\n", b"\0", b"\x7f"])
def test_no_field_becomes_two(control: bytes) -> None:
    field = (b"x-request-id", b"a" + control + b"b: c")
    with pytest.raises(ValueError, match="control character"):
        write_accept(KEY, None, [field])
    with pytest.raises(ValueError, match="control character"):
        write_refusal(403, [field], b"")


def test_a_refusal_ends_the_connection_and_tells_its_length() -> None:
    answer = write_refusal(401, [(b"Content-Type", b"application/problem+json")], b"{}")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 401 Unauthorized",
        b"Content-Type: application/problem+json",
        b"connection: close",
        b"content-length: 2",
    ]
    assert body == b"{}"


class Shake:
    """A handshake that an application of a few lines answers."""

    def __init__(self, answer: Callable[[Any, Any], Awaitable[None]]) -> None:
        self.transport = Transport()
        self._answer = answer
        server = create_server(self, Intake())
        server.config.load()
        self._state = ServerState()
        kind: Callable[..., Any] = server.config.http_protocol_class
        protocol = self.transport.protocol = kind(server.config, self._state, {}, Loop())
        protocol.connection_made(self.transport)
        protocol.data_received(HANDSHAKE)

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - any application's
        await self._answer(receive, send)

    async def end(self) -> bytes:
        await asyncio.gather(*self._state.tasks)
        return self.transport.written.partition(b"\r\n")[0]

    def stop(self) -> None:
        for each in tuple(self._state.connections):
            each.shutdown()


REFUSED = {"type": "websocket.http.response.start", "status": 404, "headers": []}
BODY = {"type": "websocket.http.response.body"}


async def test_an_application_that_breaks_down_is_answered_for() -> None:
    async def answer(_receive: Any, _send: Any) -> None:  # noqa: ANN401 - as above
        raise LookupError

    assert await Shake(answer).end() == b"HTTP/1.1 500 Internal Server Error"


async def test_a_handshake_that_nobody_answers_is_not_left_open() -> None:
    async def answer(_receive: Any, _send: Any) -> None:  # noqa: ANN401 - as above
        """Say nothing."""

    assert await Shake(answer).end() == b"HTTP/1.1 500 Internal Server Error"


async def test_a_server_that_stops_answers_what_waits() -> None:
    async def answer(receive: Any, _send: Any) -> None:  # noqa: ANN401 - as above
        assert (await receive())["type"] == "websocket.connect"
        assert await receive() == {"type": "websocket.disconnect", "code": 1006, "reason": None}

    shake = Shake(answer)
    await asyncio.sleep(0)
    shake.stop()
    assert await shake.end() == b"HTTP/1.1 500 Internal Server Error"
    assert shake.transport.is_closed


async def test_an_answer_of_the_applications_own_may_come_in_pieces() -> None:
    async def answer(_receive: Any, send: Any) -> None:  # noqa: ANN401 - as above
        await send(REFUSED)
        await send({**BODY, "body": b"not ", "more_body": True})
        await send({**BODY, "body": b"here"})

    shake = Shake(answer)
    assert await shake.end() == b"HTTP/1.1 404 Not Found"
    assert shake.transport.written.endswith(
        b"\r\ncontent-length: 8\r\ncontent-type: text/plain; charset=utf-8\r\n\r\nnot here"
    )
    assert shake.transport.is_closed


@pytest.mark.parametrize("messages", [[REFUSED, {"type": "websocket.accept"}], [{**BODY, "body": b""}]])
async def test_what_is_no_answer_is_not_sent(messages: list[Any]) -> None:
    refused: list[Exception] = []

    async def answer(_receive: Any, send: Any) -> None:  # noqa: ANN401 - as above
        try:
            for each in messages:
                await send(each)
        except RuntimeError as error:
            refused.append(error)

    assert await Shake(answer).end() == b"HTTP/1.1 500 Internal Server Error"
    assert len(refused) == 1
