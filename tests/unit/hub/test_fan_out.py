"""What follows one another in a conversation is joined, and says where it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sanctum_messaging.protocol.framing import payloads_of
from tests.support import TENANT, user

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.hub.catch_up import Delivered
    from tests.hub_world import World
    from tests.unit.hub.in_memory import Sockets


class Listening:
    """A live connection that keeps what it is handed."""

    def __init__(self) -> None:
        self.handed: list[Delivered] = []

    def push(self, events: Sequence[Delivered], size: int) -> None:
        assert size == sum(len(frames) for _, frames, _ in events)
        self.handed += events

    def hint(self, frame: bytes) -> None:
        raise AssertionError(frame)

    def fall_behind(self) -> None:
        raise AssertionError


async def test_a_run_is_joined_in_pieces_that_say_where_they_end(world: World, sockets: Sockets) -> None:
    group = await world.create("ada", "ben")
    await sockets.live("ben")
    (ben,) = (user for (_, name), user in world.hub._users._users.items() if name == "ben")
    listening = Listening()
    ben.live += (listening,)
    with world.unheard():
        await world.send_many(group, "ada", 20, "x" * 3_000)
    before = int(world.hub.tail.position)
    world.hub.sweep()
    await world.hub._tail.reach(world.events[-1].position)
    assert 1 < len(listening.handed) < 20
    for cursor, frames, count in listening.handed:
        payloads = list(payloads_of(frames))
        before += count
        assert (len(payloads), cursor.position) == (count, before)
        assert f'"cursor":"{cursor}"'.encode() in payloads[-1]
        assert len(frames) <= 16 * 1024
    assert before == world.hub.tail.position


def listen(world: World, name: str) -> Listening:
    """Listen as another live connection of a user who has one."""
    listening = Listening()
    world.hub._users._users[TENANT, user(name)].live += (listening,)
    return listening


async def apply_at_once(world: World) -> None:
    """Have the hub find in one read what it has not heard of."""
    world.hub.sweep()
    await world.hub._tail.reach(world.events[-1].position)


def types(listening: Listening) -> list[str]:
    payloads = [payload for _, frames, _ in listening.handed for payload in payloads_of(frames)]
    return [msgspec.json.decode(payload)["type"] for payload in payloads]


async def test_many_who_are_added_at_once_are_one_run_for_all_others(world: World, sockets: Sockets) -> None:
    """Thousands who are there would otherwise be handed each of them by itself, which takes seconds."""
    group = await world.create("ada", "ben")
    for name in ("ben", "cem"):
        await sockets.live(name)
    ben = listen(world, "ben")
    with world.unheard():
        await world.add(group, "ada", "cem", *(f"u{number}" for number in range(20)))
    await apply_at_once(world)
    assert len(ben.handed) == 1
    assert types(ben) == ["participant.added"] * 21


async def test_who_is_let_in_during_a_run_is_handed_what_follows(world: World, sockets: Sockets) -> None:
    group = await world.create("ada", "ben")
    for name in ("ben", "cem"):
        await sockets.live(name)
    ben, cem = listen(world, "ben"), listen(world, "cem")
    with world.unheard():
        await world.send(group, "ada", "before")
        await world.add(group, "ada", "dan", "cem", "eve")
        await world.send(group, "ada", "after")
        await world.remove(group, "ada", "cem")
        await world.send(group, "ada", "later")
    await apply_at_once(world)
    added = "participant.added"
    assert types(cem) == [added, added, "message.created", "participant.removed"]
    assert types(ben) == ["message.created", added, *types(cem), "message.created"]
