"""The handshake of a WebSocket, whose head was read by ``http_protocol``: it is answered as the application says.

Once that has accepted, ``accepted_socket`` takes the connection over, and the application may have it
(``ports.transport.SERVER_SOCKET``) or go on by ASGI.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from uvicorn.protocols.utils import ClientDisconnected

from sanctum_messaging.ports.transport import SERVER_SOCKET
from sanctum_messaging.server.accepted_socket import AcceptedSocket
from sanctum_messaging.server.asgi_messages import ASGIMessages
from sanctum_messaging.server.handshake_answers import write_accept, write_refusal

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable

    from uvicorn._types import ASGI3Application, ASGIReceiveEvent, ASGISendEvent, HTTPScope, WebSocketScope
    from uvicorn.server import ServerState

    from sanctum_messaging.ports.transport import ServerSocket
    from sanctum_messaging.server.heads import Fields, Offer
    from sanctum_messaging.server.limits import ServerLimits

_SCHEMES = {"http": "ws", "https": "wss"}
_GONE = 1006


class SocketProtocol(asyncio.Protocol):
    """One handshake, until it is answered; and what the application says by ASGI after it."""

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        *,
        offer: Offer,
        state: ServerState,
        limits: ServerLimits,
        logger: logging.Logger,
    ) -> None:
        """Take a connection over. It is not read until the handshake is answered."""
        self._transport = transport
        self._loop = loop
        self._offer = offer
        self._state = state
        self._limits = limits
        self._logger = logger
        self._early = b""
        """What came behind the head. A client has to wait for the answer, so it waits too."""
        self._is_told = False
        """Whether the application has heard of the handshake."""
        self._is_answered = False
        self._refusal: tuple[int, Fields, bytes] | None = None
        """The answer of the application's own, as far as it is there."""
        self._over = asyncio.Event()
        """Set once nobody can be answered any more."""
        self._close_timer: asyncio.TimerHandle | None = None
        self._socket: AcceptedSocket | None = None
        self._messages: ASGIMessages | None = None

    def begin(self, app: ASGI3Application, scope: HTTPScope) -> None:
        """Have the application answer a request."""
        self._state.connections.add(self)  # type: ignore[arg-type]  # it asks for no more than shutdown
        self._transport.set_protocol(self)
        self._transport.pause_reading()
        task = self._loop.create_task(self._run(app, self._offer_socket(scope)))
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    # What the event loop and uvicorn call.

    def data_received(self, data: bytes) -> None:
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._state.connections.discard(self)
        self._over.set()
        if self._close_timer is not None:
            self._close_timer.cancel()

    def shutdown(self) -> None:
        """End, because the server does."""
        self._fail()

    # What the application calls.

    async def receive(self) -> ASGIReceiveEvent:
        if not self._is_told:
            self._is_told = True
            return {"type": "websocket.connect"}
        messages = self._find_messages()
        if messages is not None:
            return await messages.receive()
        await self._over.wait()
        return {"type": "websocket.disconnect", "code": _GONE, "reason": None}

    async def send(self, message: ASGISendEvent) -> None:
        """Answer the handshake, or go on by ASGI once it was accepted.

        Raises:
            ClientDisconnected: nobody takes it.
        """
        messages = self._find_messages()
        if messages is not None:
            await messages.send(message)
        elif self._over.is_set() or self._transport.is_closing():
            raise ClientDisconnected
        else:
            self._answer(message)

    def _take_socket(self) -> ServerSocket:
        """Give the socket to the application, which is done by ASGI then."""
        if self._socket is None:
            raise RuntimeError("The handshake has to be accepted first.")
        return self._socket

    # The handshake.

    def _offer_socket(self, scope: HTTPScope) -> WebSocketScope:
        """Make of the scope of a request that of a handshake."""
        return {
            "type": "websocket",
            "asgi": {"version": scope["asgi"]["version"], "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": _SCHEMES[scope["scheme"]],
            "server": scope["server"],
            "client": scope["client"],
            "root_path": scope["root_path"],
            "path": scope["path"],
            "raw_path": scope["raw_path"],
            "query_string": scope["query_string"],
            "headers": [(name, value.strip(b" \t")) for name, value in scope["headers"]],
            "subprotocols": self._offer.subprotocols,
            "state": scope["state"],
            "extensions": {"websocket.http.response": {}, SERVER_SOCKET: self._take_socket},  # type: ignore[dict-item]  # our own
        }

    async def _run(self, app: ASGI3Application, scope: WebSocketScope) -> None:
        try:
            await app(scope, self.receive, self.send)
        except ClientDisconnected:
            pass
        except Exception:
            self._logger.exception("Exception in ASGI application\n")
        finally:
            self._end()

    def _answer(self, message: ASGISendEvent) -> None:
        if message["type"] == "websocket.http.response.body" and self._refusal is not None:
            status, fields, body = self._refusal
            self._refusal = status, fields, body + message["body"]
            if not message.get("more_body", False):
                self._refuse(*self._refusal)
        elif self._refusal is not None:
            raise RuntimeError(f"An answer has begun that {message['type']!r} does not go on with.")
        elif message["type"] == "websocket.accept":
            self._accept(message.get("subprotocol"), message.get("headers", ()))
        elif message["type"] == "websocket.http.response.start":
            self._refusal = message["status"], list(message.get("headers", ())), b""
        elif message["type"] == "websocket.close":
            self._refuse(403, [], b"")
        else:
            raise RuntimeError(f"A handshake is not answered by {message['type']!r}.")

    def _accept(self, subprotocol: str | None, fields: Iterable[tuple[bytes, bytes]]) -> None:
        answer = write_accept(self._offer.key, subprotocol, [*self._state.default_headers, *fields])
        self._is_answered = True
        self._transport.write(answer)
        self._state.connections.discard(self)
        self._socket = AcceptedSocket(
            self._transport,
            self._loop,
            early=self._early,
            limits=self._limits,
            connections=self._state.connections,
            logger=self._logger,
        )

    def _refuse(self, status: int, fields: Fields, body: bytes) -> None:
        answer = write_refusal(status, [*self._state.default_headers, *fields], body)
        self._is_answered = True
        self._over.set()
        self._transport.write(answer)
        self._transport.close()
        self._close_timer = self._loop.call_later(self._limits.close_seconds, self._transport.abort)

    def _find_messages(self) -> ASGIMessages | None:
        """Make what speaks ASGI once the socket is open."""
        if self._messages is None and self._socket is not None:
            self._messages = ASGIMessages(self._socket)
            self._socket.start(self._messages)
        return self._messages

    def _end(self) -> None:
        """End what the application leaves behind."""
        if self._socket is None:
            self._fail()
        elif self._messages is not None or not self._socket.is_started:
            self._socket.finish()

    def _fail(self) -> None:
        """Say that it is our fault that there is no answer, if there is none."""
        if not self._is_answered and not self._transport.is_closing():
            self._refuse(500, [], b"")
