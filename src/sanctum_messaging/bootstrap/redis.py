"""What instances share in a Redis or Valkey."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sanctum_messaging.adapters.redis.bus import RedisBus
from sanctum_messaging.adapters.redis.connection import close_redis, open_redis
from sanctum_messaging.adapters.redis.limiter import RedisLimiter
from sanctum_messaging.adapters.redis.participants import RedisParticipants
from sanctum_messaging.adapters.redis.resume_store import create_redis_resume_store
from sanctum_messaging.bootstrap.readings.bus import bus_readings
from sanctum_messaging.bootstrap.readings.limiter import limiter_readings
from sanctum_messaging.bootstrap.readings.redis import redis_readings
from sanctum_messaging.bootstrap.sharing import SWEEP_HEARD_SECONDS, SWEEP_SECONDS, Sharing
from sanctum_messaging.config import ConfigError, Fault

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from redis.asyncio import Redis

    from sanctum_messaging.bootstrap.storage import Shared
    from sanctum_messaging.config import Config
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.ports.limiter import LocalLimiter


@asynccontextmanager
async def open_redis_sharing(
    config: Config, url: str, shared: Shared, *, clock: Clock, local: LocalLimiter
) -> AsyncGenerator[Sharing]:
    """Prepare what is shared; nothing is connected before it is used.

    Raises:
        ConfigError: the address of Redis makes no sense.
    """
    try:
        redis = open_redis(url)
    except ValueError as error:
        raise ConfigError(Fault("REDIS_URL", str(error))) from error
    instance = secrets.token_hex(8)
    key = hashlib.sha256((config.bus_secret or shared.bus_key).encode()).digest()
    bus = RedisBus(redis, clock, log_id=shared.log_id, key=key, instance=instance)
    limiter = RedisLimiter(redis, clock, local, log_id=shared.log_id, instance=instance)
    try:
        yield _share(redis, clock, bus=bus, limiter=limiter, local=local)
    finally:
        await close_redis(redis)


def _share(redis: Redis, clock: Clock, *, bus: RedisBus, limiter: RedisLimiter, local: LocalLimiter) -> Sharing:
    resume_states, participants = create_redis_resume_store(redis=redis, clock=clock), RedisParticipants(redis)
    outages = [limiter.outage, *(each.availability.outage for each in (resume_states, participants))]
    return Sharing(
        bus,
        resume_states,
        limiter,
        local,
        participants,
        run=_together(bus.run, limiter.run),
        sweep_seconds=lambda: SWEEP_HEARD_SECONDS if bus.healthy else SWEEP_SECONDS,
        is_heard=lambda: bus.healthy,
        readings=[*bus_readings(bus), *limiter_readings(limiter), *redis_readings(outages)],
        faults=lambda: () if bus.healthy else ("bus_silent",),
    )


def _together(*runs: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """Run several things as one, until it is cancelled or one of them fails."""

    async def run_all() -> None:
        async with asyncio.TaskGroup() as tasks:
            for each in runs:
                tasks.create_task(_run_one(each))

    return run_all


async def _run_one(run: Callable[[], Awaitable[None]]) -> None:
    await run()
