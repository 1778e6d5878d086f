"""What follows one another in a conversation is joined, and says where it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.protocol.framing import payloads_of

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
