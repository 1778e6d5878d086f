"""What a route's one timer does to those who are under way at the same time."""

from __future__ import annotations

import asyncio

import pytest

from sanctum_messaging.api.handler_deadline import HandlerDeadline


async def handle(deadline: HandlerDeadline, until: asyncio.Event) -> str:
    """Wait as a handler does, and tell why it ended."""
    begun = deadline.begin()
    try:
        await until.wait()
    except asyncio.CancelledError:
        if deadline.ended(begun):
            return "late"
        raise
    finally:
        deadline.finish(begun)
    return "done"


async def test_each_is_ended_by_its_own_time_and_whoever_was_in_time_is_left_alone() -> None:
    deadline, end = HandlerDeadline(3600), asyncio.Event()
    first, second, third = tasks = [asyncio.create_task(handle(deadline, end)) for _ in range(3)]
    await asyncio.sleep(0)
    deadline._due[first] = deadline._due[second] = 0.0
    deadline._look()
    assert (await first, await second) == ("late", "late")

    end.set()

    assert await third == "done"
    assert not deadline._due
    deadline._look()
    assert all(task.done() and not task.cancelled() for task in tasks)


async def test_the_timer_goes_off_again_for_those_who_come_later() -> None:
    deadline = HandlerDeadline(0.001)
    for _ in range(3):
        assert await handle(deadline, asyncio.Event()) == "late"


async def test_who_is_cancelled_by_somebody_else_stays_cancelled() -> None:
    deadline = HandlerDeadline(3600)
    both, alone = (asyncio.create_task(handle(deadline, asyncio.Event())) for _ in range(2))
    await asyncio.sleep(0)
    alone.cancel()
    deadline._due[both] = 0.0
    deadline._look()
    both.cancel()

    for task in (both, alone):
        with pytest.raises(asyncio.CancelledError):
            await task
