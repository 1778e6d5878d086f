from __future__ import annotations

import asyncio

from sanctum_messaging.hub.flush import Flush


class Counted(asyncio.Event):
    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def set(self) -> None:
        self.times += 1
        super().set()


async def test_wakes_each_once_however_often_it_was_added() -> None:
    flush, work = Flush(), Counted()
    for _ in range(100):
        flush.add(work)
    assert work.times == 0
    await work.wait()
    await asyncio.sleep(0)
    assert work.times == 1


async def test_lets_others_run_between_slices() -> None:
    flush, works = Flush(), [Counted() for _ in range(1_000)]
    for work in works:
        flush.add(work)
    woken = []
    while not works[-1].is_set():
        await asyncio.sleep(0)
        woken.append(sum(work.times for work in works))
    assert woken[:3] == [200, 400, 600]
    assert all(work.times == 1 for work in works)
