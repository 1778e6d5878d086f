"""Waiting for the tail to move."""

from __future__ import annotations

import asyncio


class Moves:
    """Lets tasks wait for what happens next; nothing that happened before counts."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    async def wait(self) -> None:
        """Wait until ``tell`` is called."""
        moved = asyncio.get_running_loop().create_future()
        self._waiting.add(moved)
        try:
            await moved
        finally:
            self._waiting.discard(moved)

    def tell(self) -> None:
        """Let all go on that wait now."""
        for moved in self._waiting:
            if not moved.done():
                moved.set_result(None)
