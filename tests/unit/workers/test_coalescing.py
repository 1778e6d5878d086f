from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.adapters.sqlite.resume_store import SQLiteResumeStore
from sanctum_messaging.domain.errors import InvalidError, NotFoundError
from sanctum_messaging.domain.model import Cursor, DeviceId, Position, ReadMarker, Seq, SessionId
from sanctum_messaging.ports.resume_store import ResumeState
from sanctum_messaging.ports.store import MoveMarker
from sanctum_messaging.workers.coalescing import Coalescer, ReadMarkerWriter, ResumeStateDropper
from tests.support import TENANT, Arranged, user

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.adapters.sqlite.database import Database
    from sanctum_messaging.adapters.sqlite.store import SQLiteStore
    from tests.conftest import HandClock


async def test_markers_that_wait_are_moved_in_one_commit(store: SQLiteStore, clock: HandClock) -> None:
    arranged = Arranged(store)
    conversation = await arranged.create("ann", "bob")
    for _ in range(3):
        await arranged.send(conversation, "ann")
    writer = ReadMarkerWriter(store, clock)
    moves = [
        MoveMarker(TENANT, user(name), conversation, Seq(seq))
        for name, seq in (("bob", 2), ("eve", 2), ("bob", 9), ("bob", 4))
    ]
    waiting = [asyncio.ensure_future(writer.move(move)) for move in moves]
    await asyncio.sleep(0)
    writer.close()
    await writer.run()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in results] == [ReadMarker, NotFoundError, InvalidError, ReadMarker]
    assert results[3] == ReadMarker(Seq(4), 0)


async def test_sessions_that_end_at_once_are_dropped_in_few_commits(database: Database, clock: HandClock) -> None:
    resumes = SQLiteResumeStore(database, clock)
    state = ResumeState(TENANT, user("ann"), DeviceId("phone"), SessionId("s1"), Cursor(Position(1), "0000abcd"), 1)
    tokens = [f"id{number}.1.secret" for number in range(300)]
    await resumes.persist_many([(token, state, 60) for token in tokens])
    commits = 0

    def count() -> bool:
        nonlocal commits
        commits += 1
        return False

    database.writer.set_commit_hook(count)
    dropper = ResumeStateDropper(resumes, clock)
    leaving = [asyncio.ensure_future(dropper.drop(token, "bye")) for token in tokens]
    await asyncio.sleep(0)
    dropper.close()
    await dropper.run()
    await asyncio.gather(*leaving)
    assert commits == 2  # 256 and the rest
    assert database.writer.execute("SELECT count(*) FROM resume_state").get == 0


async def test_a_failed_write_is_told_to_all_and_the_next_goes_on(clock: HandClock) -> None:
    calls: list[list[int]] = []

    async def write(items: Sequence[int]) -> list[int]:
        calls.append(list(items))
        if 13 in items:
            message = "unlucky"
            raise ValueError(message)
        return [item * 2 for item in items]

    coalescer: Coalescer[int, int] = Coalescer(write, clock)
    run = asyncio.create_task(coalescer.run())
    failed = await asyncio.gather(coalescer.submit(1), coalescer.submit(13), return_exceptions=True)
    assert [type(each) for each in failed] == [ValueError, ValueError]
    assert await coalescer.submit(4) == 8
    coalescer.close()
    await run
    assert calls == [[1, 13], [4]]


async def test_a_cancelled_caller_stops_nobody(clock: HandClock) -> None:
    async def write(items: Sequence[int]) -> list[int]:
        return list(items)

    coalescer: Coalescer[int, int] = Coalescer(write, clock)
    gone = asyncio.ensure_future(coalescer.submit(1))
    stays = asyncio.ensure_future(coalescer.submit(2))
    await asyncio.sleep(0)
    gone.cancel()
    coalescer.close()
    await coalescer.run()
    assert await stays == 2
    with pytest.raises(asyncio.CancelledError):
        await gone
