"""What a connection waits for fails, or its client goes away meanwhile: nothing is left, and others are served."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from sanctum_messaging.domain.errors import UnavailableError
from tests.hub_client import until
from tests.unit.hub.in_memory import open_sockets

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sanctum_messaging.domain.model import Actor
    from tests.hub_world import World
    from tests.unit.hub.in_memory import Socket, Sockets

_OF_THE_LOG = ("read_memberships", "check_cursor", "read_stream")
_OF_SESSIONS = ("load_resume_state", "persist_resume_state", "drop_resume_state")
_OF_THE_CALLER = ("authenticate", "admit_frame", "on_frame")
_ALL = (*_OF_THE_LOG, *_OF_SESSIONS, *_OF_THE_CALLER)


class Breakable:
    """Stands before something that is awaited: the next call waits, and then fails or goes on."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.released = asyncio.Event()
        self.fault: Exception | None = None
        self.is_over = False

    async def stand_in(self) -> None:
        if not self.is_over:
            self.is_over = True
            self.entered.set()
            await self.released.wait()
            if self.fault is not None:
                raise self.fault


def break_into(world: World, monkeypatch: pytest.MonkeyPatch, name: str) -> Breakable:
    """Have something of the log or of the hub's callables wait for a test."""
    owner = world.log if name in _OF_THE_LOG else world.hub.callables
    original, point = getattr(owner, name), Breakable()

    async def call(*arguments: object, **bounds: object) -> object:
        await point.stand_in()
        return await original(*arguments, **bounds)

    if owner is world.log:
        monkeypatch.setattr(owner, name, call)
    else:
        # They are frozen, so that nobody changes them by mistake.
        monkeypatch.setattr(type(owner), name, property(lambda _: call), raising=False)
    return point


async def come_to(sockets: Sockets, name: str, group: str, token: str) -> Socket:
    """Have ben's socket come to where it is awaited."""
    ben = sockets.open()
    await ben.push("hello", token="ben", cursor="0-00000000", resumeToken=token)
    if name in {"admit_frame", "on_frame"}:
        await ben.push("send", conversationId=group, clientMessageId="c", body="Hello")
    elif name == "drop_resume_state":
        await ben.push("bye")
    return ben


@pytest.fixture
async def others(world: World) -> AsyncGenerator[Sockets]:
    async with open_sockets(world.hub) as others:
        yield others


@pytest.mark.parametrize("end", ["the client vanishes", "an outage", "a fault", "it is closed"])
@pytest.mark.parametrize("name", _ALL)
async def test_it_ends_whole(
    world: World, sockets: Sockets, others: Sockets, monkeypatch: pytest.MonkeyPatch, *, name: str, end: str
) -> None:
    """Wherever it waits."""
    group = await world.create("ada", "ben")
    await world.send_many(group, "ada", 3)
    ada = await others.live("ada")
    first = await sockets.live("ben")
    await first.vanish()
    world.hub._users.expire(world.clock.monotonic() + 3_600)
    world.hub._ring.reset(world.hub.tail)
    point = break_into(world, monkeypatch, name)
    with capture_logs():
        ben = await come_to(sockets, name, group, first.welcome["resumeToken"])
        await until(point.entered.is_set)
        assert ben.connection is not None
        match end:
            case "the client vanishes":
                ben.transport.vanish()
            case "it is closed":
                ben.connection.drain(0)
            case "an outage":
                point.fault = UnavailableError("Not now.")
            case _:
                point.fault = RuntimeError("a fault of ours")
        point.released.set()
        if end == "an outage":
            # Some of it is told, and the connection goes on.
            await asyncio.sleep(0)
            ben.connection.drain(0)
        await ben.over()
    assert ben.transport.gone.is_set()
    await assert_nothing_is_left(world, ben)
    await world.send(group, "ada", "still here")
    while (await ada.assert_pushed("event"))["data"]["message"]["body"] != "still here":
        pass
    monkeypatch.undo()
    await sockets.live("ben", resumeToken=first.welcome["resumeToken"])


async def assert_nothing_is_left(world: World, ben: Socket) -> None:
    """Ada's connection is there, and nothing of ben's."""
    assert ben.connection is not None
    registry, users = world.hub._parts.registry, world.hub._users
    assert [each for each in registry.connections if each is ben.connection] == []
    assert len(registry._holders) == len(registry._seated) == 1
    found = next((user for user in users._users.values() if user.name == "ben"), None)
    assert found is None or (found.uses, found.live) == (0, ())
    assert ben.connection._running == ()
    await until(lambda: not world.hub.view.flush._pending)
    assert world.hub._parts.source.database._free._value == world.settings.database_catch_ups


@pytest.mark.parametrize("fault", [UnavailableError("Not now."), RuntimeError("a fault of ours")])
async def test_a_session_that_cannot_be_kept_does_not_hold_up_the_close(
    world: World, sockets: Sockets, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    async def fail(*arguments: object) -> bool:
        raise fault

    ben = await sockets.live("ben")
    world.persist = fail
    with capture_logs():
        await world.hub.drain()
    await ben.assert_pushed("drain")
    await ben.assert_closed(4000)
    assert world.hub.counters.connections == 0


async def test_a_socket_that_cannot_be_closed_is_forgotten_all_the_same(
    world: World, sockets: Sockets, others: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, ben = await others.live("ada"), await sockets.live("ben")

    def fail(code: int, reason: str) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(ben.transport, "close", fail)
    assert ben.connection is not None
    with capture_logs() as told:
        ben.connection.drain(0)
        await ben.over()
    assert [each["event"] for each in told if each["log_level"] == "error"] == ["connection_not_ended_well"]
    await assert_nothing_is_left(world, ben)
    assert world.hub.counters.connections == 1
    await ada.push("ping")
    await ada.assert_pushed("pong")


@pytest.mark.parametrize("name", ["is_trusted", "is_revoked"])
async def test_who_cannot_be_looked_at_keeps_nobody_else_from_it(
    world: World, sockets: Sockets, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Of three that are looked at, whichever comes first, second and third."""
    for who in ("ada", "ben", "cem"):
        await sockets.live(who)
    asked: list[str] = []

    def fail(who: Actor) -> bool:
        asked.append(who.user)
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(type(world.hub.callables), name, property(lambda _: fail), raising=False)
    with capture_logs():
        world.hub.end_revoked()
        world.pass_time(15)
        await until(lambda: not world.hub._parts.registry.connections)
    assert sorted(asked) == ["ada", "ben", "cem"]
    assert world.hub.counters.closes == {4001: 3}
