"""Commits that came before those they follow: two writers commit in order, but are not heard of in order.

Kept so that a hole which its own writer is about to fill costs no read of the database.
"""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from sanctum_messaging.hub.ring import size_of

if TYPE_CHECKING:
    from sanctum_messaging.domain.events import Committed
    from sanctum_messaging.domain.model import Position

MAX_BYTES = 8 * 1024 * 1024
"""Some 4,000 short messages, counted as in the ring; behind that much a read is cheaper than waiting."""


class EarlyCommits:
    """Holds commits by the position they follow. What does not fit is dropped, and read from the database."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Position, int, int, Committed]] = []
        """By the position that each follows; with its number, and with its size."""
        self._bytes = 0
        self._arrivals = count()

    def __len__(self) -> int:
        return len(self._waiting)

    def keep(self, committed: Committed) -> None:
        """Keep a commit until the tail has reached what is before it."""
        size = sum(map(size_of, committed.events))
        if size and self._bytes + size <= MAX_BYTES:
            self._bytes += size
            heappush(self._waiting, (committed.before.position, next(self._arrivals), size, committed))

    def take(self, tail: Position) -> Committed | None:
        """Take a commit that follows the tail or reaches back over it; none if there is a hole before all of them."""
        if not self._waiting or self._waiting[0][0] > tail:
            return None
        _, _, size, committed = heappop(self._waiting)
        self._bytes -= size
        return committed

    def clear(self) -> None:
        """Forget them all: the log is another one."""
        self._waiting.clear()
        self._bytes = 0
