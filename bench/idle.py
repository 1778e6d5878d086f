"""What connections cost that say nothing: in memory, and in processor time for their heartbeats."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from bench.audience import Audience
from bench.figures import Figure
from bench.servers import serve
from sanctum_messaging.server.limits import raise_descriptor_limit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.measuring import Run
    from bench.servers import Service

GROUP = 500
"""Users that are in the same conversations; a call takes as many."""
FEW, MANY = 5, 105
CONNECTIONS = 5_000
_WARM = 50
_SETTLE_SECONDS = 1.5
_PERIOD_SECONDS = 60.0
"""Each connection has three heartbeats in that time, and its session is kept once."""
_PERCENT = 100


async def measure(run: Run) -> list[Figure]:
    """Hold connections of users with few conversations, and beside them some of users with many."""
    raise_descriptor_limit()
    count = CONNECTIONS // 5 if run.quick else CONNECTIONS
    async with serve(run.folder / "idle") as service:
        few = [f"few-{number}" for number in range(count)]
        many = [f"many-{number}" for number in range(GROUP)]
        await create_conversations(service, few, FEW)
        await create_conversations(service, many, MANY)
        (await Audience.join(service, [f"warm-{number}" for number in range(_WARM)])).leave()
        with_few, audience = await _hold(service, few)
        busy = await _watch(service, 5.0 if run.quick else _PERIOD_SECONDS)
        with_many, others = await _hold(service, many)
        audience.leave()
        others.leave()
    further = (with_many - with_few) / (MANY - FEW)
    return [
        Figure(name=f"idle: memory of a connection, {FEW} conversations", value=with_few, unit="KiB", at_most=15),
        Figure(name="idle: memory of a further conversation", value=further, unit="KiB", at_most=0.35),
        Figure(name=f"idle: CPU of {count:,} connections", value=busy * _PERCENT, unit="%", at_most=3),
    ]


async def create_conversations(service: Service, users: Sequence[str], each: int) -> None:
    for first in range(0, len(users), GROUP):
        for _ in range(each):
            await service.create_conversation("owner", users[first : first + GROUP])


async def _hold(service: Service, users: list[str]) -> tuple[float, Audience]:
    """Connect all of them; return how much memory in KiB each added, once all are idle."""
    await asyncio.sleep(_SETTLE_SECONDS)
    before = service.rss_bytes
    audience = await Audience.join(service, users)
    await asyncio.sleep(_SETTLE_SECONDS)
    return (service.rss_bytes - before) / len(users) / 1024, audience


async def _watch(service: Service, seconds: float) -> float:
    """Return the share of a core that it takes while nothing happens but heartbeats."""
    before, begun = service.cpu_seconds, time.perf_counter()
    await asyncio.sleep(seconds)
    return (service.cpu_seconds - before) / (time.perf_counter() - begun)
