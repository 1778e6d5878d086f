"""Time and new names, as everything that needs them gets them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sanctum_messaging.domain.model import Millis


class Clock(Protocol):
    """The present, and ids that nobody can guess."""

    def now(self) -> Millis:
        """Return the wall clock in milliseconds since the epoch; it may step back, so nothing is ordered by it."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never step back, for deadlines."""
        ...

    def new_id(self) -> str:
        """Return a UUIDv7 (RFC 9562, section 5.7)."""
        ...
