"""Connections and polls whose token is withdrawn end at once, and nobody else notices."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.domain.errors import RevokedError
from sanctum_messaging.hub.opening import Handshake
from sanctum_messaging.protocol.codes import CloseCode
from tests.acting import actor
from tests.hub_client import until

if TYPE_CHECKING:
    from tests.hub_world import World
    from tests.unit.hub.in_memory import Sockets


def revoke(world: World, *names: str) -> None:
    world.revoked.update(names)
    world.hub.end_revoked()


async def test_s_a8_live_sockets_of_the_revoked_are_closed_and_no_others(world: World, sockets: Sockets) -> None:
    group = await world.create("ada", "ben", "cyd")
    bens = [await sockets.live("ben"), await sockets.live("ben")]
    cyd = await sockets.live("cyd")

    revoke(world, "ben")
    await world.send(group, "ada", "After it")

    for socket in bens:
        await socket.assert_closed(CloseCode.FORBIDDEN)
        assert [event["type"] for event in socket.events] == []
    await cyd.assert_event("message.created", body="After it")
    assert world.hub.counters.closes == {CloseCode.FORBIDDEN: 2}


async def test_a_revoked_session_has_nothing_to_resume(world: World, sockets: Sockets) -> None:
    ben = await sockets.live("ben")
    revoke(world, "ben")
    await ben.assert_closed(CloseCode.FORBIDDEN)
    await until(lambda: not world.hub._parts.registry.connections)

    world.revoked.clear()
    again = await sockets.connect("ben", resumeToken=ben.welcome["resumeToken"])

    assert again.welcome["resumed"] is False


async def test_hello_with_a_revoked_token_is_closed_as_such(world: World, sockets: Sockets) -> None:
    revoke(world, "ben")
    socket = sockets.open()

    await socket.push("hello", token="ben")

    await socket.assert_closed(CloseCode.FORBIDDEN)


async def test_a_socket_that_has_not_said_hello_yet_ends_too(world: World, sockets: Sockets) -> None:
    socket = sockets.open(Handshake(actor=actor("ben")))
    await until(lambda: bool(world.hub._parts.registry.connections))

    revoke(world, "ben")

    await socket.assert_closed(CloseCode.FORBIDDEN)


async def test_a_revocation_while_the_stream_is_opened_is_not_missed(world: World, sockets: Sockets) -> None:
    """The token was good when it was looked at, and the connection is not known as its user's yet."""
    hold = world.log.hold("read_memberships")
    socket = sockets.open()
    await socket.push("hello", token="ben")
    await hold.entered.wait()

    revoke(world, "ben")
    hold.released.set()

    await socket.assert_closed(CloseCode.FORBIDDEN)
    assert socket.unasked("welcome") == []


async def test_a_revoked_token_refreshes_nothing(world: World, sockets: Sockets) -> None:
    world.actors["first"] = actor("ben")
    ben = await sockets.live("first")
    world.revoked.add("ben")

    await ben.assert_replied(await ben.push("auth", token="ben"), code="unauthenticated")

    await ben.assert_replied(await ben.push("ping"))


async def test_a_poll_that_waits_ends(world: World) -> None:
    await world.create("ada", "ben", "cyd")
    ben, cyd = (
        asyncio.create_task(world.hub.read(actor(name), cursor=world.hub.tail, limit=10, wait_ms=20_000))
        for name in ("ben", "cyd")
    )
    await until(lambda: len(world.hub._polls._sleepers) == 2)

    revoke(world, "ben")

    with pytest.raises(RevokedError):
        await ben
    assert not cyd.done()
    cyd.cancel()


async def test_a_poll_that_was_let_in_before_does_not_begin_to_wait(world: World) -> None:
    await world.create("ada", "ben")
    revoke(world, "ben")

    poll = asyncio.create_task(world.hub.read(actor("ben"), cursor=world.hub.tail, limit=10, wait_ms=20_000))
    await until(lambda: poll.done() or bool(world.hub._polls._sleepers))

    assert poll.done()
    with pytest.raises(RevokedError):
        await poll
