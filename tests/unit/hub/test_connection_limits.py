"""How many connections a user may have, and that dead ones don't keep him out."""

from __future__ import annotations

import pytest

from sanctum_messaging.hub.opening import Handshake
from sanctum_messaging.protocol.codes import CloseCode
from tests.hub_client import until
from tests.hub_world import World
from tests.unit.hub.in_memory import Sockets

pytestmark = pytest.mark.parametrize("world", [{"connections_per_user": 2}], indirect=True)


async def test_one_too_many_is_closed_and_the_others_live_on(world: World, sockets: Sockets) -> None:
    group = await world.create("ada", "ben")
    first, second = await sockets.live("ben"), await sockets.live("ben")
    await assert_one_too_many(sockets)
    await sockets.live("ada")
    await world.send(group, "ada")
    for socket in (first, second):
        await socket.assert_event("message.created")


async def test_who_was_closed_counts_no_more_and_who_left_neither(world: World, sockets: Sockets) -> None:
    first, _ = await sockets.live("ben"), await sockets.live("ben")
    for _ in range(3):
        await assert_one_too_many(sockets)
    await first.vanish()
    await sockets.live("ben")
    await assert_one_too_many(sockets)


async def test_whoever_resumes_takes_the_place_of_the_socket_that_he_had(world: World, sockets: Sockets) -> None:
    first, second = await sockets.live("ben"), await sockets.live("ben")
    again = await sockets.live("ben", resumeToken=first.welcome["resumeToken"])
    assert again.welcome["resumed"]
    await first.assert_closed(CloseCode.REPLACED)
    await second.assert_replied(await second.push("ping"))
    await assert_one_too_many(sockets)


async def test_one_that_does_not_answer_makes_room(world: World, sockets: Sockets) -> None:
    alive, dead = await sockets.live("ben"), await sockets.live("ben")
    world.pass_time(10)
    world.pass_time(10)
    await alive.assert_pushed("ping")
    await alive.push("pong")
    await assert_one_too_many(sockets)
    world.clock.advance(5)
    await sockets.live("ben")
    await dead.assert_closed(CloseCode.HEARTBEAT)
    await alive.assert_replied(await alive.push("ping"))
    await assert_one_too_many(sockets)


async def test_nothing_is_kept_of_who_left(world: World, sockets: Sockets) -> None:
    for socket in [await sockets.live("ben"), await sockets.live("ada")]:
        await socket.vanish()
    assert world.hub._parts.registry._seated == {}


@pytest.mark.parametrize("hello", [True, False])
async def test_a_place_is_given_back_once_when_a_socket_is_over(world: World, sockets: Sockets, hello: bool) -> None:  # noqa: FBT001 - what is tried
    left: list[str] = []
    socket = sockets.open(Handshake(leave=lambda: left.append("the place")))
    if hello:
        await socket.hello(token="ben")
    assert left == []
    await socket.vanish()
    await until(lambda: bool(left))
    assert left == ["the place"]


async def assert_one_too_many(sockets: Sockets) -> None:
    socket = sockets.open()
    await socket.push("hello", token="ben")
    await socket.assert_closed(CloseCode.TOO_MANY_CONNECTIONS)
    assert socket.unasked("welcome") == []
