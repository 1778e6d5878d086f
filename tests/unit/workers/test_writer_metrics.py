"""What the writer and its queue count, for whoever watches."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.domain.events import NewEvent
from sanctum_messaging.domain.model import Position
from sanctum_messaging.ports.log import Answer, Change
from sanctum_messaging.workers.writer import REMEMBERED_SECONDS, Writer
from tests.support import TENANT, Arranged

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sanctum_messaging.adapters.sqlite.database import Database
    from sanctum_messaging.adapters.sqlite.store import SQLiteStore
    from tests.conftest import HandClock


async def test_the_queue_tells_how_long_how_many_and_how_fast(store: SQLiteStore, clock: HandClock) -> None:
    arranged = Arranged(store)
    group = await arranged.create("ann")
    writer = Writer(store, lambda _: clock.advance(0.3), clock)
    sends = [asyncio.ensure_future(writer.append_message(arranged.draft(group, "ann"))) for _ in range(3)]
    await asyncio.sleep(0)
    assert len(writer.batcher) == 3
    assert writer.batcher.queued_bytes > 3 * 512
    clock.advance(2)

    task = asyncio.create_task(writer.run())
    await asyncio.gather(*sends)
    writer.close()
    await task

    times = writer.batcher.times
    assert writer.batcher.queued_bytes == 0
    assert (sum(times.waits.counts), round(times.waits.total, 6)) == (3, 6.0)
    assert (sum(times.sizes.counts), times.sizes.total) == (1, 3)
    assert round(times.commits.total, 6) == 0.3


async def test_a_conversation_counts_with_all_who_are_in_it(store: SQLiteStore, clock: HandClock) -> None:
    group = await Arranged(store).create("ann", *(f"user-{number}" for number in range(500)))
    (created,) = await store.read_log(after=Position(0), limit=10)
    writer = Writer(store, lambda _: None, clock)
    event = NewEvent(created.kind, group, created.actor_id, created.at, created.body)
    writer.append_change(Change(TENANT, (), (event,), Answer(created=True)))
    assert writer.batcher.queued_bytes > 100_000


@pytest.fixture
async def failing(store: SQLiteStore, database: Database, clock: HandClock) -> AsyncGenerator[Writer]:
    """Have the database refuse three batches, one after the other, and take the next."""
    arranged = Arranged(store)
    group = await arranged.create("ann")
    writer = Writer(store, lambda _: None, clock)
    task = asyncio.create_task(writer.run())
    database.writer.execute(f"PRAGMA max_page_count = {database.writer.execute('PRAGMA page_count').get}")
    while writer.counts.failures < 3:
        assert not writer.is_failing
        await asyncio.gather(writer.append_message(arranged.draft(group, "ann", "x" * 8000)), return_exceptions=True)
    database.writer.execute("PRAGMA max_page_count = 1000000")
    yield writer
    writer.close()
    await task


async def test_failures_in_a_row_end_with_a_commit(failing: Writer, store: SQLiteStore) -> None:
    assert failing.is_failing

    arranged = Arranged(store)
    group = await arranged.create("bob")
    await failing.append_message(arranged.draft(group, "bob"))

    assert (failing.counts.failures_in_a_row, failing.counts.failures) == (0, 3)
    assert not failing.is_failing


async def test_failures_that_nothing_follows_are_over_after_a_minute(failing: Writer, clock: HandClock) -> None:
    """Else an instance to which nobody sends would be degraded for a whole night because of an outage before it."""
    clock.advance(REMEMBERED_SECONDS - 1)
    assert failing.is_failing
    clock.advance(1)
    assert not failing.is_failing
