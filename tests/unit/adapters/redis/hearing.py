"""A hub that writes down what a bus tells it, and whoever waits for that."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from sanctum_messaging.adapters.redis.bus import RedisBus
from sanctum_messaging.adapters.redis.settings import BusSettings
from sanctum_messaging.domain.model import ORIGIN
from tests.conftest import HandClock

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from redis.asyncio import Redis

    from sanctum_messaging.domain.events import Committed, Event, Signal
    from sanctum_messaging.domain.model import Cursor, Position
    from sanctum_messaging.ports.resume_store import Takeover

KEY = b"the key of all instances"
LOG = "log-1"
CHANNEL = f"sanctum:bus:{{{LOG}}}"
QUICK = BusSettings(beat_seconds=0.02, dead_seconds=0.3, min_backoff_seconds=0.005, max_backoff_seconds=0.02)
CALM = replace(QUICK, dead_seconds=30.0)
"""Takes no silence of a busy machine for the death of a link."""
PATIENCE_SECONDS = 20
"""Far more than anything takes; it turns a hang into a failure."""


class Hearing:
    """``ports.bus.Listener``; what it was told is in ``events``, ``signals`` and ``takeovers``."""

    def __init__(self) -> None:
        self.tail: Cursor = ORIGIN
        self.batches: list[Committed] = []
        self.events: list[Event] = []
        self.signals: list[tuple[Signal, Position]] = []
        self.takeovers: list[Takeover] = []
        self.sweeps = 0

    def apply(self, committed: Committed) -> None:
        self.batches.append(committed)
        self.events += [event for event in committed.events if event.position > self.tail.position]
        self.tail = max(self.tail, committed.events[-1].cursor, key=lambda cursor: cursor.position)

    def apply_signal(self, signal: Signal, after: Position) -> None:
        self.signals.append((signal, after))

    def apply_takeover(self, takeover: Takeover) -> None:
        self.takeovers.append(takeover)

    def sweep(self) -> None:
        self.sweeps += 1


class Instance:
    """A bus with its hub."""

    def __init__(self, redis: Redis, name: str, *, key: bytes = KEY, log_id: str = LOG, settings: BusSettings) -> None:
        self.redis = redis
        self.clock = HandClock()
        self.bus = RedisBus(redis, self.clock, log_id=log_id, key=key, instance=name, settings=settings)
        self.hub = Hearing()
        self.bus.attach(self.hub)

    async def healthy(self) -> None:
        await until(lambda: self.bus.healthy)

    async def unhealthy(self) -> None:
        await until(lambda: not self.bus.healthy)


@contextlib.asynccontextmanager
async def running(*instances: Instance) -> AsyncGenerator[None]:
    """Run the buses, connected when the body starts; whatever they raise fails the test."""
    tasks = [asyncio.create_task(each.bus.run()) for each in instances]
    try:
        for each in instances:
            await each.healthy()
        yield
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes), outcomes


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that tells nobody when it happens."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is waited for is in the bus, which sets no event for tests
            await asyncio.sleep(0.001)
