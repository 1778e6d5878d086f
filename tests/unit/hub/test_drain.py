"""A drain that is spread: who is told what, who is served meanwhile, and who is closed."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.ports.resume_store import Takeover
from tests.hub_client import until
from tests.unit.hub.in_memory import open_sockets

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.hub_world import World
    from tests.unit.hub.in_memory import Sockets

LEAVE_SECONDS = 3


@asynccontextmanager
async def draining(world: World, seconds: float) -> AsyncGenerator[asyncio.Task[None]]:
    """Begin a drain, and end it at once where a test leaves somebody behind."""
    task = asyncio.create_task(world.hub.drain_over(seconds))
    await until(lambda: refuses(world))
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def refuses(world: World) -> bool:
    try:
        world.hub.callables.take_on(None)
    except UnavailableError as refusal:
        return refusal.code == "stopping"
    return False


async def test_everybody_has_a_time_of_his_own(world: World, sockets: Sockets) -> None:
    clients = [await sockets.live(name) for name in ("ada", "ben", "cleo", "dora")]
    async with draining(world, 20):
        told = [(await each.assert_pushed("drain"))["reconnectInMs"] for each in clients]

    assert sorted(told) == [0, 5_000, 10_000, 15_000]


async def test_until_he_goes_a_client_is_served(world: World, sockets: Sockets) -> None:
    group = await world.create("ada", "ben")
    ada, ben = await sockets.live("ada"), await sockets.live("ben")
    async with draining(world, 20) as task:
        await ben.assert_pushed("drain")
        pushed = await ada.push("send", conversationId=group, clientMessageId="late", body="Hello")
        await ada.assert_replied(pushed)
        event = await ben.assert_event("message.created")
        await ben.assert_replied(await ben.push("ack", cursor=event["cursor"]))
        for each in (ada, ben):
            await each.push("bye")
            await each.assert_closed(1000)
        await task


async def test_who_stays_is_closed_after_his_share_and_comes_back_to_where_he_was(
    world: World, sockets: Sockets
) -> None:
    group = await world.create("ada", "ben")
    ada, ben = await sockets.live("ada"), await sockets.live("ben")
    async with draining(world, 20) as task:
        first, second = sorted(
            [((await each.assert_pushed("drain"))["reconnectInMs"], name) for name, each in (("a", ada), ("b", ben))]
        )
        clients = {"a": ada, "b": ben}
        assert (first[0], second[0]) == (0, 10_000)
        world.pass_time(LEAVE_SECONDS)
        await clients[first[1]].assert_closed(4000)
        world.pass_time(9.9)
        await world.send(group, "ada")
        event = await clients[second[1]].assert_event("message.created")
        await clients[second[1]].assert_replied(await clients[second[1]].push("ack", cursor=event["cursor"]))
        world.pass_time(0.1)
        await clients[second[1]].assert_closed(4000)
        await task
    async with world.new_hub() as other, open_sockets(other) as others:
        name = {"a": "ada", "b": "ben"}[second[1]]
        again = await others.connect(name, resumeToken=clients[second[1]].welcome["resumeToken"])
        assert (again.welcome["resumed"], again.welcome["cursor"]) == (True, event["cursor"])


async def test_who_takes_his_session_along_closes_the_old_socket_himself(world: World, sockets: Sockets) -> None:
    clients = [await sockets.live(name) for name in ("ada", "ben")]
    async with draining(world, 20):
        told = {(await each.assert_pushed("drain"))["reconnectInMs"]: each for each in clients}
        for each in clients:
            session, generation, _ = each.welcome["resumeToken"].split(".")
            world.announce(Takeover(session, int(generation) + 1))

        await told[10_000].assert_closed(4504)
        await told[0].assert_replied(await told[0].push("ping"))


async def test_who_says_hello_later_is_told_after_his_welcome(world: World, sockets: Sockets) -> None:
    await sockets.live("ada")
    silent = sockets.open()
    async with draining(world, 20):
        late = sockets.open()
        for each, name in ((silent, "ben"), (late, "cleo")):
            await each.hello(token=name)
            assert not each.unasked("drain")
            world.pass_time(0.25)
            await each.assert_pushed("drain")


@pytest.mark.parametrize("world", [{"leave_seconds": 0.01}], indirect=True)
async def test_it_ends_when_all_have_had_their_time(world: World, sockets: Sockets) -> None:
    silent = sockets.open()
    await world.hub.drain_over(0.01)
    assert world.hub.counters.connections == 1
    await world.hub.drain()
    await silent.assert_closed(4000)


async def test_with_nobody_there_it_is_over(world: World) -> None:
    await world.hub.drain_over(20)
    assert refuses(world)


async def test_a_drain_at_once_takes_the_place_of_one_that_is_spread(world: World, sockets: Sockets) -> None:
    ben = await sockets.live("ben")
    async with draining(world, 20):
        await ben.assert_pushed("drain")
    await world.hub.drain()
    await ben.assert_pushed("drain", reconnectInMs=0)
    await ben.assert_closed(4000)
