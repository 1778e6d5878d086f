"""What a client may say, and what it is answered."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.domain.model import DeviceId, UserId
from sanctum_messaging.hub.opening import Handshake
from tests.acting import actor
from tests.hub_client import until

if TYPE_CHECKING:
    from sanctum_messaging.domain.model import Actor, MessageDraft
    from sanctum_messaging.ports.log import AppendedMessage
    from sanctum_messaging.protocol.frames import Read, Send, Typing
    from sanctum_messaging.protocol.results import FrameResult
    from tests.hub_world import World
    from tests.unit.hub.in_memory import Sockets


class TestHello:
    async def test_is_answered_by_a_welcome(self, world: World, sockets: Sockets) -> None:
        await world.create("ada", "ben")
        ben = sockets.open()
        hello = await ben.push("hello", token="ben", client={"name": "test", "version": "1"})
        welcome = await ben.assert_pushed("welcome")
        assert welcome["cursor"] == str(world.hub.tail)
        assert welcome["user"] == "ben"
        assert welcome["resumed"] is False
        assert welcome["heartbeatMs"] == 20_000
        assert welcome["limits"] == {"frameBytes": 65_536, "bodyCharacters": 8_000, "sendsInFlight": 32}
        assert welcome["serverTime"] == "2023-11-14T22:13:20.000Z"
        await ben.assert_replied(hello)
        await ben.assert_pushed("live", cursor=str(world.hub.tail))

    @pytest.mark.parametrize("cursor", ["", "1", "1-2", "x-00000000", "01-00000000", "1-0000000A", f"{2**63}-00000000"])
    async def test_with_a_malformed_cursor_may_be_repeated(self, sockets: Sockets, cursor: str) -> None:
        ben = sockets.open()
        refused = await ben.push("hello", token="ben", cursor=cursor)
        reply = await ben.assert_replied(refused, code="invalid_cursor")
        assert reply["problem"]["errors"] == [{"field": "cursor", "code": "malformed"}]
        await ben.hello(token="ben")

    async def test_comes_first_and_once(self, sockets: Sockets) -> None:
        ben = sockets.open()
        await ben.assert_replied(await ben.push("ping"), code="unexpected_frame")
        await ben.hello(token="ben")
        await ben.assert_replied(await ben.push("hello", token="ben"), code="unexpected_frame")

    @pytest.mark.parametrize("token", [{}, {"token": "bad"}])
    async def test_without_a_valid_token_closes_with_4501(self, sockets: Sockets, token: dict[str, str]) -> None:
        eve = sockets.open()
        await eve.push("hello", **token)
        await eve.assert_closed(4501)

    async def test_needs_no_token_after_one_in_the_handshake(self, sockets: Sockets) -> None:
        ben = sockets.open(Handshake(actor("ben")))
        assert (await ben.hello())["user"] == "ben"

    async def test_may_bring_a_fresh_token_of_the_same_user(self, sockets: Sockets) -> None:
        ben = sockets.open(Handshake(actor("ben")))
        assert (await ben.hello(token="ben"))["user"] == "ben"

    async def test_of_another_user_than_the_handshake_closes_with_4501(self, world: World, sockets: Sockets) -> None:
        world.actors["other"] = actor("ben", tenant="elsewhere")
        for token in ("ada", "other"):
            eve = sockets.open(Handshake(actor("ben")))
            await eve.push("hello", token=token)
            await eve.assert_closed(4501)

    async def test_from_an_origin_that_is_not_allowed_closes_with_4503(self, sockets: Sockets) -> None:
        eve = sockets.open(Handshake(origin="https://evil.example"))
        await eve.push("hello", token="ben")
        await eve.assert_closed(4503)


class TestServiceTokens:
    async def test_show_their_own_stream(self, world: World, sockets: Sockets) -> None:
        world.actors["robot"] = replace(actor("robot", service=True), impersonating=False)
        group = await world.create("ada", "robot")
        foreign = await world.create("ada")
        robot = await sockets.live("robot")
        await world.send(foreign, "ada", "not for it")
        await world.send(group, "ada", "for it")
        await robot.assert_event("message.created", body="for it")
        await robot.assert_nothing_pushed(world.hub.tail)

    async def test_show_another_users_with_act_as(self, world: World, sockets: Sockets) -> None:
        world.actors["robot"] = replace(actor("robot", service=True), impersonating=False)
        group = await world.create("ada", "ben")
        robot = sockets.open(Handshake(act_as="ben"))
        assert (await robot.hello(token="robot"))["user"] == "ben"
        await world.send(group, "ada", "Hello")
        await robot.assert_event("message.created", body="Hello")

    async def test_are_needed_for_act_as(self, sockets: Sockets) -> None:
        eve = sockets.open(Handshake(act_as="ben"))
        await eve.push("hello", token="eve")
        await eve.assert_closed(4503)


class TestSend:
    async def test_is_answered_by_the_message_and_delivered_to_oneself(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        ada = await sockets.live("ada")
        sent = await ada.push("send", conversationId=group, clientMessageId="c1", body="Hello", metadata={"a": 1})
        reply = await ada.assert_replied(sent)
        event = await ada.assert_event("message.created", body="Hello")
        assert reply["result"] == event["data"]
        assert "replayed" not in reply

    async def test_repeated_is_answered_by_the_same_message(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada")
        ada = await sockets.live("ada")
        first, again = [
            await ada.assert_replied(await ada.push("send", conversationId=group, clientMessageId="c1", body="Hello"))
            for _ in range(2)
        ]
        assert again["replayed"] is True
        assert again["result"] == first["result"]
        assert len(await ada.settle(world.hub.tail)) == 1

    async def test_enters_the_log_in_the_order_of_arrival(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada")
        ada = await sockets.live("ada")
        sent = [
            await ada.push("send", conversationId=group, clientMessageId=f"c{number}", body=str(number))
            for number in range(200)
        ]
        for frame_id in sent:
            await ada.assert_replied(frame_id)
        events = await ada.settle(world.hub.tail)
        assert [event["data"]["message"]["body"] for event in events] == [str(number) for number in range(200)]

    async def test_that_is_refused_does_not_stop_the_next(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada")
        ada = await sockets.live("ada")
        refused = await ada.push("send", conversationId="nowhere", clientMessageId="c1", body="Hello")
        reused = [
            await ada.push("send", conversationId=group, clientMessageId="c2", body=body) for body in ("one", "two")
        ]
        later = await ada.push("send", conversationId=group, clientMessageId="c3", body="Hello")
        await ada.assert_replied(refused, code="not_found")
        await ada.assert_replied(reused[0])
        await ada.assert_replied(reused[1], code="client_message_id_reused")
        await ada.assert_replied(later)

    async def test_is_in_the_log_without_a_task_and_before_the_next_turn(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada")
        ada = await sockets.live("ada")
        before = len(asyncio.all_tasks())
        sent = [
            await ada.push("send", conversationId=group, clientMessageId=f"c{number}", body="Hello")
            for number in range(3)
        ]
        assert world.writer.queued == 3
        assert len(asyncio.all_tasks()) == before
        for frame_id in sent:
            await ada.assert_replied(frame_id)
        assert world.writer.counts.commits == 2

    async def test_is_answered_in_the_turn_of_its_event(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada")
        ada = await sockets.live("ada")
        written = len(ada.transport.handed_over)
        await ada.assert_replied(await ada.push("send", conversationId=group, clientMessageId="c1", body="Hello"))
        assert [json.loads(frame)["op"] for frame in ada.transport.handed_over[written:]] == ["ok", "event"]

    async def test_is_done_though_its_connection_ends(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        ada, ben = await sockets.live("ada"), await sockets.live("ben")
        await ada.push("send", conversationId=group, clientMessageId="c1", body="Hello")
        ada.transport.vanish()
        await ada.over()
        await ben.assert_event("message.created", body="Hello")

    async def test_that_is_refused_when_its_connection_has_ended_is_nobodys(
        self, world: World, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outcome: asyncio.Future[AppendedMessage] = asyncio.get_running_loop().create_future()
        monkeypatch.setattr(world.writer, "append_message", lambda _: outcome)
        faults: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: faults.append(context))
        ada = await sockets.live("ada")
        await ada.push("send", conversationId="c", clientMessageId="c1", body="Hello")
        ada.transport.vanish()
        await ada.over()
        outcome.set_exception(UnavailableError("Not now."))
        for _ in range(3):
            await asyncio.sleep(0)
        assert faults == []

    async def test_that_fails_as_nobody_foresaw_ends_its_connection(
        self, world: World, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        group = await world.create("ada", "ben")
        ada, ben = await sockets.live("ada"), await sockets.live("ben")

        def fail(_draft: MessageDraft) -> asyncio.Future[AppendedMessage]:
            outcome: asyncio.Future[AppendedMessage] = asyncio.get_running_loop().create_future()
            outcome.set_exception(RuntimeError("a fault of ours"))
            return outcome

        monkeypatch.setattr(world.writer, "append_message", fail)
        with capture_logs() as logs:
            await ada.push("send", conversationId=group, clientMessageId="c1", body="Hello")
            await ada.assert_closed(4001)
        assert [line["event"] for line in logs] == ["connection_failed"]
        await ben.assert_replied(await ben.push("ping"))


class TestFramesInFlight:
    async def test_of_sends_too_are_at_most_32(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada")
        ada = await sockets.live("ada")
        sent = [
            await ada.push("send", conversationId=group, clientMessageId=f"c{number}", body="Hello")
            for number in range(60)
        ]
        assert world.writer.queued == 32
        assert ada.transport.unheard == 60 - 32
        for frame_id in sent:
            await ada.assert_replied(frame_id)

    async def test_are_at_most_32_and_then_the_reading_pauses(self, world: World, sockets: Sockets) -> None:
        started: list[str] = []
        go_on = asyncio.Event()
        perform = world.on_frame

        async def slow(who: Actor, frame: Send | Read | Typing, /) -> FrameResult:
            started.append(str(frame.id))
            await go_on.wait()
            return await perform(who, frame)

        group = await world.create("ada")
        world.on_frame = slow
        ada = await sockets.live("ada")
        sent = [
            await ada.push("send", conversationId=group, clientMessageId=f"c{number}", body="Hello")
            for number in range(60)
        ]
        await until(lambda: len(started) == 32)
        for _ in range(100):
            await asyncio.sleep(0)
        assert started == sent[:32]
        assert ada.transport.unheard == 60 - 32
        for _ in range(5):
            world.pass_time(20)
        go_on.set()
        for frame_id in sent:
            await ada.assert_replied(frame_id)


class TestOtherFrames:
    async def test_read_moves_the_marker(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        message = await world.send(group, "ada")
        ben = await sockets.live("ben")
        reply = await ben.assert_replied(await ben.push("read", conversationId=group, seq=message.seq))
        assert reply["result"] == {"readSeq": message.seq, "unreadCount": 0}
        await ben.assert_replied(await ben.push("read", conversationId=group, seq=99), code="seq_out_of_range")

    async def test_typing_reaches_the_others(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        ada, ben = await sockets.live("ada"), await sockets.live("ben")
        reply = await ada.assert_replied(await ada.push("typing", conversationId=group, on=True))
        assert reply["result"] == {}
        await ben.assert_pushed("signal", type="typing", conversationId=group, userId="ada", on=True)

    async def test_ping_is_answered_and_pong_is_not(self, world: World, sockets: Sockets) -> None:
        ben = await sockets.live("ben")
        await ben.push("pong")
        ping = await ben.push("ping")
        await ben.assert_pushed("pong")
        await ben.assert_replied(ping)
        await ben.settle(world.hub.tail)
        assert [frame["id"] for frame in ben.unasked("ok")] == ["f1"]

    async def test_without_an_id_only_refusals_are_told(self, world: World, sockets: Sockets) -> None:
        ben = await sockets.live("ben")
        await ben.push_raw('{"op":"ack","cursor":"0-00000000"}')
        await ben.push_raw('{"op":"ack","cursor":"7-00000000"}')
        assert await ben.assert_refused("ack_ahead")
        await ben.settle(world.hub.tail)
        assert [frame["id"] for frame in ben.unasked("ok")] == ["f1"]

    async def test_an_acknowledgement_of_what_was_not_sent_is_refused(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        ben = await sockets.live("ben")
        await world.send(group, "ada")
        event = await ben.assert_event("message.created")
        ahead = f"{world.hub.tail.position + 1}-00000000"
        await ben.assert_replied(await ben.push("ack", cursor=ahead), code="ack_ahead")
        await ben.assert_replied(await ben.push("ack", cursor="soon"), code="invalid_cursor")
        await ben.assert_replied(await ben.push("ack", cursor=event["cursor"]))

    async def test_bye_ends_with_1000(self, sockets: Sockets) -> None:
        ben = await sockets.live("ben")
        bye = await ben.push("bye")
        await ben.assert_closed(1000)
        await ben.assert_replied(bye)

    async def test_bye_may_come_before_hello(self, sockets: Sockets) -> None:
        nobody = sockets.open()
        await nobody.push("bye")
        await nobody.assert_closed(1000)


class TestFaultyFrames:
    @pytest.mark.parametrize(
        ("message", "code"),
        [("hello", 4500), ("[]", 4500), ('{"id":"1"}', 4500), (b"{}", 1003), ('{"op":"' + "x" * 65_536 + '"}', 1009)],
    )
    async def test_what_is_no_frame_closes(self, sockets: Sockets, message: str | bytes, code: int) -> None:
        ben = await sockets.live("ben")
        await ben.push_raw(message)
        await ben.push("send", conversationId="c", clientMessageId="c", body="ignored")
        await ben.assert_closed(code)
        assert ben.unasked("error") == []

    async def test_nothing_is_read_behind_what_is_no_frame(self, sockets: Sockets) -> None:
        ben = await sockets.live("ben")
        await ben.push_raw("hello")
        await ben.push("ping")
        assert ben.transport.unheard == 1
        await ben.assert_closed(4500)

    async def test_faulty_fields_are_named_and_the_connection_lives_on(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada")
        ada = await sockets.live("ada")
        faulty = await ada.push("send", conversationId=group, clientMessageId="c c", body="", colour="red")
        problem = (await ada.assert_replied(faulty, code="invalid"))["problem"]
        assert problem["errors"] == [
            {"field": "clientMessageId", "code": "pattern"},
            {"field": "body", "code": "too_short"},
            {"field": "colour", "code": "unknown"},
        ]
        assert problem["requestId"] == ada.welcome["sessionId"]
        await ada.assert_replied(await ada.push("fly"), code="unknown_op")
        await ada.assert_replied(await ada.push("send", conversationId=group, clientMessageId="c", body="Hello"))
        assert len(world.events) == 2


class TestAuth:
    async def test_refreshes_the_token(self, world: World, sockets: Sockets) -> None:
        world.actors["short"] = world.expiring("ben", 60)
        ben = await sockets.live("short")
        await ben.assert_replied(await ben.push("auth", token="ben"))
        for _ in range(10):
            world.pass_time(15)
            await ben.settle(world.hub.tail)

    @pytest.mark.parametrize("token", ["bad", "ada", "tenant", "device"])
    async def test_of_anybody_else_is_refused_and_the_old_expiry_stands(
        self, world: World, sockets: Sockets, token: str
    ) -> None:
        world.actors["short"] = world.expiring("ben", 60)
        world.actors["tenant"] = actor("ben", tenant="elsewhere")
        world.actors["device"] = replace(actor("ben"), device=DeviceId("another"))
        ben = await sockets.live("short")
        await ben.assert_replied(await ben.push("auth", token=token), code="unauthenticated")
        for _ in range(5):
            world.pass_time(15)
            await ben.settle(world.hub.tail)
        world.pass_time(15)
        await ben.assert_closed(4005)

    async def test_acts_for_the_same_user_as_before(self, world: World, sockets: Sockets) -> None:
        world.actors["robot"] = replace(actor("robot", service=True), impersonating=False)
        robot = sockets.open(Handshake(act_as="ben"))
        await robot.hello(token="robot")
        await robot.assert_replied(await robot.push("auth", token="robot"))
        assert robot.welcome["user"] == UserId("ben")
