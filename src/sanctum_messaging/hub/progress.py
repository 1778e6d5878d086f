"""Whether a peer takes what it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sanctum_messaging.ports.transport import Transport


class Progress:
    """Looks at a transport every now and then: one that is full and lets nothing go stands still."""

    __slots__ = ("_moved_at", "_unsent")

    def __init__(self, now: float) -> None:
        self._unsent = 0
        self._moved_at = now

    def find_standstill(self, transport: Transport, now: float) -> float:
        """Return for how many seconds it has stood still, as far as it was looked at."""
        unsent = transport.unsent if transport.is_full else 0
        if not unsent or unsent != self._unsent:
            self._unsent, self._moved_at = unsent, now
        return now - self._moved_at
