"""Following the log: holes, a log that turns out to be another one, and what waits for the tail."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.domain.events import Committed
from sanctum_messaging.domain.model import ORIGIN, Cursor, Position
from sanctum_messaging.hub.early_commits import MAX_BYTES, EarlyCommits
from sanctum_messaging.hub.ring import size_of
from tests.hub_client import until
from tests.unit.hub.restoring import restore_backup

if TYPE_CHECKING:
    import apsw

    from sanctum_messaging.adapters.sqlite.database import Database
    from sanctum_messaging.domain.model import ConversationId
    from tests.hub_world import World
    from tests.unit.hub.in_memory import Sockets


class TestStart:
    async def test_fills_the_ring_from_the_log(self, world: World) -> None:
        group = await world.create("ada", "ben")
        await world.send_many(group, "ada", 30)
        hub = world.new_hub()
        await hub._tail.start()
        assert hub.tail == world.hub.tail
        assert hub._ring.floor == 0
        assert hub._ring.find_tag(Position(1)) == world.events[0].tag

    @pytest.mark.parametrize("world", [{"ring_events": 10}], indirect=True)
    async def test_takes_no_more_than_the_ring_holds(self, world: World) -> None:
        group = await world.create("ada", "ben")
        await world.send_many(group, "ada", 30)
        hub = world.new_hub()
        await hub._tail.start()
        assert (hub.tail, hub._ring.floor) == (world.hub.tail, 21)

    @pytest.mark.parametrize("world", [{"ring_events": 10, "ring_bytes": 20_000}], indirect=True)
    async def test_does_not_wait_for_large_events_to_fill_it_to_the_last_byte(self, world: World) -> None:
        group = await world.create("ada", "ben")
        for _ in range(11):
            await world.send(group, "ada", "x" * 5_000)
        hub = world.new_hub()
        async with asyncio.timeout(60):
            await hub._tail.start()
        assert (hub.tail, hub._ring.events) == (world.hub.tail, 1)

    async def test_reads_in_growing_steps_until_the_ring_is_full(self, world: World) -> None:
        group = await world.create("ada", "ben")
        await world.send_many(group, "ada", 1_500)
        hub = world.new_hub()
        await hub._tail.start()
        assert hub._ring.floor == 0
        assert world.log.reads.count("read_newest") == 3  # One of them by the fixture.

    async def test_of_an_empty_log_is_the_origin(self, world: World) -> None:
        assert world.hub.tail == ORIGIN


class TestWaitingForTheTail:
    async def test_a_stream_is_never_behind_what_was_acknowledged_before(self, world: World, sockets: Sockets) -> None:
        """The writer is slow to tell the hub: the welcome waits for what is on disk."""
        group = await world.create("ada", "ben")
        start = str(world.hub.tail)
        with world.unheard():
            await world.send(group, "ada", "Hello")
            ben = await sockets.connect("ben", cursor=start)
            await ben.assert_event("message.created", body="Hello")
        await ben.assert_pushed("live", cursor=str(world.hub.tail))

    async def test_nor_is_the_stream_of_a_user_who_is_known(self, world: World, sockets: Sockets) -> None:
        """His memberships need not be read, but the log's end still is."""
        group = await world.create("ada", "ben")
        before = await sockets.live("ben")
        start = str(world.hub.tail)
        await before.vanish()
        with world.unheard():
            await world.send(group, "ada", "Hello")
            ben = await sockets.connect("ben", cursor=start)
            await ben.assert_pushed("live", cursor=str(await world.store.read_head()))
        assert [event["data"]["message"]["body"] for event in ben.events] == ["Hello"]

    async def test_a_cursor_above_the_tail_waits_for_it(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        await sockets.live("ben")
        with world.unheard():
            await world.send(group, "ada", "one")
            cursor = str(await world.store.read_head())
            await world.send(group, "ada", "two")
            ben = await sockets.connect("ben", cursor=cursor)
        assert ben.welcome["cursor"] == cursor
        await ben.assert_event("message.created", body="two")

    async def test_ends_with_the_waiter(self, world: World) -> None:
        waiting = asyncio.create_task(world.hub._tail.reach(Position(5)))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert world.hub._tail._moves._waiting == set()


class TestSweeping:
    """Other instances append too, and what tells of it may be lost."""

    async def test_finds_what_nobody_told_of(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        ben = await sockets.live("ben")
        world.sweep_seconds = 0.001
        world.hub.sweep()
        with world.unheard():
            for body in ("one", "two"):
                await world.send(group, "ada", body)
                await ben.assert_event("message.created", body=body)

    async def test_goes_on_while_commits_arrive(self, world: World) -> None:
        """Holes that fill themselves wake the tail all the time; it must not forget the others over them."""
        world.sweep_seconds = 0.001
        world.hub.sweep()
        with world.unheard():
            group = await world.create("ada", "ben")
            while world.hub.tail != await world.store.read_head():
                world.hub._tail._want(world.hub.tail.position)
                await asyncio.sleep(0)
            assert group in world.invalidated

    async def test_can_be_asked_for(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        ben = await sockets.live("ben")
        with world.unheard():
            await world.send(group, "ada", "one")
        world.hub.sweep()
        await ben.assert_event("message.created", body="one")

    async def test_costs_one_read_and_none_for_who_appends_alone(self, world: World) -> None:
        before = len(world.log.reads)
        await world.create("ada", "ben")
        world.hub.sweep()
        await until(lambda: world.hub.counters.sweeps > 0)
        assert world.log.reads[before:] == ["follow"]

    async def test_notices_another_log(self, world: World, sockets: Sockets, database: Database) -> None:
        group = await world.create("ada", "ben")
        await world.send_many(group, "ada", 5)
        ben = await sockets.live("ben")
        await restore_backup(world, database, lost=2)
        with world.unheard():
            await world.send_many(group, "ada", 3)
        world.hub.sweep()
        await ben.assert_pushed("resync", reason="diverged", cursor=str(await world.store.read_head()))
        assert world.hub.counters.resets == 1
        assert world.invalidated[-1] is None

    async def test_an_outage_is_logged_once(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(world.hub._tail, "_settings", replace(world.settings, retry_seconds=0))
        follow, failures = world.log.follow, [UnavailableError("Not now.") for _ in range(3)]

        async def fail(after: Cursor, *, limit: int) -> object:
            if failures:
                raise failures.pop()
            return await follow(after, limit=limit)

        monkeypatch.setattr(world.log, "follow", fail)
        with capture_logs() as logs, world.unheard():
            await world.create("ada", "ben")
            world.hub.sweep()
            await world.hub._tail.reach((await world.store.read_head()).position)
        assert [line["event"] for line in logs] == ["log_unreadable"]

    async def test_a_look_that_fails_is_taken_again(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(world.hub._tail, "_settings", replace(world.settings, retry_seconds=0))
        await world.create("ada", "ben")
        follow, failures = world.log.follow, [UnavailableError("Not now.")]

        async def fail(after: Cursor, *, limit: int) -> object:
            if failures:
                raise failures.pop()
            return await follow(after, limit=limit)

        monkeypatch.setattr(world.log, "follow", fail)
        with capture_logs():
            assert not await world.hub._tail.expect(Cursor(Position(1), "ffffffff"))
        assert not failures


class TestCommitsHeardOutOfOrder:
    async def hold(self, world: World, count: int, body: str | None = None) -> list[Committed]:
        group = await world.create("ada", "ben")
        with world.unheard() as held:
            for number in range(count):
                await world.send(group, "ada", body or str(number))
        return list(held)

    async def test_wait_for_those_before_them_and_cost_no_read(self, world: World) -> None:
        held = await self.hold(world, 6)
        reads = len(world.log.reads)
        for index in (2, 5, 1, 4, 3, 0):
            world.hub.apply(held[index])
        assert world.hub.tail == held[-1].events[-1].cursor
        assert world.log.reads[reads:] == []

    async def test_are_applied_once_the_hole_was_read(self, world: World, sockets: Sockets) -> None:
        held = await self.hold(world, 3)
        world.hub.apply(held[2])
        await until(lambda: world.hub.tail == held[-1].events[-1].cursor)

    @pytest.mark.parametrize("body", ["Hello", "\u4e2d" * 8_000])
    async def test_are_not_kept_without_bound(self, world: World, body: str) -> None:
        early = EarlyCommits()
        (committed,) = await self.hold(world, 1, body)
        large = replace(committed, events=committed.events * (MAX_BYTES // 2 // size_of(committed.events[0])))
        for _ in range(3):
            early.keep(large)
        assert len(early) == 2
        while early.take(large.before.position):
            pass
        early.keep(large)
        assert len(early) == 1
        assert early.take(Position(large.before.position - 1)) is None

    async def test_of_another_log_are_not_applied(self, world: World, sockets: Sockets) -> None:
        """They wait for a position which then has another tag than the one that they follow."""
        held = await self.hold(world, 2)
        foreign = replace(held[1], before=replace(held[1].before, tag="ffffffff"))
        world.hub.apply(foreign)
        world.hub.apply(held[0])
        assert world.hub.tail == held[0].events[-1].cursor
        await until(lambda: world.hub.tail == held[1].events[-1].cursor)
        assert world.hub.counters.resets == 0


class TestADatabaseThatFails:
    async def test_is_asked_again(self, world: World, sockets: Sockets, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(world.hub._tail, "_settings", replace(world.settings, retry_seconds=0))
        group = await world.create("ada", "ben")
        ben = await sockets.live("ben")
        follow, failures = world.log.follow, [OSError("disk"), UnavailableError("Not now.")]

        async def fail_twice(after: Cursor, *, limit: int) -> object:
            if failures:
                raise failures.pop()
            return await follow(after, limit=limit)

        monkeypatch.setattr(world.log, "follow", fail_twice)
        with world.unheard() as held:
            await world.send(group, "ada", "one")
            await world.send(group, "ada", "two")
        world.hub.apply(held[1])
        await ben.assert_event("message.created", body="one")
        await ben.assert_event("message.created", body="two")


class TestALogThatIsAnother:
    async def grow(self, world: World) -> ConversationId:
        group = await world.create("ada", "ben")
        await world.send_many(group, "ada", 5)
        return group

    async def test_resyncs_everybody_and_goes_on_from_its_end(
        self, world: World, sockets: Sockets, database: Database
    ) -> None:
        group = await self.grow(world)
        ada, ben = await sockets.live("ada"), await sockets.live("ben")
        await restore_backup(world, database, lost=2)
        await world.send(group, "ada", "in the other log")
        head = str(await world.store.read_head())
        for socket in (ada, ben):
            await socket.assert_pushed("resync", reason="diverged", cursor=head)
        await world.send(group, "ada", "after it")
        for socket in (ada, ben):
            await socket.assert_event("message.created", body="after it")
        assert world.hub.counters.resyncs == 2

    async def test_is_noticed_when_it_has_ended_below_the_tail(
        self, world: World, sockets: Sockets, database: Database
    ) -> None:
        await self.grow(world)
        ben = await sockets.live("ben")
        await restore_backup(world, database, lost=2)
        head = await world.store.read_head()
        world.hub.apply(Committed(Cursor(Position(world.hub.tail.position + 9), "0000000a"), ()))
        await ben.assert_pushed("resync", reason="diverged", cursor=str(head))
        assert world.hub.tail == head

    async def test_is_told_again_to_who_did_not_acknowledge_it(self, world: World, sockets: Sockets) -> None:
        await self.grow(world)
        foreign, head = "2-00000000", str(await world.store.read_head())
        ben = await sockets.connect("ben", cursor=foreign)
        for _ in range(2):
            await ben.assert_pushed("resync", reason="diverged", cursor=head)
            await ben.vanish()
            ben = await sockets.connect("ben", resumeToken=ben.welcome["resumeToken"])
        await ben.assert_pushed("resync", reason="diverged", cursor=head)
        await ben.assert_replied(await ben.push("ack", cursor=head))
        await ben.vanish()
        ben = await sockets.live("ben", resumeToken=ben.welcome["resumeToken"])
        assert ben.unasked("resync") == []

    @pytest.mark.parametrize("world", [{"ring_events": 1}], indirect=True)
    async def test_is_noticed_by_a_page_before_anything_is_sent_twice(
        self, world: World, sockets: Sockets, database: Database
    ) -> None:
        await self.grow(world)
        first = world.events[0].cursor
        await restore_backup(world, database, lost=2)
        ben = await sockets.connect("ben", cursor=str(first))
        await ben.assert_pushed("resync", reason="diverged", cursor=str(await world.store.read_head()))
        await ben.assert_pushed("live")
        assert ben.events == []

    @pytest.mark.parametrize(("written_anew", "resets"), [(0, 1), (1, 1), (4, 0)])
    async def test_is_noticed_where_only_what_was_read_ahead_of_the_tail_is_lost(
        self, world: World, sockets: Sockets, database: Database, written_anew: int, resets: int
    ) -> None:
        """Memberships are read in the old log, whose end is lost before it was heard of here."""
        group = await self.grow(world)
        hold = world.log.hold("read_memberships")
        with world.unheard() as held:
            await world.send_many(group, "ada", 2, "lost")
            connecting = asyncio.create_task(sockets.connect("ben", cursor=str(world.hub.tail)))
            await hold.entered.wait()
            await restore_backup(world, database, lost=2)
            held.clear()
            if written_anew:
                await world.remove(group, "ada", "ben")
                await world.send_many(group, "ada", written_anew - 1, "not for ben")
        for committed in held:
            world.hub.apply(committed)
        hold.released.set()
        ben = await connecting
        if not written_anew:
            await world.remove(group, "ada", "ben")
        await world.send(group, "ada", "not for ben")
        await ben.settle(world.hub.tail)
        assert [event["type"] for event in ben.events] == ["participant.removed"]
        assert world.hub.counters.resets == resets

    async def test_is_noticed_when_the_tail_comes_by_an_end_that_was_lost(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        ben = await sockets.live("ben")
        tail = world.hub.tail.position
        for tag in ("0000000a", "0000000b"):
            assert await world.hub._tail.expect(Cursor(Position(tail + 2), tag))
        await world.send(group, "ada", "before it")
        await ben.assert_event("message.created", body="before it")
        assert world.hub.counters.resets == 0
        await world.send(group, "ada", "there")
        await ben.assert_pushed("resync", reason="diverged", cursor=str(world.hub.tail))
        await world.send(group, "ada", "after it")
        await ben.assert_event("message.created", body="after it")
        assert world.hub.counters.resets == 1

    async def test_an_end_that_is_there_is_none_to_be_noticed(self, world: World) -> None:
        group = await world.create("ada", "ben")
        with world.unheard() as held:
            await world.send(group, "ada")
        assert await world.hub._tail.expect(await world.store.read_head())
        world.hub.apply(held[0])
        await world.send(group, "ada")
        assert await world.hub._tail.expect(held[0].events[0].cursor)
        assert world.hub.counters.resets == 0

    async def test_memberships_of_the_old_one_do_not_count(
        self, world: World, sockets: Sockets, database: Database
    ) -> None:
        await self.grow(world)
        ben = await sockets.live("ben")
        await restore_backup(world, database, lost=2)
        world.hub.apply(Committed(Cursor(Position(world.hub.tail.position + 9), "0000000a"), ()))
        await ben.assert_pushed("resync")
        group = await world.create("ada", "ben")
        await world.send(group, "ada", "Hello")
        await ben.assert_event("conversation.created", id=group)
        await ben.assert_event("message.created", body="Hello")

    async def test_a_client_of_the_old_one_that_comes_later_is_resynced(
        self, world: World, sockets: Sockets, database: Database
    ) -> None:
        group = await self.grow(world)
        old = world.hub.tail
        await restore_backup(world, database, lost=2)
        await world.send(group, "ada")
        await world.send(group, "ada")
        head = await world.store.read_head()
        assert head.position == old.position
        ben = await sockets.connect("ben", cursor=str(old))
        await ben.assert_pushed("resync", reason="diverged")
        await ben.assert_pushed("live")

    async def test_pages_that_were_read_from_the_old_one_are_not_sent(
        self, world: World, sockets: Sockets, database: Database
    ) -> None:
        await self.grow(world)
        ada = await sockets.live("ada")
        hold = world.log.hold("read_stream")
        ben = await sockets.connect("ben", cursor=str(ORIGIN))
        await hold.entered.wait()
        await restore_backup(world, database, lost=2)
        world.hub.apply(Committed(Cursor(Position(world.hub.tail.position + 9), "0000000a"), ()))
        await ada.assert_pushed("resync", reason="diverged")
        hold.released.set()
        await ben.assert_pushed("resync", reason="diverged")
        await ben.assert_pushed("live", cursor=str(world.hub.tail))
        assert ben.events == []

    @pytest.mark.parametrize("behind", [False, True])
    async def test_what_was_in_hand_does_not_lead_back_to_the_old_one(
        self, world: World, sockets: Sockets, database: Database, *, behind: bool
    ) -> None:
        """An event, or a page of them, waits for the peer while the hub takes the other log up."""
        group = await self.grow(world)
        ada, ben = await sockets.live("ada"), await sockets.live("ben", cursor=str(ORIGIN))
        await ben.settle(world.hub.tail)
        ben.transport.stall()
        for _ in range(20 if behind else 1):
            await world.send(group, "ada", "x" * 7_000)
        await ben.transport.stalled.wait()
        if behind:
            # One event goes through, and next is a page.
            ben.transport.sip()
        await restore_backup(world, database, lost=20 if behind else 1)
        world.hub.apply(Committed(Cursor(Position(world.hub.tail.position + 9), "0000000a"), ()))
        await ada.assert_pushed("resync", reason="diverged")
        await world.send(group, "ada", "in the other log")
        ben.transport.flow()
        await ben.assert_pushed("resync", reason="diverged")
        seen = len(ben.events)
        await ben.settle(world.hub.tail)
        assert [event["data"]["message"]["body"] for event in ben.events[seen:]] == ["in the other log"]


class TestLostCursors:
    async def test_of_another_log_restart_at_the_end(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        await world.send_many(group, "ada", 3)
        head = str(world.hub.tail)
        foreign = f"{world.hub.tail.position - 1}-ffffffff"
        ben = await sockets.connect("ben", cursor=foreign)
        assert ben.welcome["cursor"] == head
        await ben.assert_pushed("resync", reason="diverged", cursor=head)
        await ben.assert_pushed("live", cursor=head)
        await world.send(group, "ada", "Hello")
        await ben.assert_event("message.created", body="Hello")

    async def test_beyond_the_end_are_of_another_log(self, world: World, sockets: Sockets) -> None:
        await world.create("ada", "ben")
        ben = await sockets.connect("ben", cursor="1000-0000000a")
        await ben.assert_pushed("resync", reason="diverged", cursor=str(world.hub.tail))

    async def test_below_the_floor_are_too_old(self, world: World, sockets: Sockets, database: Database) -> None:
        group = await world.create("ada", "ben")
        await world.send_many(group, "ada", 5)
        third = world.events[2]

        def retain(connection: apsw.Connection) -> None:
            connection.execute("DELETE FROM event WHERE position <= 3")
            connection.execute("UPDATE log_floor SET position = 3, tag = ?", (third.tag,))

        await database.write(retain)
        world.hub._ring.reset(world.hub.tail)
        ben = await sockets.connect("ben", cursor=str(ORIGIN))
        await ben.assert_pushed("resync", reason="too_old", cursor=str(world.hub.tail))
        kept = await sockets.connect("ben", cursor=str(third.cursor))
        assert [event["seq"] for event in await kept.settle(world.hub.tail)] == [4, 5, 6]
