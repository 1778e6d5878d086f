"""What becomes of a statement whose connection is lost: before it arrived, after it was committed, or in silence."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.adapters.postgres import connecting, lanes
from sanctum_messaging.adapters.postgres import database as database_module
from sanctum_messaging.domain.errors import ForbiddenError, UnavailableError
from sanctum_messaging.domain.events import EventKind
from sanctum_messaging.domain.model import MessageId, Position, Role
from sanctum_messaging.ports.log import Answer, Appended, Change, Idempotency
from tests.support import TENANT, new_id, user

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

    from sanctum_messaging.domain.events import Committed
    from sanctum_messaging.domain.model import ConversationId
    from tests.servers.proxy import Proxy
    from tests.unit.adapters.postgres.instances import Instance, Observer

    Losing = Callable[[Coroutine[None, None, Any], Awaitable[None]], Awaitable[Any]]


@pytest.fixture
def losing_answer(proxy: Proxy) -> Losing:
    """Return what cuts the link once a statement was committed, and before its answer is heard."""

    async def run(statement: Coroutine[None, None, Any], committed: Awaitable[None]) -> object:
        proxy.to_client.hold()
        task = asyncio.create_task(statement)
        await committed
        proxy.cut()
        await proxy.heal()
        return await task

    return run


async def test_a_send_that_never_arrived_is_repeated(cuttable: Instance, proxy: Proxy, observer: Observer) -> None:
    conversation = await cuttable.arranged.create("ann", "bob")
    proxy.to_upstream.hold()
    sending = asyncio.create_task(cuttable.arranged.send_draft(cuttable.arranged.draft(conversation, "bob")))
    await observer.until(lambda: _is_under_way(cuttable))
    proxy.cut()
    await proxy.heal()
    assert not (await sending).replayed
    assert await observer.count("message") == 1


async def test_a_batch_that_was_committed_is_neither_doubled_nor_called_a_replay(
    cuttable: Instance, observer: Observer, losing_answer: Losing
) -> None:
    conversation = await cuttable.arranged.create("ann", "bob", "eve", roles={"eve": Role.OBSERVER})
    draft = cuttable.arranged.draft(conversation, "bob")
    twin, refused = replace(draft, id=MessageId(new_id("message"))), cuttable.arranged.draft(conversation, "eve")
    last = cuttable.arranged.draft(conversation, "ann")
    batch = await losing_answer(
        cuttable.store.append_messages([draft, twin, refused, last]), observer.wait_for_rows("message", 2)
    )
    first, second, refusal, fourth = batch.results
    assert (first.message.id, first.replayed, second.message.id, second.replayed) == (draft.id, False, draft.id, True)
    assert (fourth.message.id, fourth.replayed) == (last.id, False)
    assert isinstance(refusal, ForbiddenError)
    await assert_told(cuttable, batch.committed, after=1)
    assert await observer.count("message") == 2


async def test_others_may_append_between_a_lost_attempt_and_its_repeat(
    cuttable: Instance, one: Instance, observer: Observer, losing_answer: Losing
) -> None:
    conversation = await one.arranged.create("ann", "bob")

    async def committed() -> None:
        await observer.wait_for_rows("message", 1)
        await one.arranged.send(conversation, "ann")

    batch = await losing_answer(
        cuttable.store.append_messages([cuttable.arranged.draft(conversation, "bob")]), committed()
    )
    assert not batch.results[0].replayed
    await assert_told(cuttable, batch.committed, after=1)


async def test_who_is_removed_before_the_repeat_has_sent_all_the_same(
    cuttable: Instance, one: Instance, observer: Observer, losing_answer: Losing
) -> None:
    conversation = await one.arranged.create("ann", "bob")

    async def committed() -> None:
        await observer.wait_for_rows("message", 3)
        await one.arranged.remove(conversation, "bob")

    drafts = [cuttable.arranged.draft(conversation, sender) for sender in ("ann", "bob", "ann")]
    batch = await losing_answer(cuttable.store.append_messages(drafts), committed())
    assert [result.message.id for result in batch.results] == [draft.id for draft in drafts]
    assert [result.replayed for result in batch.results] == [False, False, False]
    await assert_told(cuttable, batch.committed, after=1)


async def test_what_only_the_repeat_appends_is_told_alone(
    cuttable: Instance, one: Instance, observer: Observer, losing_answer: Losing
) -> None:
    conversation = await one.arranged.create("ann", "bob", "eve", roles={"eve": Role.OBSERVER})

    async def committed() -> None:
        await observer.wait_for_rows("message", 1)
        participants = await one.store.find_participants(conversation, [user("eve")])
        promoted = replace(participants[user("eve")], role=Role.MEMBER, version=2)
        await one.arranged.participant_event(EventKind.PARTICIPANT_UPDATED, promoted)

    drafts = [cuttable.arranged.draft(conversation, "bob"), cuttable.arranged.draft(conversation, "eve")]
    batch = await losing_answer(cuttable.store.append_messages(drafts), committed())
    assert [result.replayed for result in batch.results] == [False, False]
    await assert_told(cuttable, batch.committed, after=3)


@pytest.mark.parametrize("key", [None, Idempotency(user("ann"), "key", "print")])
async def test_what_creates_is_repeated_and_creates_once(
    cuttable: Instance, observer: Observer, losing_answer: Losing, key: Idempotency | None
) -> None:
    conversation = await cuttable.arranged.create("ann", "bob")
    change = replace(await removal_of_bob(cuttable, conversation), answer=Answer(created=True), idempotency=key)
    outcome = await losing_answer(cuttable.store.append_change(change), observer.wait_for_rows("event", 2))
    assert isinstance(outcome.result, Appended)
    assert not outcome.result.replayed
    assert outcome.result.events == outcome.committed.events
    await assert_told(cuttable, outcome.committed, after=1)
    if key is not None:
        again = await cuttable.store.append_change(change)
        assert (again.result, again.committed) == (Appended(change.answer, replayed=True), None)
    assert await observer.count("event") == 2


async def test_of_any_other_change_the_outcome_is_unknown(
    cuttable: Instance, observer: Observer, losing_answer: Losing
) -> None:
    conversation = await cuttable.arranged.create("ann", "bob")
    change = await removal_of_bob(cuttable, conversation)
    with pytest.raises(UnavailableError) as refused:
        await losing_answer(cuttable.store.append_change(change), observer.wait_for_rows("event", 2))
    assert refused.value.code == "outcome_unknown"
    assert await observer.count("event") == 2


async def test_a_read_is_repeated(cuttable: Instance, proxy: Proxy, observer: Observer) -> None:
    await cuttable.arranged.create("ann", "bob")
    proxy.to_client.hold()
    reading = asyncio.create_task(cuttable.store.read_head())
    await observer.until(lambda: _is_reading(cuttable))
    proxy.cut()
    await proxy.heal()
    assert (await reading).position == 1


async def test_nothing_was_written_where_no_connection_was_to_be_had(
    cuttable: Instance, proxy: Proxy, observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "REPEAT_WRITES_SECONDS", 0.2)
    conversation = await cuttable.arranged.create("ann", "bob")
    proxy.refuse()
    proxy.cut()
    await observer.until(lambda: _has_heard_of_it(cuttable))
    with pytest.raises(UnavailableError) as refused:
        await cuttable.arranged.send(conversation, "bob")
    assert refused.value.code == "unavailable"
    await proxy.accept()
    await cuttable.arranged.send(conversation, "bob")


async def test_what_may_have_been_written_stays_unknown_though_the_server_is_gone_by_then(
    cuttable: Instance, proxy: Proxy, observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "REPEAT_WRITES_SECONDS", 0.2)
    conversation = await cuttable.arranged.create("ann", "bob")
    proxy.to_client.hold()
    sending = asyncio.create_task(cuttable.arranged.send(conversation, "bob"))
    await observer.wait_for_rows("message", 1)
    proxy.refuse()
    proxy.cut()
    with pytest.raises(UnavailableError) as refused:
        await sending
    assert refused.value.code == "outcome_unknown"


async def test_a_silent_server_is_given_up_with_all_idle_connections_to_it(
    cuttable: Instance, proxy: Proxy, observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = await cuttable.arranged.create("ann", "bob")
    await asyncio.gather(*(cuttable.database.read("SELECT pg_sleep(0.01)") for _ in range(3)))
    monkeypatch.setattr(lanes, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(connecting, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(database_module, "REPEAT_READS_SECONDS", 0.2)
    proxy.hold()
    sending = asyncio.create_task(cuttable.arranged.send(conversation, "bob"))
    with pytest.raises(UnavailableError):
        await cuttable.store.read_head()
    assert cuttable.database._reads._take_idle() == []
    proxy.lose("upstream")
    await proxy.heal()
    await sending
    assert (await cuttable.store.read_head()).position == 2
    assert await observer.count("message") == 1


async def assert_told(instance: Instance, committed: Committed, *, after: int) -> None:
    """Check that a commit is told as the log has it, from a position on, as many events as it tells of."""
    first, *events = await instance.store.read_log(after=Position(after - 1), limit=len(committed.events) + 1)
    assert committed.before == first.cursor
    assert list(committed.events) == events


async def removal_of_bob(instance: Instance, conversation: ConversationId) -> Change:
    return Change(TENANT, (), (await instance.arranged.removal(conversation, "bob"),), Answer(created=False))


async def _is_under_way(instance: Instance) -> bool:
    return bool(instance.database._appends._tasks)


async def _is_reading(instance: Instance) -> bool:
    return bool(instance.database._reads._tasks)


async def _has_heard_of_it(instance: Instance) -> bool:
    """Tell whether the connection that appends knows of its end."""
    places = instance.database._appends._places
    connection = places.get_nowait()
    places.put_nowait(connection)
    return connection is None or connection.is_closed()
