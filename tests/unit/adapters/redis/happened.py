"""Events, signals and takeovers of every kind, by hand and by chance."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from sanctum_messaging.domain.events import (
    Committed,
    ConversationChange,
    Event,
    EventBody,
    EventKind,
    MessageChange,
    ParticipantChange,
    Signal,
    SignalKind,
)
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
    RemovalReason,
    Role,
    Seq,
    TenantId,
    UserId,
)
from sanctum_messaging.ports.resume_store import Takeover

if TYPE_CHECKING:
    from collections.abc import Sequence

_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
_numbers = st.integers(0, 2**63 - 1)
_tags = st.from_regex("[0-9a-f]{8}", fullmatch=True)

conversations: st.SearchStrategy[Conversation] = st.builds(
    Conversation,
    id=_texts,
    tenant=_texts,
    kind=st.sampled_from(ConversationKind),
    title=st.none() | _texts,
    metadata=_texts,
    visibility=st.sampled_from(HistoryVisibility),
    created_by=_texts,
    created_at=_numbers,
    version=_numbers,
    last_seq=_numbers,
    deleted_at=st.none() | _numbers,
)
participants: st.SearchStrategy[Participant] = st.builds(
    Participant,
    conversation_id=_texts,
    user_id=_texts,
    role=st.sampled_from(Role),
    joined_at=_numbers,
    left_at=st.none() | _numbers,
    version=_numbers,
    muted=st.booleans(),
    hidden=st.booleans(),
    pinned=st.booleans(),
)
messages: st.SearchStrategy[Message] = st.builds(
    Message,
    id=_texts,
    conversation_id=_texts,
    seq=_numbers,
    sender_id=_texts,
    device_id=_texts,
    client_message_id=_texts,
    type=_texts,
    body=st.none() | _texts,
    metadata=st.none() | _texts,
    reply_to=st.none() | _texts,
    created_at=_numbers,
    edited_at=st.none() | _numbers,
    deleted_at=st.none() | _numbers,
    version=_numbers,
)
_bodies: dict[str, st.SearchStrategy[EventBody]] = {
    "conversation": st.builds(
        ConversationChange, conversations, st.lists(participants, max_size=3).map(tuple), st.booleans()
    ),
    "participant": st.builds(
        ParticipantChange,
        participants,
        st.none() | conversations,
        st.none() | st.sampled_from(RemovalReason),
        st.booleans(),
    ),
    "message": st.builds(MessageChange, messages, st.booleans()),
}


def events_of(kind: EventKind) -> st.SearchStrategy[Event]:
    """Draw events of a kind."""
    return st.builds(
        Event,
        position=_numbers,
        tag=_tags,
        tenant=_texts,
        conversation_id=_texts,
        seq=_numbers,
        kind=st.just(kind),
        actor_id=_texts,
        at=_numbers,
        body=_bodies[kind.partition(".")[0]],
    )


signals: st.SearchStrategy[Signal] = st.builds(
    Signal,
    kind=st.sampled_from(SignalKind),
    tenant=_texts,
    conversation_id=_texts,
    user_id=_texts,
    on=st.none() | st.booleans(),
    seq=st.none() | _numbers,
    to_self_only=st.booleans(),
)
takeovers: st.SearchStrategy[Takeover] = st.builds(Takeover, session=_texts, generation=_numbers)

TYPING = Signal(SignalKind.TYPING, TenantId("default"), ConversationId("c"), UserId("ann"), on=True)
TAKEOVER = Takeover("session", 3)

_MESSAGE = Message(
    id=MessageId("m"),
    conversation_id=ConversationId("c"),
    seq=Seq(1),
    sender_id=UserId("ann"),
    device_id=DeviceId("phone"),
    client_message_id="1",
    type="text",
    body="Hello",
    metadata="{}",
    reply_to=None,
    created_at=Millis(1),
)


def event_at(position: int, body: str = "Hello") -> Event:
    """Make the event that has a position, with a tag that follows from it."""
    return Event(
        position=Position(position),
        tag=f"{position:08x}",
        tenant=TenantId("default"),
        conversation_id=ConversationId("c"),
        seq=Seq(position),
        kind=EventKind.MESSAGE_CREATED,
        actor_id=UserId("ann"),
        at=Millis(1),
        body=MessageChange(replace(_MESSAGE, seq=Seq(position), body=body)),
    )


def committed(positions: Sequence[int], body: str = "Hello") -> Committed:
    """Make the commit that appended the events of these positions."""
    before = positions[0] - 1
    cursor = Cursor(Position(before), f"{before:08x}") if before else ORIGIN
    return Committed(cursor, tuple(event_at(position, body) for position in positions))
