"""A connection's timeouts, what remains of it for whoever comes back, and its end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.hub.opening import Handshake
from sanctum_messaging.presenters import present_time
from sanctum_messaging.protocol.codes import CloseCode
from sanctum_messaging.protocol.results import FrameResult
from tests.acting import actor
from tests.hub_client import until
from tests.unit.hub.in_memory import Sockets, open_sockets

if TYPE_CHECKING:
    from sanctum_messaging.domain.model import Actor
    from sanctum_messaging.ports.resume_store import ResumeState
    from tests.hub_world import World


class TestTimeouts:
    async def test_without_a_hello_it_is_closed_with_4008(self, world: World, sockets: Sockets) -> None:
        silent = sockets.open()
        await until(lambda: any(each._dialogue.listening for each in world.hub._parts.registry.connections))
        world.pass_time(9.9)
        world.pass_time(0.1)
        await silent.assert_closed(4008)

    async def test_after_two_silent_heartbeats_it_is_closed_with_4002(self, world: World, sockets: Sockets) -> None:
        ben = await sockets.live("ben")
        for _ in range(4):
            world.pass_time(10)
        await ben.assert_closed(4002)
        assert len(ben.unasked("ping")) == 1

    async def test_who_answers_heartbeats_stays(self, world: World, sockets: Sockets) -> None:
        ben = await sockets.live("ben")
        for _ in range(5):
            for _ in range(2):
                world.pass_time(10)
            await ben.assert_pushed("ping")
            await ben.push("pong")
            await ben.settle(world.hub.tail)

    async def test_after_30_seconds_without_reading_it_is_closed_with_4003(
        self, world: World, sockets: Sockets
    ) -> None:
        group = await world.create("ada", "ben")
        ben = await sockets.live("ben")
        ben.transport.stall()
        await world.send(group, "ada")
        await ben.transport.stalled.wait()
        for _ in range(4):
            world.pass_time(10)
            await ben.push("pong")
            await asyncio.sleep(0)
        await until(lambda: world.hub.counters.closes[4003] == 1)
        ben.transport.flow()
        await ben.assert_closed(4003)
        await ben.over()
        assert world.hub.counters.connections == 0

    async def test_who_reads_now_and_then_stays(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        ben = await sockets.live("ben")
        for _ in range(3):
            ben.transport.stall()
            await world.send(group, "ada")
            await ben.transport.stalled.wait()
            for _ in range(2):
                world.pass_time(10)
                await ben.push("pong")
            ben.transport.flow()
            world.pass_time(10)
            await ben.push("pong")
        await ben.settle(world.hub.tail)
        assert not world.hub.counters.closes

    @pytest.mark.parametrize("world", [{"close_seconds": 0.01}], indirect=True)
    async def test_a_peer_that_never_reads_again_is_let_go(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        ben = await sockets.live("ben")
        ben.transport.stall()
        await world.send(group, "ada")
        await ben.transport.stalled.wait()
        for _ in range(2):
            world.pass_time(30)
        await ben.over()
        assert world.hub.counters.connections == 0

    async def test_30_seconds_after_its_tokens_expiry_it_is_closed_with_4005(
        self, world: World, sockets: Sockets
    ) -> None:
        world.actors["short"] = world.expiring("ben", 5)
        ben = await sockets.live("short")
        world.pass_time(17)
        await ben.settle(world.hub.tail)
        world.pass_time(17.9)
        await ben.settle(world.hub.tail)
        world.pass_time(0.2)
        await ben.assert_closed(4005)

    async def test_whose_tokens_key_was_withdrawn_it_is_closed_with_4005_and_may_resume(
        self, world: World, sockets: Sockets
    ) -> None:
        ada, ben = await sockets.live("ada"), await sockets.live("ben")
        world.pass_time(1)
        world.distrusted.add("ben")
        world.pass_time(10)
        await ben.assert_closed(4005)
        await ada.settle(world.hub.tail)
        world.distrusted.clear()
        again = await sockets.connect("ben", resumeToken=ben.welcome["resumeToken"])
        assert again.welcome["resumed"] is True

    async def test_a_minute_before_its_tokens_expiry_it_is_asked_for_a_fresh_one_once(
        self, world: World, sockets: Sockets
    ) -> None:
        world.actors["short"] = world.expiring("ben", 100)
        world.actors["fresh"] = world.expiring("ben", 200)
        ben = await sockets.live("short")
        world.pass_time(39)
        await ben.settle(world.hub.tail)
        assert ben.unasked("authRequired") == []
        for _ in range(3):
            world.pass_time(1)
            await ben.settle(world.hub.tail)
        (asked,) = ben.unasked("authRequired")
        assert asked["expiresAt"] == present_time(world.actors["short"].expires_at)
        await ben.assert_replied(await ben.push("auth", token="fresh"))
        for _ in range(5):
            world.pass_time(19)
            await ben.settle(world.hub.tail)
        assert len(ben.unasked("authRequired")) == 1
        world.pass_time(10)
        await ben.settle(world.hub.tail)
        assert len(ben.unasked("authRequired")) == 2


class TestResume:
    async def test_goes_on_after_the_last_acknowledgement(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        first = await sockets.live("ben")
        await world.send(group, "ada", "one")
        event = await first.assert_event("message.created", body="one")
        await first.assert_replied(await first.push("ack", cursor=event["cursor"]))
        await world.send(group, "ada", "two")
        await first.assert_event("message.created", body="two")
        await first.vanish()
        await world.send(group, "ada", "three")
        again = await sockets.connect("ben", resumeToken=first.welcome["resumeToken"])
        assert again.welcome["resumed"] is True
        assert again.welcome["cursor"] == event["cursor"]
        await again.assert_event("message.created", body="two")
        await again.assert_event("message.created", body="three")

    async def test_goes_on_at_the_clients_own_cursor_if_it_names_one(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        first = await sockets.live("ben")
        await world.send(group, "ada", "one")
        event = await first.assert_event("message.created", body="one")
        await first.vanish()
        await world.send(group, "ada", "two")
        again = await sockets.connect("ben", resumeToken=first.welcome["resumeToken"], cursor=event["cursor"])
        assert again.welcome["resumed"] is True
        await again.assert_event("message.created", body="two")

    async def test_without_a_token_starts_at_the_end(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        await world.send(group, "ada", "before")
        ben = await sockets.live("ben")
        await ben.assert_nothing_pushed(world.hub.tail)

    async def test_survives_the_end_of_the_process(self, world: World, sockets: Sockets) -> None:
        """Nothing was said at the end: what the token leads to was persisted with the welcome."""
        group = await world.create("ada", "ben")
        first = await sockets.live("ben")
        await world.send(group, "ada", "one")
        async with world.new_hub() as other, open_sockets(other) as others:
            again = await others.connect("ben", resumeToken=first.welcome["resumeToken"])
            assert again.welcome["resumed"] is True
            await again.assert_event("message.created", body="one")

    @pytest.mark.parametrize("who", ["ada", "tenant", "device"])
    async def test_is_for_the_same_tenant_user_and_device(self, world: World, sockets: Sockets, who: str) -> None:
        world.actors["tenant"] = actor("ben", tenant="elsewhere")
        world.actors["device"] = replace(actor("ben"), device=actor("ada").device)
        ben = await sockets.live("ben")
        token = ben.welcome["resumeToken"]
        eve = await sockets.connect(who, resumeToken=token)
        assert eve.welcome["resumed"] is False
        assert eve.welcome["resumeToken"].split(".")[0] != token.split(".")[0]
        await ben.settle(world.hub.tail)

    @pytest.mark.parametrize("token", ["", "x", "a.1.b", "a.x.b", "a.1.b.c"])
    async def test_with_a_token_of_nobody_is_a_new_session(self, sockets: Sockets, token: str) -> None:
        ben = await sockets.connect("ben", resumeToken=token)
        assert ben.welcome["resumed"] is False

    async def test_gets_a_new_token_and_the_one_before_still_works(self, sockets: Sockets) -> None:
        """A welcome may be lost with its socket."""
        first = await sockets.live("ben")
        token = first.welcome["resumeToken"]
        second = await sockets.live("ben", resumeToken=token)
        assert second.welcome["resumeToken"] != token
        third = await sockets.live("ben", resumeToken=token)
        assert third.welcome["resumed"] is True

    async def test_is_over_after_bye(self, sockets: Sockets) -> None:
        ben = await sockets.live("ben")
        await ben.push("bye")
        await ben.assert_closed(1000)
        again = await sockets.connect("ben", resumeToken=ben.welcome["resumeToken"])
        assert again.welcome["resumed"] is False


class TestTakeover:
    async def test_replaces_the_first_socket(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        first = await sockets.live("ben")
        second = await sockets.live("ben", resumeToken=first.welcome["resumeToken"])
        await first.assert_closed(4504)
        await world.send(group, "ada", "Hello")
        await second.assert_event("message.created", body="Hello")

    async def test_leaves_sockets_with_tokens_of_their_own_alone(self, world: World, sockets: Sockets) -> None:
        first, second = await sockets.live("ben"), await sockets.live("ben")
        for socket in (first, second):
            await socket.settle(world.hub.tail)

    async def test_by_another_instance_is_noticed_when_the_state_is_next_persisted(
        self, world: World, sockets: Sockets
    ) -> None:
        first = await sockets.live("ben")
        async with world.new_hub() as other, open_sockets(other) as others:
            await others.live("ben", resumeToken=first.welcome["resumeToken"])
            for _ in range(3):
                world.pass_time(20)
                await first.push("pong")
                await asyncio.sleep(0)
            await first.assert_closed(4504)

    async def test_of_two_at_once_leaves_the_later_one(self, world: World, sockets: Sockets) -> None:
        """Both have taken the session over before either has claimed it: the higher generation holds it."""
        first = await sockets.live("ben")
        token = first.welcome["resumeToken"]
        await world.create("ada")
        hold = world.log.hold("check_cursor")
        world.hub._ring.reset(world.hub.tail)
        slow, fast = sockets.open(), sockets.open()
        await slow.push("hello", token="ben", resumeToken=token, cursor="0-00000000")
        await hold.entered.wait()
        await fast.hello(token="ben", resumeToken=token)
        hold.released.set()
        await fast.settle(world.hub.tail)
        await slow.assert_closed(4504)


class TestPersisting:
    def count(self, world: World) -> list[str]:
        """Note the cursor of every state that is persisted."""
        cursors: list[str] = []
        persist = world.persist

        async def noted(token: str, state: ResumeState, ttl: int, /) -> bool:
            cursors.append(str(state.cursor))
            return await persist(token, state, ttl)

        world.persist = noted
        return cursors

    async def pass_time(self, world: World, seconds: float) -> None:
        """Move the clock, and let what is persisted because of it come to its end."""
        world.pass_time(seconds)
        await until(lambda: not any(each._persisting for each in world.hub._parts.registry.connections))

    async def test_follows_acknowledgements_at_most_every_5_seconds(self, world: World, sockets: Sockets) -> None:
        persisted = self.count(world)
        group = await world.create("ada", "ben")
        ben = await sockets.live("ben")
        acked = []
        for _ in range(10):
            await world.send(group, "ada")
            cursor = (await ben.assert_event("message.created"))["cursor"]
            await ben.assert_replied(await ben.push("ack", cursor=cursor))
            acked.append(cursor)
            await self.pass_time(world, 1)
            await ben.settle(world.hub.tail)
        assert persisted == [ben.welcome["cursor"], acked[4], acked[9]]

    async def test_happens_every_minute_without_progress(self, world: World, sockets: Sockets) -> None:
        persisted = self.count(world)
        ben = await sockets.live("ben")
        for _ in range(13):
            await self.pass_time(world, 10)
            await ben.settle(world.hub.tail)
        assert len(persisted) == 3

    async def test_that_fails_is_tried_again(self, world: World, sockets: Sockets) -> None:
        ben = await sockets.live("ben")
        outcomes: list[bool] = []

        async def fail_once(token: str, state: ResumeState, ttl: int, /) -> bool:
            outcomes.append(len(outcomes) > 0)
            if len(outcomes) == 1:
                raise UnavailableError("The disk is full.")
            return True

        world.persist = fail_once
        for _ in range(13):
            await self.pass_time(world, 10)
            await ben.settle(world.hub.tail)
        assert outcomes == [False, True]


class TestTheBarrier:
    async def test_an_unexpected_error_closes_one_connection_with_4001(self, world: World, sockets: Sockets) -> None:
        async def break_down(who: Actor, frame: object, /) -> FrameResult:
            raise RuntimeError("a fault of ours")

        group = await world.create("ada", "ben")
        world.on_frame = break_down
        ada, ben = await sockets.live("ada"), await sockets.live("ben")
        with capture_logs() as logs:
            await ada.push("send", conversationId=group, clientMessageId="c", body="text of a client")
            await ada.assert_closed(4001)
        assert [line["event"] for line in logs] == ["connection_failed"]
        await world.send(group, "ada", "Hello")
        await ben.assert_event("message.created", body="Hello")

    async def test_a_database_that_is_away_closes_who_catches_up_and_is_no_fault_of_ours(
        self, world: World, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def fail(*arguments: object, **bounds: object) -> None:
            raise UnavailableError("Not now.")

        await world.create("ada", "ben")
        monkeypatch.setattr(world.log, "read_stream", fail)
        with capture_logs() as logs:
            ada = await sockets.connect("ada", cursor="0-00000000")
            await ada.assert_closed(4001)
        assert [(line["event"], line["log_level"]) for line in logs] == [("stream_unreadable", "warning")]


class TestTheEnd:
    async def test_leaves_nothing_behind(self, world: World, sockets: Sockets) -> None:
        await world.create("ada", "ben")
        ben = await sockets.live("ben")
        await ben.vanish()
        registry, users = world.hub._parts.registry, world.hub._users
        assert registry.connections == set()
        assert registry._holders == {}
        assert world.hub.counters.connections == 0
        assert world.hub.counters.closes == {1006: 1}
        world.pass_time(61)
        assert users._users == {}

    @pytest.mark.parametrize("read", ["read_memberships", "read_stream"])
    async def test_while_something_is_read_leaves_nothing_behind(
        self, world: World, sockets: Sockets, read: str
    ) -> None:
        await world.create("ada", "ben")
        hold = world.log.hold(read)
        ben = sockets.open()
        await ben.push("hello", token="ben", cursor="0-00000000")
        await hold.entered.wait()
        await ben.vanish()
        assert world.hub._parts.registry.connections == set()
        assert [user.uses for user in world.hub._users._users.values()] == [0]
        assert all(not user.live for user in world.hub._users._users.values())

    async def test_while_frames_are_in_flight_cancels_them(self, world: World, sockets: Sockets) -> None:
        entered, left = asyncio.Event(), asyncio.Event()

        async def endless(who: Actor, frame: object, /) -> FrameResult:
            entered.set()
            try:
                await asyncio.Event().wait()
            finally:
                left.set()
            return FrameResult()

        world.on_frame = endless
        ben = await sockets.live("ben")
        await ben.push("read", conversationId="c", seq=1)
        await entered.wait()
        await ben.vanish()
        assert left.is_set()


class TestDrain:
    async def test_sends_everybody_away(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        ada, ben, silent = await sockets.live("ada"), await sockets.live("ben"), sockets.open()
        await world.send(group, "ada", "Hello")
        event = await ben.assert_event("message.created")
        await ben.assert_replied(await ben.push("ack", cursor=event["cursor"]))
        await world.hub.drain()
        for socket in (ada, ben, silent):
            await socket.assert_pushed("drain", reconnectInMs=0)
            await socket.assert_closed(4000)
        late = sockets.open()
        await late.assert_closed(4000)
        async with world.new_hub() as other, open_sockets(other) as others:
            again = await others.connect("ben", resumeToken=ben.welcome["resumeToken"])
            assert again.welcome["cursor"] == event["cursor"]

    async def test_leaves_the_rest_of_a_page_for_the_next_connection(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        await world.send_many(group, "ada", 100)
        hold = world.log.hold("read_stream")
        ben = await sockets.connect("ben", cursor="0-00000000")
        await hold.entered.wait()
        ben.transport.stall()
        hold.released.set()
        await ben.transport.stalled.wait()
        draining = asyncio.create_task(world.hub.drain())
        await until(lambda: world.hub.counters.closes[4000] == 1)
        await asyncio.sleep(0)
        ben.transport.flow()
        await draining
        await ben.assert_pushed("drain")
        await ben.assert_closed(4000)
        assert len(ben.events) == 50

    @pytest.mark.parametrize("world", [{"close_seconds": 0.01}], indirect=True)
    async def test_waits_for_nobody_who_does_not_read(self, world: World, sockets: Sockets) -> None:
        ben = await sockets.live("ben")
        ben.transport.stall()
        await world.hub.drain()
        assert world.hub.counters.connections == 0

    async def test_in_the_turn_in_which_a_stream_would_begin_leaves_nothing_of_it(
        self, world: World, sockets: Sockets
    ) -> None:
        group = await world.create("ada", "ben", "eve")
        eve, ben = await sockets.live("eve"), sockets.open(Handshake(actor("ben")))
        persist, persisted = world.persist, asyncio.Event()
        goes_on: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def persist_slowly(token: str, state: ResumeState, ttl: int, /) -> bool:
            holds = await persist(token, state, ttl)
            persisted.set()
            await goes_on
            return holds

        world.persist = persist_slowly
        await ben.push("hello", id="h")
        await persisted.wait()
        world.persist = persist
        # What the client asked for is done in the turn in which the connection is closed, before its task is cancelled.
        goes_on.set_result(None)
        assert ben.connection is not None
        ben.connection.close(CloseCode.DRAIN)
        await ben.assert_closed(CloseCode.DRAIN)
        await ben.over()
        assert not ben.unasked("welcome")
        await world.send(group, "ada", "Hello")
        await eve.assert_event("message.created", body="Hello")
