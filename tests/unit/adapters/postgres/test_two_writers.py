"""What commits while an append waits for the log lock is seen by it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.adapters.postgres.store import PostgresStore
from sanctum_messaging.domain.errors import ConflictError, NotFoundError, UnavailableError
from sanctum_messaging.domain.events import Committed
from sanctum_messaging.domain.model import MessageId, Position, Role
from sanctum_messaging.ports.log import (
    Answer,
    Appended,
    AppendedMessage,
    Change,
    ExpectedParticipant,
    Idempotency,
)
from tests.support import TENANT, Arranged, new_id, user
from tests.unit.adapters.postgres.instances import LOG_LOCK, InTransaction

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from sanctum_messaging.ports.store import ChangeOutcome, MessageBatch
    from tests.conftest import HandClock
    from tests.unit.adapters.postgres.instances import Instance, Observer

    Meanwhile = Callable[[Coroutine[None, None, object], Callable[[Arranged], Awaitable[object]]], Awaitable[object]]


@pytest.fixture
def meanwhile(observer: Observer, clock: HandClock) -> Meanwhile:
    """Return what lets an append wait for the lock, commits something else under it, and returns what came of it."""

    async def run(append: Coroutine[None, None, object], first: Callable[[Arranged], Awaitable[object]]) -> object:
        async with observer.connection.transaction():
            await observer.connection.execute(LOG_LOCK)
            waiting = asyncio.create_task(append)
            await observer.wait_for_waiters()
            await first(Arranged(PostgresStore(InTransaction(observer.connection), clock)))
        return await waiting

    return run


async def test_a_send_that_waits_sees_the_removal_of_its_sender(one: Instance, meanwhile: Meanwhile) -> None:
    conversation = await one.arranged.create("ann", "bob")
    draft = one.arranged.draft(conversation, "bob")
    batch: MessageBatch = await meanwhile(  # type: ignore[assignment] # what the first argument returns
        one.store.append_messages([draft]), lambda arranged: arranged.remove(conversation, "bob")
    )
    assert isinstance(batch.results[0], NotFoundError)
    assert batch.committed.events == ()


async def test_a_send_that_waits_sees_the_same_send_of_another_instance(
    one: Instance, observer: Observer, meanwhile: Meanwhile
) -> None:
    conversation = await one.arranged.create("ann", "bob")
    draft = one.arranged.draft(conversation, "bob", client_id="mine")
    earlier = replace(draft, id=MessageId(new_id("message")))
    other_text = replace(draft, id=MessageId(new_id("message")), content_hash="other")
    batch: MessageBatch = await meanwhile(  # type: ignore[assignment] # what the first argument returns
        one.store.append_messages([draft, other_text]), lambda arranged: arranged.send_draft(earlier)
    )
    repeat, conflict = batch.results
    assert isinstance(repeat, AppendedMessage)
    assert (repeat.message.id, repeat.replayed) == (earlier.id, True)
    assert isinstance(conflict, ConflictError)
    assert await observer.count("message") == 1


async def test_positions_and_seqs_follow_what_was_committed_meanwhile(one: Instance, meanwhile: Meanwhile) -> None:
    conversation = await one.arranged.create("ann", "bob")
    draft = one.arranged.draft(conversation, "bob")
    batch: MessageBatch = await meanwhile(  # type: ignore[assignment] # what the first argument returns
        one.store.append_messages([draft]), lambda arranged: arranged.send(conversation, "ann")
    )
    assert [(event.position, event.seq) for event in batch.committed.events] == [(3, 3)]
    assert batch.committed.before == (await one.store.read_log(after=Position(1), limit=1))[0].cursor


async def test_a_change_that_waits_sees_that_its_decision_is_stale(one: Instance, meanwhile: Meanwhile) -> None:
    conversation = await one.arranged.create("ann", "bob", "cleo")
    removal = await one.arranged.removal(conversation, "cleo")
    expected = ExpectedParticipant(conversation, user("bob"), 1)
    change = Change(TENANT, (expected,), (removal,), Answer(created=False))
    outcome: ChangeOutcome = await meanwhile(  # type: ignore[assignment] # what the first argument returns
        one.store.append_change(change), lambda arranged: arranged.remove(conversation, "bob")
    )
    assert (outcome.result, outcome.committed) == ("stale", None)


async def test_a_twin_that_waits_gets_the_first_ones_answer(
    one: Instance, observer: Observer, meanwhile: Meanwhile
) -> None:
    conversation = await one.arranged.create("ann", "bob", "cleo")
    removal = await one.arranged.removal(conversation, "cleo")
    key = Idempotency(user("ann"), "key", "print")
    change = Change(TENANT, (), (removal,), Answer(created=True), key)
    outcome: ChangeOutcome = await meanwhile(  # type: ignore[assignment] # what the first argument returns
        one.store.append_change(change), lambda arranged: arranged.store.append_change(change)
    )
    assert outcome.result == Appended(change.answer, replayed=True)
    assert outcome.committed is None
    assert await observer.count("event") == 2


async def test_who_waits_too_long_for_the_lock_is_told_that_nothing_was_written(
    one: Instance, other: Instance, observer: Observer
) -> None:
    conversation = await one.arranged.create("ann", "bob")
    async with observer.connection.transaction():
        await observer.connection.execute(LOG_LOCK)
        with pytest.raises(UnavailableError) as refused:
            await one.arranged.send(conversation, "bob")
        assert await other.store.find_participation(TENANT, user("bob"), conversation)
    assert refused.value.code == "unavailable"
    assert await observer.count("message") == 0
    await one.arranged.send(conversation, "bob")


async def test_many_writers_leave_no_hole_and_no_double(one: Instance, other: Instance, observer: Observer) -> None:
    conversation = await one.arranged.create("ann", "bob", roles={"bob": Role.MEMBER})
    drafts = [one.arranged.draft(conversation, "bob", str(number), client_id=str(number)) for number in range(100)]
    twins = [replace(draft, id=MessageId(new_id("message"))) for draft in drafts]
    runs = [
        instance.store.append_messages(batch[start : start + 10])
        for instance, batch in ((one, drafts), (other, twins))
        for start in range(0, 100, 10)
    ]
    batches = await asyncio.gather(*runs)
    results = [result for batch in batches for result in batch.results]
    assert all(isinstance(result, AppendedMessage) for result in results)
    assert sum(isinstance(result, AppendedMessage) and result.replayed for result in results) == 100
    commits: list[Committed] = sorted((batch.committed for batch in batches), key=lambda commit: commit.before.position)
    events = [event for commit in commits for event in commit.events]
    assert [event.position for event in events] == list(range(2, 102))
    assert [event.seq for event in events] == list(range(2, 102))
    assert list(await other.store.read_log(after=Position(1), limit=1000)) == events
