from __future__ import annotations

import asyncio

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from structlog.testing import capture_logs

from sanctum_messaging.adapters.redis.availability import MAX_CALLS, Availability


async def answer() -> int:
    await asyncio.sleep(0)
    return 1


class Failing:
    def __init__(self, error: Exception) -> None:
        self.error = error
        self.calls = 0

    async def __call__(self) -> int:
        await asyncio.sleep(0)
        self.calls += 1
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        RedisConnectionError("secret"),
        ResponseError("secret"),
        OSError("secret"),
        RedisTimeoutError("secret"),
        TypeError("secret"),
    ],
)
async def test_a_failure_is_no_answer_counted_and_told_once(error: Exception) -> None:
    availability = Availability("part", pause_seconds=0.0)
    with capture_logs() as lines:
        for _ in range(3):
            assert await availability.ask(Failing(error)) is None
        assert availability.outage.lasts
        assert await availability.ask(answer) == 1
        assert await availability.ask(answer) == 1
    assert availability.outage.failures == 3
    assert lines == [
        {"event": "redis_unavailable", "log_level": "warning", "part": "part", "error": type(error).__name__},
        {"event": "redis_available", "log_level": "info", "part": "part"},
    ]


async def test_a_mistake_of_ours_is_not_taken_for_an_outage() -> None:
    with pytest.raises(KeyError):
        await Availability("part").ask(Failing(KeyError("mistake")))


async def test_nobody_waits_longer_than_a_moment_and_the_next_ones_not_at_all() -> None:
    availability = Availability("part", answer_seconds=0.01, pause_seconds=60)
    assert await availability.ask(asyncio.Event().wait) is None
    call = Failing(OSError())
    assert await availability.ask(call) is None
    assert (call.calls, availability.refused, availability.outage.failures) == (0, 1, 1)


async def test_what_refuses_at_once_is_asked_again_at_once() -> None:
    availability = Availability("part", pause_seconds=60)
    call = Failing(RedisConnectionError())
    await availability.ask(call)
    await availability.ask(call)
    assert call.calls == 2


async def test_a_pause_ends() -> None:
    availability = Availability("part", pause_seconds=0.01)
    await availability.ask(Failing(RedisTimeoutError()))
    while await availability.ask(answer) is None:  # noqa: ASYNC110 - nothing but asking tells that it is over
        await asyncio.sleep(0)


async def test_calls_beyond_the_bound_wait_for_a_place() -> None:
    availability = Availability("part", answer_seconds=60)
    gate, started = asyncio.Event(), 0

    async def call() -> bool:
        nonlocal started
        started += 1
        return await gate.wait()

    calls = [asyncio.create_task(availability.ask(call)) for _ in range(3 * MAX_CALLS)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert started == MAX_CALLS
    gate.set()
    assert await asyncio.gather(*calls) == [True] * len(calls)


async def test_cancellation_is_not_an_outage() -> None:
    availability = Availability("part")
    call = asyncio.create_task(availability.ask(asyncio.Event().wait))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert availability.outage.failures == 0
