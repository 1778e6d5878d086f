"""Turns at something that only so many may use at a time."""

from __future__ import annotations

import asyncio


class Turns:
    """A semaphore that tells how many wait: ``async with turns: …``."""

    def __init__(self, most: int) -> None:
        self._free = asyncio.Semaphore(most)
        self.waiting = 0

    async def __aenter__(self) -> None:
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1

    async def __aexit__(self, *_: object) -> None:
        self._free.release()
