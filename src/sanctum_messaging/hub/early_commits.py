"""Commits that came before those they follow: two writers commit in order, but are not heard of in order.

Kept so that a hole which its own writer is about to fill costs no read of the database.
"""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sanctum_messaging.domain.events import Committed
    from sanctum_messaging.domain.model import Position

MAX_EVENTS = 4_096
"""What is kept takes a few MB at most; behind that much a read is cheaper than waiting."""


class EarlyCommits:
    """Holds commits by the position they follow. What does not fit is dropped, and read from the database."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Position, int, Committed]] = []
        self._events = 0
        self._arrivals = count()

    def __len__(self) -> int:
        return len(self._waiting)

    def keep(self, committed: Committed) -> None:
        """Keep a commit until the tail has reached what is before it."""
        if self._events + len(committed.events) <= MAX_EVENTS:
            self._events += len(committed.events)
            heappush(self._waiting, (committed.before.position, next(self._arrivals), committed))

    def take(self, tail: Position) -> Committed | None:
        """Take a commit that follows the tail or reaches back over it; none if there is a hole before all of them."""
        if not self._waiting or self._waiting[0][0] > tail:
            return None
        _, _, committed = heappop(self._waiting)
        self._events -= len(committed.events)
        return committed

    def clear(self) -> None:
        """Forget them all: the log is another one."""
        self._waiting.clear()
        self._events = 0
