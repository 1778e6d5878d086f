"""HTTP/1.1 on one connection, in bounded time.

Each part of a request has a deadline. Refusals are answered by the application itself, so that they look like every
other answer.
"""

from __future__ import annotations

import fcntl
import struct
import termios
from typing import TYPE_CHECKING, Any, cast

from sanctum_messaging.server.deadline import Deadline
from sanctum_messaging.server.last_answer import blank_scope, last_answer
from sanctum_messaging.server.phase import ANSWERING, BODY, HEAD, LEAVING, WAITING
from sanctum_messaging.server.refusals import REFUSED, Reason, refusal_for
from sanctum_messaging.server.request_reading import RequestReading
from sanctum_messaging.server.socket_protocol import SocketProtocol

if TYPE_CHECKING:
    import asyncio
    import socket

    from uvicorn._types import HTTPScope

    from sanctum_messaging.server.heads import Offer
    from sanctum_messaging.server.intake import Intake

_INT = struct.Struct("i")


class HTTPProtocol(RequestReading):
    """One connection, until it ends or becomes a WebSocket."""

    intake: Intake
    """Set for all connections of a server, by ``server.create_server``."""

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - they are uvicorn's affair
        super().__init__(*arguments, **named)
        self._limits = self.intake.limits
        self._deadline = Deadline(self.loop, self._expire)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if self.intake.enter(self, len(self.connections)):
            self._deadline.set(self._limits.head_seconds)
        else:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # A last answer holds this protocol.
        self.cycle = None  # type: ignore[assignment]  # as in uvicorn
        self._deadline.cancel()
        self.intake.leave(self)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._deadline.set(self._limits.answer_seconds)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._phase is WAITING:
            self._deadline.set(self._limits.idle_seconds)
        elif self._phase is ANSWERING:
            self._deadline.lift()

    # What uvicorn calls.

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            # What the buffers hold goes out first, if the client reads it.
            self._deadline.set(self._limits.answer_seconds)
            return
        self.flow.resume_reading()
        if self._phase is ANSWERING:
            self._phase = WAITING
            self._wait_for_request()

    def shutdown(self) -> None:
        """Called when the server stops: end, unless a request is under way, be it that nobody has read it yet."""
        if self._phase is HEAD or (self._phase is WAITING and _has_unread(self.transport)):
            return
        if self._phase is BODY and self.cycle.response_complete:
            self._phase = LEAVING
            self._linger()
        else:
            super().shutdown()

    def handle_websocket_upgrade(self) -> None:
        self._deadline.cancel()
        self.connections.discard(self)
        # It holds this protocol, which is done; uvicorn lets go of it only where the connection ends as HTTP.
        self.parser = None  # type: ignore[assignment]  # as in uvicorn
        handshake = SocketProtocol(
            self.transport,
            self.loop,
            offer=cast("Offer", self._offer),
            state=self.server_state,
            limits=self._limits,
            logger=self.logger,
        )
        handshake.begin(self.app, self.scope)

    # What follows from what came.

    def head_begun(self) -> None:
        # The first head of a connection has its deadline already.
        if not self._is_stranger:
            self._deadline.set(self._limits.head_seconds)

    def first_head_taken(self) -> None:
        self.intake.leave(self)

    def body_begun(self) -> None:
        self._deadline.set(self._limits.body_seconds)

    def request_taken(self) -> None:
        if self.intake.is_closing:
            self.close_with_answer()
        if self._phase is WAITING:
            self._wait_for_request()
        else:
            self._deadline.lift()

    def _wait_for_request(self) -> None:
        if not self.flow.write_paused:
            self._deadline.set(self._limits.idle_seconds)

    def close_with_answer(self) -> None:
        """Have the answer say that it is the connection's last; one that has begun can't say so any more."""
        if self._phase is ANSWERING and not self.cycle.response_started:
            self.cycle.keep_alive = False

    def take_no_more(self) -> None:
        """Let the connection end with the answer that is under way (RFC 9112, section 9.3.2)."""
        self._phase = LEAVING
        if self.cycle.response_complete:
            self.transport.close()
        else:
            self.cycle.keep_alive = False

    def _expire(self) -> None:
        if self._phase is HEAD:
            self.refuse(Reason.SLOW_HEAD)
        elif self._phase is BODY:
            self.refuse(Reason.SLOW_BODY)
        else:
            self.abort()

    def refuse(self, reason: Reason) -> None:
        """Have the application say why, whatever it is doing with this request; then end."""
        self.intake.count(reason)
        scope = blank_scope(self)
        if self._phase is BODY:
            if self.cycle.response_started:
                self.abort()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            scope = {**self.scope}
        self._phase = LEAVING
        self._deadline.set(self._limits.answer_seconds)
        self.flow.resume_reading()
        scope[REFUSED] = refusal_for(reason)
        self.cycle = last_answer(self, cast("HTTPScope", scope), self._linger)
        self._start_asgi_task(self.cycle, self.app)

    def _linger(self) -> None:
        """End our side. Closing with something unread would take the answer away from the client."""
        if not self.transport.is_closing():
            self.transport.write_eof()
            self._deadline.set(self._limits.linger_seconds)


def _has_unread(transport: asyncio.Transport) -> bool:
    """Tell whether the system has something for us that the event loop did not come to read."""
    connection: socket.socket = transport.get_extra_info("socket")
    size = fcntl.ioctl(connection.fileno(), termios.FIONREAD, bytes(_INT.size))
    return _INT.unpack(size) != (0,)
