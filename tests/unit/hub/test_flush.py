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
    flush, writers = Flush(), [Counted() for _ in range(1_000)]
    for writer in writers:
        flush.add(writer)
    written = []
    while not writers[-1].times:
        await asyncio.sleep(0)
        written.append(sum(writer.times for writer in writers))
    assert written[:3] == [200, 400, 600]
    assert all(writer.times == 1 for writer in writers)


async def test_tells_when_all_have_written_who_were_added_by_then() -> None:
    flush, writers, told = Flush(), [Counted() for _ in range(300)], []
    flush.when_done(lambda: told.append(0))
    for writer in writers:
        flush.add(writer)
    flush.when_done(lambda: told.append(sum(writer.times for writer in writers)))
    for _ in range(5):
        await asyncio.sleep(0)
    assert told == [0, 300]
