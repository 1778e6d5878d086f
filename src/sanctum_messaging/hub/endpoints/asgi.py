"""The hub's socket as an ASGI application, for every server.

Our own server hands the socket over once it is accepted; with any other one, ASGI messages carry what is said.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import msgspec

from sanctum_messaging.domain.errors import ForbiddenError, RevokedError, SanctumError, UnauthenticatedError
from sanctum_messaging.hub.callables import Credentials
from sanctum_messaging.hub.endpoints.asgi_transport import ASGITransport
from sanctum_messaging.hub.opening import Handshake
from sanctum_messaging.hub.turnstile import Turnstile
from sanctum_messaging.ports.transport import SERVER_SOCKET
from sanctum_messaging.presenters import present_problem
from sanctum_messaging.protocol.codes import CLOSE_REASONS, CloseCode
from sanctum_messaging.protocol.frames import SUBPROTOCOL

if TYPE_CHECKING:
    from sanctum_messaging.domain.model import Actor
    from sanctum_messaging.hub.hub import WebSocketHub
    from sanctum_messaging.ports.transport import TakeSocket

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_BEARER = "bearer."
_REQUEST_ID = "sanctum.request_id"
"""Where in the scope an application around this one says which request it is."""
_ACTOR = "sanctum.actor"
"""Where in the scope this one says who is calling, once that is proven."""
_REASON = "sanctum.reason"
"""Where in the scope this one says why a token was refused."""
_REFUSED = "sanctum.refused"
"""Where in the scope this one says how it has refused a handshake: by a status, or a close code."""
_ACCEPTED = "sanctum.accepted"
"""Where in the scope this one says that the socket is open, and can't be refused any more."""
_NO_TOKEN = ""
"""What a header that holds no bearer token proves: nothing, and it is refused as such."""
_AT_ONCE = 8
"""Handshakes of one turn of the loop: some 5 ms, in which those before them say hello."""
_HTTP_SCHEMES = {"ws": "http", "wss": "https"}


class WebSocketEndpoint:
    """Shakes hands and gives the socket to the hub. Tokens are never looked for in the URL."""

    def __init__(self, hub: WebSocketHub) -> None:
        self._hub = hub
        self._turnstile = Turnstile(_AT_ONCE)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        request = Request.of(scope)
        with ExitStack() as undo:
            try:
                leave = self._hub.callables.take_on(request.peer)
            except SanctumError as refusal:
                await _refuse(scope, send, refusal)
                return
            undo.callback(leave)
            await self._turnstile.enter()
            accepted, actor = await self._shake_hands(scope, send, request)
            if not accepted:
                return
            # From here on the connection gives the place back.
            undo.pop_all()
        handshake = Handshake(actor, request.act_as, request.origin, request.peer, leave)
        take_socket: TakeSocket | None = (scope.get("extensions") or {}).get(SERVER_SOCKET)
        if take_socket is None:
            transport = ASGITransport(receive, send)
            await transport.run(self._hub.open(transport, handshake))
        else:
            socket = take_socket()
            socket.start(self._hub.open(socket, handshake))

    async def _shake_hands(self, scope: Message, send: Send, request: Request) -> tuple[bool, Actor | None]:
        """Accept a socket or refuse it, in the way in which its client can tell why; say whose it is, if it did."""
        actor, refusal = await self._authenticate(scope, request)
        closing = request.find_close_code(refusal)
        if refusal is not None and closing is None:
            await _refuse(scope, send, refusal)
            return False, None
        scope[_ACCEPTED] = True
        await send({"type": "websocket.accept", "subprotocol": request.subprotocol})
        if closing is not None:
            scope[_REFUSED] = int(closing)
            await send({"type": "websocket.close", "code": closing, "reason": CLOSE_REASONS[closing]})
        return closing is None, actor

    async def _authenticate(self, scope: Message, request: Request) -> tuple[Actor | None, SanctumError | None]:
        """Prove what came with the handshake; the origin is checked even if no token came."""
        credentials = Credentials(request.token, request.act_as, tell=partial(scope.__setitem__, _ACTOR))
        try:
            return await self._hub.callables.authenticate(credentials, request.origin, request.peer), None
        except SanctumError as error:
            if isinstance(error, UnauthenticatedError) and request.token is None:
                return None, None
            scope[_REASON] = error.refused
            return None, error


@dataclass(frozen=True, slots=True)
class Request:
    """What a handshake says (docs/protocol.md, "Authentication")."""

    token: str | None
    act_as: str | None
    origin: str | None
    """None also for a page of the service itself, which may always call."""
    peer: str | None
    subprotocol: str | None
    supported: bool
    by_browser: bool
    """Whether the token came as a subprotocol: a browser can't read a refused handshake, only a close code."""

    @classmethod
    def of(cls, scope: Message) -> Self:
        """Read an ASGI scope."""
        headers = _read_fields(scope)
        offered: list[str] = scope.get("subprotocols", [])
        tokens = [each.removeprefix(_BEARER) for each in offered if each.startswith(_BEARER)]
        versions = [each for each in offered if not each.startswith(_BEARER)]
        by_browser = b"authorization" not in headers and bool(tokens)
        origin, own = headers.get(b"origin"), f"{_HTTP_SCHEMES[scope['scheme']]}://{headers.get(b'host')}"
        return cls(
            token=tokens[0] if by_browser else _bearer_token(headers.get(b"authorization")),
            act_as=headers.get(b"act-as"),
            origin=None if origin == own else origin,
            peer=scope["client"][0] if scope.get("client") else None,
            subprotocol=SUBPROTOCOL if SUBPROTOCOL in versions else None,
            supported=not versions or SUBPROTOCOL in versions,
            by_browser=by_browser,
        )

    def find_close_code(self, refusal: SanctumError | None) -> CloseCode | None:
        """Find what the socket is closed with right after it was accepted; none if it is served, or not accepted."""
        if refusal is None:
            return None if self.supported else CloseCode.UNSUPPORTED_VERSION
        if not self.by_browser or refusal.code == "origin_not_allowed":
            return None
        if isinstance(refusal, ForbiddenError | RevokedError):
            return CloseCode.FORBIDDEN
        return CloseCode.UNAUTHENTICATED if isinstance(refusal, UnauthenticatedError) else None


def _read_fields(scope: Message) -> dict[bytes, str]:
    """Read the head as that of other requests is read: of several fields of one name, none is the one that counts."""
    fields: dict[bytes, str] = {}
    for raw_name, value in scope["headers"]:
        name, text = raw_name.lower(), _decode(value)
        fields[name] = f"{fields[name]}, {text}" if name in fields else text
    return fields


def _decode(value: bytes) -> str:
    """Read a header's value as UTF-8 where it is: ``Act-As`` has to name whom it names in other requests."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _bearer_token(authorization: str | None) -> str | None:
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else _NO_TOKEN


async def _refuse(scope: Message, send: Send, error: SanctumError) -> None:
    """Answer the handshake with a problem; a server that can't do so says 403."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close"})
        return
    problem = present_problem(error, scope.get(_REQUEST_ID) or secrets.token_hex(16))
    scope[_REFUSED] = problem.status
    headers = [(b"content-type", b"application/problem+json"), (b"cache-control", b"no-store")]
    if isinstance(error, UnauthenticatedError):
        headers.append((b"www-authenticate", b'Bearer realm="sanctum", error="invalid_token"'))
    if error.retry_after_ms is not None:
        headers.append((b"retry-after", str(-(-error.retry_after_ms // 1000)).encode()))
    await send({"type": "websocket.http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": msgspec.json.encode(problem)})
