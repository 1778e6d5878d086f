"""The server's side of one connection without its I/O: what is legal when, heartbeats, acknowledgements.

    OPENING ──welcome──> CATCHING_UP <──fall_behind/go_live──> LIVE          any ──close──> CLOSING

Times are seconds of a clock that never steps back; positions are numbers that grow along the stream. Call ``heard`` for
every message that arrives, ``check_expected`` for each frame decoded from one, and ``find_due`` every now and then.
"""

from __future__ import annotations

from enum import Enum, auto

from sanctum_messaging.protocol.codec import RefusedFrameError
from sanctum_messaging.protocol.codes import CloseCode
from sanctum_messaging.protocol.frames import AnyClientFrame, Bye, Hello

HEARTBEAT_SECONDS = 20.0
"""Below the 60 s after which common load balancers drop an idle connection, with one heartbeat to spare."""
HELLO_SECONDS = 10.0
SILENT_HEARTBEATS = 2
"""Intervals without any client frame after which the connection is taken for dead (docs/protocol.md, "Heartbeats")."""

DOUBTFUL_SECONDS = 5.0
"""How long a ``ping`` goes without an answer until the client may be gone: answers take a round trip."""


class Phase(Enum):
    """Where a connection stands."""

    OPENING = auto()
    CATCHING_UP = auto()
    LIVE = auto()
    CLOSING = auto()


class Due(Enum):
    """What the time asks for, besides closing."""

    PING = auto()


class ServerSession:
    """The state of one connection. Nothing here waits, reads or writes."""

    __slots__ = ("_checked", "_heard", "_heartbeat", "_hello_until", "_pinged", "acked", "announced", "phase")

    def __init__(
        self, now: float, *, heartbeat_seconds: float = HEARTBEAT_SECONDS, hello_seconds: float = HELLO_SECONDS
    ) -> None:
        """Start waiting for ``hello``."""
        self.phase = Phase.OPENING
        self.acked = 0
        self._heartbeat = heartbeat_seconds
        self._hello_until = now + hello_seconds
        self._heard = self._pinged = self._checked = now
        self.announced = False
        """Whether the client was told that it is live, which it is once."""

    @property
    def announces_live(self) -> bool:
        """Whether the connection is live and has not been told so; ``live`` is sent exactly once."""
        return self.phase is Phase.LIVE and not self.announced

    def heard(self, now: float) -> None:
        """Note that the client sent something, be it good or bad."""
        self._heard = now

    def is_doubtful(self, now: float) -> bool:
        """Tell whether a ``ping`` has waited for anything from the client for longer than those that live let it."""
        return self._pinged > self._heard and now - self._pinged >= DOUBTFUL_SECONDS

    def check_expected(self, frame: AnyClientFrame) -> None:
        """Check that a frame is legal in this phase.

        Raises:
            RefusedFrameError: ``unexpected_frame``, for anything but ``hello`` and ``bye`` before the welcome, and for
                another ``hello`` after it.
        """
        opening = self.phase is Phase.OPENING
        if opening != isinstance(frame, Hello) and not (opening and isinstance(frame, Bye)):
            raise RefusedFrameError("unexpected_frame", frame_id=frame.id)

    def welcome(self, now: float, position: int) -> None:
        """Start the stream right after a position, which the client counts as acknowledged."""
        self.phase = Phase.CATCHING_UP
        self.acked = position
        self._heard = self._pinged = self._checked = now

    def go_live(self) -> None:
        """The client has been sent, or has pending, all that there is."""
        if self.phase is Phase.CATCHING_UP:
            self.phase = Phase.LIVE

    def note_announced(self) -> None:
        """The ``live`` frame was handed over."""
        self.announced = True

    def fall_behind(self) -> None:
        """The client reads too slowly, or what it may see has changed: back to reading pages."""
        if self.phase is Phase.LIVE:
            self.phase = Phase.CATCHING_UP

    def start_over(self, position: int) -> None:
        """Go on from another position after a ``resync``; it may be lower than what was acknowledged.

        The position itself is still to be acknowledged: until it is, the client may not know of the ``resync``.
        """
        self.fall_behind()
        self.acked = position - 1

    def close(self) -> None:
        """Nothing is legal any more."""
        self.phase = Phase.CLOSING

    def acknowledge(self, position: int, *, sent: int) -> bool:
        """Take a cumulative acknowledgement; tell whether it is above the last, since another changes nothing.

        Raises:
            RefusedFrameError: ``ack_ahead``, above what was sent.
        """
        if position > sent:
            raise RefusedFrameError("ack_ahead")
        moved = position > self.acked
        if moved:
            self.acked = position
        return moved

    def find_due(self, now: float, *, listening: bool) -> CloseCode | Due | None:
        """Find what the time asks for: a close code, a ``ping``, or nothing.

        Nobody is taken for dead whom we did not listen to: ``listening`` is false while frames are left unread, and a
        check that comes late, because the whole process stood still, starts the count anew.
        """
        if self.phase is Phase.OPENING:
            return CloseCode.HELLO_TIMEOUT if listening and now >= self._hello_until else None
        if not listening or now - self._checked >= self._heartbeat:
            self._heard = now
        self._checked = now
        if now - self._heard >= SILENT_HEARTBEATS * self._heartbeat:
            return CloseCode.HEARTBEAT
        if now - self._pinged < self._heartbeat:
            return None
        self._pinged = now
        return Due.PING
