"""A WebSocket's connection, after its handshake was read by ``http_protocol``.

uvicorn's protocol does the work. What is added: bytes are parsed only as fast as messages are taken, every message has
to be whole in time, nobody keeps the connection by not reading, and an application may have the socket itself instead
of ASGI's messages (``ports.transport.ServerSocket``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from sanctum_messaging.ports.transport import SERVER_SOCKET
from sanctum_messaging.protocol.codec import MAX_FRAME_BYTES
from sanctum_messaging.protocol.codes import CloseCode
from sanctum_messaging.server.deadline import Deadline
from sanctum_messaging.server.frame_reader import FrameReader
from sanctum_messaging.server.limits import MAX_UNREAD_BYTES
from sanctum_messaging.server.native_socket import NativeSocket

if TYPE_CHECKING:
    import asyncio

    from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
    from websockets.http11 import Request

    from sanctum_messaging.ports.transport import Listener
    from sanctum_messaging.server.intake import Intake

_PIECE_BYTES = 16 * 1024
"""What is parsed at a time. The smallest frames take a hundred times their size as objects: 2 MB for a piece of these,
and 26 MB for all that the event loop reads at once."""
_UNWRITTEN_BYTES = 32 * 1024
"""What waits here for a client that does not read, besides what the system takes of it (``listening.UNSENT_BYTES``)."""
_NOTHING = memoryview(b"")
_OURS = "closed by the server"
"""Marks an end that the protocol has brought about."""


class _Told:
    """Takes the place of uvicorn's queue, and tells at once."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def put_nowait(self, message: ASGIReceiveEvent) -> None:
        if message["type"] == "websocket.receive":
            text = message.get("text")
            self._listener.message_received(message["bytes"] or b"" if text is None else text)
        elif message["type"] == "websocket.disconnect":
            self._listener.disconnected(message["code"] if message.get("reason") == _OURS else None)


class SocketProtocol(WebSocketsSansIOProtocol):
    """One WebSocket, until it ends."""

    intake: Intake
    """Set for all connections of a server, by ``server.create_server``."""
    conn: FrameReader

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - they are uvicorn's affair
        super().__init__(*arguments, **named)
        self.conn = FrameReader(
            may_answer=self.writable.is_set,
            monotonic=self.loop.time,
            max_size=self.config.ws_max_size,
            logger=self.logger,
        )
        self._limits = self.intake.limits
        self._deadline = Deadline(self.loop, self._expire)
        self._watched = False
        """Whether the message that has begun has a deadline."""
        self._unparsed = _NOTHING
        self._leaving = False
        """Whether nothing is parsed any more."""
        self._socket: NativeSocket | None = None
        self._listener: Listener | None = None
        """Whoever has the socket, if it was handed over."""
        self._late_room = MAX_FRAME_BYTES
        self._unread_room = MAX_UNREAD_BYTES

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        transport.set_write_buffer_limits(_UNWRITTEN_BYTES)

    def data_received(self, data: bytes) -> None:
        if self.close_sent:
            self._take_late(data)
        elif self._unparsed or self.read_paused or len(data) > _PIECE_BYTES:
            self._unparsed = memoryview(b"".join((self._unparsed, data)) if self._unparsed else data)
            self._parse()
        else:
            super().data_received(data)
            if self._watched or self.conn.is_amid:
                self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.cancel()
        self._write_no_more()
        super().connection_lost(exc)
        # It holds this protocol.
        self._socket = None

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._socket is not None:
            self._socket.is_full = True

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._socket is not None and not self._leaving:
            self._socket.is_full = False
            if self._listener is not None:
                self._listener.writable()

    # What the application calls.

    async def run_asgi(self) -> None:
        try:
            await self.app(self.scope, self.receive, self.send)
        except ClientDisconnected:
            pass
        except Exception:
            self.logger.exception("Exception in ASGI application\n")
            self.transport.close()
        if not self.handshake_complete:
            self.send_500_response()
        if self._listener is None and self.close_timer is None:
            self.transport.close()

    async def receive(self) -> ASGIReceiveEvent:
        message = await self.queue.get()
        if self.read_paused and self.queue.empty():
            self._read_on()
        return message

    async def send(self, message: ASGISendEvent) -> None:
        if not self.writable.is_set():
            await self.writable.wait()
        if self._leaving:
            raise ClientDisconnected
        await super().send(message)
        kind = message["type"]
        if kind == "websocket.accept":
            self._read_on()
        elif kind == "websocket.close":
            self._await_close()
        elif kind == "websocket.http.response.body" and not message.get("more_body", False):
            # uvicorn would log an error whenever a handshake was refused with an answer of its own.
            self.handshake_complete = True

    # What whoever has the socket calls.

    def hand_over(self, listener: Listener) -> None:
        """Tell somebody what happens, beginning with what came before; the application is done."""
        self._listener = listener
        told, self.queue = self.queue, _Told(listener)  # type: ignore[assignment]  # as much of a queue as is used
        while not told.empty():
            self.queue.put_nowait(told.get_nowait())
        self.resume_reading()

    def close(self, code: int, reason: str) -> None:
        """Send a close frame, and see to the end of the connection."""
        if self.close_sent or self.transport.is_closing():
            return
        self.close_sent = True
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.resume_reading()
        self._await_close()

    def pause_reading(self) -> None:
        """Parse nothing for now, but what was parsed already."""
        self._pause()

    def resume_reading(self) -> None:
        """Parse on."""
        if self.read_paused:
            self._read_on()

    # What uvicorn calls.

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.handshake_initiated and not self.handshake_complete:
            self._socket = NativeSocket(self)
            self.scope["extensions"][SERVER_SOCKET] = self._socket  # type: ignore[assignment]  # ours
        if not self.transport.is_closing():
            # A client has to wait for the answer; what comes before it would be answered before it.
            self._pause()

    def handle_ping(self) -> None:
        if not self._leaving:
            super().handle_ping()

    def send_receive_event_to_app(self) -> None:
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self._watched:
            # What follows is another message, with a deadline of its own.
            self._watched = False
            self._deadline.lift()
        if self.close_sent:
            return
        if self.curr_msg_data_type == "text":
            self.queue.put_nowait({"type": "websocket.receive", "text": data.decode()})
        else:
            self.queue.put_nowait({"type": "websocket.receive", "bytes": data})
        if self._listener is None:
            self._pause()

    def handle_parser_exception(self) -> None:
        """End for something that the client did."""
        self.close_sent = True
        self._unparsed = _NOTHING
        sent = self.conn.close_sent
        self.queue.put_nowait(
            {
                "type": "websocket.disconnect",
                "code": CloseCode.PROTOCOL_ERROR if sent is None else sent.code,
                "reason": _OURS,
            }
        )
        self._leave()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        # These hold this protocol, or much of what nobody asks for any more.
        del self.scope, self.request, self.response
        if self._listener is None and self.close_timer is None and not self.disconnected:
            self._abort_after(self._limits.close_seconds)

    # Taking what comes, no faster than it is made use of.

    def _pause(self) -> None:
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def _read_on(self) -> None:
        if self.handshake_complete and not self.transport.is_closing():
            self.read_paused = False
            self.transport.resume_reading()
            if self._watched:
                self._deadline.set(self._limits.message_seconds)
            if self._unparsed:
                self._parse()

    def _parse(self) -> None:
        while self._unparsed and not self.read_paused:
            piece, self._unparsed = self._unparsed[:_PIECE_BYTES], self._unparsed[_PIECE_BYTES:]
            super().data_received(bytes(piece))
        self._watch()

    def _watch(self) -> None:
        """Give a message that has begun a deadline."""
        if self.close_sent or not self.conn.is_amid:
            self._watched = False
            self._deadline.lift()
        elif not self._watched:
            self._watched = True
            self._deadline.set(self._limits.message_seconds)

    def _expire(self) -> None:
        if self.read_paused:
            # It is not the client who keeps us waiting.
            self._deadline.set(self._limits.message_seconds)
        else:
            self.conn.end_flood()
            self.handle_parser_exception()

    # The end.

    def _take_late(self, data: bytes) -> None:
        """Look for the client's own close in what comes after ours; what is too much for that is thrown away."""
        if not self._leaving:
            self._late_room -= len(data)
            if self._late_room >= 0:
                super().data_received(data)
                return
            self._leave()
        self._unread_room -= len(data)
        if self._unread_room < 0:
            self.transport.abort()

    def _leave(self) -> None:
        """Let the client read what it was sent, and take nothing any more. Closing would take it away again."""
        self._leaving = True
        self._write_no_more()
        self.read_paused = False
        self._deadline.cancel()
        if self.transport.is_closing():
            return
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.write_eof()
        self.transport.resume_reading()
        self._abort_after(self._limits.linger_seconds)

    def _await_close(self) -> None:
        """Look for the client's own close in what came meanwhile, and in what comes."""
        self._abort_after(self._limits.close_seconds)
        late, self._unparsed = bytes(self._unparsed), _NOTHING
        self._take_late(late)

    def _write_no_more(self) -> None:
        if self._socket is not None:
            self._socket.is_full = True

    def _abort_after(self, seconds: float) -> None:
        """Have the connection end, also if the client never reads what it was sent: closing would wait for that."""
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(seconds, self.transport.abort)
