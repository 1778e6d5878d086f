"""An event loop whose time stands still until it is moved, and that tells when there is nothing left to do."""

from __future__ import annotations

import asyncio
import math
import selectors
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

Result = TypeVar("Result")


class NothingWillHappen(AssertionError):
    """Everybody waits for somebody else, for ever."""


class HandLoop(asyncio.SelectorEventLoop):
    """Without sockets and threads: what runs in it waits for timers and for one another."""

    def __init__(self) -> None:
        self._now = 0.0
        self._until = 0.0
        self._settled: list[asyncio.Future[None]] = []
        super().__init__(_HandSelector(self))

    def time(self) -> float:
        return self._now

    async def settle(self) -> None:
        """Wait until all others wait."""
        settled = self.create_future()
        self._settled.append(settled)
        await settled

    async def advance(self, seconds: float) -> None:
        """Let time pass, and wait until all others wait."""
        self._until = self._now + seconds
        await self.settle()

    def run_freely(self) -> None:
        """From now on time jumps to the next timer whenever all wait."""
        self._until = math.inf

    def pass_time(self, timeout: float | None) -> None:
        """All wait, for so long if nothing happens: move on to the next timer, or tell who wanted to know."""
        if timeout is not None and self._now + timeout <= self._until:
            self._now += timeout
            return
        if not self._settled:
            raise NothingWillHappen(asyncio.all_tasks(self))
        self._now = max(self._now, self._until if self._until < math.inf else 0.0)
        self._settled.pop().set_result(None)


class _HandSelector(selectors.DefaultSelector):
    def __init__(self, loop: HandLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and (timeout is None or timeout > 0):
            self._loop.pass_time(timeout)
        return ready


def hand_loop() -> HandLoop:
    """Return the loop that runs this."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, HandLoop)
    return loop


def run_by_hand(main: Coroutine[Any, Any, Result]) -> Result:
    """Run something in such a loop; nothing may be left running."""
    with asyncio.Runner(loop_factory=HandLoop) as runner:
        result = runner.run(main)
        left = asyncio.all_tasks(runner.get_loop())
        assert not left, left
        return result
