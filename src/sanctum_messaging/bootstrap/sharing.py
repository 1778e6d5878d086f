"""What instances tell one another, and by what; with one process, or without Redis, there is less of it."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from sanctum_messaging.adapters.memory.bus import LocalBus
from sanctum_messaging.adapters.memory.limiter import LocalOnly, MemoryLimiter
from sanctum_messaging.bootstrap.storage import ResumeStates, check_driver
from sanctum_messaging.config import ConfigError, Fault
from sanctum_messaging.ports.bus import Bus
from sanctum_messaging.ports.resume_store import Takeover

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from sanctum_messaging.bootstrap.storage import Shared, Storage
    from sanctum_messaging.config import Config
    from sanctum_messaging.domain.model import Actor
    from sanctum_messaging.hub.callables import LoadResumeState
    from sanctum_messaging.observability.metrics import Reading
    from sanctum_messaging.ports.bus import Listener
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.ports.limiter import Limiter, LocalLimiter
    from sanctum_messaging.ports.participant_cache import SharedParticipants
    from sanctum_messaging.ports.resume_store import ResumeState

SWEEP_SECONDS = 0.25
"""How often the database is looked at where nothing tells of what others append: the delay of a message, at most."""
SWEEP_HEARD_SECONDS = 1.0
"""How often it is looked at though the bus is heard: what a lost message of the bus costs, at most."""


class AttachedBus(Bus, Protocol):
    """A bus that hands on what it brings."""

    def attach(self, listener: Listener) -> None:
        """Have a hub hear of everything from now on."""
        ...


async def _nothing() -> None:
    """There is no link to keep up."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """How this instance hears of the others; ``run`` keeps the link up until it is cancelled."""

    bus: AttachedBus
    resume_states: ResumeStates
    limiter: Limiter
    """Counts for all instances where they share a Redis, and for this one otherwise."""
    local_limiter: LocalLimiter
    """Counts for this instance, whatever the others do."""
    participants: SharedParticipants | None = None
    run: Callable[[], Awaitable[None]] = _nothing
    sweep_seconds: Callable[[], float | None] = lambda: None
    is_heard: Callable[[], bool] = lambda: True
    """Whether what others append is told at once; while it is not, nothing is kept in memory that they may change."""
    readings: Sequence[Reading] = ()
    faults: Callable[[], tuple[str, ...]] = field(default=lambda: ())


@asynccontextmanager
async def open_sharing(config: Config, storage: Storage, clock: Clock) -> AsyncGenerator[Sharing]:
    """Prepare what instances share. A Redis that can't be reached heals later, and is missed by nobody meanwhile.

    Raises:
        ConfigError: the address of Redis makes no sense.
    """
    local = MemoryLimiter(clock)
    alone = Sharing(LocalBus(), storage.resume_states, LocalOnly(local), local)
    if storage.shared is None:
        yield alone
    elif config.redis_url is None:
        yield replace(alone, sweep_seconds=lambda: SWEEP_SECONDS, is_heard=lambda: False)
    else:
        check_driver("redis", "REDIS_URL", "redis")
        async with _open_redis(config, config.redis_url, storage.shared, clock=clock, local=local) as sharing:
            yield sharing


@asynccontextmanager
async def _open_redis(
    config: Config, url: str, shared: Shared, *, clock: Clock, local: LocalLimiter
) -> AsyncGenerator[Sharing]:
    from sanctum_messaging.adapters.redis.bus import RedisBus  # noqa: PLC0415 # The driver is optional.
    from sanctum_messaging.adapters.redis.connection import open_redis  # noqa: PLC0415 # As above.
    from sanctum_messaging.adapters.redis.limiter import RedisLimiter  # noqa: PLC0415 # As above.
    from sanctum_messaging.adapters.redis.participants import RedisParticipants  # noqa: PLC0415 # As above.
    from sanctum_messaging.adapters.redis.resume_store import create_redis_resume_store  # noqa: PLC0415 # As above.
    from sanctum_messaging.bootstrap.readings.bus import bus_readings  # noqa: PLC0415 # It names the bus' counts.
    from sanctum_messaging.bootstrap.readings.limiter import limiter_readings  # noqa: PLC0415 # As above.
    from sanctum_messaging.bootstrap.readings.redis import redis_readings  # noqa: PLC0415 # As above.

    try:
        redis = open_redis(url)
    except ValueError as error:
        raise ConfigError(Fault("REDIS_URL", str(error))) from error
    key = hashlib.sha256((config.bus_secret or shared.bus_key).encode()).digest()
    instance = secrets.token_hex(8)
    bus = RedisBus(redis, clock, log_id=shared.log_id, key=key, instance=instance)
    limiter = RedisLimiter(redis, clock, local, instance=instance)
    resume_states, participants = create_redis_resume_store(redis=redis, clock=clock), RedisParticipants(redis)
    outages = [limiter.outage, *(each.availability.outage for each in (resume_states, participants))]
    try:
        yield Sharing(
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
    finally:
        await redis.aclose()


def _together(*runs: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """Run several things as one, until it is cancelled or one of them fails."""

    async def run_all() -> None:
        async with asyncio.TaskGroup() as tasks:
            for each in runs:
                tasks.create_task(_run_one(each))

    return run_all


async def _run_one(run: Callable[[], Awaitable[None]]) -> None:
    await run()


def announcing(load: LoadResumeState, bus: Bus) -> LoadResumeState:
    """Take sessions over in the hearing of all instances, so that the old socket ends at once."""

    async def load_resume_state(resume_token: str, actor: Actor) -> tuple[ResumeState, str] | None:
        found = await load(resume_token, actor)
        if found is not None:
            state, token = found
            bus.announce(Takeover(token.partition(".")[0], state.generation))
        return found

    return load_resume_state
