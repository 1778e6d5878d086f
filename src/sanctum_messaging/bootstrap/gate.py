"""Whether the instance wants requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.api.services import Readiness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sanctum_messaging.api.readiness import WriteProbe


class Gate:
    """Tells whether the instance should be given requests: not while it stops, and not while writes fail.

    ``faults`` names what is wrong and keeps nobody from being served.
    """

    def __init__(self, probe: WriteProbe, faults: Callable[[], Iterable[str]]) -> None:
        self._probe = probe
        self._faults = faults
        self._closed = False
        self.told = Readiness("ready")
        """The last answer."""

    def close(self) -> None:
        """Want no more requests."""
        self._closed = True

    async def ready(self) -> Readiness:
        """Look now."""
        self.told = await self._look()
        return self.told

    async def _look(self) -> Readiness:
        if self._closed:
            return Readiness("not_ready", "stopping")
        proven = await self._probe.check()
        reasons = (*proven.reasons, *self._faults())
        if proven.state == "not_ready" or not reasons:
            return proven
        return Readiness("degraded", reasons=reasons)
