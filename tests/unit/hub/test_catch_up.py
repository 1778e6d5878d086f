"""Catching up gives what the log shows, wherever it is read from."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sanctum_messaging.domain.model import ORIGIN, Cursor, HistoryVisibility, Position, TenantId, UserId
from sanctum_messaging.hub.catch_up import CatchUp
from sanctum_messaging.presenters import encode_event
from sanctum_messaging.protocol.framing import frame_text
from tests.unit.hub.happenings import STEPS, Happenings, fresh_world

if TYPE_CHECKING:
    from sanctum_messaging.hub.catch_up import Delivered
    from tests.hub_world import World

TENANT = TenantId("default")


async def expected(world: World, name: str, after: Cursor) -> list[bytes]:
    """Read a stream in one go."""
    page = await world.store.read_stream(
        TENANT, UserId(name), after=after.position, upto=world.hub.tail.position, limit=100_000
    )
    return [frame_text(encode_event(event)) for event in page.events]


async def caught_up(
    world: World, name: str, after: Cursor, *, limit: int = 500, max_bytes: int = 65_536
) -> list[Delivered]:
    """Read a stream page by page, as a connection does."""
    user = world.hub._users.hold(TENANT, UserId(name))
    try:
        reader = CatchUp(world.hub._parts.source, user, limit=limit, max_bytes=max_bytes)
        found: list[Delivered] = []
        while (rest := reader.rest(after)) is None:
            page = await reader.read(after)
            assert page is not None
            assert len(page.frames) <= limit
            assert len(page.frames) <= 1 or sum(len(frame) for _, frame, _ in page.frames) <= max_bytes
            found.extend(page.frames)
            after = page.upto
        return [*found, *rest]
    finally:
        world.hub._users.release(user, world.clock.monotonic())


def frames(found: list[Delivered]) -> list[bytes]:
    return [frame for _, frame, _ in found]


class TestPages:
    async def test_come_from_the_ring_once_the_memberships_are_known(self, world: World) -> None:
        group = await world.create("ada", "ben")
        await caught_up(world, "ben", world.hub.tail)
        start = world.hub.tail
        await world.send_many(group, "ada", 300)
        read = list(world.log.reads)
        assert frames(await caught_up(world, "ben", start, limit=50)) == await expected(world, "ben", start)
        assert world.log.reads == read
        assert world.hub.counters.catch_up_ring == 6

    async def test_come_from_the_ring_for_who_was_not_known_as_far_as_his_memberships_go_back(
        self, world: World
    ) -> None:
        left = await world.create("ada", "ben")
        group = await world.create("ada", "ben")
        await world.remove(left, "ada", "ben")
        changed = world.hub.tail
        await world.send_many(group, "ada", 20)
        assert frames(await caught_up(world, "ben", changed)) == await expected(world, "ben", changed)
        assert world.log.reads == ["read_newest", "read_memberships"]

    @pytest.mark.parametrize("world", [{"ring_events": 1}], indirect=True)
    async def test_come_from_the_database_where_the_ring_does_not_reach(self, world: World) -> None:
        group = await world.create("ada", "ben")
        await world.send_many(group, "ada", 300)
        assert frames(await caught_up(world, "ben", ORIGIN)) == await expected(world, "ben", ORIGIN)
        assert world.log.reads.count("read_memberships") == 1
        assert 2 <= world.log.reads.count("read_stream") <= 6

    @pytest.mark.parametrize("world", [{"window": 100, "ring_events": 1}], indirect=True)
    async def test_cover_a_window_that_widens_over_what_others_did(self, world: World) -> None:
        await world.create("ben")
        foreign = await world.create("ada")
        await world.send_many(foreign, "ada", 3_000)
        await world.rename(await world.create("ben"), "ben", "title")
        assert frames(await caught_up(world, "ben", ORIGIN)) == await expected(world, "ben", ORIGIN)
        assert world.log.reads.count("read_stream") <= 6

    @pytest.mark.parametrize("world", [{"ring_events": 1}, {}], indirect=True)
    async def test_hold_large_messages_a_few_at_a_time(self, world: World) -> None:
        group = await world.create("ada", "ben")
        for number in range(30):
            await world.send(group, "ada", "x" * (7_000 if number % 3 else 10))
        assert frames(await caught_up(world, "ben", ORIGIN, max_bytes=20_000)) == await expected(world, "ben", ORIGIN)

    async def test_carry_the_present_content_of_edited_messages(self, world: World) -> None:
        group = await world.create("ada", "ben")
        await caught_up(world, "ben", world.hub.tail)
        start = world.hub.tail
        message = await world.send(group, "ada", "Helo")
        await world.edit(message, "Hello")
        gone = await world.send(group, "ada", "gone")
        await world.delete(gone)
        from_ring = frames(await caught_up(world, "ben", start))
        assert world.hub.counters.catch_up_database == 0
        assert from_ring == await expected(world, "ben", start)
        assert b'"Hello"' in from_ring[0]

    @pytest.mark.parametrize("changed", ["joined", "left", "came back"])
    async def test_come_from_the_database_across_a_change_of_memberships(self, world: World, changed: str) -> None:
        group = await world.create("ada", "ben")
        other = await world.create("ada", *(["ben"] if changed != "joined" else []))
        await caught_up(world, "ben", world.hub.tail)
        start = world.hub.tail
        message = await world.send(group, "ada", "before")
        await world.send(other, "ada", "before, elsewhere")
        if changed == "joined":
            await world.add(other, "ada", "ben")
        else:
            await world.remove(other, "ada", "ben")
        await world.send(other, "ada", "after, elsewhere")
        if changed == "came back":
            await world.add(other, "ada", "ben")
        await world.edit(message, "edited")
        assert frames(await caught_up(world, "ben", start)) == await expected(world, "ben", start)
        assert world.hub.counters.catch_up_database > 0

    @pytest.mark.parametrize("after", list(HistoryVisibility))
    async def test_show_the_past_as_it_is_shown_now(self, world: World, after: HistoryVisibility) -> None:
        """Edits of what was written before one joined, on both sides of a change of who sees them."""
        before = next(each for each in HistoryVisibility if each is not after)
        group = await world.create("ada", visibility=before)
        old, older = await world.send(group, "ada", "old"), await world.send(group, "ada", "older")
        await world.add(group, "ada", "ben")
        joined = world.hub.tail
        await world.edit(old, "edited before")
        await world.show_history(group, "ada", after)
        await world.edit(older, "edited after")
        from_ring = frames(await caught_up(world, "ben", joined))
        assert world.hub.counters.catch_up_database == 0
        assert from_ring == await expected(world, "ben", joined)
        assert len(from_ring) == (3 if after is HistoryVisibility.ALL else 1)

    async def test_never_reach_beyond_the_tail(self, world: World) -> None:
        group = await world.create("ada", "ben")
        await world.send(group, "ada")
        user = world.hub._users.hold(TENANT, UserId("ben"))
        await world.hub._users.load(user)
        tail = world.hub.tail
        with world.unheard():
            await world.send(group, "ada", "not heard of")
            page = await CatchUp(world.hub._parts.source, user, limit=500, max_bytes=65_536).read(ORIGIN)
        assert page is not None
        assert page.upto == tail
        world.hub._users.release(user, 0)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    steps=st.lists(st.sampled_from(STEPS), max_size=40),
    ring_events=st.integers(1, 60),
    window=st.integers(1, 30),
    limit=st.integers(1, 20),
    known=st.booleans(),
    back=st.integers(0, 40),
)
def test_pages_add_up_to_the_stream(
    *, steps: list[str], ring_events: int, window: int, limit: int, known: bool, back: int
) -> None:
    """For whatever happened, from any cursor, with any sizes of ring and pages: the same bytes as read in one go."""

    async def check() -> None:
        async with fresh_world(ring_events=ring_events, window=window) as world:
            if known:
                await caught_up(world, "ben", world.hub.tail)
            happenings = await Happenings.begin(world)
            for step in steps:
                await happenings.happen(step)
            events = await world.store.read_log(after=Position(0), limit=1_000)
            start = events[-back].cursor if 0 < back <= len(events) else ORIGIN
            found = await caught_up(world, "ben", start, limit=limit, max_bytes=3_000)
            assert frames(found) == await expected(world, "ben", start)
            order = [cursor.position for cursor, _, _ in found]
            assert order == sorted(set(order))

    asyncio.run(check())
