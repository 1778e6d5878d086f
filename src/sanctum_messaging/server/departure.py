"""The last moments of a socket's connection: how long, and how much of what still comes is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.protocol.codec import MAX_FRAME_BYTES
from sanctum_messaging.server.limits import MAX_UNREAD_BYTES

if TYPE_CHECKING:
    import asyncio


class Departure:
    """Ends a connection in bounded time. Closing would wait for the client to read what it was sent."""

    __slots__ = ("_loop", "_room", "_timer", "_transport", "_unread_room")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._room = MAX_FRAME_BYTES
        self._unread_room = MAX_UNREAD_BYTES

    @property
    def has_begun(self) -> bool:
        """Whether the connection ends at some time."""
        return self._timer is not None

    def abort_after(self, seconds: float) -> None:
        """Have it end then at the latest, whatever was said before."""
        self.cancel()
        self._timer = self._loop.call_later(seconds, self._transport.abort)

    def cancel(self) -> None:
        """The connection has ended."""
        if self._timer is not None:
            self._timer.cancel()

    def admits(self, size: int) -> bool:
        """Tell whether the client's own close is looked for in so many bytes that came after ours."""
        self._room -= size
        return self._room >= 0

    def throw_away(self, size: int) -> None:
        """Take bytes that nobody looks at, as long as they are not too many."""
        self._unread_room -= size
        if self._unread_room < 0:
            self._transport.abort()
