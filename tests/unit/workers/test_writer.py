from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import apsw
import pytest

from sanctum_messaging.domain.errors import ConflictError, NotFoundError, UnavailableError
from sanctum_messaging.domain.model import ConversationId
from sanctum_messaging.ports.log import Answer, Appended, AppendedMessage, Change
from sanctum_messaging.workers import batcher
from sanctum_messaging.workers.writer import Writer
from tests.hub_client import until
from tests.support import TENANT, Arranged

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from sanctum_messaging.adapters.sqlite.database import Database
    from sanctum_messaging.adapters.sqlite.store import SQLiteStore
    from sanctum_messaging.domain.events import Committed
    from tests.conftest import HandClock


@pytest.fixture
def arranged(store: SQLiteStore) -> Arranged:
    return Arranged(store)


class Published(list["Committed"]):
    """What the hub was told."""

    @property
    def positions(self) -> list[int]:
        return [event.position for committed in self for event in committed.events]


@asynccontextmanager
async def running(writer: Writer) -> AsyncGenerator[Writer]:
    task = asyncio.create_task(writer.run())
    yield writer
    writer.close()
    await task


async def test_what_waits_shares_a_commit_and_keeps_its_order(
    store: SQLiteStore, arranged: Arranged, clock: HandClock
) -> None:
    conversation = await arranged.create("ann")
    published = Published()
    writer = Writer(store, published.append, clock)
    drafts = [arranged.draft(conversation, "ann", f"{number}") for number in range(300)]
    sends = [asyncio.ensure_future(writer.append_message(draft)) for draft in drafts]
    async with running(writer):
        results = await asyncio.gather(*sends)
    assert [each.message.seq for each in results] == list(range(2, 302))
    assert [each.message.id for each in results] == [draft.id for draft in drafts]
    assert writer.counts.commits == 2  # 256 and the rest
    assert published.positions == list(range(2, 302))


async def test_a_change_between_sends_keeps_its_place(store: SQLiteStore, arranged: Arranged, clock: HandClock) -> None:
    conversation = await arranged.create("ann", "bob")
    removal = Change(TENANT, (), (await arranged.removal(conversation, "bob"),), Answer(created=True))
    writer = Writer(store, lambda _: None, clock)
    queued = (
        writer.append_message(arranged.draft(conversation, "bob")),
        writer.append_change(removal),
        writer.append_message(arranged.draft(conversation, "bob")),
    )
    async with running(writer):
        sent, removed, refused = await asyncio.gather(*queued, return_exceptions=True)
    assert isinstance(sent, AppendedMessage)
    assert isinstance(removed, Appended)
    assert (sent.message.seq, removed.events[0].seq) == (2, 3)
    assert isinstance(refused, NotFoundError)


async def test_the_hub_is_told_before_the_caller(store: SQLiteStore, arranged: Arranged, clock: HandClock) -> None:
    conversation = await arranged.create("ann")
    published = Published()
    writer = Writer(store, published.append, clock)
    async with running(writer):
        sent = await writer.append_message(arranged.draft(conversation, "ann"))
        assert published.positions == [2]
        assert published[0].before.position == 1
        assert published[0].events[0].seq == sent.message.seq


async def test_one_refused_send_takes_no_other_with_it(
    store: SQLiteStore, arranged: Arranged, clock: HandClock
) -> None:
    conversation = await arranged.create("ann")
    writer = Writer(store, lambda _: None, clock)
    drafts = [
        arranged.draft(conversation, "ann", client_id="c1"),
        arranged.draft(conversation, "ann", "other", client_id="c1"),
        arranged.draft(ConversationId("unknown"), "ann"),
        arranged.draft(conversation, "ann"),
    ]
    async with running(writer):
        results = await asyncio.gather(*map(writer.append_message, drafts), return_exceptions=True)
    assert [type(each) for each in results] == [AppendedMessage, ConflictError, NotFoundError, AppendedMessage]


async def test_an_unexpected_fault_is_repeated_one_by_one(
    store: SQLiteStore, arranged: Arranged, clock: HandClock, database: Database
) -> None:
    """A trigger makes one send fail as a fault of ours would: the run fails, the others get through."""
    conversation = await arranged.create("ann")
    database.writer.execute(
        "CREATE TRIGGER poison BEFORE INSERT ON message WHEN new.body = 'poison' BEGIN SELECT raise(abort, 'no'); END"
    )
    published = Published()
    writer = Writer(store, published.append, clock)
    drafts = [arranged.draft(conversation, "ann", body) for body in ("one", "poison", "two")]
    sends = [asyncio.ensure_future(writer.append_message(draft)) for draft in drafts]
    async with running(writer):
        results = await asyncio.gather(*sends, return_exceptions=True)
    assert isinstance(results[1], apsw.ConstraintError)
    assert [each.message.seq for each in results if isinstance(each, AppendedMessage)] == [2, 3]
    assert published.positions == [2, 3]


async def test_a_full_disk_is_told_and_nothing_is_written(
    store: SQLiteStore, arranged: Arranged, clock: HandClock, database: Database
) -> None:
    conversation = await arranged.create("ann")
    pages = database.writer.execute("PRAGMA page_count").get
    database.writer.execute(f"PRAGMA max_page_count = {pages}")
    writer = Writer(store, lambda _: None, clock)
    async with running(writer):
        drafts = [arranged.draft(conversation, "ann", "x" * 8000) for _ in range(100)]
        results = [(await asyncio.gather(writer.append_message(draft), return_exceptions=True))[0] for draft in drafts]
        refused = [each.code for each in results if isinstance(each, UnavailableError)]
        assert set(refused) == {"unavailable"}
        head = await store.read_head()
        database.writer.execute("PRAGMA max_page_count = 1000000")
        sent = await writer.append_message(arranged.draft(conversation, "ann"))
    assert sent.message.seq == head.position + 1


async def test_a_full_queue_is_told_at_once(
    store: SQLiteStore, arranged: Arranged, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batcher, "MAX_QUEUED", 2)
    conversation = await arranged.create("ann")
    writer = Writer(store, lambda _: None, clock)
    waiting = [asyncio.ensure_future(writer.append_message(arranged.draft(conversation, "ann"))) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(UnavailableError) as refused:
        await writer.append_message(arranged.draft(conversation, "ann"))
    assert refused.value.code == "overloaded"
    async with running(writer):
        assert len(await asyncio.gather(*waiting)) == 2


async def test_what_waited_too_long_or_was_given_up_is_not_written(
    store: SQLiteStore, arranged: Arranged, clock: HandClock
) -> None:
    conversation = await arranged.create("ann")
    writer = Writer(store, lambda _: None, clock)
    late = asyncio.ensure_future(writer.append_message(arranged.draft(conversation, "ann")))
    await asyncio.sleep(0)
    clock.advance(batcher.MAX_WAIT_SECONDS + 1)
    given_up, fresh = (
        asyncio.ensure_future(writer.append_message(arranged.draft(conversation, "ann"))) for _ in range(2)
    )
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.sleep(0)
    async with running(writer):
        assert (await fresh).message.seq == 2
        with pytest.raises(UnavailableError) as refused:
            await late
    assert refused.value.code == "overloaded"
    assert given_up.cancelled()


async def test_what_is_given_up_behind_a_change_of_its_batch_is_not_written(
    store: SQLiteStore, arranged: Arranged, clock: HandClock, database: Database
) -> None:
    """The database is silent; the callers have left by the time it answers."""
    conversation = await arranged.create("ann", "bob", "eve", "joe")
    writer = Writer(store, lambda _: None, clock)
    removals = [
        writer.append_change(Change(TENANT, (), (await arranged.removal(conversation, name),), Answer(created=False)))
        for name in ("bob", "eve", "joe")
    ]
    begun, answers = threading.Event(), threading.Event()

    def be_silent(_: apsw.Connection) -> None:
        begun.set()
        answers.wait(20)

    silence = asyncio.create_task(database.write(be_silent))
    await asyncio.to_thread(begun.wait)
    async with running(writer):
        await until(lambda: writer.queued == 0)
        for given_up in removals[:2]:
            given_up.cancel()
        answers.set()
        last = await removals[2]
    await silence
    assert isinstance(last, Appended)
    present = await store.read_participants(conversation)
    assert [each.user_id for each in present.participants] == ["ann", "eve"]


async def test_who_waits_behind_a_silent_commit_is_told_in_time(
    clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batcher, "MAX_WAIT_SECONDS", 0.01)
    begun, answer, taken = asyncio.Event(), asyncio.Event(), list[int]()

    async def commit(entries: Sequence[batcher.Entry[int, None]]) -> None:
        taken.extend(entry.item for entry in entries)
        begun.set()
        await answer.wait()
        for entry in entries:
            entry.resolve(None)

    queue: batcher.Batcher[int, None] = batcher.Batcher(commit, monotonic=clock.monotonic)
    running = asyncio.create_task(queue.run())
    first = queue.submit(1)
    await begun.wait()
    second = queue.submit(2)
    clock.advance(1)
    with pytest.raises(UnavailableError) as refused:
        await second
    assert (refused.value.code, len(queue), first.done()) == ("overloaded", 0, False)
    answer.set()
    await first
    queue.close()
    await running
    assert taken == [1]


async def test_closing_commits_what_waits_and_takes_no_more(
    store: SQLiteStore, arranged: Arranged, clock: HandClock
) -> None:
    conversation = await arranged.create("ann")
    writer = Writer(store, lambda _: None, clock)
    waiting = asyncio.ensure_future(writer.append_message(arranged.draft(conversation, "ann")))
    await asyncio.sleep(0)
    writer.close()
    await writer.run()
    assert (await waiting).message.seq == 2
    with pytest.raises(UnavailableError) as refused:
        await writer.append_message(arranged.draft(conversation, "ann"))
    assert refused.value.code == "stopping"


async def test_a_change_with_no_events_is_a_commit_that_nobody_hears_of(
    store: SQLiteStore, arranged: Arranged, clock: HandClock
) -> None:
    published = Published()
    writer = Writer(store, published.append, clock)
    async with running(writer):
        outcome = await writer.append_change(Change(TENANT, (), (), Answer(created=False)))
    assert outcome == Appended(Answer(created=False))
    assert published == []
