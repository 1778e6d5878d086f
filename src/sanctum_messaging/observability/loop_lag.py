"""How late the event loop is: what everybody waits for when something keeps it busy."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sanctum_messaging.observability.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLE_SECONDS = 0.25
"""A stall that is shorter than this may go unseen, and harms nobody."""
LATE_SECONDS = 5.0
"""A loop that late misses health checks and heartbeats; what is less shows in the histogram alone."""
REMEMBERED_SECONDS = 10.0
"""How long a stall counts as present: until after the next few health checks."""


class LoopLag:
    """Sleeps and sees how much later it wakes; ``run`` ends only by cancellation."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.lateness = Histogram()
        self._monotonic = monotonic
        self._late_at = float("-inf")

    async def run(self) -> None:
        """Sample for as long as the loop runs."""
        while True:
            due = self._monotonic() + SAMPLE_SECONDS
            await asyncio.sleep(SAMPLE_SECONDS)
            self.note(max(0.0, self._monotonic() - due))

    def note(self, seconds: float) -> None:
        """Take one sample."""
        self.lateness.observe(seconds)
        if seconds >= LATE_SECONDS:
            self._late_at = self._monotonic()

    def is_late(self) -> bool:
        """Tell whether the loop was late a moment ago."""
        return self._monotonic() - self._late_at < REMEMBERED_SECONDS
