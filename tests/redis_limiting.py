"""A limiter on Redis that runs."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sanctum_messaging.adapters.memory.limiter import MemoryLimiter
from sanctum_messaging.adapters.redis.limiter import RedisLimiter
from sanctum_messaging.adapters.system import SystemClock
from sanctum_messaging.domain.limits import Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from redis.asyncio import Redis

    from sanctum_messaging.domain.limits import Charge
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.ports.limiter import Limiter

LOG = "log-1"
_numbers = itertools.count(1)


@asynccontextmanager
async def limiting(
    redis: Redis, *, clock: Clock | None = None, log_id: str = LOG, answer_seconds: float = 60
) -> AsyncGenerator[RedisLimiter]:
    """Run a limiter that Redis answers. On a busy machine Redis may take its time, which is no fault here."""
    clock = clock or SystemClock()
    name = f"instance-{next(_numbers)}"
    local = MemoryLimiter(clock)
    limiter = RedisLimiter(redis, clock, local, log_id=log_id, instance=name, answer_seconds=answer_seconds)
    task = asyncio.create_task(limiter.run())
    try:
        await until(lambda: limiter.is_reachable)
        yield limiter
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def take(limiter: Limiter, charges: Sequence[Charge]) -> Verdict:
    """Take, and wait for the verdict if there is none at once."""
    verdict = limiter.take(charges)
    return verdict if isinstance(verdict, Verdict) else await verdict


async def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition; the time limit of the suite ends it."""
    while not holds():  # noqa: ASYNC110 - what is waited for sets no event
        await asyncio.sleep(0.005)
