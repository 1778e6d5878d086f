"""Follows the list of revocations, so that what is revoked anywhere is refused here within a second."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sanctum_messaging.domain.revocation import Revocation
    from sanctum_messaging.guards.revocations import KnownRevocations
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.ports.revocations import Revocations

POLL_SECONDS = 0.5
"""How often new ones are asked for, by one row of an index: half of the second within which a revocation holds."""
PAGE = 1_000

_log = structlog.get_logger()


class RevocationFollower:
    """Keeps what is known up to date. ``catch_up`` before anybody is let in, then ``run``.

    ``on_new`` is called when something was learned. While the list can't be read, what is known goes on to hold.
    """

    def __init__(
        self,
        revocations: Revocations,
        known: KnownRevocations,
        clock: Clock,
        *,
        on_new: Callable[[], None],
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """Follow a list."""
        self._revocations = revocations
        self._known = known
        self._clock = clock
        self._on_new = on_new
        self._poll_seconds = poll_seconds
        self.is_current = True
        """Whether the list could be read when it was last looked at."""
        self._last: Revocation | None = None
        self._reading = asyncio.Lock()

    async def run(self) -> None:
        """Ask again and again; ends only by cancellation."""
        while True:
            await asyncio.sleep(self._poll_seconds)
            try:
                await self.catch_up()
            except Exception as error:  # noqa: BLE001 - if the instance ended by it, what it knows would be lost with it
                if self.is_current:
                    _log.warning("revocations_unreadable", exc_info=error)
                self.is_current = False
            else:
                self.is_current = True

    async def catch_up(self) -> None:
        """Learn all that were stored before the call; they are in force on return.

        Raises:
            UnavailableError: the list can't be read; what was learned holds.
        """
        async with self._reading:
            while await self._read_page():
                pass

    async def _read_page(self) -> bool:
        """Read once, and tell whether there may be more."""
        last = self._last
        page = await self._revocations.read_from(0 if last is None else last.id, limit=PAGE)
        if last is not None and list(page[:1]) != [last]:
            # A backup was restored, or a failover lost commits: ids are given anew. What was known still holds.
            _log.warning("revocations_differ")
            self._last = None
            return True
        self._learn(page if last is None else page[1:])
        return len(page) == PAGE

    def _learn(self, fresh: Sequence[Revocation]) -> None:
        if fresh:
            self._last = fresh[-1]
            self._known.learn(fresh, self._clock.now())
            self._on_new()
