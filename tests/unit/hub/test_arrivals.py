"""A herd is read by a few statements, and what each of it missed comes from memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.domain.model import ORIGIN, TenantId, UserId
from sanctum_messaging.hub.arrivals import Arrivals
from sanctum_messaging.hub.user import User
from tests.unit.hub.in_memory import open_sockets

if TYPE_CHECKING:
    from collections.abc import Collection

    from sanctum_messaging.domain.model import Cursor
    from tests.hub_world import World


def users(count: int) -> list[User]:
    return [User(TenantId("default"), UserId(f"user-{number}")) for number in range(count)]


class Statements:
    """What is read; each statement gets its answer when a test gives it."""

    def __init__(self) -> None:
        self.begun: list[list[User]] = []
        self.answers: list[asyncio.Future[Cursor | None]] = []
        self.entered = asyncio.Event()

    async def read(self, found: Collection[User]) -> Cursor | None:
        self.begun.append(list(found))
        self.answers.append(asyncio.get_running_loop().create_future())
        self.entered.set()
        return await self.answers[-1]

    async def until_begun(self, count: int) -> None:
        while len(self.begun) < count:
            self.entered.clear()
            await self.entered.wait()


@pytest.fixture
def statements() -> Statements:
    return Statements()


@pytest.fixture
def arrivals(statements: Statements) -> Arrivals:
    return Arrivals(statements.read)


async def joined(arrivals: Arrivals, *who: User) -> list[asyncio.Task[Cursor | None]]:
    """Have users come, and let each of them get as far as he can."""
    tasks = [asyncio.create_task(arrivals.join(each)) for each in who]
    await asyncio.sleep(0)
    return tasks


class TestWhoComesWhileAStatementIsUnderWay:
    async def test_is_read_with_all_the_others_by_the_next(self, arrivals: Arrivals, statements: Statements) -> None:
        first, *others = users(20)
        await joined(arrivals, first)
        waiting = await joined(arrivals, *others)
        assert statements.begun == [[first]]
        statements.answers[0].set_result(ORIGIN)
        await statements.until_begun(2)
        assert statements.begun == [[first], others]
        statements.answers[1].set_result(ORIGIN)
        assert await asyncio.gather(*waiting) == [ORIGIN] * 19

    async def test_is_not_told_of_an_end_that_was_read_before(self, arrivals: Arrivals, statements: Statements) -> None:
        (who,) = users(1)
        await joined(arrivals, who)
        (again,) = await joined(arrivals, who)
        statements.answers[0].set_result(None)
        await statements.until_begun(2)
        assert not again.done()
        statements.answers[1].set_result(ORIGIN)
        assert await again == ORIGIN

    async def test_is_not_held_up_by_a_first_one_who_leaves(self, arrivals: Arrivals, statements: Statements) -> None:
        first, second, third, fourth = users(4)
        (reading,) = await joined(arrivals, first)
        leading, following = await joined(arrivals, second, third)
        leading.cancel()
        assert await following is None, "he has to come again"
        (last,) = await joined(arrivals, fourth)
        reading.cancel()
        await statements.until_begun(2)
        statements.answers[1].set_result(ORIGIN)
        assert await last == ORIGIN
        assert statements.begun[1] == [fourth]

    async def test_learns_of_a_fault_and_the_next_do_not(self, arrivals: Arrivals, statements: Statements) -> None:
        first, second, third, fourth = users(4)
        (reading,) = await joined(arrivals, first)
        waiting = await joined(arrivals, second, third)
        statements.answers[0].set_result(ORIGIN)
        await reading
        await statements.until_begun(2)
        (later,) = await joined(arrivals, fourth)
        statements.answers[1].set_exception(UnavailableError("Not now."))
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(each) for each in found] == [UnavailableError] * 2
        await statements.until_begun(3)
        statements.answers[2].set_result(ORIGIN)
        assert await later == ORIGIN

    async def test_waits_for_a_statement_that_is_not_too_large(
        self, arrivals: Arrivals, statements: Statements
    ) -> None:
        first, *others = users(301)
        await joined(arrivals, first)
        waiting = await joined(arrivals, *others)
        for number in range(4):
            await statements.until_begun(number + 1)
            statements.answers[number].set_result(ORIGIN)
        await asyncio.gather(*waiting)
        assert [len(each) for each in statements.begun] == [1, 128, 128, 44]


async def test_a_herd_that_comes_back_after_a_restart_reads_no_page(world: World) -> None:
    """Each was in two conversations, has left one, and missed 20 messages; some bring two devices."""
    names = [f"user-{number}" for number in range(40)]
    left, group = await world.create("ada", *names), await world.create("ada", *names)
    for name in names:
        await world.remove(left, "ada", name)
    away = world.hub.tail
    await world.send_many(group, "ada", 20)
    world.log.reads.clear()
    async with world.new_hub() as restarted, open_sockets(restarted) as sockets:
        coming = [sockets.live(name, cursor=str(away)) for name in [*names, *names[:10]]]
        for socket in await asyncio.gather(*coming):
            assert [event["type"] for event in socket.events] == ["message.created"] * 20
        assert restarted.counters.catch_up_ring == 50
        assert restarted.counters.catch_up_database == 0
    assert set(world.log.reads) <= {"read_newest", "read_memberships", "read_head"}
    assert len(world.log.reads) <= 10
