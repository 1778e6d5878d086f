"""The stream over real sockets: live, replayed, slowly read, resumed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.domain.model import ORIGIN, HistoryVisibility
from tests.integration.websockets_world import Served, served, served_world

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sanctum_messaging.adapters.sqlite.database import Database
    from sanctum_messaging.adapters.sqlite.store import SQLiteStore
    from tests.conftest import HandClock
    from tests.hub_world import World


@pytest.fixture
async def service(
    request: pytest.FixtureRequest, store: SQLiteStore, database: Database, clock: HandClock
) -> AsyncGenerator[Served]:
    """A hub on a socket; a test may ask for other settings as the fixture's parameter."""
    async with served_world(store, database, clock, **getattr(request, "param", {})) as service:
        yield service


@pytest.fixture
def world(service: Served) -> World:
    return service.world


class TestStream:
    async def test_begins_with_welcome_and_live_and_goes_on_with_events(self, world: World, service: Served) -> None:
        group = await world.create("ada", "ben")
        ben = await service.connect("ben")
        assert ben.welcome["cursor"] == str(world.hub.tail)
        await ben.assert_pushed("live", cursor=ben.welcome["cursor"])
        await world.send(group, "ada", "Hello")
        event = await ben.assert_event("message.created", body="Hello")
        assert event["cursor"] == str(world.hub.tail)

    async def test_replays_what_follows_the_cursor(self, world: World, service: Served) -> None:
        group = await world.create("ada", "ben")
        await world.send_many(group, "ada", 700)
        ben = await service.live("ben", cursor=str(ORIGIN))
        events = await ben.settle(world.hub.tail)
        assert [event["seq"] for event in events] == list(range(1, 702))

    async def test_takes_in_what_happens_during_the_replay(self, world: World, service: Served) -> None:
        group = await world.create("ada", "ben")
        await world.send_many(group, "ada", 300)
        sending = asyncio.create_task(world.send_many(group, "ada", 300))
        ben = await service.connect("ben", cursor=str(ORIGIN))
        await sending
        events = await ben.settle(world.hub.tail)
        assert [event["seq"] for event in events] == list(range(1, 602))

    async def test_ends_exactly_at_a_removal(self, world: World, service: Served) -> None:
        group = await world.create("ada", "ben")
        ben = await service.live("ben")
        # So few that he does not fall behind: who does is told of the removal alone.
        sending = asyncio.create_task(world.send_many(group, "ada", 80))
        await world.remove(group, "ada", "ben")
        await sending
        events = await ben.settle(world.hub.tail)
        assert events[-1]["type"] == "participant.removed"
        assert [event["seq"] for event in events] == list(range(2, events[-1]["seq"] + 1))

    async def test_shows_what_fell_into_the_memberships_where_history_is_joined(
        self, world: World, service: Served
    ) -> None:
        group = await world.create("ada", visibility=HistoryVisibility.JOINED)
        early = await world.send(group, "ada", "early")
        ben = await service.live("ben")
        await world.add(group, "ada", "ben")
        await world.edit(early, "edited")
        await world.send(group, "ada", "late")
        await ben.assert_event("participant.added")
        await ben.assert_event("message.created", body="late")
        again = await service.connect("ben", cursor=str(ORIGIN))
        events = await again.settle(world.hub.tail)
        assert [event["type"] for event in events] == ["participant.added", "message.created"]


class TestASlowReader:
    async def test_catches_up_and_gets_everything_once(self, world: World, service: Served) -> None:
        group = await world.create("ada", "ben")
        ben, ada = await service.live("ben"), await service.live("ada")
        for number in range(300):
            await world.send(group, "ada", f"{number:04d}" + "x" * 2_000)
            if number % 10 == 0:
                await ada.settle(world.hub.tail)
        assert world.hub.counters.fell_behind == 1
        events = await ben.settle(world.hub.tail)
        assert [event["seq"] for event in events] == list(range(2, 302))
        assert ben.unasked("live") == []

    @pytest.mark.parametrize("service", [{"stall_seconds": 0.3, "heartbeat_ms": 3_600_000}], indirect=True)
    async def test_that_stops_altogether_is_closed_with_4003(self, world: World, service: Served) -> None:
        group = await world.create("ada", "ben")
        ben, ada = await service.live("ben"), await service.live("ada")
        for _ in range(100):
            await world.send(group, "ada", "x" * 4_000)
            await ada.assert_event("message.created")
        async with asyncio.timeout(10), asyncio.TaskGroup():
            while world.hub.counters.closes[4003] == 0:  # noqa: ASYNC110 - the client reads nothing that could tell
                await asyncio.sleep(0.01)
        await ada.settle(world.hub.tail)
        with pytest.raises(AssertionError, match="closed"):
            await ben.settle(world.hub.tail)


class TestResume:
    async def test_outlives_the_server(self, world: World, service: Served) -> None:
        group = await world.create("ada", "ben")
        ben = await service.live("ben")
        await world.send(group, "ada", "one")
        cursor = (await ben.assert_event("message.created"))["cursor"]
        await ben.assert_replied(await ben.push("ack", cursor=cursor))
        await service.hub.drain()
        await ben.assert_pushed("drain")
        await ben.assert_closed(4000)
        await world.send(group, "ada", "two")
        async with world.new_hub() as hub, served(world, hub) as restarted:
            again = await restarted.connect("ben", resumeToken=ben.welcome["resumeToken"])
            assert (again.welcome["resumed"], again.welcome["cursor"]) == (True, cursor)
            await again.assert_event("message.created", body="two")

    async def test_replaces_the_socket_before_it(self, service: Served) -> None:
        first = await service.live("ben")
        await service.live("ben", resumeToken=first.welcome["resumeToken"])
        await first.assert_closed(4504)

    async def test_says_when_the_log_is_another_one(self, world: World, service: Served) -> None:
        await world.create("ada", "ben")
        ben = await service.connect("ben", cursor=f"{world.hub.tail.position}-ffffffff")
        await ben.assert_pushed("resync", reason="diverged", cursor=str(world.hub.tail))
        await ben.assert_pushed("live")

    async def test_says_when_the_cursor_is_too_old(self, world: World, service: Served, database: Database) -> None:
        group = await world.create("ada", "ben")
        await world.send(group, "ada")
        floor = ("UPDATE log_floor SET position = 1, tag = ?", (world.events[0].tag,))
        await database.write(lambda connection: connection.execute(*floor).fetchall())
        world.hub._ring.reset(world.hub.tail)
        ben = await service.connect("ben", cursor=str(ORIGIN))
        await ben.assert_pushed("resync", reason="too_old", cursor=str(world.hub.tail))


class TestTimeouts:
    @pytest.mark.parametrize("service", [{"hello_seconds": 0.1}], indirect=True)
    async def test_of_the_hello(self, service: Served) -> None:
        await (await service.open()).assert_closed(4008)

    @pytest.mark.parametrize("service", [{"heartbeat_ms": 500, "tick_seconds": 0.005}], indirect=True)
    async def test_of_the_heartbeat(self, service: Served) -> None:
        ben = await service.live("ben")
        await ben.assert_pushed("ping")
        await ben.push("pong")
        await ben.assert_pushed("ping")
        await ben.assert_closed(4002)

    @pytest.mark.parametrize("service", [{"token_grace_ms": 0}], indirect=True)
    async def test_of_the_token(self, world: World, service: Served, clock: HandClock) -> None:
        world.actors["short"] = world.expiring("ben", 60)
        refreshed, expired = await service.live("short"), await service.live("short")
        await refreshed.assert_replied(await refreshed.push("auth", token="ben"))
        clock.advance(61)
        await expired.assert_closed(4005)
        await refreshed.settle(world.hub.tail)


class TestFrames:
    @pytest.mark.parametrize(
        ("message", "code"),
        [("hello", 4500), ("[1]", 4500), (b'{"op":"ping"}', 1003), ('{"op":"ping","id":"' + "x" * 70_000 + '"}', 1009)],
    )
    async def test_that_are_none_close_the_socket(self, service: Served, message: str | bytes, code: int) -> None:
        ben = await service.live("ben")
        await ben.push_raw(message)
        await ben.assert_closed(code)

    async def test_that_are_faulty_are_refused_and_the_socket_lives_on(self, world: World, service: Served) -> None:
        ben = await service.live("ben")
        await ben.push_raw('{"op":"send","id":"1","conversationId":"c","clientMessageId":"a","body":"\\u0000"}')
        refused = await ben.assert_replied("1", code="invalid")
        assert refused["problem"]["errors"] == [{"field": "body", "code": "nul"}]
        await ben.assert_replied(await ben.push("ack", cursor="5-00000000"), code="ack_ahead")
        await ben.assert_replied(await ben.push("fly"), code="unknown_op")
        await ben.settle(world.hub.tail)

    async def test_are_taken_in_order_however_many_are_in_flight(self, world: World, service: Served) -> None:
        group = await world.create("ada")
        ada = await service.live("ada")

        async def send_all() -> list[str]:
            return [
                await ada.push("send", conversationId=group, clientMessageId=f"c{number}", body=str(number))
                for number in range(300)
            ]

        sending = asyncio.create_task(send_all())
        for number in range(300):
            await ada.assert_event("message.created", body=str(number))
        for frame_id in await sending:
            await ada.assert_replied(frame_id)
