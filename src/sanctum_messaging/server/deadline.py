"""The deadline of a connection, which moves with every request and so must cost next to nothing."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class Deadline:
    """One timer. To put the deadline off is an assignment: the timer looks at it when it goes off, and waits on."""

    def __init__(self, loop: asyncio.AbstractEventLoop, expire: Callable[[], None]) -> None:
        """Begin without one; ``expire`` is called each time that one has passed."""
        self._loop = loop
        self._expire = expire
        self._when = inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf

    def set(self, seconds: float) -> None:
        """Let it be so long from now, whatever it was."""
        when = self._when = self._loop.time() + seconds
        if when < self._timer_at:
            self._stop_timer()
            self._timer, self._timer_at = self._loop.call_at(when, self._look), when

    def lift(self) -> None:
        """Have none for now."""
        self._when = inf

    def cancel(self) -> None:
        """Have none any more, and leave nothing with the loop; whoever was to be told is forgotten."""
        self.lift()
        self._stop_timer()
        # He holds this: what holds itself would stay in memory until the collector comes, which takes hours.
        self._expire = _tell_nobody

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = None, inf

    def _look(self) -> None:
        self._timer, self._timer_at = None, inf
        if self._when == inf:
            return
        left = self._when - self._loop.time()
        if left > 0:
            self.set(left)
            return
        self.lift()
        self._expire()


def _tell_nobody() -> None:
    """Take the place of whoever was to be told."""
