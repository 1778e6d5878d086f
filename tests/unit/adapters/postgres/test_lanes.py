"""Connections are never handed on half-used, whoever gives up waiting, and no kind of statement waits for another."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
from typing import TYPE_CHECKING

import asyncpg
import pytest

from sanctum_messaging.adapters.postgres import lanes
from sanctum_messaging.adapters.postgres.database import Database
from sanctum_messaging.adapters.postgres.failures import (
    ConnectFailedError,
    ConnectionLostError,
    Failure,
    failure_of,
)
from sanctum_messaging.adapters.postgres.revocations import PostgresRevocations
from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.domain.model import ORIGIN
from sanctum_messaging.ports.log import AppendedMessage
from tests.conftest import HandClock
from tests.hub_client import until
from tests.servers.flow import Flow
from tests.unit.adapters.postgres.instances import LOG_LOCK, stored_once

if TYPE_CHECKING:
    from tests.servers.proxy import Proxy
    from tests.unit.adapters.postgres.instances import Instance, Observer

_KILL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1
"""


class Turns(Flow):
    """A direction that notes when it was its turn to speak."""

    def __init__(self, name: str, spoken: list[str]) -> None:
        super().__init__()
        self._name = name
        self._spoken = spoken

    async def _send(self, data: memoryview, writer: asyncio.StreamWriter) -> None:
        if data and self._spoken[-1:] != [self._name]:
            self._spoken.append(self._name)
        await super()._send(data, writer)


@pytest.mark.parametrize("size", [1, 100])
async def test_an_append_is_one_round_trip(cuttable: Instance, proxy: Proxy, observer: Observer, size: int) -> None:
    conversation = await cuttable.arranged.create("ann", "bob")
    spoken: list[str] = []
    proxy.to_upstream, proxy.to_client = Turns("client", spoken), Turns("server", spoken)
    # The connections there are keep their directions, so the append gets one that is heard.
    proxy.cut()
    await cuttable.store.append_messages([])
    spoken.clear()
    await cuttable.store.append_messages([cuttable.arranged.draft(conversation, "bob") for _ in range(size)])
    assert spoken == ["client", "server"]


async def test_a_cancelled_caller_leaves_his_append_to_its_end(one: Instance, observer: Observer) -> None:
    conversation = await one.arranged.create("ann", "bob")
    draft = one.arranged.draft(conversation, "bob")
    async with observer.connection.transaction():
        await observer.connection.execute(LOG_LOCK)
        sending = asyncio.create_task(one.store.append_messages([draft]))
        await observer.wait_for_waiters()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    await observer.wait_for_rows("message", 1)
    again = (await one.store.append_messages([draft])).results[0]
    assert isinstance(again, AppendedMessage)
    assert stored_once(again.message, await observer.connection.fetch("SELECT id, client_message_id FROM message"))


async def test_what_fails_once_its_caller_has_left_is_no_fault_of_ours() -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    released = asyncio.Event()

    async def connect() -> asyncpg.Connection:
        await released.wait()
        raise ConnectionRefusedError

    lane = lanes.Lane(1, connect)
    asking = asyncio.create_task(lane.run("SELECT 1", ()))
    await until(lambda: lane.busy == 1)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    released.set()
    await until(lambda: lane.busy == 0)
    # It holds its traceback, and that the statement's task, of which we hear when it is freed.
    del asking
    gc.collect()
    assert not told


async def test_nobody_gets_the_result_of_one_who_left(one: Instance) -> None:
    left = [asyncio.create_task(one.database.read(f"SELECT {number}, pg_sleep(0.01)")) for number in range(20)]
    await asyncio.sleep(0)
    for task in left:
        task.cancel()
    stayed = await asyncio.gather(*(one.database.read("SELECT $1::int", number) for number in range(50)))
    assert [rows[0][0] for rows in stayed] == list(range(50))
    await asyncio.gather(*left, return_exceptions=True)


async def test_readers_are_told_of_an_overload_while_appends_and_what_all_wait_for_have_connections(
    one: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = await one.arranged.create("ann", "bob")
    monkeypatch.setattr(lanes, "ACQUIRE_SECONDS", 0.1)
    slow = [asyncio.create_task(one.database.read("SELECT pg_sleep(0.5)")) for _ in range(6)]
    await asyncio.sleep(0)
    with pytest.raises(UnavailableError) as refused:
        await one.store.read_head()
    assert refused.value.code == "overloaded"
    await one.arranged.send(conversation, "bob")
    # What all wait for is read, too.
    followed = await one.store.follow(ORIGIN, limit=10)
    assert followed is not None
    assert [event.position for event in followed] == [1, 2]
    assert await PostgresRevocations(one.database, HandClock()).read_from(0, limit=1) == []
    await asyncio.gather(*slow)
    assert (await one.store.read_head()).position == 2


async def test_the_smallest_pool_follows_and_reads_on_one_connection(migrated_url: str) -> None:
    database = Database(migrated_url, pool_size=4)
    ask = "SELECT 1"
    try:
        await asyncio.gather(*(database.read(ask) for _ in range(9)), *(database.follow(ask) for _ in range(9)))
        await asyncio.gather(*(database.write(ask) for _ in range(9)), database.append(ask, repeatable=True))
        counted = await database.read("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
    finally:
        await database.close()
    assert counted[0][0] == 4


async def test_closing_lets_an_append_finish(one: Instance, observer: Observer) -> None:
    conversation = await one.arranged.create("ann", "bob")
    draft = one.arranged.draft(conversation, "bob")
    async with observer.connection.transaction():
        await observer.connection.execute(LOG_LOCK)
        sending = asyncio.create_task(one.store.append_messages([draft]))
        await observer.wait_for_waiters()
        closing = asyncio.create_task(one.database.close())
        await asyncio.sleep(0)
    await closing
    assert isinstance((await sending).results[0], AppendedMessage)
    with pytest.raises(UnavailableError):
        await one.store.read_head()


async def test_what_is_wrong_with_a_statement_is_no_failure_of_the_database(one: Instance) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        await one.database.write("SELECT * FROM nothing")
    with pytest.raises(asyncpg.DataError):
        await one.database.read("SELECT $1::int", "a text")
    assert await one.database.read_row("SELECT 1 WHERE false") is None


async def test_a_statement_that_takes_too_long_wrote_nothing(one: Instance, observer: Observer) -> None:
    async with observer.connection.transaction():
        await observer.connection.execute("UPDATE installation SET probe = probe")
        with pytest.raises(UnavailableError) as refused:
            await one.store.check_writable()
    assert refused.value.code == "unavailable"


async def test_a_deadlock_is_tried_again(one: Instance, observer: Observer) -> None:
    await observer.connection.execute("CREATE SEQUENCE tries")
    await observer.connection.execute("""
        CREATE FUNCTION unlucky() RETURNS bigint LANGUAGE plpgsql AS $$
        BEGIN
            IF nextval('tries') < 3 THEN RAISE EXCEPTION USING errcode = '40P01'; END IF;
            RETURN currval('tries');
        END $$""")
    assert (await one.database.write("SELECT unlucky()"))[0][0] == 3


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (asyncpg.SerializationError(""), Failure.CONFLICT),
        (asyncpg.LockNotAvailableError(""), Failure.REFUSED),
        (asyncpg.QueryCanceledError(""), Failure.REFUSED),
        (asyncpg.DiskFullError(""), Failure.REFUSED),
        (asyncpg.ReadOnlySQLTransactionError(""), Failure.REFUSED),
        (asyncpg.PostgresIOError(""), Failure.REFUSED),
        (asyncpg.StatementCompletionUnknownError(""), Failure.LOST),
        (ConnectionLostError(), Failure.LOST),
        (ConnectFailedError(), Failure.UNSENT),
        (asyncpg.UniqueViolationError(""), None),
        (asyncpg.DataCorruptedError(""), None),
        (ValueError(), None),
    ],
)
def test_what_an_error_leaves_behind(error: Exception, failure: Failure | None) -> None:
    assert failure_of(error) is failure


@pytest.mark.parametrize("aborts", [300, pytest.param(3000, marks=[pytest.mark.chaos, pytest.mark.timeout(300)])])
async def test_aborts_and_killed_sessions_leave_nothing_stuck_foreign_or_doubled(
    one: Instance, observer: Observer, aborts: int
) -> None:
    conversation = await one.arranged.create("ann", "bob")
    dice = random.Random(aborts)
    sent: set[str] = set()

    async def append() -> None:
        draft = one.arranged.draft(conversation, "bob")
        result = (await one.store.append_messages([draft])).results[0]
        assert isinstance(result, AppendedMessage)
        assert (result.message.client_message_id, result.replayed) == (draft.client_message_id, False)
        sent.add(draft.client_message_id)

    async def read(number: int) -> None:
        assert (await one.database.read("SELECT $1::int", number))[0][0] == number

    async def abort(number: int) -> None:
        with contextlib.suppress(TimeoutError, UnavailableError):
            async with asyncio.timeout(dice.uniform(0, 0.01)):
                await (append() if number % 4 == 0 else read(number))

    for start in range(0, aborts, 10):
        async with asyncio.TaskGroup() as tasks:
            for number in range(start, start + 10):
                tasks.create_task(abort(number))
            tasks.create_task(observer.connection.fetch(_KILL))
    await append()
    await asyncio.gather(*(read(number) for number in range(20)))
    stored = await observer.connection.fetch(
        "SELECT client_message_id AS id, position FROM message m JOIN event e ON e.message_id = m.id ORDER BY position"
    )
    assert sent <= {row["id"] for row in stored}
    assert [row["position"] for row in stored] == list(range(2, len(stored) + 2))
    assert len({row["id"] for row in stored}) == len(stored)
