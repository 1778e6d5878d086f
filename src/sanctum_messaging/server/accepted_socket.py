"""A WebSocket once its handshake is accepted: the protocol of its connection, and ``ports.transport.ServerSocket``.

Bytes are parsed only as fast as messages are taken, every message has to be whole in time, and nobody keeps the
connection by not reading. What is written goes to the connection as it is.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from websockets.frames import Frame, Opcode

from sanctum_messaging.protocol.codec import MAX_FRAME_BYTES
from sanctum_messaging.protocol.codes import CLOSE_REASONS, CloseCode
from sanctum_messaging.server.deadline import Deadline
from sanctum_messaging.server.departure import Departure
from sanctum_messaging.server.frame_reader import FrameReader
from sanctum_messaging.server.whole_texts import read_texts

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from sanctum_messaging.ports.transport import Listener
    from sanctum_messaging.server.limits import ServerLimits

_PIECE_BYTES = 16 * 1024
"""What is parsed at a time. The smallest frames take a hundred times their size as objects: 2 MB for a piece of these,
and 26 MB for all that the event loop reads at once."""
_UNWRITTEN_BYTES = 32 * 1024
"""What waits here for a client that does not read, besides what the system takes of it (``listening.UNSENT_BYTES``)."""
_NOTHING = memoryview(b"")
_CLOSE, _PING, _PONG = Opcode.CLOSE, Opcode.PING, Opcode.PONG


class AcceptedSocket(asyncio.Protocol):
    """One WebSocket, from the end of its handshake on. It reads nothing until whoever takes it calls ``start``."""

    __slots__ = (
        "_closing",
        "_connections",
        "_deadline",
        "_departure",
        "_is_leaving",
        "_is_paused",
        "_is_started",
        "_is_watched",
        "_limits",
        "_listener",
        "_loop",
        "_pieces",
        "_reader",
        "_transport",
        "_unparsed",
        "is_full",
        "write",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        *,
        early: bytes,
        limits: ServerLimits,
        connections: set[Any],
        logger: logging.Logger,
    ) -> None:
        """Take a connection over, which does not read now; ``early`` came behind the handshake."""
        self.is_full = False
        self.write: Callable[[bytes], None] = transport.write
        """The connection's own, so that nothing lies between; see ``_stop_writing`` for when it is not."""
        self._transport = transport
        self._loop = loop
        self._limits = limits
        self._connections = connections
        self._reader = FrameReader(
            may_answer=lambda: transport.get_write_buffer_size() < _UNWRITTEN_BYTES,
            monotonic=loop.time,
            max_size=MAX_FRAME_BYTES,
            logger=logger,
        )
        self._listener: Listener | None = None
        self._is_started = False
        self._deadline = Deadline(loop, self._expire)
        self._is_watched = False
        """Whether the message that has begun has a deadline."""
        self._pieces: list[Frame] = []
        self._unparsed = memoryview(early) if early else _NOTHING
        self._is_paused = True
        self._closing = False
        """Whether our close frame was sent, so that messages are of no interest any more."""
        self._is_leaving = False
        """Whether nothing is parsed any more."""
        self._departure = Departure(transport, loop)
        transport.set_write_buffer_limits(_UNWRITTEN_BYTES)
        transport.set_protocol(self)
        connections.add(self)

    # What whoever has the socket calls.

    def start(self, listener: Listener) -> None:
        self._listener = listener
        self._is_started = True
        self.resume_reading()

    @property
    def is_started(self) -> bool:
        """Whether somebody has the socket, or had it."""
        return self._is_started

    @property
    def unsent(self) -> int:
        return self._transport.get_write_buffer_size()

    def close(self, code: int, reason: str) -> None:
        if self._closing or self._transport.is_closing():
            return
        self._stop_writing()
        self._reader.send_close(code, reason)
        self._answer()
        self._departure.abort_after(self._limits.close_seconds)
        late, self._unparsed = bytes(self._unparsed), _NOTHING
        self._is_paused = False
        self._transport.resume_reading()
        self._take_late(late)

    def finish(self) -> None:
        """End without a close frame, once what was written is read."""
        self.write = _write_nothing
        if not self._departure.has_begun and not self._transport.is_closing():
            self._transport.close()
            self._departure.abort_after(self._limits.close_seconds)

    def pause_reading(self) -> None:
        if not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not self._is_paused or self._transport.is_closing():
            return
        self._is_paused = False
        self._transport.resume_reading()
        if self._is_watched:
            self._deadline.set(self._limits.message_seconds)
        if self._unparsed:
            self._parse()

    # What the event loop and uvicorn call.

    def data_received(self, data: bytes) -> None:
        if self._closing:
            self._take_late(data)
        elif self._unparsed or self._is_paused or len(data) > _PIECE_BYTES:
            self._unparsed = memoryview(b"".join((self._unparsed, data)) if self._unparsed else data)
            self._parse()
        else:
            self._take(data)
            self._watch()

    def eof_received(self) -> None:
        """Let the connection end, since the client says nothing any more; it waits for what is unsent, but not long."""
        self._departure.abort_after(self._limits.close_seconds)

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        if not self._is_leaving:
            self.is_full = False
            if self._listener is not None:
                self._listener.writable()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.write = _write_nothing  # A connection that is lost refuses what it is given.
        self.is_full = True
        self._deadline.cancel()
        self._departure.cancel()
        self._connections.discard(self)
        self._reader.part()
        self._tell_end(None)

    def shutdown(self) -> None:
        """End, because the server does."""
        self.close(CloseCode.DRAIN, CLOSE_REASONS[CloseCode.DRAIN])
        self._transport.close()

    # Taking what comes, no faster than it is made use of.

    def _parse(self) -> None:
        while self._unparsed and not self._is_paused and not self._closing:
            piece, self._unparsed = self._unparsed[:_PIECE_BYTES], self._unparsed[_PIECE_BYTES:]
            self._take(bytes(piece))
        self._watch()

    def _take(self, data: bytes) -> None:
        reader = self._reader
        if reader.is_between_messages:
            texts, taken = read_texts(data)
            for text in texts:
                self._tell(text)
            if taken == len(data):
                return
            data = data[taken:]
        reader.receive_data(data)
        for frame in reader.events_received():
            if isinstance(frame, Frame) and frame.opcode not in {_PING, _PONG, _CLOSE}:
                self._pieces.append(frame)
                if frame.fin:
                    self._tell_message()
        if reader.parser_exc is not None:
            self._fail()
        elif reader.close_rcvd is not None:
            self._take_close()
        else:
            self._answer()

    def _tell_message(self) -> None:
        pieces, self._pieces = self._pieces, []
        data = pieces[0].data if len(pieces) == 1 else b"".join([each.data for each in pieces])
        if self._is_watched:
            # What follows is another message, with a deadline of its own.
            self._is_watched = False
            self._deadline.lift()
        self._tell(bytes(data) if pieces[0].opcode is Opcode.BINARY else str(data, "utf-8"))

    def _tell(self, message: str | bytes) -> None:
        if not self._closing and self._listener is not None:
            self._listener.message_received(message)

    def _answer(self) -> None:
        """Write what the reader has to say: pongs, and closes."""
        if self._reader.writes and not self._transport.is_closing():
            self._transport.write(b"".join(self._reader.data_to_send()))

    def _watch(self) -> None:
        """Give a message that has begun a deadline."""
        if self._closing or not self._reader.is_amid:
            if self._is_watched:
                self._is_watched = False
                self._deadline.lift()
        elif not self._is_watched:
            self._is_watched = True
            self._deadline.set(self._limits.message_seconds)

    def _expire(self) -> None:
        if self._is_paused:
            # It is not the client who keeps us waiting.
            self._deadline.set(self._limits.message_seconds)
        else:
            self._reader.end_flood()
            self._fail()

    # The end.

    def _stop_writing(self) -> None:
        """Let nothing follow a close."""
        self._closing = True
        self.write = _write_nothing

    def _take_close(self) -> None:
        """Answer the client's close, or take it as the answer to ours."""
        was_closing = self._closing
        self._stop_writing()
        self._unparsed = _NOTHING
        if not was_closing:
            self._answer()
        self._transport.close()
        self._departure.abort_after(self._limits.close_seconds)
        self._tell_end(None)

    def _fail(self) -> None:
        """End for something that the client did."""
        self._stop_writing()
        self._unparsed = _NOTHING
        sent = self._reader.close_sent
        self._leave()
        self._tell_end(int(CloseCode.PROTOCOL_ERROR if sent is None else sent.code))

    def _tell_end(self, code: int | None) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.disconnected(code)

    def _take_late(self, data: bytes) -> None:
        """Look for the client's own close in what comes after ours; what is too much for that is thrown away."""
        if not self._is_leaving:
            if self._departure.admits(len(data)):
                self._take(data)
                return
            self._leave()
        self._departure.throw_away(len(data))

    def _leave(self) -> None:
        """Let the client read what it was sent, and take nothing any more. Closing would take it away again."""
        self._is_leaving = self.is_full = True
        self._is_paused = False
        self._deadline.cancel()
        if self._transport.is_closing():
            return
        self._answer()
        self._transport.write_eof()
        self._transport.resume_reading()
        self._departure.abort_after(self._limits.linger_seconds)


def _write_nothing(_frames: bytes) -> None:
    """Stand for a connection that is over."""
