"""Proving that writes work, seldom enough to cost nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from sanctum_messaging.api.services import Readiness

if TYPE_CHECKING:
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.ports.store import Store

PROOF_INTERVAL_S = 1.0
"""Load balancers of several zones ask at once; one write a second answers them all."""
PROOF_DEADLINE_S = 2.0
"""A write that takes longer than this is none to a caller who waits for his answer."""
DEGRADED_S = 10.0
"""How long writes may fail before the instance is taken out: a short fault is over before others could take over."""

_log = structlog.get_logger("sanctum.api")


class WriteProbe:
    """Tells whether the store takes writes: ready, then degraded for ten seconds, then not ready."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Begin without a proof."""
        self._store = store
        self._clock = clock
        self._proving = asyncio.Lock()
        self._asked_at = float("-inf")
        self._failing_since: float | None = None

    async def check(self) -> Readiness:
        """Prove a write at most once a second; whoever asks meanwhile gets the same answer."""
        async with self._proving:
            if self._clock.monotonic() - self._asked_at >= PROOF_INTERVAL_S:
                await self._prove()
        if self._failing_since is None:
            return Readiness("ready")
        failing_s = self._clock.monotonic() - self._failing_since
        return Readiness("degraded" if failing_s < DEGRADED_S else "not_ready", reasons=("writes_fail",))

    async def _prove(self) -> None:
        now = self._clock.monotonic()
        try:
            async with asyncio.timeout(PROOF_DEADLINE_S):
                await self._store.check_writable()
        except Exception as error:  # noqa: BLE001 - whatever keeps a write from working, none was proven
            if self._failing_since is None:
                self._failing_since = now
            _log.warning("write_not_proven", exc_info=error)
        else:
            self._failing_since = None
        self._asked_at = self._clock.monotonic()
