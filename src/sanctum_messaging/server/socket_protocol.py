"""The handshake of a WebSocket, after its head was read by ``http_protocol``.

uvicorn's protocol does the work up to the answer, with the application. Once that has accepted, ``accepted_socket``
takes the connection over, and the application may have it (``ports.transport.SERVER_SOCKET``) or go on by ASGI.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from sanctum_messaging.ports.transport import SERVER_SOCKET
from sanctum_messaging.server.accepted_socket import AcceptedSocket
from sanctum_messaging.server.asgi_messages import ASGIMessages

if TYPE_CHECKING:
    import asyncio

    from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
    from websockets.http11 import Request

    from sanctum_messaging.ports.transport import ServerSocket
    from sanctum_messaging.server.intake import Intake

_END_OF_HEAD = b"\r\n\r\n"


class SocketProtocol(WebSocketsSansIOProtocol):
    """One handshake, until it is answered; and what the application says by ASGI after it."""

    intake: Intake
    """Set for all connections of a server, by ``server.create_server``."""

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - they are uvicorn's affair
        super().__init__(*arguments, **named)
        self._early = b""
        """What came behind the head. A client has to wait for the answer, so it waits too."""
        self._socket: AcceptedSocket | None = None
        self._messages: ASGIMessages | None = None

    def data_received(self, data: bytes) -> None:
        if self.handshake_initiated:
            self._early += data
        else:
            head, end, self._early = data.partition(_END_OF_HEAD)
            super().data_received(head + end)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.transport.is_closing():
            self.transport.pause_reading()
            self.scope["extensions"][SERVER_SOCKET] = self._take_socket  # type: ignore[assignment]  # our own extension

    async def run_asgi(self) -> None:
        try:
            await self.app(self.scope, self.receive, self.send)
        except ClientDisconnected:
            pass
        except Exception:
            self.logger.exception("Exception in ASGI application\n")
        finally:
            self._end()

    async def receive(self) -> ASGIReceiveEvent:
        messages = self._find_messages()
        return await (self.queue.get() if messages is None else messages.receive())

    async def send(self, message: ASGISendEvent) -> None:
        messages = self._find_messages()
        if messages is not None:
            await messages.send(message)
            return
        await super().send(message)
        if message["type"] == "websocket.accept":
            self._open()
        elif message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            # uvicorn would log an error whenever a handshake was refused with an answer of its own.
            self.handshake_complete = True

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        # They hold this protocol, and the parser its handshake.
        del self.scope
        self.conn.parser.close()

    def _open(self) -> None:
        self.connections.discard(self)
        self._socket = AcceptedSocket(
            self.transport,
            self.loop,
            early=self._early,
            limits=self.intake.limits,
            connections=self.connections,
            logger=self.logger,
        )

    def _take_socket(self) -> ServerSocket:
        """Give the socket to the application, which is done by ASGI then."""
        if self._socket is None:
            raise RuntimeError("The handshake has to be accepted first.")
        return self._socket

    def _find_messages(self) -> ASGIMessages | None:
        """Make what speaks ASGI once the socket is open."""
        if self._messages is None and self._socket is not None:
            self._messages = ASGIMessages(self._socket)
            self._socket.start(self._messages)
        return self._messages

    def _end(self) -> None:
        """End what the application leaves behind."""
        if self._socket is not None:
            if self._messages is not None or not self._socket.is_started:
                self._socket.finish()
            return
        if not self.handshake_complete:
            self.send_500_response()
        self.transport.close()
        if not self.disconnected:
            self.close_timer = self.loop.call_later(self.intake.limits.close_seconds, self.transport.abort)
