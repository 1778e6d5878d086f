"""What instances tell one another, and by what; with one process, or without Redis, there is less of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from sanctum_messaging.adapters.memory.bus import LocalBus
from sanctum_messaging.adapters.memory.limiter import LocalOnly, MemoryLimiter
from sanctum_messaging.bootstrap.storage import ResumeStates, check_driver
from sanctum_messaging.ports.bus import Bus
from sanctum_messaging.ports.resume_store import Takeover

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from sanctum_messaging.bootstrap.storage import Storage
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
        from sanctum_messaging.bootstrap.redis import open_redis_sharing  # noqa: PLC0415 # The driver is optional.

        url, shared = config.redis_url, storage.shared
        async with open_redis_sharing(config, url, shared, clock=clock, local=local) as sharing:
            yield sharing


def announcing(load: LoadResumeState, bus: Bus) -> LoadResumeState:
    """Take sessions over in the hearing of all instances, so that the old socket ends at once."""

    async def load_resume_state(resume_token: str, actor: Actor) -> tuple[ResumeState, str] | None:
        found = await load(resume_token, actor)
        if found is not None:
            state, token = found
            bus.announce(Takeover(token.partition(".")[0], state.generation))
        return found

    return load_resume_state
