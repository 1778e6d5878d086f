"""What one connection is sent. It has one number, its position, and is either live or catching up.

Catching up, it reads pages until what is left is in memory, and then goes live in one synchronous step. Live, it is
given every event by the hub; if too much is pending, it drops that and catches up from what was handed over last.
Nothing is copied for a slow reader, nothing is lost and nothing comes twice, because both ways start from one number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sanctum_messaging.domain.model import ORIGIN, Cursor
from sanctum_messaging.hub.catch_up import CatchUp
from sanctum_messaging.hub.progress import Progress
from sanctum_messaging.protocol.codec import encode_frame
from sanctum_messaging.protocol.frames import Live, Resync, ServerFrame, ServerPing, ServerPong
from sanctum_messaging.protocol.framing import frame_text
from sanctum_messaging.protocol.session import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.hub.catch_up import Delivered, Source
    from sanctum_messaging.hub.owner import Owner
    from sanctum_messaging.hub.user import User
    from sanctum_messaging.ports.transport import Transport
    from sanctum_messaging.protocol.session import ServerSession


_MOST_HINTS = 16
"""Replies pending above which signals are dropped."""
_AT_ONCE_BYTES = 48 * 1024
"""What is handed over at a time. With what may be unsent before it, less than 100 KiB wait for a peer."""
_LIVE = Phase.LIVE


class Delivery:
    """The outgoing side of a connection, all of it synchronous but the reading of pages from the database."""

    __slots__ = (
        "_catch_up",
        "_ending",
        "_epoch",
        "_events",
        "_flows",
        "_owner",
        "_progress",
        "_reading",
        "_replies",
        "_reply_bytes",
        "_session",
        "_source",
        "_transport",
        "_user",
        "delivered",
        "pending_bytes",
        "position",
    )

    def __init__(self, source: Source, transport: Transport, session: ServerSession, owner: Owner) -> None:
        self._source = source
        self._transport = transport
        self._session = session
        self._owner = owner
        self.position: Cursor = ORIGIN
        """Everything of the stream up to here was handed over."""
        self._user: User | None = None
        self._catch_up: CatchUp | None = None
        self._reading = False
        """Whether a task is reading a page. Until it has, nobody else takes what follows the position."""
        self.delivered = 0
        """Events that were handed over."""
        self._flows = False
        """Whether the stream is live and the client knows: there is nothing to write but replies and events."""
        self._events: Sequence[Delivered] = ()
        """What is pending of the live stream; as it came, so that all who keep up share it."""
        self.pending_bytes = 0
        self._replies: Sequence[bytes | type[ServerPing | ServerPong]] = ()
        """What is sent before any event; heartbeats get their cursor when they are sent."""
        self._reply_bytes = 0
        self._epoch = 0
        """How often the stream was started over, or ended; pages that were read before are void."""
        self._ending = False
        self._progress = Progress(source.settings.monotonic())

    def start(self, user: User, position: Cursor) -> None:
        """Begin the stream right after a position. To be called once, behind the welcome."""
        settings = self._source.settings
        self._user = user
        self._catch_up = CatchUp(self._source, user, limit=settings.page_events, max_bytes=settings.page_bytes)
        self.position = position
        self._source.flush.add(self)

    def stop(self) -> None:
        """Take nothing from the hub any more, and drop what is pending: it is read again, now or after a resume."""
        self._events, self.pending_bytes, self._flows = (), 0, False
        if self._user is not None:
            self._user.live = tuple(each for each in self._user.live if each is not self)

    def end(self) -> None:
        """Write the replies that are left, and nothing after them; events that are pending come after a resume."""
        is_over, self._ending, self._flows = self._ending, True, False
        self._epoch += 1
        if self._replies and not is_over:
            self._write_replies()

    def abandon(self) -> None:
        """Write nothing any more: nobody is there."""
        self._ending = True
        self.end()

    def part(self) -> None:
        """Let go of the connection, once it is over: two that hold each other outlive their use."""
        self.stop()
        self._ending = True
        del self._owner, self._transport

    def reply(self, frame: ServerFrame) -> None:
        """Send a frame before the next event."""
        self._queue(frame_text(encode_frame(frame)))

    def ping(self) -> None:
        """Send a heartbeat."""
        self._queue(ServerPing)

    def pong(self) -> None:
        """Answer a heartbeat."""
        self._queue(ServerPong)

    def hint(self, frame: bytes) -> None:
        """Send a signal, if the client keeps up; it may be lost."""
        if self._session.phase is _LIVE and len(self._replies) < _MOST_HINTS:
            self._queue(frame)

    @property
    def has_room(self) -> bool:
        """Whether more replies may be caused; ``Owner.read_on`` is called when there is room again."""
        settings = self._source.settings
        return len(self._replies) < settings.replies_pending and self._reply_bytes < settings.pending_bytes

    def push(self, events: Sequence[Delivered], size: int) -> None:
        """Take events of the live stream, of so many bytes; with too much pending, stop being live instead."""
        if self._events:
            self._events, self.pending_bytes = (*self._events, *events), self.pending_bytes + size
        else:
            self._events, self.pending_bytes = events, size
            self._source.flush.add(self)
        transport = self._transport
        if transport.is_full and self.pending_bytes + transport.unsent > self._source.settings.pending_bytes:
            self._source.counters.fell_behind += 1
            self.fall_behind()

    def fall_behind(self) -> None:
        """Drop what is pending and read on from the position, which is what was handed over last."""
        self.stop()
        self._session.fall_behind()
        self._source.flush.add(self)

    def start_over(self, reason: Literal["too_old", "diverged"], head: Cursor) -> None:
        """Tell the client that its picture cannot be mended, and go on from another position."""
        if self._user is None:
            return
        self.fall_behind()
        self._epoch += 1
        # A cursor of where it goes on is worth nothing to who has not heard why.
        self._replies = [each if isinstance(each, bytes) else self._encode(each) for each in self._replies]
        self.position = head
        self._session.start_over(head.position)
        self._source.counters.resyncs += 1
        self.reply(Resync(reason=reason, cursor=str(head)))

    def settle(self) -> Cursor:
        """Return the position, moved to the tail if everything up to there was handed over."""
        if self._session.phase is _LIVE and not self._events:
            self.position = self._source.ring.tail
        return self.position

    def is_stalled(self, now: float) -> bool:
        """Tell whether the peer has long taken nothing of what it was sent; to be asked every now and then."""
        return self._progress.find_standstill(self._transport, now) >= self._source.settings.stall_seconds

    def write(self) -> None:
        """Write all there is, as long as the peer takes it; what is left follows when there is room."""
        if self._ending:
            return
        try:
            while not self._transport.is_full:
                if self._replies:
                    self._write_replies()
                elif self._events:
                    self._write_events()
                elif self._flows or not self._go_on():
                    return
        except Exception as error:  # noqa: BLE001 - it ends this connection, and the others are written to
            self._owner.fail(error)

    def _go_on(self) -> bool:
        """Bring the stream one step nearer to being live; false if there is nothing to do, or nothing yet."""
        if self._session.announces_live:
            return self._announce_live()
        if self._session.phase is Phase.CATCHING_UP and self._catch_up is not None and not self._reading:
            return self._go_live(self._catch_up) or self._read_on(self._catch_up)
        return False

    def _announce_live(self) -> bool:
        self._session.note_announced()
        self._flows = True
        self._transport.write(frame_text(encode_frame(Live(cursor=str(self.settle())))))
        return True

    def _write_replies(self) -> None:
        replies, self._replies, self._reply_bytes = self._replies, (), 0
        self._transport.write(b"".join([each if isinstance(each, bytes) else self._encode(each) for each in replies]))
        if not self._ending:
            self._owner.read_on()

    def _encode(self, heartbeat: type[ServerPing | ServerPong]) -> bytes:
        return frame_text(encode_frame(heartbeat(cursor=str(self.settle()))))

    def _write_events(self) -> None:
        """Write what is pending of the live stream, or a part of it if it is much."""
        if self.pending_bytes <= _AT_ONCE_BYTES:
            events, self._events, self.pending_bytes = self._events, (), 0
        else:
            events = self._take_some()
        if len(events) == 1:
            ((upto, frames, count),) = events
            self._hand_over(frames, count, upto)
        else:
            self._hand_over_all(events, events[-1][0])

    def _take_some(self) -> Sequence[Delivered]:
        """Take what may be written at once of the pending events, and at least one."""
        size = count = 0
        for count, (_, frames, _) in enumerate(self._events):  # noqa: B007 - how many fit is what is asked
            size += len(frames)
            if size > _AT_ONCE_BYTES:
                break
        taken, self._events = self._events[: count or 1], self._events[count or 1 :]
        self.pending_bytes -= sum(len(frames) for _, frames, _ in taken)
        return taken

    def _hand_over_all(self, events: Sequence[Delivered], upto: Cursor) -> None:
        frames = b"".join([each for _, each, _ in events])
        self._hand_over(frames, sum([count for _, _, count in events]), upto)

    def _hand_over(self, frames: bytes, count: int, upto: Cursor) -> None:
        """Write events. From here on they count as delivered: they are, or nothing is any more."""
        self.position = upto
        self._source.counters.deliveries += count
        self.delivered += count
        if frames:
            self._transport.write(frames)

    def _go_live(self, catch_up: CatchUp) -> bool:
        """Flip to live if what is left is in memory: one synchronous step, so that no event falls into a gap."""
        rest = catch_up.rest(self.position)
        if rest is None or self._user is None:
            return False
        self._events, self.pending_bytes = rest, sum(len(frame) for _, frame, _ in rest)
        self._user.live += (self,)
        self._session.go_live()
        self._flows = self._session.announced
        return True

    def _read_on(self, catch_up: CatchUp) -> bool:
        """Write the next page if it is in memory; else have a task read it."""
        page = catch_up.read_at_once(self.position)
        if page is None:
            self._reading = True
            self._owner.spawn(self._read_page)
            return False
        self._hand_over_all(page.frames, page.upto)
        return True

    async def _read_page(self) -> None:
        epoch = self._epoch
        try:
            page = None if self._catch_up is None else await self._catch_up.read(self.position)
        finally:
            self._reading = False
        # Replies may have filled the socket meanwhile; what finds no room is read again once there is.
        if page is not None and self._epoch == epoch and not self._transport.is_full:
            self._hand_over_all(page.frames, page.upto)
        self._source.flush.add(self)

    def _queue(self, reply: bytes | type[ServerPing | ServerPong]) -> None:
        self._replies = (*self._replies, reply)
        if isinstance(reply, bytes):
            self._reply_bytes += len(reply)
        self._source.flush.add(self)
