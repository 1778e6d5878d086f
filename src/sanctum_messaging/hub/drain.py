"""Sending everybody away because the service stops: one after the other, and served until they go."""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.protocol.codes import CloseCode
from sanctum_messaging.protocol.frames import Drain
from sanctum_messaging.protocol.session import Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from sanctum_messaging.hub.callables import TakeOn
    from sanctum_messaging.hub.connection import Connection
    from sanctum_messaging.hub.owner import Owner
    from sanctum_messaging.hub.registry import Registry
    from sanctum_messaging.hub.settings import HubSettings

_TOLD_AT_ONCE = 200
"""How many are told before others get their turn of the loop: some 3 ms of work."""


class HubDrain:
    """Asks the clients to open their next socket elsewhere, each at a time of its own, and closes who has stayed."""

    def __init__(
        self,
        registry: Registry,
        settings: HubSettings,
        shuffle: Callable[[list[Connection]], None] = random.shuffle,
    ) -> None:
        self._registry = registry
        self._settings = settings
        self._shuffle = shuffle
        self._begun = self._at_once = False
        self._leaving: deque[tuple[float, Connection]] = deque()
        """Until when each is served, in order."""
        self._due: dict[Owner, float] = {}
        """When those should go who were told."""
        self._unwelcomed: dict[Connection, float] = {}
        """When those should go who can't be told yet: clients expect nothing before their welcome."""

    def guard(self, take_on: TakeOn) -> TakeOn:
        """Have handshakes refused as ``stopping`` from the beginning of the drain: another instance may want them."""

        def take_on_unless_stopping(peer: str | None, /) -> Callable[[], None]:
            if self._begun:
                detail = "The service is stopping."
                raise UnavailableError(detail, code="stopping")
            return take_on(peer)

        return take_on_unless_stopping

    async def spread(self, seconds: float) -> None:
        """Send everybody away, evenly over so many seconds; return when all are gone, or have had time to."""
        self._begun = True
        now = self._settings.monotonic()
        connections = list(self._registry.connections)
        self._shuffle(connections)
        share = seconds / max(1, len(connections))
        stay = self._settings.leave_seconds
        self._leaving.extend((now + number * share + stay, each) for number, each in enumerate(connections))
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds + stay):
                for number, connection in enumerate(connections):
                    self._tell(connection, now + number * share)
                    if number % _TOLD_AT_ONCE == 0:
                        await asyncio.sleep(0)
                await self._registry.empty.wait()

    async def end(self) -> None:
        """Close everybody (4000), now and from now on; resume states are kept. Takes 4 s at most."""
        self._begun = self._at_once = True
        for connection in tuple(self._registry.connections):
            connection.drain(0)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_seconds):
                await self._registry.empty.wait()

    def take(self, connection: Connection) -> None:
        """Take a connection that has just begun; its handshake may be older than the drain."""
        if self._at_once:
            connection.drain(0)
        elif self._begun:
            self._tell(connection, self._settings.monotonic())

    def is_due(self, owner: Owner) -> bool:
        """Tell whether a connection was told to go, and the time has come."""
        return self._due.get(owner, math.inf) <= self._settings.monotonic()

    def tick(self, now: float) -> None:
        """Tell those who have been welcomed meanwhile, and close those who have stayed too long."""
        for connection in tuple(self._unwelcomed):
            if connection.phase is not Phase.OPENING:
                self._tell(connection, self._unwelcomed.pop(connection))
        while self._leaving and self._leaving[0][0] <= now:
            self._leaving.popleft()[1].close(CloseCode.DRAIN)

    def _tell(self, connection: Connection, reconnect_at: float) -> None:
        if connection.phase is Phase.OPENING:
            self._unwelcomed[connection] = reconnect_at
        elif connection.phase is not Phase.CLOSING:
            self._due[connection] = reconnect_at
            left = max(0.0, reconnect_at - self._settings.monotonic())
            connection.delivery.reply(Drain(reconnect_in_ms=round(left * 1000)))
