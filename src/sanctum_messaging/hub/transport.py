"""The socket as the hub sees it; ``endpoints`` implement it."""

from __future__ import annotations

from typing import Protocol


class DisconnectedError(Exception):
    """The peer is gone; nothing more can be received or sent."""


class Transport(Protocol):
    """One open WebSocket. One task sends, another receives, and either may be cancelled while it waits."""

    async def receive(self) -> str | bytes:
        """Wait for the next message: text, or bytes where it was binary.

        Raises:
            DisconnectedError: there will be none.
        """
        ...

    async def send(self, frame: bytes) -> None:
        """Hand a text frame over; wait while the peer leaves more than a bounded amount unread.

        Frames that were handed over reach the peer in order, or the connection breaks.

        Raises:
            DisconnectedError: nobody takes it.
        """
        ...

    async def close(self, code: int, reason: str) -> None:
        """Send a close frame behind all that was handed over. Does nothing on a socket that is closed already."""
        ...
