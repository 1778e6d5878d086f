"""The connection, as its parts see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sanctum_messaging.domain.errors import SanctumError
    from sanctum_messaging.protocol.codes import CloseCode
    from sanctum_messaging.protocol.session import Phase


class Owner(Protocol):
    """The connection that a dialogue and a delivery belong to."""

    def spawn(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run something as a task of the connection."""
        ...

    @property
    def phase(self) -> Phase:
        """Where it stands."""
        ...

    def is_doubtful(self, now: float) -> bool:
        """Tell whether its client may be gone without a word."""
        ...

    def close(self, code: CloseCode) -> None:
        """Close the connection."""
        ...

    def fail(self, error: Exception) -> None:
        """Close the connection for something that went wrong, and tell of it in the log."""
        ...

    def tell_refusal(self, error: SanctumError) -> None:
        """Tell in the log that a frame was refused."""
        ...

    def read_on(self) -> None:
        """Take the client's next frames: its replies have room again."""
        ...
