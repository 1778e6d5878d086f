"""The socket as the hub sees it, and the hub as the socket sees it: servers and ASGI endpoints implement the first.

Nothing here waits. A socket is written to while it is not full, and tells when it is not any more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

SERVER_SOCKET = "sanctum.socket"
"""The ASGI extension by which a server offers a ``TakeSocket``, to be called once the handshake is accepted."""


class Transport(Protocol):
    """One open WebSocket, used on the event loop's thread only."""

    @property
    def is_full(self) -> bool:
        """Whether so much is unsent that nothing should be written; ``writable`` is called when that is over."""
        ...

    @property
    def unsent(self) -> int:
        """How many bytes were handed over and not taken by the system yet."""
        ...

    def write(self, frames: bytes) -> None:
        """Hand messages over, framed by ``protocol.framing`` and joined; never waits.

        They reach the peer in order, or the connection breaks. On a socket that is over, they go nowhere.
        """
        ...

    def close(self, code: int, reason: str) -> None:
        """Send a close frame behind all that was handed over; a peer that leaves it unread is cut off after a while.

        Does nothing on a socket that is closed already. The listener is told nothing any more.
        """
        ...

    def pause_reading(self) -> None:
        """Take no more messages for now; some that have arrived already may still come."""
        ...

    def resume_reading(self) -> None:
        """Go on taking messages."""
        ...


class Listener(Protocol):
    """Who is told what happens on a socket."""

    def message_received(self, message: str | bytes) -> None:
        """Take the next message: text, or bytes where it was binary."""
        ...

    def writable(self) -> None:
        """Write on, if there is anything."""
        ...

    def disconnected(self, code: int | None) -> None:
        """Nothing can be received or sent any more; ``code`` is what the server itself closed with, if it did."""
        ...


class ServerSocket(Transport, Protocol):
    """A socket that the server hands over once it is accepted: no ASGI message stands between it and the hub."""

    def start(self, listener: Listener) -> None:
        """Begin to tell what happens."""
        ...


TakeSocket = Callable[[], ServerSocket]
"""Gives the socket to the application, whose call may end then."""
