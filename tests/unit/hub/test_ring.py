from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanctum_messaging.adapters.redis.contents import decode_events, encode_row
from sanctum_messaging.adapters.redis.contents import encode_event as encode_for_bus
from sanctum_messaging.domain.events import ConversationChange, Event, EventKind, MessageChange
from sanctum_messaging.domain.model import (
    ORIGIN,
    Conversation,
    ConversationId,
    ConversationKind,
    Cursor,
    DeviceId,
    HistoryVisibility,
    Message,
    MessageId,
    Millis,
    Participant,
    Position,
    Role,
    Seq,
    TenantId,
    UserId,
)
from sanctum_messaging.hub.ring import Entry, Lane, Ring
from sanctum_messaging.presenters import encode_event
from sanctum_messaging.protocol.framing import frame_text

if TYPE_CHECKING:
    from collections.abc import Callable

GROUPS = [ConversationId(name) for name in "abcd"]


def event(position: int, group: str = "a", *, message: str | None = None, version: int = 1, body: str = "") -> Event:
    content = Message(
        id=MessageId(message or f"m{position}"),
        conversation_id=ConversationId(group),
        seq=Seq(position),
        sender_id=UserId("ada"),
        device_id=DeviceId("-"),
        client_message_id="c",
        type="text",
        body=body,
        metadata="{}",
        reply_to=None,
        created_at=Millis(10**12 + position),
        version=version,
    )
    kind = EventKind.MESSAGE_CREATED if version == 1 else EventKind.MESSAGE_UPDATED
    return Event(
        position=Position(position),
        tag=f"{position:08x}",
        tenant=TenantId("default"),
        conversation_id=ConversationId(group),
        seq=Seq(position),
        kind=kind,
        actor_id=UserId("ada"),
        at=Millis(10**12 + position),
        body=MessageChange(content),
    )


def ring(*events: Event, max_bytes: int = 2**20, max_events: int = 100) -> Ring:
    made = Ring(max_bytes=max_bytes, max_events=max_events)
    for each in events:
        made.append(each)
    return made


def heard(sent: Event) -> Event:
    """Make it anew, as an instance does that hears of it: nothing of it is shared with another."""
    return decode_events(encode_row([encode_for_bus(sent)]))[0]


def saying(position: int, body: str) -> Event:
    return event(position, "01980000-0000-7000-8000-123456789abc", message=identifier(position), body=body)


def identifier(number: int) -> str:
    return f"01980000-0000-7000-8000-{number:012}"


def founding(position: int, participants: int) -> Event:
    present = [
        Participant(ConversationId(identifier(position)), UserId(f"user-{each}"), Role.MEMBER, Millis(position))
        for each in range(participants)
    ]
    made = Conversation(
        id=ConversationId(identifier(position)),
        tenant=TenantId("default"),
        kind=ConversationKind.GROUP,
        title=f"Group {position}",
        metadata="{}",
        visibility=HistoryVisibility.ALL,
        created_by=UserId("ada"),
        created_at=Millis(position),
        version=1,
        last_seq=Seq(1),
    )
    body = ConversationChange(made, tuple(present))
    return replace(event(position, identifier(position)), kind=EventKind.CONVERSATION_CREATED, body=body)


def measure(make: Callable[[int], Event], count: int, *, framed: bool = True) -> tuple[Ring, int]:
    """Fill a ring until it has let go of as many as it holds, and tell how much it takes."""
    gc.collect()
    tracemalloc.start()
    try:
        made = Ring(max_bytes=2**30, max_events=count)
        for position in range(1, 2 * count + 1):
            entry = made.append(heard(make(position)))
            assert not framed or entry.frame
        return made, tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def positions(made: Ring, groups: list[ConversationId], after: int) -> list[int]:
    return [entry.position for entry in made.entries(groups, Position(after))]


class TestRing:
    def test_starts_at_the_origin(self) -> None:
        made = ring()
        assert (made.tail, made.floor) == (ORIGIN, 0)
        assert made.covers(Position(0))
        assert made.find_tag(Position(0)) == ORIGIN.tag

    def test_gives_the_frames_as_they_are_everywhere(self) -> None:
        made = ring()
        entry = made.append(event(1))
        assert entry.frame == frame_text(encode_event(event(1)))
        assert entry.frame is entry.frame, "encoded once"
        assert [entry.frame for entry in made.entries(["a"], Position(0))] == [frame_text(encode_event(event(1)))]  # type: ignore[list-item]

    def test_knows_the_tags_of_what_it_holds(self) -> None:
        made = ring(*(event(position) for position in range(1, 6)), max_events=3)
        assert [made.find_tag(Position(position)) for position in range(7)] == [
            None,
            None,
            None,
            "00000003",
            "00000004",
            "00000005",
            None,
        ]

    def test_takes_nothing_that_is_not_behind_the_tail(self) -> None:
        made = ring(event(1), event(2))
        with pytest.raises(ValueError, match="order"):
            made.append(event(2))

    def test_is_bounded_in_bytes(self) -> None:
        made = ring(*(event(position, body="x" * 1_000) for position in range(1, 101)), max_bytes=30_000)
        held = positions(made, GROUPS, 0)
        assert 5 <= len(held) <= 9
        assert made.floor == held[0] - 1
        assert not made.covers(Position(made.floor - 1))
        assert made.covers(made.floor)

    def test_an_event_larger_than_all_of_it_only_moves_the_tail(self) -> None:
        made = ring(event(1), event(2, body="x" * 1_000), max_bytes=3_000)
        assert (made.tail.position, made.floor) == (2, 2)
        assert positions(made, GROUPS, 0) == []

    def test_forgets_all_when_the_log_is_another_one(self) -> None:
        made = ring(event(1), event(2))
        made.reset(Cursor(Position(7), "0000000a"))
        assert positions(made, GROUPS, 0) == []
        assert made.find_tag(Position(7)) == "0000000a"
        made.append(event(8))
        assert positions(made, GROUPS, 7) == [8]

    def test_can_tell_when_it_is_full(self) -> None:
        assert not ring(event(1), max_events=2).is_full
        assert ring(event(1), event(2), max_events=2).is_full
        large = [event(position, body="x" * 5_000) for position in (1, 2)]
        assert not ring(*large, max_bytes=30_000).is_full
        assert ring(*large, max_bytes=20_000).is_full, "even if a small one still had room"


class TestSize:
    @pytest.mark.parametrize(
        "body", ["Hi", "x" * 8_000, "ü" * 2_000, "\u0436" * 2_000, "\U0001f600" * 8_000, "\x01" * 2_000]
    )
    def test_is_what_messages_take_with_their_frames(self, body: str) -> None:
        """Twice as much once encoded, thrice where it is not ASCII: ``str`` keeps its UTF-8 then."""
        made, taken = measure(lambda position: saying(position, body), 200)
        assert made.bytes == pytest.approx(taken, rel=0.15)

    @pytest.mark.parametrize("participants", [2, 30])
    def test_is_what_new_conversations_take(self, participants: int) -> None:
        made, taken = measure(lambda position: founding(position, participants), 40)
        assert made.bytes == pytest.approx(taken, rel=0.2)

    def test_is_no_less_than_what_is_taken_before_a_frame_was_asked_for(self) -> None:
        made, taken = measure(lambda position: saying(position, "x" * 500), 200, framed=False)
        assert taken < made.bytes


class TestEditedMessages:
    def test_are_shown_as_they_are_now_in_all_earlier_entries(self) -> None:
        made = ring(
            event(1, message="m", body="one"),
            event(2, message="other", body="other"),
            event(3, message="m", version=2, body="two"),
            event(4, message="m", version=3, body="three"),
        )
        shown = [entry.frame for entry in made.entries(GROUPS, Position(0))]
        assert [b'"body":"three"' in frame for frame in shown] == [True, False, True, True]
        assert [frame.count(b'"version":3') for frame in shown] == [1, 0, 1, 1]
        assert [f'"cursor":"{position}-'.encode() in frame for position, frame in enumerate(shown, 1)] == [True] * 4

    def test_keep_what_was_handed_out_before(self) -> None:
        made = ring()
        frame = made.append(event(1, message="m", body="one")).frame
        made.append(event(2, message="m", version=2, body="two"))
        assert b'"body":"one"' in frame

    def test_count_with_their_present_size(self) -> None:
        made = ring(event(1, message="m", body="x" * 5_000), event(2, message="m", version=2), max_bytes=24_000)
        list(made.entries(GROUPS, Position(0)))
        for position in range(3, 8):
            made.append(event(position, body="x" * 800))
        assert positions(made, GROUPS, 0) == [1, 2, 3, 4, 5, 6, 7]


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 3)), max_size=200),
    st.integers(1, 40),
    st.integers(0, 210),
    st.sets(st.sampled_from("abcd")),
)
def test_holds_the_newest_of_each_conversation(
    appended: list[tuple[str, int]], size: int, after: int, wanted: set[str]
) -> None:
    """Whatever was dropped and whatever is asked for, it is what filtering the newest part of the log gives."""
    log = [event(position, group, body="x" * pad) for position, (group, pad) in enumerate(appended, 1)]
    made = ring(*log, max_events=size)
    expected = [each.position for each in log[-size:] if each.position > after and each.conversation_id in wanted]
    assert positions(made, [ConversationId(name) for name in wanted], after) == expected


def test_a_lane_moves_up_what_is_alive() -> None:
    lane = Lane()
    made = ring(*(event(position) for position in range(1, 1_001)), max_events=1_000)
    for entry in made.entries(GROUPS, Position(0)):
        lane.append(entry)
        if len(lane) > 10:
            lane.pop_first()
    assert [entry.position for entry in lane.after(Position(0))] == list(range(991, 1_001))
    assert len(lane._entries) < 200


def test_what_is_dropped_is_freed_at_once() -> None:
    """Not when its lane is next moved up: until then a ring would take up to twice its bound."""
    before = sum(isinstance(each, Entry) for each in gc.get_objects())
    made = ring(*(event(position) for position in range(1, 190)), max_events=100)
    assert sum(isinstance(each, Entry) for each in gc.get_objects()) == before + made.events
