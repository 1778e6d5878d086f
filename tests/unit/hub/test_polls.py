"""The same stream by polling."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from sanctum_messaging.domain.errors import CursorLostError
from sanctum_messaging.domain.model import ORIGIN, Cursor, Position, TenantId
from tests.acting import actor
from tests.hub_client import PATIENCE_SECONDS, until
from tests.unit.hub.restoring import restore_backup

if TYPE_CHECKING:
    from sanctum_messaging.adapters.sqlite.database import Database
    from sanctum_messaging.domain.model import Actor
    from sanctum_messaging.ports.log import StreamPage
    from sanctum_messaging.ports.streams import EncodedPage
    from tests.hub_world import World
    from tests.unit.hub.in_memory import Sockets

BEN = actor("ben")
SERVICE = replace(actor("robot", service=True), impersonating=False)


def bodies(page: EncodedPage) -> list[str]:
    events = [msgspec.json.decode(event) for event in page.events]
    return [event["data"].get("message", {}).get("body", event["type"]) for event in events]


def cursors(page: EncodedPage) -> list[str]:
    return [msgspec.json.decode(event)["cursor"] for event in page.events]


def size(page: EncodedPage) -> int:
    return sum(map(len, page.events))


async def waiting_poll(world: World, who: object = BEN) -> asyncio.Task[EncodedPage]:
    """Start a poll at the end of the log and let it come to where it waits."""
    poll = asyncio.create_task(
        world.hub.read(who, cursor=world.hub.tail, limit=10, wait_ms=20_000)  # type: ignore[arg-type]
    )
    polls, users = world.hub._polls, world.hub._users
    await until(lambda: any(polls._tenants.values()) or any(user.waiting for user in users._users.values()))
    return poll


class TestRead:
    async def test_without_a_cursor_tells_the_end_of_the_log(self, world: World) -> None:
        group = await world.create("ada", "ben")
        with world.unheard():
            await world.send(group, "ada")
            page = await world.hub.read(BEN, cursor=None, limit=10, wait_ms=0)
        assert (page.events, page.cursor, page.has_more) == ((), await world.store.read_head(), False)

    async def test_gives_what_follows_the_cursor_in_pages(self, world: World) -> None:
        group = await world.create("ada", "ben")
        for body in ("one", "two", "three"):
            await world.send(group, "ada", body)
        first = await world.hub.read(BEN, cursor=ORIGIN, limit=2, wait_ms=0)
        assert bodies(first) == ["conversation.created", "one"]
        assert first.has_more
        second = await world.hub.read(BEN, cursor=first.cursor, limit=2, wait_ms=0)
        assert bodies(second) == ["two", "three"]
        assert second.cursor == world.hub.tail
        assert not second.has_more

    async def test_gives_the_same_bytes_as_the_socket(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        start = world.hub.tail
        ben = await sockets.live("ben")
        await world.send(group, "ada", "Hello")
        await world.rename(group, "ada", "title")
        await ben.settle(world.hub.tail)
        page = await world.hub.read(BEN, cursor=start, limit=10, wait_ms=0)
        assert list(page.events) == [frame for frame in ben.transport.handed_over if b'"op":"event"' in frame]

    async def test_moves_the_cursor_over_what_others_did(self, world: World) -> None:
        await world.create("ada", "ben")
        start = world.hub.tail
        await world.create("ada")
        page = await world.hub.read(BEN, cursor=start, limit=10, wait_ms=0)
        assert (list(page.events), page.cursor) == ([], world.hub.tail)

    @pytest.mark.parametrize("world", [{"window": 256}], indirect=True)
    async def test_looks_on_until_there_is_something(self, world: World) -> None:
        start = world.hub.tail
        foreign = await world.create("ada")
        await world.send_many(foreign, "ada", 1_500)
        group = await world.create("ada", "ben")
        await world.send(group, "ada")
        page = await world.hub.read(BEN, cursor=start, limit=10, wait_ms=0)
        assert bodies(page) == ["conversation.created", "Hello"]

    async def test_sees_what_was_acknowledged_before(self, world: World) -> None:
        group = await world.create("ada", "ben")
        start = world.hub.tail
        await world.hub.read(BEN, cursor=start, limit=10, wait_ms=0)
        with world.unheard():
            await world.send(group, "ada", "Hello")
            page = await world.hub.read(BEN, cursor=start, limit=10, wait_ms=0)
        assert bodies(page) == ["Hello"]

    @pytest.mark.parametrize("who", [BEN, SERVICE])
    async def test_says_when_the_cursor_is_lost(self, world: World, who: object) -> None:
        await world.create("ada", "ben")
        with pytest.raises(CursorLostError) as lost:
            await world.hub.read(who, cursor=Cursor(Position(1), "ffffffff"), limit=10, wait_ms=0)  # type: ignore[arg-type]
        assert (lost.value.code, lost.value.cursor) == ("cursor_diverged", world.hub.tail)

    async def test_is_of_ones_own_tenant(self, world: World) -> None:
        await world.create("ada", "ben")
        page = await world.hub.read(actor("ben", tenant="elsewhere"), cursor=ORIGIN, limit=10, wait_ms=0)
        assert list(page.events) == []

    @pytest.mark.parametrize(("who", "read"), [(BEN, "read_stream"), (SERVICE, "read_tenant_stream")])
    async def test_gives_nothing_of_a_log_that_is_another_by_now(self, world: World, who: Actor, read: str) -> None:
        await world.create("ada", "ben")
        hold = world.log.hold(read)
        poll = asyncio.create_task(world.hub.read(who, cursor=ORIGIN, limit=10, wait_ms=0))
        await hold.entered.wait()
        await world.hub._tail._take_up_another()
        hold.released.set()
        with pytest.raises(CursorLostError):
            await poll

    @pytest.mark.parametrize("who", [BEN, SERVICE])
    @pytest.mark.parametrize("limit", [1, 10])
    async def test_notices_by_a_page_that_the_log_is_another(
        self, world: World, database: Database, who: Actor, limit: int
    ) -> None:
        """What follows a lost cursor in the log that took its place does not follow what the client has seen."""
        group = await world.create("ada", "ben")
        await world.send_many(group, "ada", 5)
        lost = world.events[3].cursor
        await restore_backup(world, database, lost=3)
        with world.unheard():
            await world.send_many(group, "ada", 2)
        assert (await world.store.read_head()).position > lost.position
        with pytest.raises(CursorLostError) as refusal:
            await world.hub.read(who, cursor=lost, limit=limit, wait_ms=0)
        assert (refusal.value.code, refusal.value.cursor) == ("cursor_diverged", world.hub.tail)


class TestWaiting:
    async def test_ends_with_the_first_event_and_costs_no_query(self, world: World) -> None:
        group = await world.create("ada", "ben")
        poll = await waiting_poll(world)
        read = list(world.log.reads)
        foreign = await world.create("ada")
        await world.send(foreign, "ada")
        await asyncio.sleep(0)
        assert not poll.done()
        await world.send(group, "ada", "Hello")
        page = await poll
        assert bodies(page) == ["Hello"]
        assert page.cursor == world.hub.tail
        assert world.log.reads == read

    @pytest.mark.parametrize("who", [BEN, SERVICE])
    async def test_misses_nothing_that_comes_just_before_it(self, world: World, who: Actor) -> None:
        """Something is heard of in every tick between the look at the log and the wait."""
        group = await world.create("ada", "ben")
        await world.hub.read(who, cursor=world.hub.tail, limit=10, wait_ms=0)
        for ticks in range(15):
            hold = world.log.hold("read_head")
            poll = asyncio.create_task(world.hub.read(who, cursor=world.hub.tail, limit=10, wait_ms=20_000))
            await hold.entered.wait()
            with world.unheard() as held:
                await world.send(group, "ada", f"in tick {ticks}")
            hold.released.set()
            for _ in range(ticks):
                await asyncio.sleep(0)
            world.hub.apply(held[0])
            async with asyncio.timeout(PATIENCE_SECONDS):
                assert bodies(await poll) == [f"in tick {ticks}"]

    async def test_sees_a_conversation_that_one_is_added_to(self, world: World) -> None:
        group = await world.create("ada")
        poll = await waiting_poll(world)
        await world.add(group, "ada", "ben")
        assert bodies(await poll) == ["participant.added"]

    async def test_sees_that_one_is_removed(self, world: World) -> None:
        group = await world.create("ada", "ben")
        poll = await waiting_poll(world)
        await world.remove(group, "ada", "ben")
        assert bodies(await poll) == ["participant.removed"]

    async def test_sees_that_one_is_added_again(self, world: World) -> None:
        group = await world.create("ada", "ben")
        await world.remove(group, "ada", "ben")
        poll = await waiting_poll(world)
        await world.add(group, "ada", "ben")
        assert bodies(await poll) == ["participant.added"]

    @pytest.mark.parametrize("world", [{"ring_events": 1, "window": 12}], indirect=True)
    async def test_sees_what_comes_behind_its_page_while_ones_memberships_are_read(self, world: World) -> None:
        """The page ends before the removal, and the hub does not know whom to wake when it hears of it."""
        group = await world.create("ada", "ben")
        start = world.hub.tail
        foreign = await world.create("ada")
        entering = world.log.hold("check_cursor")
        poll = asyncio.create_task(world.hub.read(BEN, cursor=start, limit=10, wait_ms=10**9))
        await entering.entered.wait()
        await world.remove(group, "ada", "ben")
        await world.add(group, "ada", "ben")
        loading = world.log.hold("read_memberships")
        entering.released.set()
        await loading.entered.wait()
        await world.send_many(foreign, "ada", 12)
        await world.remove(group, "ada", "ben")
        loading.released.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert bodies(await poll) == ["participant.removed"]

    async def test_ends_when_the_time_is_up(self, world: World) -> None:
        await world.create("ada", "ben")
        page = await world.hub.read(BEN, cursor=world.hub.tail, limit=10, wait_ms=1)
        assert (list(page.events), page.cursor, page.has_more) == ([], world.hub.tail, False)

    async def test_ends_with_the_drain(self, world: World) -> None:
        await world.create("ada", "ben")
        poll = await waiting_poll(world)
        await world.create("ada")  # Which is none of Ben's.
        polls = [poll, await waiting_poll(world, SERVICE)]
        await world.hub.drain()
        for poll in polls:
            page = await poll
            assert (list(page.events), page.cursor, page.has_more) == ([], world.hub.tail, False)
        page = await world.hub.read(BEN, cursor=world.hub.tail, limit=1, wait_ms=20_000)
        assert list(page.events) == []

    @pytest.mark.parametrize("who", [BEN, SERVICE])
    @pytest.mark.parametrize("written_anew", [1, 5])
    async def test_ends_when_the_log_loses_the_cursor(
        self, world: World, database: Database, who: Actor, written_anew: int
    ) -> None:
        """As after a failover; the log may be as long as before by the time that the poll looks again, or not yet."""
        group = await world.create("ada", "ben")
        await world.send_many(group, "ada", 5)
        poll = await waiting_poll(world, who)
        await restore_backup(world, database, lost=3)
        with world.unheard():
            await world.send_many(group, "ada", written_anew)
        world.hub.sweep()
        with pytest.raises(CursorLostError) as lost:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await poll
        assert (lost.value.code, lost.value.cursor) == ("cursor_diverged", world.hub.tail)

    async def test_leaves_nothing_behind_when_the_caller_goes(self, world: World) -> None:
        await world.create("ada", "ben")
        poll = await waiting_poll(world)
        poll.cancel()
        await asyncio.wait([poll])
        (user,) = world.hub._users._users.values()
        assert (user.waiting, user.uses) == (set(), 0)


class TestServiceTokens:
    async def test_read_all_events_of_their_tenant(self, world: World) -> None:
        group = await world.create("ada", "ben")
        await world.send(group, "ada", "one")
        await world.create("cem")
        await world.mute(group, "ben")
        page = await world.hub.read(SERVICE, cursor=ORIGIN, limit=10, wait_ms=0)
        assert bodies(page) == ["conversation.created", "one", "conversation.created", "participant.updated"]
        assert page.cursor == world.hub.tail

    async def test_page_through_them(self, world: World) -> None:
        group = await world.create("ada")
        await world.send_many(group, "ada", 24)
        cursor, seen, more = ORIGIN, 0, True
        while more:
            page = await world.hub.read(SERVICE, cursor=cursor, limit=7, wait_ms=0)
            cursor, more = page.cursor, page.has_more
            seen += len(page.events)
        assert seen == 25

    @pytest.mark.parametrize("world", [{"sync_bytes": 20_000}], indirect=True)
    async def test_get_pages_that_are_bounded_in_bytes(self, world: World) -> None:
        group = await world.create("ada")
        await world.send_many(group, "ada", 60)
        await world.send_many(group, "ada", 20, "\u4e2d" * 1_000)
        pages = [await world.hub.read(SERVICE, cursor=ORIGIN, limit=500, wait_ms=0)]
        while pages[-1].has_more:
            pages.append(await world.hub.read(SERVICE, cursor=pages[-1].cursor, limit=500, wait_ms=0))
        assert [cursor for page in pages for cursor in cursors(page)] == [str(event.cursor) for event in world.events]
        assert all(size(page) <= 20_000 + max(map(len, page.events)) for page in pages)
        assert all(size(page) > 19_000 for page in pages[:-1])  # They are as large as they may be.
        assert pages[-1].cursor == world.hub.tail

    async def test_read_more_at_a_time_while_it_fits(self, world: World) -> None:
        group = await world.create("ada")
        await world.send_many(group, "ada", 149)
        page = await world.hub.read(SERVICE, cursor=ORIGIN, limit=500, wait_ms=0)
        assert len(page.events) == 150
        assert world.log.reads.count("read_tenant_stream") == 2  # 50, and 100.

    @pytest.mark.parametrize("world", [{"sync_bytes": 10_000}], indirect=True)
    async def test_get_a_bounded_page_of_what_comes_while_they_wait(self, world: World) -> None:
        group = await world.create("ada")
        poll = await waiting_poll(world, SERVICE)
        with world.unheard() as held:
            await world.send_many(group, "ada", 8, "\u4e2d" * 1_000)
        for committed in held:
            world.hub.apply(committed)
        page = await poll
        assert size(page) <= 10_000 + max(map(len, page.events))
        assert page.has_more
        rest = await world.hub.read(SERVICE, cursor=page.cursor, limit=10, wait_ms=0)
        assert cursors(page) + cursors(rest)[:1] == [
            str(event.cursor) for event in world.events[1 : len(page.events) + 2]
        ]

    @pytest.mark.parametrize("wait_ms", [0, 1])
    async def test_do_not_run_after_a_log_that_never_rests(
        self, world: World, monkeypatch: pytest.MonkeyPatch, wait_ms: int
    ) -> None:
        """Whenever a page was read, another tenant has gone on: nothing of it is for this one."""
        group = await world.create("ada")
        read = world.log.read_tenant_stream

        async def read_busily(tenant: TenantId, **window: Any) -> StreamPage:  # noqa: ANN401 - as they are
            page = await read(tenant, **window)
            assert world.log.reads.count("read_tenant_stream") < 10
            await world.send(group, "ada")
            return page

        monkeypatch.setattr(world.log, "read_tenant_stream", read_busily)
        stranger = replace(SERVICE, tenant=TenantId("elsewhere"))
        page = await world.hub.read(stranger, cursor=ORIGIN, limit=10, wait_ms=wait_ms)
        assert (list(page.events), page.has_more) == ([], False)

    @pytest.mark.parametrize("world", [{"sync_seconds": 0}], indirect=True)
    @pytest.mark.parametrize("wait_ms", [0, 20_000])
    async def test_get_on_with_each_call_through_a_log_too_long_for_one(self, world: World, wait_ms: int) -> None:
        group = await world.create("ada")
        await world.send_many(group, "ada", 24)
        stranger = replace(SERVICE, tenant=TenantId("elsewhere"))
        first = await world.hub.read(stranger, cursor=ORIGIN, limit=10, wait_ms=wait_ms)
        assert (list(first.events), first.cursor.position, first.has_more) == ([], 10, True)
        second = await world.hub.read(stranger, cursor=first.cursor, limit=15, wait_ms=0)
        assert (second.cursor, second.has_more) == (world.hub.tail, False)

    async def test_read_the_users_they_act_for(self, world: World) -> None:
        await world.create("ada", "ben")
        await world.create("ada")
        page = await world.hub.read(actor("ben", service=True), cursor=ORIGIN, limit=10, wait_ms=0)
        assert bodies(page) == ["conversation.created"]

    async def test_wait_for_any_event_of_their_tenant(self, world: World) -> None:
        poll = await waiting_poll(world, SERVICE)
        await world.create("ada")
        assert bodies(await poll) == ["conversation.created"]

    async def test_leave_nothing_behind_with_the_last_poll(self, world: World) -> None:
        polls = [await waiting_poll(world, SERVICE), await waiting_poll(world, SERVICE)]
        await until(lambda: len(world.hub._polls._sleepers) == 2)
        polls[0].cancel()
        await asyncio.wait(polls[:1])
        await world.create("ada")
        assert bodies(await polls[1]) == ["conversation.created"]
        assert not world.hub._polls._tenants
