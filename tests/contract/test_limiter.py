"""What every limiter does, the one in memory and the one on Redis. Time moves by hand, except for Redis' own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.adapters.memory.limiter import LocalOnly, MemoryLimiter
from sanctum_messaging.adapters.redis.connection import open_redis
from sanctum_messaging.domain.limits import Charge, Level, Limit, Scope
from tests.redis_limiting import limiting, take

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sanctum_messaging.ports.limiter import Limiter
    from tests.conftest import HandClock

DAY_MS = 86_400_000
SEND = Limit("send-user", Scope.USER, 3, DAY_MS)
DEVICE = Limit("send-device", Scope.DEVICE, 2, DAY_MS)


@pytest.fixture(params=["memory", "redis"])
def limiter(request: pytest.FixtureRequest) -> Limiter:
    found: Limiter = request.getfixturevalue(f"{request.param}_limiter")
    return found


@pytest.fixture
def memory_limiter(clock: HandClock) -> Limiter:
    return LocalOnly(MemoryLimiter(clock))


@pytest.fixture
async def redis_limiter(valkey_url: str) -> AsyncGenerator[Limiter]:
    redis = open_redis(valkey_url)
    async with limiting(redis) as limiter:
        yield limiter
    await redis.aclose()


async def test_exactly_max_pass_at_once(limiter: Limiter) -> None:
    charges = [Charge(SEND, "ann")]
    verdicts = [await take(limiter, charges) for _ in range(5)]
    assert [verdict.refused for verdict in verdicts] == [None, None, None, SEND, SEND]
    assert [verdict.levels[0].remaining for verdict in verdicts] == [2, 1, 0, 0, 0]
    assert all(0 < verdict.retry_after_ms <= DAY_MS / 3 for verdict in verdicts[3:])
    assert verdicts[0].retry_after_ms == 0


async def test_nothing_is_taken_from_any_limit_if_one_refuses(limiter: Limiter) -> None:
    both = [Charge(SEND, "ann"), Charge(DEVICE, "ann's phone")]
    for _ in range(2):
        assert (await take(limiter, both)).refused is None
    for _ in range(4):
        verdict = await take(limiter, both)
        assert verdict.refused == DEVICE
        assert [level.remaining for level in verdict.levels] == [1, 0]
    assert (await take(limiter, [Charge(SEND, "ann"), Charge(DEVICE, "ann's tablet")])).refused is None
    assert (await take(limiter, [Charge(SEND, "ann")])).refused == SEND


async def test_the_limit_that_has_to_be_waited_for_longest_is_named(limiter: Limiter) -> None:
    short = Limit("short", Scope.SESSION, 1, DAY_MS // 2)
    long = Limit("long", Scope.USER, 1, DAY_MS)
    charges = [Charge(short, "ann"), Charge(long, "ann"), Charge(SEND, "ann")]
    assert (await take(limiter, charges)).refused is None
    verdict = await take(limiter, charges)
    assert verdict.refused == long
    assert DAY_MS - 60_000 <= verdict.retry_after_ms <= DAY_MS
    assert [level.limit for level in verdict.levels] == [short, long, SEND]


async def test_looking_takes_nothing(limiter: Limiter) -> None:
    charges = [Charge(SEND, "ann"), Charge(DEVICE, "ann")]
    assert await limiter.look(charges) == (Level(SEND, 3, 0), Level(DEVICE, 2, 0))
    await take(limiter, charges)
    looks = [await limiter.look(charges) for _ in range(5)]
    assert {tuple(level.remaining for level in look) for look in looks} == {(2, 1)}
    assert all(0 < look[0].reset_ms <= DAY_MS / 3 for look in looks)


async def test_the_last_one_of_a_billion_is_not_lost(limiter: Limiter) -> None:
    for interval_ms in (1_000, 1_001, DAY_MS - 1):
        limit = Limit(f"billion-{interval_ms}", Scope.USER, 10**9, interval_ms)
        verdict = await take(limiter, [Charge(limit, "ann")])
        assert verdict.refused is None
        assert verdict.levels == (Level(limit, 10**9 - 1, 1),)
        assert (await take(limiter, [Charge(limit, "bob")])).levels == verdict.levels


@pytest.mark.parametrize(
    ("key", "other"),
    [
        ("ann", "bob"),
        ("a:b", "a"),
        ("{limits}", "limits"),
        ("*", "x"),
        ("a\x00b", "a"),
        ("a\r\nb", "a\nb"),
        ("\ud800", "\udfff"),
        ("\U0001f600" * 5_000, "\U0001f600" * 5_001),
        ("", " "),
    ],
)
async def test_any_text_may_be_a_key_and_each_has_its_own_bucket(limiter: Limiter, key: str, other: str) -> None:
    once = Limit("once", Scope.USER, 1, DAY_MS)
    assert (await take(limiter, [Charge(once, key)])).refused is None
    assert (await take(limiter, [Charge(once, other)])).refused is None
    assert (await take(limiter, [Charge(once, key)])).refused == once


async def test_limits_of_different_names_have_different_buckets(limiter: Limiter) -> None:
    for name in ("one", "two", "one:", "Zoë"):
        limit = Limit(name, Scope.USER, 1, DAY_MS)
        assert (await take(limiter, [Charge(limit, "ann")])).refused is None


async def test_of_calls_at_the_same_time_exactly_max_pass_and_the_first_ones(limiter: Limiter) -> None:
    ended: list[int] = []

    async def call(number: int) -> bool:
        passed = (await take(limiter, [Charge(SEND, "ann"), Charge(DEVICE, f"device-{number}")])).refused is None
        ended.append(number)
        return passed

    passed = await asyncio.gather(*map(call, range(300)))
    assert passed == [True] * 3 + [False] * 297
    assert ended == list(range(300))
