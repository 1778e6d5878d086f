"""Whether the instance wants requests."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sanctum_messaging.api.services import Readiness

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

    from sanctum_messaging.api.readiness import WriteProbe

LOOK_SECONDS = 5.0
"""Between two looks that nobody asked for: a third of what usually lies between two scrapes, since each is a write."""


class Gate:
    """Tells whether the instance should be given requests: not while it stops, nor while it can serve nobody.

    That is while writes fail, and where ``can_admit`` says that nobody's token can be proven. ``faults`` names what is
    wrong, also if it keeps nobody from being served.
    """

    def __init__(
        self, probe: WriteProbe, faults: Callable[[], Iterable[str]], can_admit: Callable[[], bool] = lambda: True
    ) -> None:
        self._probe = probe
        self._faults = faults
        self._can_admit = can_admit
        self._closed = False
        self.told = Readiness("ready")
        """What the last look found; a few seconds old at most while ``watched``."""

    def close(self) -> None:
        """Want no more requests."""
        self._closed = True

    @asynccontextmanager
    async def watched(self) -> AsyncGenerator[None]:
        """Look every few seconds meanwhile, so that ``told`` is true though nobody asks."""
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch())
            try:
                yield
            finally:
                watching.cancel()

    async def ready(self) -> Readiness:
        """Look now."""
        self.told = await self._look()
        return self.told

    async def _watch(self) -> None:
        while True:
            await self.ready()
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> Readiness:
        if self._closed:
            return Readiness("not_ready", "stopping")
        proven = await self._probe.check()
        reasons = (*proven.reasons, *self._faults())
        if proven.state == "not_ready" or not self._can_admit():
            return Readiness("not_ready", reasons=reasons)
        return Readiness("degraded", reasons=reasons) if reasons else proven
