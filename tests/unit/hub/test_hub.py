"""What a user's stream shows while it is live."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from sanctum_messaging.domain.events import Committed, Signal, SignalKind
from sanctum_messaging.domain.model import HistoryVisibility, Seq, TenantId, UserId
from sanctum_messaging.ports.resume_store import Takeover
from tests.acting import actor
from tests.hub_client import until

if TYPE_CHECKING:
    from sanctum_messaging.domain.events import Event
    from sanctum_messaging.hub.user import User
    from tests.hub_world import World
    from tests.unit.hub.in_memory import Sockets


class TestMessages:
    async def test_go_to_every_member_and_to_nobody_else(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        ada, ben, eve = [await sockets.live(name) for name in ("ada", "ben", "eve")]
        message = await world.send(group, "ada", "Hello")
        for member in (ada, ben):
            event = await member.assert_event("message.created", body="Hello")
            assert event["cursor"] == str(world.hub.tail)
            assert event["seq"] == message.seq
        await eve.assert_nothing_pushed(world.hub.tail)

    async def test_go_to_every_socket_of_a_member(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        phone, laptop = await sockets.live("ben"), await sockets.live("ben")
        await world.send(group, "ada", "Hello")
        for socket in (phone, laptop):
            await socket.assert_event("message.created", body="Hello")

    async def test_come_once_and_in_order(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        ben = await sockets.live("ben")
        await world.send_many(group, "ada", 200)
        events = await ben.settle(world.hub.tail)
        assert [event["seq"] for event in events] == list(range(2, 202))

    async def test_stay_in_their_tenant(self, world: World, sockets: Sockets) -> None:
        world.actors["other"] = actor("ben", tenant="elsewhere")
        group = await world.create("ada", "ben")
        other = await sockets.live("other")
        await world.send(group, "ada")
        await other.assert_nothing_pushed(world.hub.tail)

    async def test_edits_and_deletions_follow(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        ben = await sockets.live("ben")
        message = await world.send(group, "ada", "Helo")
        edited = await world.edit(message, "Hello")
        await world.delete(edited)
        await ben.assert_event("message.created", body="Helo", version=1)
        await ben.assert_event("message.updated", body="Hello", version=2)
        await ben.assert_event("message.deleted", body=None, version=3)


class TestMembership:
    async def test_a_new_conversation_reaches_all_it_names(self, world: World, sockets: Sockets) -> None:
        ben, eve = await sockets.live("ben"), await sockets.live("eve")
        group = await world.create("ada", "ben")
        await world.send(group, "ada", "Hello")
        await ben.assert_event("conversation.created", id=group)
        await ben.assert_event("message.created")
        await eve.assert_nothing_pushed(world.hub.tail)

    async def test_who_is_added_sees_that_and_what_follows(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada")
        ben = await sockets.live("ben")
        await world.send(group, "ada", "before")
        await world.add(group, "ada", "ben")
        await world.send(group, "ada", "after")
        added = await ben.assert_event("participant.added", userId="ben")
        assert added["data"]["conversation"]["id"] == group
        await ben.assert_event("message.created", body="after")
        await ben.assert_nothing_pushed(world.hub.tail)

    async def test_who_is_removed_sees_that_and_nothing_after_it(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben", "cem")
        ben, cem = await sockets.live("ben"), await sockets.live("cem")
        await world.remove(group, "ada", "ben")
        message = await world.send(group, "ada")
        await world.edit(message, "edited")
        await world.rename(group, "ada", "title")
        removed = await ben.assert_event("participant.removed", userId="ben")
        assert removed["data"]["reason"] == "removed"
        await ben.assert_nothing_pushed(world.hub.tail)
        assert len(await cem.settle(world.hub.tail)) == 4

    async def test_what_is_applied_in_one_go_is_for_whom_it_was_said(self, world: World, sockets: Sockets) -> None:
        """Messages are handed out together, and somebody comes and somebody goes between them."""
        group = await world.create("ada", "ben")
        ben, cem = await sockets.live("ben"), await sockets.live("cem")
        with world.unheard():
            await world.send(group, "ada", "one")
            await world.add(group, "ada", "cem")
            await world.send(group, "ada", "two")
            await world.remove(group, "ada", "ben")
            await world.send(group, "ada", "three")
        world.hub.sweep()
        await until(lambda: world.hub.tail == world.events[-1].cursor)
        assert [event["seq"] for event in await ben.settle(world.hub.tail)] == [2, 3, 4, 5]
        assert [event["seq"] for event in await cem.settle(world.hub.tail)] == [3, 4, 5, 6]

    async def test_a_deleted_conversation_ends_for_all(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        ada, ben = await sockets.live("ada"), await sockets.live("ben")
        await world.delete_conversation(group, "ada")
        for socket in (ada, ben):
            await socket.assert_event("conversation.deleted", id=group)

    async def test_ones_own_marks_are_shown_to_oneself_alone(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        ada, ben = await sockets.live("ada"), await sockets.live("ben")
        await world.mute(group, "ben")
        await ben.assert_event("participant.updated", userId="ben", muted=True)
        await ada.assert_nothing_pushed(world.hub.tail)


class TestJoinedHistory:
    async def test_edits_of_earlier_messages_are_not_shown_to_who_joined_later(
        self, world: World, sockets: Sockets
    ) -> None:
        group = await world.create("ada", "cem", visibility=HistoryVisibility.JOINED)
        early = await world.send(group, "ada", "early")
        ben, cem = await sockets.live("ben"), await sockets.live("cem")
        await world.add(group, "ada", "ben")
        late = await world.send(group, "ada", "late")
        await world.edit(early, "early, edited")
        await world.edit(late, "late, edited")
        await ben.assert_event("participant.added")
        await ben.assert_event("message.created", body="late")
        await ben.assert_event("message.updated", body="late, edited")
        await ben.assert_nothing_pushed(world.hub.tail)
        assert len(await cem.settle(world.hub.tail)) == 4

    async def test_who_comes_back_sees_edits_of_what_he_saw_at_first(self, world: World, sockets: Sockets) -> None:
        """His earlier memberships are known to the database alone, so they are read again."""
        group = await world.create("ada", "ben", visibility=HistoryVisibility.JOINED)
        first = await world.send(group, "ada", "first")
        await world.remove(group, "ada", "ben")
        between = await world.send(group, "ada", "between")
        ben = await sockets.live("ben")
        await world.add(group, "ada", "ben")
        await world.edit(between, "between, edited")
        await world.edit(first, "first, edited")
        await ben.assert_event("participant.added")
        await ben.assert_event("message.updated", body="first, edited")
        await ben.assert_nothing_pushed(world.hub.tail)

    async def test_a_change_of_visibility_makes_the_rings_past_another(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", visibility=HistoryVisibility.ALL)
        early = await world.send(group, "ada", "early")
        await world.add(group, "ada", "ben")
        ben = await sockets.live("ben")
        cursor = str(world.hub.tail)
        await ben.vanish()
        await world.edit(early, "early, edited")
        await world.show_history(group, "ada", HistoryVisibility.JOINED)
        back = await sockets.live("ben", cursor=cursor)
        await back.assert_event("conversation.updated", historyVisibility="joined")
        await back.assert_nothing_pushed(world.hub.tail)


class TestSignals:
    def typing(self, group: str, name: str) -> Signal:
        return Signal(SignalKind.TYPING, TenantId("default"), group, UserId(name), on=True)  # type: ignore[arg-type]

    async def test_typing_is_shown_to_the_others(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        ada, ben, eve = [await sockets.live(name) for name in ("ada", "ben", "eve")]
        world.hub.apply_signal(self.typing(group, "ada"))
        await ben.assert_pushed("signal", type="typing", userId="ada", on=True)
        for socket in (ada, eve):
            pong = await socket.settle(world.hub.tail)
            assert pong == []
            assert socket.unasked("signal") == []

    @pytest.mark.parametrize("to_self_only", [True, False])
    async def test_a_read_marker_is_shown_to_the_reader_and_in_small_groups_to_all(
        self, world: World, sockets: Sockets, *, to_self_only: bool
    ) -> None:
        group = await world.create("ada", "ben")
        ada, ben = await sockets.live("ada"), await sockets.live("ben")
        signal = Signal(
            SignalKind.READ, TenantId("default"), group, UserId("ada"), seq=Seq(1), to_self_only=to_self_only
        )
        world.hub.apply_signal(signal)
        await ada.assert_pushed("signal", type="read", seq=1)
        await ben.settle(world.hub.tail)
        assert len(ben.unasked("signal")) == (0 if to_self_only else 1)

    async def test_that_come_before_what_they_speak_of_wait_for_it(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        ben = await sockets.live("ben")
        with world.unheard() as held:
            await world.send(group, "ada", "Hello")
        (committed,) = held
        world.hub.apply_signal(self.typing(group, "ada"), committed.events[-1].position)
        await ben.settle(world.hub.tail)
        assert ben.unasked("signal") == []
        world.hub.apply(committed)
        await ben.assert_pushed("signal", type="typing")

    async def test_that_waited_for_a_second_are_dropped(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        ben = await sockets.live("ben")
        with world.unheard() as held:
            await world.send(group, "ada", "Hello")
        world.hub.apply_signal(self.typing(group, "ada"), held[0].events[-1].position)
        world.pass_time(1.0)
        world.hub.apply(held[0])
        await ben.settle(world.hub.tail)
        assert ben.unasked("signal") == []


class TestTakeover:
    @pytest.mark.parametrize(("generation", "ends"), [(0, False), (1, False), (2, True)])
    async def test_elsewhere_ends_the_older_socket(
        self, world: World, sockets: Sockets, generation: int, *, ends: bool
    ) -> None:
        await world.create("ada", "ben")
        ben = await sockets.live("ben")
        session = ben.welcome["resumeToken"].partition(".")[0]
        world.hub.apply_takeover(Takeover(session, generation))
        world.hub.apply_takeover(Takeover("another", 9))
        if ends:
            await ben.assert_closed(4504)
        else:
            await ben.settle(world.hub.tail)


class TestInvalidation:
    async def test_follows_each_change_of_participants(self, world: World) -> None:
        group = await world.create("ada", "ben")
        await world.send(group, "ada")
        await world.rename(group, "ada", "New")
        assert world.invalidated == [group]
        await world.add(group, "ada", "eve")
        await world.remove(group, "ada", "eve")
        await world.delete_conversation(group, "ada")
        assert world.invalidated == [group] * 4


class TestAFaultOfOurs:
    async def test_in_applying_costs_connections_but_no_events(
        self, world: World, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        group = await world.create("ada", "ben")
        ben = await sockets.live("ben")

        def break_down(event: Event) -> list[User]:
            monkeypatch.undo()
            raise RuntimeError("a fault of ours")

        monkeypatch.setattr(world.hub._users, "audience", break_down)
        with capture_logs() as logs:
            await world.send(group, "ada", "one")
        assert [line["event"] for line in logs] == ["apply_failed"]
        await ben.assert_closed(4001)
        await world.send(group, "ada", "two")
        again = await sockets.connect("ben", cursor=ben.welcome["cursor"])
        await again.assert_event("message.created", body="one")
        await again.assert_event("message.created", body="two")
        await world.send(group, "ada", "three")
        await again.assert_event("message.created", body="three")

    @pytest.mark.parametrize("part", ["audience", "let_in"])
    async def test_in_applying_what_was_read_costs_no_events_either(
        self, world: World, sockets: Sockets, monkeypatch: pytest.MonkeyPatch, *, part: str
    ) -> None:
        """As when no bus brings what others append."""
        group = await world.create("ada", "ben")
        ben = await sockets.live("ben")
        with world.unheard():
            await world.send(group, "ada", "one")
            await world.add(group, "ada", "cem")
            await world.send(group, "ada", "two")

        def break_down(event: Event) -> list[User]:
            monkeypatch.undo()
            raise RuntimeError("a fault of ours")

        monkeypatch.setattr(world.hub._users, part, break_down)
        with capture_logs() as logs:
            world.hub.sweep()
            await ben.assert_closed(4001)
        assert [line["event"] for line in logs] == ["apply_failed"]
        again = await sockets.connect("ben", cursor=(ben.events or [ben.welcome])[-1]["cursor"])
        await again.settle(world.hub.tail)
        assert [each["cursor"] for each in ben.events + again.events] == [str(each.cursor) for each in world.events[1:]]

    @pytest.mark.parametrize("world", [{"tick_seconds": 0.001}], indirect=True)
    async def test_in_a_tick_does_not_end_the_ticking(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        ticks: list[float] = []

        def break_down(now: float) -> None:
            ticks.append(now)
            raise RuntimeError("a fault of ours")

        monkeypatch.setattr(world.hub._users, "expire", break_down)
        with capture_logs():
            await until(lambda: len(ticks) > 2)


class TestApply:
    async def test_what_was_applied_already_is_dropped(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        ben = await sockets.live("ben")
        await world.send(group, "ada")
        for committed in world.committed:
            world.hub.apply(committed)
        events = await ben.settle(world.hub.tail)
        assert len(events) == 1

    async def test_the_rest_of_a_commit_is_applied_that_was_applied_in_part(
        self, world: World, sockets: Sockets
    ) -> None:
        group = await world.create("ada", "ben")
        ben = await sockets.live("ben")
        with world.unheard() as held:
            await world.send_many(group, "ada", 3)
        (whole,) = [Committed(held[0].before, tuple(event for each in held for event in each.events))]
        world.hub.apply(Committed(whole.before, whole.events[:2]))
        world.hub.apply(whole)
        events = await ben.settle(world.hub.tail)
        assert [event["seq"] for event in events] == [2, 3, 4]

    async def test_a_hole_is_filled_from_the_log(self, world: World, sockets: Sockets) -> None:
        group = await world.create("ada", "ben")
        ben = await sockets.live("ben")
        with world.unheard() as held:
            await world.send(group, "ada", "one")
            await world.send(group, "ada", "two")
            await world.send(group, "ada", "three")
        world.hub.apply(held[2])
        for body in ("one", "two", "three"):
            await ben.assert_event("message.created", body=body)
        world.hub.apply(held[0])
        await ben.assert_nothing_pushed(world.hub.tail)
        assert world.log.reads.count("follow") == 1
