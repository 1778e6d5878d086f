"""What a check of four rate limits costs: in this process, and counted on a Valkey for all instances."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, TypeAlias

from bench.figures import Figure
from bench.measuring import Run, median, micros, read_cpu_seconds
from sanctum_messaging.adapters import redis as adapter
from sanctum_messaging.adapters.memory.limiter import MemoryLimiter
from sanctum_messaging.adapters.redis.connection import open_redis
from sanctum_messaging.adapters.redis.limit_batch import Batch, Check
from sanctum_messaging.adapters.redis.limiter import RedisLimiter
from sanctum_messaging.adapters.system import SystemClock
from sanctum_messaging.domain.limits import Charge, Limit, Scope, Verdict
from tests.servers.valkey import open_valkey

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from redis.asyncio import Redis

    from tests.servers.valkey import ValkeyServer

Take: TypeAlias = "Callable[[Sequence[Charge]], Verdict | Awaitable[Verdict]]"

CALLERS = 64
USERS = 500
_LIMITS = tuple(Limit(f"limit-{scope}", scope, 1_000_000, 60_000) for scope in Scope)
_SPENT = tuple(Limit(f"spent-{scope}", scope, 1, 86_400_000) for scope in Scope)
_ONE_BY_ONE = "one EVALSHA of the same script for each check"


@dataclass(slots=True)
class _Cost:
    """Processor time per check."""

    own: float
    server: float
    per_second: float


async def measure(run: Run) -> list[Figure]:
    """Let 64 callers check all the time, batched and one by one in turn; and the same in memory."""
    accepted, refused = _measure_memory(run, _LIMITS), _measure_memory(run, _SPENT)
    batched: list[_Cost] = []
    alone: list[_Cost] = []
    with open_valkey() as valkey:
        redis, others = open_redis(valkey.url), open_redis(valkey.url)
        clock = SystemClock()
        limiter = RedisLimiter(redis, clock, MemoryLimiter(clock), log_id="bench", instance="bench")
        running = asyncio.create_task(limiter.run())
        while not limiter.is_reachable:  # noqa: ASYNC110 - it sets no event
            await asyncio.sleep(0.01)
        for _ in range(run.rounds):
            batched.append(await _measure_callers(run, limiter.take, valkey))
            alone.append(await _measure_callers(run, _one_by_one(others), valkey))
        checks, local, batches = limiter.counts.checks, limiter.counts.local, limiter.counts.batches
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await redis.aclose()
        await others.aclose()
    assert local == 0, "Valkey did not answer in time"
    return [
        Figure(name="limiter: CPU of a check in memory", value=micros(accepted), unit="µs"),
        Figure(name="limiter: CPU of a refusal in memory", value=micros(refused), unit="µs"),
        *_shared_figures(batched, alone),
        Figure(name="limiter: checks in a round trip", value=checks / batches, unit="1"),
    ]


def _shared_figures(batched: Sequence[_Cost], alone: Sequence[_Cost]) -> list[Figure]:
    def middle(costs: Sequence[_Cost], of: Callable[[_Cost], float]) -> float:
        return median([of(cost) for cost in costs])

    rows: list[tuple[str, str, Callable[[_Cost], float], float | None]] = [
        (f"limiter: CPU of a shared check, {CALLERS} callers", "µs", lambda cost: micros(cost.own), 60),
        (f"limiter: CPU of Valkey, {CALLERS} callers", "µs", lambda cost: micros(cost.server), None),
        (f"limiter: shared checks, {CALLERS} callers", "1/s", lambda cost: cost.per_second, None),
    ]
    return [
        Figure(
            name=name,
            value=middle(batched, of),
            unit=unit,
            baseline=middle(alone, of),
            against=_ONE_BY_ONE,
            at_most=at_most,
        )
        for name, unit, of, at_most in rows
    ]


def _measure_memory(run: Run, limits: Sequence[Limit]) -> float:
    """Return the processor time of a check of callers who have been there before."""
    limiter = MemoryLimiter(SystemClock())
    checks = [tuple([Charge(limit, f"user-{number}") for limit in limits]) for number in range(USERS)]
    costs = []
    for _ in range(run.rounds * 20):
        begun = time.process_time()
        for charges in checks:
            limiter.take(charges)
        costs.append((time.process_time() - begun) / USERS)
    return median(costs)


async def _measure_callers(run: Run, take: Take, valkey: ValkeyServer) -> _Cost:
    before, theirs, begun = time.process_time(), read_cpu_seconds(valkey.pid), time.perf_counter()
    made = await asyncio.gather(*(_call(take, caller, begun + run.seconds) for caller in range(CALLERS)))
    own, server, took = (
        time.process_time() - before,
        read_cpu_seconds(valkey.pid) - theirs,
        time.perf_counter() - begun,
    )
    return _Cost(own / sum(made), server / sum(made), sum(made) / took)


async def _call(take: Take, caller: int, until: float) -> int:
    """Check as one user after the other; return how often."""
    checks = [[Charge(limit, f"user-{caller}-{number}") for limit in _LIMITS] for number in range(USERS // CALLERS)]
    for made, charges in enumerate(itertools.cycle(checks)):
        if time.perf_counter() >= until:
            return made
        verdict = take(charges)
        if not isinstance(verdict, Verdict):
            await verdict
    raise AssertionError


def _one_by_one(redis: Redis) -> Take:
    script = redis.register_script(files(adapter).joinpath("limiter.lua").read_text("utf-8"))

    async def take(charges: Sequence[Charge]) -> Verdict:
        batch = Batch("bench", lambda _: 0)
        batch.add(Check(charges, takes=True, answer=asyncio.get_running_loop().create_future()))
        return batch.read(await script(keys=batch.keys, args=[batch.encode("")]))[1][0].verdict()

    return take
