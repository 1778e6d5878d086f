"""What the contract (tests/contract/test_limiter.py) does not say: several instances, shared round trips, faults."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.adapters.memory.limiter import MemoryLimiter
from sanctum_messaging.adapters.redis import limiter as module
from sanctum_messaging.adapters.redis.connection import open_redis
from sanctum_messaging.adapters.redis.limiter import RedisLimiter
from sanctum_messaging.domain.limits import Charge, Limit, Scope
from tests.conftest import HandClock
from tests.redis_limiting import LOG, limiting, take, until
from tests.servers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from redis.asyncio import Redis

    from sanctum_messaging.ports.limiter import Limiter
    from tests.servers.valkey import ValkeyServer

DAY_MS = 86_400_000
SEND = Limit("send-user", Scope.USER, 20, DAY_MS)
ONCE = Limit("once", Scope.USER, 1, DAY_MS)
ANN = [Charge(SEND, "ann")]
INSTANCES = f"sanctum:limits:{{{LOG}}}:instances"


@pytest.fixture
async def here(redis: Redis) -> AsyncGenerator[RedisLimiter]:
    async with limiting(redis) as limiter:
        yield limiter


@pytest.fixture
async def there(here: RedisLimiter, valkey_url: str) -> AsyncGenerator[RedisLimiter]:
    redis = open_redis(valkey_url)
    async with limiting(redis) as limiter:
        yield limiter
    await redis.aclose()


async def count_passed(*limiters: Limiter, calls: int = 40) -> int:
    taken = [take(limiter, ANN) for _ in range(calls) for limiter in limiters]
    return sum(verdict.refused is None for verdict in await asyncio.gather(*taken))


async def buckets(redis: Redis) -> list[bytes]:
    return [key for key in await redis.keys() if isinstance(key, bytes) and b"instances" not in key]


async def calls_of_script(redis: Redis) -> int:
    found = await redis.info("commandstats")
    return int(found.get("cmdstat_evalsha", {}).get("calls", 0))


async def under_way(limiter: RedisLimiter) -> None:
    """Return in the moment in which the first batch is on its way, and can't have been answered."""
    while limiter.counts.batches == 0:  # noqa: ASYNC110 - each turn of the loop is looked at
        await asyncio.sleep(0)


async def learn_of_each_other(*limiters: RedisLimiter) -> None:
    for limiter in limiters:
        await limiter.show()
    for limiter in limiters:
        await limiter.show()


async def test_two_instances_are_exact_together(here: RedisLimiter, there: RedisLimiter) -> None:
    assert await count_passed(here, there) == SEND.max
    assert here.counts.local == there.counts.local == 0


async def test_installations_that_share_a_redis_count_apart(here: RedisLimiter, redis: Redis) -> None:
    assert await count_passed(here) == SEND.max
    async with limiting(redis, log_id="log-2") as other:
        await learn_of_each_other(here, other)
        assert here.instances == other.instances == 1
        assert await count_passed(other) == SEND.max


async def test_the_clocks_of_the_instances_do_not_matter(redis: Redis) -> None:
    early, late = HandClock(), HandClock()
    late.advance(3 * DAY_MS / 1000)
    async with limiting(redis, clock=early) as here, limiting(redis, clock=late) as there:
        assert await count_passed(here) == SEND.max
        assert await count_passed(there) == 0
        assert (await there.look(ANN))[0].reset_ms > DAY_MS / 2


async def test_calls_at_the_same_time_share_a_round_trip(here: RedisLimiter, redis: Redis) -> None:
    before = await calls_of_script(redis)
    await asyncio.gather(*(take(here, [Charge(SEND, f"user-{number}")]) for number in range(100)))
    assert here.counts.batches == 1
    # One of these may be the instance showing itself.
    assert await calls_of_script(redis) - before <= 2


async def test_calls_during_a_round_trip_share_the_next(here: RedisLimiter) -> None:
    first = asyncio.create_task(take(here, [Charge(SEND, "first")]))
    await under_way(here)
    assert not first.done()
    await asyncio.gather(*(take(here, [Charge(SEND, f"user-{number}")]) for number in range(100)), first)
    assert here.counts.batches == 2


async def test_who_was_refused_is_refused_again_without_a_call(here: RedisLimiter) -> None:
    charges = [Charge(ONCE, "ann"), Charge(SEND, "ann")]
    assert (await take(here, charges)).refused is None
    refused = await take(here, charges)
    batches = here.counts.batches
    for _ in range(100):
        again = await take(here, charges)
        assert again.refused == ONCE
        assert refused.retry_after_ms - 60_000 < again.retry_after_ms <= refused.retry_after_ms
        assert [level.remaining for level in again.levels] == [0, SEND.max - 1]
    assert here.counts.batches == batches
    assert here.counts.remembered == 100


async def test_what_is_remembered_of_refusals_is_bounded(redis: Redis, clock: HandClock) -> None:
    async with limiting(redis, clock=clock) as limiter:
        limiter._refusals._max_refusals = 10
        for number in range(50):
            for _ in range(2):
                await take(limiter, [Charge(ONCE, f"user-{number}")])
        assert len(limiter._refusals) == 10


async def test_a_refusal_is_not_remembered_beyond_its_end(redis: Redis, clock: HandClock) -> None:
    async with limiting(redis, clock=clock) as limiter:
        await take(limiter, [Charge(ONCE, "ann")])
        verdict = await take(limiter, [Charge(ONCE, "ann")])
        clock.advance(verdict.retry_after_ms / 1000 - 0.002)
        assert 0 < (await take(limiter, [Charge(ONCE, "ann")])).retry_after_ms <= 3
        batches = limiter.counts.batches
        clock.advance(0.003)
        # Redis' own clock did not move.
        assert (await take(limiter, [Charge(ONCE, "ann")])).refused == ONCE
        assert limiter.counts.batches == batches + 1
        assert len(limiter._refusals) == 1


async def test_callers_resume_in_the_order_of_their_calls_whoever_decided(here: RedisLimiter) -> None:
    known, unknown = [Charge(ONCE, "ann")], [Charge(SEND, "bob")]
    for _ in range(2):
        await take(here, known)
    ended: list[int] = []

    async def call(number: int) -> None:
        await take(here, unknown if number % 3 == 0 else known)
        ended.append(number)

    async def come_later(number: int) -> None:
        await until(lambda: len(ended) > 0)
        ended.append(number)
        # Others were answered and have not resumed yet, so that this must not be answered at once.
        await take(here, known)

    async with asyncio.TaskGroup() as tasks:
        for number in range(400):
            tasks.create_task(call(number))
        later = [tasks.create_task(come_later(1000 + number)) for number in range(5)]
    assert [number for number in ended if number < 1000] == list(range(400))
    assert all(task.done() for task in later)


async def test_for_a_caller_who_gave_up_nothing_is_taken(here: RedisLimiter) -> None:
    first = asyncio.create_task(take(here, [Charge(SEND, "first")]))
    await under_way(here)
    leaving = asyncio.create_task(take(here, [Charge(ONCE, "ann")]))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(first, leaving, return_exceptions=True)
    assert leaving.cancelled()
    assert (await take(here, [Charge(ONCE, "ann")])).refused is None


async def test_more_than_may_wait_are_decided_here_at_once(here: RedisLimiter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 10)
    verdicts = await asyncio.gather(*(take(here, [Charge(SEND, f"user-{number}")]) for number in range(50)))
    assert all(verdict.refused is None for verdict in verdicts)
    assert here.counts.local == 40


async def test_keys_are_in_one_slot_and_go_in_time(here: RedisLimiter, redis: Redis) -> None:
    short = Limit("short", Scope.USER, 4, 4_000)
    await take(here, [Charge(short, "ann{x}"), *ANN])
    keys = await buckets(redis)
    assert len(keys) == 2
    assert all(key.startswith(b"sanctum:limits:{log-1}:") for key in keys)
    left = sorted([await redis.pttl(key) for key in keys])
    assert left[0] <= 1_000
    assert 0 < left[1] <= DAY_MS / SEND.max
    assert 0 < await redis.pttl(INSTANCES) <= 10_000


@pytest.mark.parametrize("damage", ["", "x", "1:", "1:2:3", "-1:0", "99999999999999:0", "9" * 400 + ":0"])
async def test_what_somebody_else_wrote_there_ends_by_itself(damage: str, here: RedisLimiter, redis: Redis) -> None:
    await take(here, ANN)
    (key,) = await buckets(redis)
    await redis.set(key, damage)
    verdict = await take(here, ANN)
    assert verdict.retry_after_ms <= DAY_MS / SEND.max


async def test_a_limit_that_was_lowered_refuses_no_longer_than_itself(here: RedisLimiter, there: RedisLimiter) -> None:
    assert await count_passed(here) == SEND.max
    lowered = Limit(SEND.name, Scope.USER, 10, 10_000)
    verdict = await take(there, [Charge(lowered, "ann")])
    assert verdict.refused == lowered
    assert verdict.retry_after_ms <= 1_000


async def test_instances_are_counted_until_they_show_themselves_no_more(
    here: RedisLimiter, there: RedisLimiter, redis: Redis
) -> None:
    await learn_of_each_other(here, there)
    assert here.instances == there.instances == 2
    now, _ = await redis.time()
    await redis.zadd(INSTANCES, {"gone": (now - 11) * 1000, "ahead": (now + 3600) * 1000})
    await learn_of_each_other(here)
    assert here.instances == 2


async def test_fewer_instances_are_believed_only_after_all_had_time_to_show_themselves(
    redis: Redis, clock: HandClock
) -> None:
    here, there = (
        RedisLimiter(redis, clock, MemoryLimiter(clock), log_id=LOG, instance=name) for name in ("here", "there")
    )
    await learn_of_each_other(here, there)
    await redis.flushall()
    await here.show()
    clock.advance(9)
    await here.show()
    assert here.instances == 2
    clock.advance(2)
    await here.show()
    assert here.instances == 1


async def test_an_emptied_redis_with_no_script_is_no_fault(here: RedisLimiter, redis: Redis) -> None:
    await count_passed(here)
    await redis.flushall()
    await redis.script_flush()
    assert await count_passed(here) <= SEND.max
    assert (await take(here, [Charge(ONCE, "bob")])).refused is None
    assert here.outage.failures == here.counts.local == 0


async def test_before_redis_was_ever_there_the_instance_counts_by_itself(clock: HandClock) -> None:
    redis = open_redis("redis://127.0.0.1:1")
    limiter = RedisLimiter(redis, clock, MemoryLimiter(clock), log_id=LOG, instance="alone")
    assert await count_passed(limiter) == SEND.max
    assert (await limiter.look(ANN))[0].remaining == 0
    task = asyncio.create_task(limiter.run())
    await until(lambda: limiter.outage.failures > 0)
    assert await count_passed(limiter) == 0
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await redis.aclose()


async def test_while_redis_is_down_each_instance_counts_its_share(
    here: RedisLimiter, there: RedisLimiter, valkey_server: ValkeyServer
) -> None:
    await learn_of_each_other(here, there)
    valkey_server.kill()
    assert await count_passed(here) == await count_passed(there) == SEND.max // 2
    verdict = await take(here, ANN)
    assert verdict.refused is SEND
    assert verdict.levels[0].limit is SEND
    assert not here.is_reachable
    valkey_server.start()
    await until(lambda: here.is_reachable and there.is_reachable)
    # Redis lost everything, and is told what passed meanwhile.
    assert await count_passed(here) == await count_passed(there) == 0
    assert await count_passed(here, there) == 0
    assert (await take(here, [Charge(SEND, "bob")])).refused is None
    assert here.counts.local > 0


async def test_a_redis_that_does_not_answer_is_not_waited_for_twice(
    valkey_server: ValkeyServer, valkey_url: str
) -> None:
    async with Proxy(valkey_server.port) as proxy:
        redis = open_redis(proxy.url(valkey_url))
        async with limiting(redis, answer_seconds=0.25) as limiter:
            assert (await take(limiter, [Charge(ONCE, "ann")])).refused is None
            proxy.hold()
            await take(limiter, [Charge(ONCE, "bob")])
            assert not limiter.is_reachable
            batches = limiter.counts.batches
            assert await count_passed(limiter) == SEND.max
            assert limiter.counts.batches == batches
            proxy.release()
            await until(lambda: limiter.is_reachable)
            assert (await take(limiter, [Charge(ONCE, "ann")])).refused == ONCE
        await redis.aclose()


async def test_whoever_waits_when_it_ends_is_answered(redis: Redis) -> None:
    async with limiting(redis) as limiter:
        waiting = [asyncio.create_task(take(limiter, ANN)) for _ in range(30)]
        await asyncio.sleep(0)
    assert sum([(await each).refused is None for each in waiting]) == SEND.max
    assert (await take(limiter, ANN)).refused == SEND
