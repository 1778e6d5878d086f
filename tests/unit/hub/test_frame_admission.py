"""Frames are let through one after the other, before they are begun."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sanctum_messaging.domain.errors import RateLimitedError
from sanctum_messaging.hub.callables import Credentials, Stage
from sanctum_messaging.hub.opening import Handshake
from sanctum_messaging.protocol.frames import Send
from tests.acting import actor

if TYPE_CHECKING:
    import pytest

    from sanctum_messaging.domain.model import Actor
    from sanctum_messaging.protocol.frames import Read, Typing
    from tests.hub_world import World
    from tests.unit.hub.in_memory import Sockets

ROUNDS = 50
"""Turns of the event loop: more than a frame needs to get into the log."""


async def test_sends_keep_their_order_though_one_has_to_wait(world: World, sockets: Sockets) -> None:
    group = await world.create("ada", "ben")
    entered, released = asyncio.Event(), asyncio.Event()

    async def admit(_who: Actor, frame: Send | Read | Typing, /) -> None:
        if isinstance(frame, Send) and frame.client_message_id == "m-0":
            entered.set()
            await released.wait()

    world.admit_frame = admit
    ada = await sockets.live("ada")
    pushed = [
        await ada.push("send", conversationId=group, clientMessageId=f"m-{number}", body="Hello") for number in range(4)
    ]
    await entered.wait()
    for _ in range(ROUNDS):
        await asyncio.sleep(0)
    released.set()
    sent = [(await ada.assert_replied(each))["result"]["message"] for each in pushed]
    assert [message["seq"] for message in sent] == [2, 3, 4, 5]


async def test_a_refused_frame_is_not_begun_and_stops_no_other(world: World, sockets: Sockets) -> None:
    group = await world.create("ada", "ben")
    asked: list[str] = []

    async def admit(who: Actor, frame: Send | Read | Typing, /) -> None:
        asked.append(f"{who.user} {type(frame).__name__}")
        if isinstance(frame, Send) and frame.client_message_id == "m-1":
            raise RateLimitedError("device", 250, "send-device")

    world.admit_frame = admit
    ada = await sockets.live("ada")
    pushed = [
        await ada.push("send", conversationId=group, clientMessageId=f"m-{number}", body="Hello") for number in range(3)
    ]
    await ada.assert_replied(pushed[0])
    problem = (await ada.assert_replied(pushed[1], code="rate_limited"))["problem"]
    assert (problem["scope"], problem["retryAfterMs"], problem["status"]) == ("device", 250, 429)
    await ada.assert_replied(pushed[2])
    await ada.assert_replied(await ada.push("read", conversationId=group, seq=1))
    await ada.assert_replied(await ada.push("typing", conversationId=group, on=True))
    await ada.assert_replied(await ada.push("ping"))
    assert asked == ["ada Send", "ada Send", "ada Send", "ada Read", "ada Typing"]
    assert [event.seq for event in world.events] == [1, 2, 3]


async def test_credentials_say_when_they_come(world: World, sockets: Sockets, monkeypatch: pytest.MonkeyPatch) -> None:
    stages: list[Stage] = []

    async def authenticate(credentials: Credentials, _origin: str | None, _peer: str | None) -> Actor:
        stages.append(credentials.stage)
        return actor("ben")

    monkeypatch.setattr(world, "authenticate", authenticate)
    world.hub = world.new_hub()
    sockets.hub = world.hub
    async with world.hub:
        ben = await sockets.live("ben")
        await ben.assert_replied(await ben.push("auth", token="ben"))
        known = sockets.open(Handshake(actor("ben")))
        await known.hello(token="ben")
    assert stages == [Stage.HELLO, Stage.RENEWAL, Stage.RENEWAL]
    assert Credentials("ben").stage is Stage.HANDSHAKE
