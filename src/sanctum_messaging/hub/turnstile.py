"""What begins in one turn of the event loop, where all that has come would be too much for one."""

from __future__ import annotations

import asyncio
from collections import deque


class Turnstile:
    """Lets so many through in each turn of the loop, in the order in which they came.

    So what those need next who are through is done between, and not after the last of a herd. Nobody who is through
    keeps another one waiting.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = most
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> None:
        """Return when it is one's turn: at once unless others came in the same turn of the loop."""
        if self._left and not self._waiting:
            self._let_through()
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    def _let_through(self) -> None:
        if self._left == self._most:
            asyncio.get_running_loop().call_soon(self._go_on)
        self._left -= 1

    def _go_on(self) -> None:
        """Begin the next turn; whoever went away while he waited takes nobody's."""
        self._left = self._most
        while self._left and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._let_through()
