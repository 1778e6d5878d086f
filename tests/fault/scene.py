"""Who takes part in a load, and what all of them know."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.fault.device import Device

RETRY_SECONDS = (0.02, 0.2)
"""A client that was refused waits so long; a real one waits longer, and we have no time."""


class Tally:
    """Counts what was acknowledged; one may wait for it."""

    def __init__(self) -> None:
        self.count = 0
        self._target = 0
        self._reached = asyncio.Event()

    def add(self) -> None:
        self.count += 1
        if self.count >= self._target:
            self._reached.set()

    async def wait_for(self, more: int) -> None:
        """Return once so many more were counted."""
        self._target = self.count + more
        self._reached.clear()
        await self._reached.wait()


class Scene:
    """The devices, their conversations, and whether it goes on."""

    def __init__(self, devices: Sequence[Device], guest: Device, draw: random.Random, *, rest: float) -> None:
        self.devices = list(devices)
        self.guest = guest
        self.conversations: list[str] = []
        self.acknowledged = Tally()
        self.up = asyncio.Event()
        """Whether there is a service to talk to; whoever takes it away clears this before, and sets it after."""
        self.ending = False
        self.cursors: dict[str, str] = {}
        """How far each device has polled."""
        self._draw = draw
        self._rest = rest

    @property
    def everybody(self) -> list[Device]:
        return [*self.devices, self.guest]

    def pollers(self, count: int) -> list[Device]:
        """List who polls as well: the guest, who is removed now and then, and others."""
        return [self.guest, *self.devices[1 : 1 + count]]

    def fork(self) -> random.Random:
        """Make a source of chance for one of us."""
        return random.Random(self._draw.random())

    async def rest(self, draw: random.Random) -> None:
        """Wait before the next message."""
        await asyncio.sleep(draw.uniform(0, 2 * self._rest))

    async def wait_to_retry(self, draw: random.Random) -> None:
        """Wait before the next attempt, and until there is somebody to try it with."""
        if self.up.is_set():
            await asyncio.sleep(draw.uniform(*RETRY_SECONDS))
        await self.up.wait()
