from __future__ import annotations

import asyncio

from sanctum_messaging.hub.flush import Flush


class Counted:
    def __init__(self) -> None:
        self.times = 0

    def write(self) -> None:
        self.times += 1


async def test_has_each_write_once_however_often_it_was_added() -> None:
    flush, writer = Flush(), Counted()
    for _ in range(100):
        flush.add(writer)
    assert writer.times == 0
    for _ in range(3):
        await asyncio.sleep(0)
    assert writer.times == 1


async def test_lets_others_run_between_slices() -> None:
    flush, writers = Flush(lambda: 0.0), [Counted() for _ in range(1_001)]
    for writer in writers:
        flush.add(writer)
    written: list[int] = []
    while not written or written[-1] < len(writers):
        await asyncio.sleep(0)
        written.append(sum(writer.times for writer in writers))
    assert written == [200, 400, 600, 800, 1_000, 1_001]
    assert all(writer.times == 1 for writer in writers)


async def test_a_slice_takes_two_milliseconds_and_what_a_few_more_take() -> None:
    now = 0.0

    class Slow(Counted):
        def write(self) -> None:
            nonlocal now
            now += 0.0004
            super().write()

    flush, writers = Flush(lambda: now), [Slow() for _ in range(100)]
    for writer in writers:
        flush.add(writer)
    await asyncio.sleep(0)
    assert sum(writer.times for writer in writers) == 8


async def test_a_lone_event_waits_for_no_more_than_a_slice_and_holds_nobody_up() -> None:
    flush, writers = Flush(lambda: 0.0), [Counted() for _ in range(1_000)]
    for writer in writers:
        flush.add(writer)
    await asyncio.sleep(0)
    for slices in range(1, 5):
        lone = Counted()
        flush.add(lone)
        await asyncio.sleep(0)
        assert lone.times == 1
        assert [writer.times for writer in writers[: 100 * slices]] == [1] * 100 * slices
    await asyncio.sleep(0)
    assert all(writer.times == 1 for writer in writers)


async def test_tells_when_all_have_written_who_were_added_by_then() -> None:
    flush, writers, told = Flush(lambda: 0.0), [Counted() for _ in range(300)], []
    flush.when_done(lambda: told.append(0))
    for writer in writers:
        flush.add(writer)
    flush.when_done(lambda: told.append(sum(writer.times for writer in writers)))
    for _ in range(5):
        await asyncio.sleep(0)
    assert told == [0, 300]
