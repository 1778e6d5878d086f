"""Proving that writes work, for ``/readyz``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sanctum_messaging.domain.errors import UnavailableError

if TYPE_CHECKING:
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.ports.store import Store

FRESH_SECONDS = 1.0
"""A write is proved at most this often, however many load balancers ask."""
TIMEOUT_SECONDS = 2.0


class WriteProbe:
    """Remembers since when writes fail."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Nothing is known before the first ``check``."""
        self._store = store
        self._clock = clock
        self._asked: asyncio.Lock = asyncio.Lock()
        self._checked_at: float | None = None
        self._failing_since: float | None = None

    async def check(self) -> float | None:
        """Return for how many seconds writes have failed; none while they work."""
        async with self._asked:
            now = self._clock.monotonic()
            if self._checked_at is None or now - self._checked_at >= FRESH_SECONDS:
                await self._probe(now)
        return None if self._failing_since is None else max(0.0, self._clock.monotonic() - self._failing_since)

    async def _probe(self, now: float) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self._store.check_writable()
        except (UnavailableError, TimeoutError):
            self._failing_since = now if self._failing_since is None else self._failing_since
        else:
            self._failing_since = None
        self._checked_at = self._clock.monotonic()
