"""The connection, as its parts see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sanctum_messaging.protocol.codes import CloseCode


class Owner(Protocol):
    """The connection that a dialogue belongs to."""

    def spawn(self, work: Callable[[], Awaitable[None]]) -> object:
        """Run something as a task of the connection."""
        ...

    def close(self, code: CloseCode) -> None:
        """Close the connection."""
        ...
