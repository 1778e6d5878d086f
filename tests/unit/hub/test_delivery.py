"""One position per connection: falling behind, catching up, going live, and never a gap or a repeat."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest

from sanctum_messaging.domain.events import Signal, SignalKind
from sanctum_messaging.domain.model import TenantId, UserId
from sanctum_messaging.protocol.session import Phase
from tests.hub_client import until
from tests.unit.hub.restoring import restore_backup

if TYPE_CHECKING:
    from sanctum_messaging.adapters.sqlite.database import Database
    from sanctum_messaging.domain.model import ConversationId
    from tests.hub_world import World
    from tests.unit.hub.in_memory import Socket, Sockets

LARGE = "x" * 7_000
"""Ten of these are more than a connection may have pending."""


async def slow_reader(world: World, sockets: Sockets) -> tuple[ConversationId, Socket]:
    """Have a live reader fall behind."""
    group = await world.create("ada", "ben")
    ben = await sockets.live("ben")
    ben.transport.stall()
    for _ in range(12):
        await world.send(group, "ada", LARGE)
    await ben.transport.stalled.wait()
    assert world.hub.counters.fell_behind == 1
    return group, ben


def seqs(events: list[dict[str, int]]) -> list[int]:
    return [event["seq"] for event in events]


class TestASlowReader:
    async def test_gets_everything_once_and_in_order(self, world: World, sockets: Sockets) -> None:
        group, ben = await slow_reader(world, sockets)
        await world.send_many(group, "ada", 50)
        ben.transport.flow()
        assert seqs(await ben.settle(world.hub.tail)) == list(range(2, 64))

    async def test_is_live_again_afterwards_and_not_told_so_twice(self, world: World, sockets: Sockets) -> None:
        group, ben = await slow_reader(world, sockets)
        ben.transport.flow()
        await ben.settle(world.hub.tail)
        read = list(world.log.reads)
        await world.send(group, "ada", "Hello")
        await ben.settle(world.hub.tail)
        assert ben.events[-1]["data"]["message"]["body"] == "Hello"
        assert world.log.reads == read
        assert ben.unasked("live") == []

    async def test_holds_up_nobody_else(self, world: World, sockets: Sockets) -> None:
        group, _ = await slow_reader(world, sockets)
        ada = await sockets.live("ada")
        await world.send(group, "ben", "Hello")
        await ada.assert_event("message.created", body="Hello")

    async def test_has_nothing_pending_in_memory(self, world: World, sockets: Sockets) -> None:
        group, _ = await slow_reader(world, sockets)
        await world.send_many(group, "ada", 200, LARGE)
        (connection,) = world.hub._parts.registry.connections
        assert not connection.delivery._events
        assert connection.delivery.pending_bytes == 0

    async def test_reads_from_the_database_what_the_ring_has_dropped(self, world: World, sockets: Sockets) -> None:
        world.hub._ring._max_events = 20
        group, ben = await slow_reader(world, sockets)
        await world.send_many(group, "ada", 100)
        ben.transport.flow()
        assert seqs(await ben.settle(world.hub.tail)) == list(range(2, 114))
        assert world.hub.counters.catch_up_database > 0

    async def test_still_gets_his_replies(self, world: World, sockets: Sockets) -> None:
        group, ben = await slow_reader(world, sockets)
        sent = await ben.push("send", conversationId=group, clientMessageId="c", body="Hello")
        wrong = await ben.push("send", conversationId="none", clientMessageId="c", body="Hello")
        ben.transport.flow()
        await ben.assert_replied(sent)
        await ben.assert_replied(wrong, code="not_found")

    async def test_sees_no_more_than_his_removal(self, world: World, sockets: Sockets) -> None:
        """Texts that he has not been sent are joined as they are now, and now they are not for him."""
        group, ben = await slow_reader(world, sockets)
        await world.remove(group, "ada", "ben")
        await world.send(group, "ada", "secret")
        ben.transport.flow()
        events = await ben.settle(world.hub.tail)
        assert events[-1]["type"] == "participant.removed"
        assert seqs(events) == [2, 14]

    async def test_that_was_caught_up_in_memory_sees_what_comes_while_he_goes_live(
        self, world: World, sockets: Sockets
    ) -> None:
        """One commit is applied in every tick of the loop, so that one falls into any gap that there might be."""
        group, ben = await slow_reader(world, sockets)
        with world.unheard() as held:
            for _ in range(60):
                await world.send(group, "ada")
        ben.transport.flow()
        for committed in held:
            world.hub.apply(committed)
            await asyncio.sleep(0)
        assert seqs(await ben.settle(world.hub.tail)) == list(range(2, 74))


class TestAPageThatIsBeingRead:
    async def test_is_not_overtaken_by_what_is_in_memory_meanwhile(
        self, world: World, sockets: Sockets, database: Database
    ) -> None:
        """After a restored backup all is read anew, and once one socket's page is there, the ring may do for others."""
        group = await world.create("ada", "ben")
        await world.send_many(group, "ada", 5)
        readers = [await sockets.live("ben") for _ in range(2)]
        await restore_backup(world, database, lost=2)
        hold = world.log.hold("read_memberships")
        world.hub.sweep()
        await hold.entered.wait()
        await world.send_many(group, "ada", 3)
        hold.released.set()
        connections = [ben.connection for ben in readers if ben.connection is not None]
        while any(each.phase is not Phase.LIVE or each.delivery._reading for each in connections):
            for ben in readers:
                await ben.push("ping")
            await asyncio.sleep(0)
        cursors = [str(event.cursor) for event in world.events[-3:]]
        for ben in readers:
            events = [msgspec.json.decode(each) for each in ben.transport.handed_over if b'"op":"event"' in each]
            assert [event["cursor"] for event in events] == cursors

    async def test_waits_while_replies_fill_the_socket(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        await world.send_many(group, "ada", 20)
        hold = world.log.hold("read_stream")
        ben = await sockets.connect("ben", cursor="0-00000000")
        await hold.entered.wait()
        ben.transport.stall()
        await ben.push("ping")
        await ben.transport.stalled.wait()
        written = len(ben.transport.writes)
        hold.released.set()
        await until(lambda: ben.connection is not None and not ben.connection.delivery._reading)
        assert len(ben.transport.writes) == written
        ben.transport.flow()
        assert seqs(await ben.settle(world.hub.tail)) == list(range(1, 22))


class TestWhoIsGone:
    async def test_is_written_nothing(self, world: World, sockets: Sockets) -> None:
        """What was said last still has its answers when the socket is over."""
        ben = await sockets.live("ben")
        written = len(ben.transport.writes)
        await ben.push("ping")
        ben.transport.vanish()
        await ben.over()
        assert len(ben.transport.writes) == written

    async def test_is_not_written_the_page_that_was_being_read(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        await world.send_many(group, "ada", 5)
        hold = world.log.hold("read_stream")
        ben = await sockets.connect("ben", cursor="0-00000000")
        await hold.entered.wait()
        written = len(ben.transport.writes)
        hold.released.set()
        ben.transport.vanish()
        await ben.over()
        assert len(ben.transport.writes) == written

    async def test_while_he_is_being_closed_is_written_nothing_either(self, world: World, sockets: Sockets) -> None:
        ben = await sockets.live("ben")
        written = len(ben.transport.writes)
        assert ben.connection is not None
        ben.connection.drain(0)
        ben.transport.vanish()
        await ben.over()
        assert len(ben.transport.writes) == written


async def test_who_keeps_up_does_not_fall_behind(world: World, sockets: Sockets) -> None:
    group = await world.create("ada", "ben")
    ben = await sockets.live("ben")
    for _ in range(30):
        await world.send(group, "ada", LARGE)
        await ben.assert_event("message.created")
    assert world.hub.counters.fell_behind == 0


class TestHeartbeats:
    async def test_a_cursor_stands_behind_all_events_up_to_it(self, world: World, sockets: Sockets) -> None:
        """Replies overtake events, so a pong that comes early names an early cursor."""
        group = await world.create("ada", "ben")
        ben = await sockets.live("ben")
        ben.transport.stall()
        for _ in range(5):
            await world.send(group, "ada")
        await ben.transport.stalled.wait()
        await ben.push("ping")
        ben.transport.flow()
        while (await ben.assert_pushed("pong"))["cursor"] != str(world.hub.tail):
            await ben.push("ping")
        frames = [frame for frame in ben.transport.handed_over if b'"op":"pong"' in frame or b'"op":"event"' in frame]
        seen = 0
        for frame in frames:
            position = int(frame.split(b'"cursor":"')[1].split(b"-")[0])
            assert position > seen if b'"op":"event"' in frame else position >= seen
            seen = position

    async def test_that_wait_do_not_go_ahead_of_a_resync(
        self, world: World, sockets: Sockets, database: Database
    ) -> None:
        """Whoever took the cursor and lost the socket then would never learn that his picture is of another log."""
        group = await world.create("ada", "ben")
        ben = await sockets.live("ben")
        ben.transport.stall()
        await world.send_many(group, "ada", 5)
        await ben.transport.stalled.wait()
        await ben.push("ping")
        await restore_backup(world, database, lost=2)
        world.hub.sweep()
        await until(lambda: world.hub.counters.resets == 1)
        ben.transport.flow()
        pong, resync = await ben.assert_pushed("pong"), await ben.assert_pushed("resync")
        assert pong["cursor"] != resync["cursor"]
        assert pong["cursor"] in {str(event.cursor) for event in world.events}

    async def test_move_an_idle_clients_cursor(self, world: World, sockets: Sockets) -> None:
        ben = await sockets.live("ben")
        group = await world.create("ada")
        await world.send(group, "ada")
        world.pass_time(20)
        assert (await ben.assert_pushed("ping"))["cursor"] == str(world.hub.tail)


class TestReplies:
    async def test_that_nobody_reads_stop_the_reading(self, world: World, sockets: Sockets) -> None:
        ben = await sockets.live("ben")
        ben.transport.stall()
        for _ in range(500):
            await ben.push("fly")
        await ben.transport.stalled.wait()
        (connection,) = world.hub._parts.registry.connections
        for _ in range(1_000):
            # Nothing here waits for anything but this loop, which has come to rest long before.
            await asyncio.sleep(0)
        assert 0 < len(connection.delivery._replies) <= world.settings.replies_pending
        assert ben.transport.unheard > 300
        ben.transport.flow()
        for number in range(2, 502):
            await ben.assert_replied(f"f{number}", code="unknown_op")

    @pytest.mark.parametrize("world", [{"frames_in_flight": 2}], indirect=True)
    async def test_s_d3_that_are_long_stop_it_sooner(self, world: World, sockets: Sockets) -> None:
        """Each is as long as the message that it confirms."""
        group = await world.create("ada", "ben")
        ben = await sockets.live("ben")
        ben.transport.stall()
        sends = [
            await ben.push("send", conversationId=group, clientMessageId=f"c-{number}", body=LARGE)
            for number in range(40)
        ]
        assert ben.connection is not None
        delivery, dialogue = ben.connection.delivery, ben.connection._dialogue
        await until(lambda: not delivery.has_room and not dialogue._in_flight)
        assert sum(len(each) for each in delivery._replies if isinstance(each, bytes)) < 96 * 1024
        ben.transport.flow()
        for each in sends:
            await ben.assert_replied(each)

    async def test_signals_are_dropped_for_who_does_not_read(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        ben = await sockets.live("ben")
        ben.transport.stall()
        for _ in range(100):
            world.hub.apply_signal(Signal(SignalKind.TYPING, TenantId("default"), group, UserId("ada"), on=True))
            await asyncio.sleep(0)
        (connection,) = world.hub._parts.registry.connections
        assert len(connection.delivery._replies) == 16
