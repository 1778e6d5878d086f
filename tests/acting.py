"""Ports over a real store, with the real writers, for tests of what stands above them."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sanctum_messaging.adapters.memory.bus import LocalBus
from sanctum_messaging.domain.model import (
    ORIGIN,
    SERVICE_SCOPE,
    Actor,
    DeviceId,
    Millis,
    SessionId,
    TenantId,
    UserId,
)
from sanctum_messaging.ports import Ports
from sanctum_messaging.workers.coalescing import ReadMarkerWriter
from sanctum_messaging.workers.participant_cache import ParticipantCache
from sanctum_messaging.workers.writer import Writer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sanctum_messaging.domain.events import Committed, Event, Signal
    from sanctum_messaging.domain.model import Position
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.ports.resume_store import Takeover
    from sanctum_messaging.ports.store import Store


@dataclass(slots=True)
class Heard:
    """What went over the bus."""

    commits: list[Committed] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    takeovers: list[Takeover] = field(default_factory=list)
    tail = ORIGIN

    def apply(self, committed: Committed) -> None:
        self.commits.append(committed)

    def apply_signal(self, signal: Signal, after: Position) -> None:
        assert after == self.tail.position
        self.signals.append(signal)

    def apply_takeover(self, takeover: Takeover) -> None:
        self.takeovers.append(takeover)

    def sweep(self) -> None:
        """There is nothing to look at."""

    @property
    def events(self) -> list[Event]:
        """All events that were committed, in order."""
        return [event for committed in self.commits for event in committed.events]


@contextlib.asynccontextmanager
async def running_ports(store: Store, clock: Clock, heard: Heard | None = None) -> AsyncGenerator[Ports]:
    """Run the writers over a store; what they publish is heard."""
    heard = Heard() if heard is None else heard
    bus = LocalBus()
    bus.attach(heard)
    writer = Writer(store, bus.publish, clock)
    markers = ReadMarkerWriter(store, clock)
    participants = ParticipantCache(store, clock)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writer.run())
        tasks.create_task(markers.run())
        await participants.start()
        try:
            yield Ports(store=store, log=writer, markers=markers, participants=participants, bus=bus, clock=clock)
        finally:
            await participants.stop()
            writer.close()
            markers.close()


def actor(name: str, *, service: bool = False, tenant: str = "default") -> Actor:
    """Make the caller of that name; a service may stand in for him."""
    return Actor(
        tenant=TenantId(tenant),
        user=UserId(name),
        device=DeviceId(f"{name}-phone"),
        session=SessionId(f"{name}-session"),
        expires_at=Millis(2**50),
        scopes=frozenset({SERVICE_SCOPE}) if service else frozenset(),
        service=service,
        impersonating=service,
    )
