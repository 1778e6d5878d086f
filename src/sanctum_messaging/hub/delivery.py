"""What one connection is sent. It has one number, its position, and is either live or catching up.

Catching up, it reads pages until what is left is in memory, and then goes live in one synchronous step. Live, it is
given every event by the hub; if too much is pending, it drops that and catches up from what was handed over last.
Nothing is copied for a slow reader, nothing is lost and nothing comes twice, because both ways start from one number.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Literal

from sanctum_messaging.domain.model import ORIGIN, Cursor
from sanctum_messaging.hub.catch_up import CatchUp
from sanctum_messaging.protocol.codec import encode_frame
from sanctum_messaging.protocol.frames import Live, Resync, ServerFrame, ServerPing, ServerPong
from sanctum_messaging.protocol.session import Phase

if TYPE_CHECKING:
    from sanctum_messaging.hub.catch_up import Delivered, Source
    from sanctum_messaging.hub.transport import Transport
    from sanctum_messaging.hub.user import User
    from sanctum_messaging.protocol.session import ServerSession


_MOST_HINTS = 16
"""Replies pending above which signals are dropped."""


class Delivery:
    """The outgoing side of a connection. ``run`` is the one task that writes; all else is synchronous."""

    def __init__(self, source: Source, transport: Transport, session: ServerSession) -> None:
        self._source = source
        self._transport = transport
        self._session = session
        self.position: Cursor = ORIGIN
        """Everything of the stream up to here was handed over."""
        self._user: User | None = None
        self._catch_up: CatchUp | None = None
        self.delivered = 0
        """Events that were handed over."""
        self._events: deque[Delivered] = deque()
        self.pending_bytes = 0
        self._replies: deque[bytes | type[ServerPing | ServerPong]] = deque()
        """What is sent before any event; heartbeats get their cursor when they are sent."""
        self._epoch = 0
        """How often the stream was started over, or ended; pages that were read before are void."""
        self._work = asyncio.Event()
        self._ending = False
        self._waiting_since: float | None = None
        self.room = asyncio.Event()
        """Set while there is room for replies; whoever causes them waits for it."""
        self.room.set()

    def start(self, user: User, position: Cursor) -> None:
        """Begin the stream right after a position. To be called once, behind the welcome."""
        settings = self._source.settings
        self._user = user
        self._catch_up = CatchUp(self._source, user, limit=settings.page_events, max_bytes=settings.page_bytes)
        self.position = position
        self._work.set()

    def stop(self) -> None:
        """Take nothing from the hub any more."""
        if self._user is not None:
            self._user.live.discard(self)

    def end(self) -> None:
        """Have ``run`` return once the replies are sent; events that are pending come again after a resume."""
        self._ending = True
        self._epoch += 1
        self._work.set()

    def reply(self, frame: ServerFrame) -> None:
        """Send a frame before the next event."""
        self._queue(encode_frame(frame))

    def ping(self) -> None:
        """Send a heartbeat."""
        self._queue(ServerPing)

    def pong(self) -> None:
        """Answer a heartbeat."""
        self._queue(ServerPong)

    def hint(self, frame: bytes) -> None:
        """Send a signal, if the client keeps up; it may be lost."""
        if self._session.phase is Phase.LIVE and len(self._replies) < _MOST_HINTS:
            self._queue(frame)

    def push(self, cursor: Cursor, frame: bytes) -> None:
        """Take an event of the live stream; with too much pending, stop being live instead."""
        self.pending_bytes += len(frame)
        self._events.append((cursor, frame))
        if self.pending_bytes > self._source.settings.pending_bytes:
            self._source.counters.fell_behind += 1
            self.fall_behind()
        self._source.flush.add(self._work)

    def fall_behind(self) -> None:
        """Drop what is pending and read on from the position, which is what was handed over last."""
        self.stop()
        self._events.clear()
        self.pending_bytes = 0
        self._session.fall_behind()
        self._source.flush.add(self._work)

    def start_over(self, reason: Literal["too_old", "diverged"], head: Cursor) -> None:
        """Tell the client that its picture cannot be mended, and go on from another position."""
        if self._user is None:
            return
        self.fall_behind()
        self._epoch += 1
        self.position = head
        self._session.start_over(head.position)
        self._source.counters.resyncs += 1
        self.reply(Resync(reason=reason, cursor=str(head)))

    def settle(self) -> Cursor:
        """Return the position, moved to the tail if everything up to there was handed over."""
        if self._session.phase is Phase.LIVE and not self._events:
            self.position = self._source.ring.tail
        return self.position

    def stalled_since(self) -> float | None:
        """Return since when a frame has been waiting for the peer to read."""
        return self._waiting_since

    async def run(self) -> None:
        """Write what is to be written until ``end`` is called.

        Raises:
            DisconnectedError: nobody takes it.
        """
        while True:
            if self._replies:
                await self._send_reply()
            elif self._ending:
                return
            elif self._session.phase is Phase.CATCHING_UP and self._catch_up is not None:
                await self._read_on(self._catch_up)
            elif self._events:
                await self._send_pending()
            elif self._session.announces_live:
                self._session.note_announced()
                await self._hand_over(encode_frame(Live(cursor=str(self.settle()))))
            else:
                self._work.clear()
                await self._work.wait()

    async def _read_on(self, catch_up: CatchUp) -> None:
        """Go live, or read a page and hand it over."""
        if self._go_live(catch_up):
            return
        epoch = self._epoch
        page = await catch_up.read(self.position)
        if page is None:
            return
        for cursor, frame in page.frames:
            if self._epoch != epoch:
                return
            await self._send_event(cursor, frame)
        if self._epoch == epoch:
            self.position = page.upto

    def _go_live(self, catch_up: CatchUp) -> bool:
        """Flip to live if what is left is in memory: one synchronous step, so that no event falls into a gap."""
        rest = catch_up.rest(self.position)
        if rest is None or self._user is None:
            return False
        self._events.extend(rest)
        self.pending_bytes = sum(len(frame) for _, frame in rest)
        self._user.live.add(self)
        self._session.go_live()
        return True

    async def _send_pending(self) -> None:
        cursor, frame = self._events.popleft()
        self.pending_bytes -= len(frame)
        await self._send_event(cursor, frame)

    async def _send_event(self, cursor: Cursor, frame: bytes) -> None:
        # From here on it counts as handed over: it is written, or nothing is any more.
        self.position = cursor
        self._source.counters.deliveries += 1
        self.delivered += 1
        await self._hand_over(frame)

    async def _send_reply(self) -> None:
        reply = self._replies.popleft()
        if not isinstance(reply, bytes):
            reply = encode_frame(reply(cursor=str(self.settle())))
        await self._hand_over(reply)
        self.room.set()

    async def _hand_over(self, frame: bytes) -> None:
        self._waiting_since = self._source.settings.monotonic()
        await self._transport.send(frame)
        self._waiting_since = None

    def _queue(self, reply: bytes | type[ServerPing | ServerPong]) -> None:
        self._replies.append(reply)
        if len(self._replies) >= self._source.settings.replies_pending:
            self.room.clear()
        self._work.set()
