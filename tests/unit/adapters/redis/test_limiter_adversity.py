"""What the limiter does when callers go away, and when what answers is not its script."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from sanctum_messaging.domain.limits import Charge, Limit, Scope
from tests.redis_limiting import limiting, take, until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from tests.conftest import HandClock

ONCE = Limit("once", Scope.USER, 1, 86_400_000)


async def test_for_a_caller_who_gave_up_nothing_is_taken_here_either(redis: Redis) -> None:
    """The connection is lost while he waits, and whoever waits is decided by this instance."""
    is_over = asyncio.Event()

    async def lose_connection(**_: object) -> bytes:
        await is_over.wait()
        raise RedisConnectionError

    async with limiting(redis) as limiter:
        limiter._script = lose_connection  # type: ignore[assignment]  # it is called like one
        first = asyncio.create_task(take(limiter, [Charge(ONCE, "first")]))
        await until(lambda: limiter.counts.batches > 0)
        leaving = asyncio.create_task(take(limiter, [Charge(ONCE, "ann")]))
        await until(lambda: limiter.counts.checks == 2)
        leaving.cancel()
        await asyncio.wait([leaving])
        is_over.set()
        await first
        await until(lambda: not limiter._queue)
        assert leaving.cancelled()
        assert limiter.counts.local == 1


async def test_nobody_waits_long_for_those_before_him(redis: Redis, clock: HandClock) -> None:
    """Redis answers in time, but slowly, and many wait: whose turn has not come by then is decided by this instance."""
    is_over = asyncio.Event()

    async with limiting(redis, clock=clock) as limiter:
        script = limiter._script

        async def answer_late(keys: Sequence[bytes], args: Sequence[bytes]) -> object:
            await is_over.wait()
            return await script(keys=keys, args=args)

        limiter._script = answer_late  # type: ignore[assignment]  # it is called like one
        first = asyncio.create_task(take(limiter, [Charge(ONCE, "first")]))
        await until(lambda: limiter.counts.batches > 0)
        others = [asyncio.create_task(take(limiter, [Charge(ONCE, f"user-{number}")])) for number in range(300)]
        await until(lambda: limiter.counts.checks == 301)
        clock.advance(61)
        late = asyncio.create_task(take(limiter, [Charge(ONCE, "late")]))
        await until(lambda: limiter.counts.checks == 302)
        is_over.set()
        await asyncio.gather(first, *others, late)
        assert (limiter.counts.local, limiter.counts.batches) == (300, 2)
        assert (await take(limiter, [Charge(ONCE, "user-0")])).refused == ONCE, "Redis is told of what passed"


@pytest.mark.parametrize("answer", ["5", "nil", "'x'", "{1, 2}", "cmsgpack.pack({})", "cmsgpack.pack({1, 2, 3})"])
async def test_an_answer_that_makes_no_sense_is_none(redis: Redis, answer: str) -> None:
    """Such as one that was meant for somebody else: nothing depends on Redis."""
    async with limiting(redis) as limiter:
        script = limiter._script
        limiter._script = redis.register_script(f"return {answer}")
        assert (await take(limiter, [Charge(ONCE, "ann")])).refused is None
        assert limiter.counts.local == 1
        assert limiter._is_running
        limiter._script = script
        await until(lambda: limiter.is_reachable)
