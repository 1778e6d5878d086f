"""Between rows and the domain: every column list stands here once, beside what reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, overload

import msgspec

from sanctum_messaging.domain.events import (
    ConversationChange,
    Event,
    EventBody,
    EventKind,
    MessageChange,
    ParticipantChange,
)
from sanctum_messaging.domain.model import (
    Conversation,
    ConversationId,
    ConversationKind,
    DeviceId,
    HistoryVisibility,
    Message,
    MessageId,
    Millis,
    Participant,
    Participation,
    Position,
    Role,
    Seq,
    TenantId,
    UserId,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_UNREAD = 1_000
"""Counting stops here, so that a list costs the same however much was missed; 1,000 means "or more"."""

MESSAGE = (
    "m.id, m.conversation_id, m.seq, m.sender_id, m.device_id, m.client_message_id, m.type, m.body, m.metadata,"
    " m.reply_to, m.created_at, m.edited_at, m.deleted_at, m.version"
)
MESSAGE_WIDTH = 14
# Asked for as a range and in the order of both columns, the newest seq can be looked up in one place only: at the end
# of the conversation's part of event_by_seq. For an equality or a maximum a planner may read all of the conversation.
CONVERSATION = (
    "c.id, c.tenant, c.kind, c.title, c.metadata, c.visibility, c.created_by, c.created_at, c.version,"
    " (SELECT e.seq FROM event e WHERE e.conversation_id BETWEEN c.id AND c.id"
    " ORDER BY e.conversation_id DESC, e.seq DESC LIMIT 1)"
)
CONVERSATION_WIDTH = 10
PARTICIPANT = "p.conversation_id, p.user_id, p.role, p.joined_at, p.left_at, p.version, p.muted, p.hidden, p.pinned"
PARTICIPANT_WIDTH = 9
EVENT = "e.position, e.tag, e.tenant, e.conversation_id, e.seq, e.kind, e.actor_id, e.at, e.facts"
EVENT_WIDTH = 9

_MESSAGE_KINDS = frozenset({EventKind.MESSAGE_CREATED, EventKind.MESSAGE_UPDATED, EventKind.MESSAGE_DELETED})
_conversation_facts = msgspec.json.Decoder(ConversationChange)
_participant_facts = msgspec.json.Decoder(ParticipantChange)


class Row(Protocol):
    """A row as either driver gives it: its columns by number, and some of them by a slice."""

    @overload
    def __getitem__(self, index: int, /) -> Any: ...  # noqa: ANN401 - rows have as many shapes as there are statements
    @overload
    def __getitem__(self, index: slice, /) -> Row: ...


def direct_key(users: Sequence[UserId]) -> str:
    """Name the direct conversation of two users; an id holds no control character, so nothing else has this name."""
    return "\n".join(sorted(users))


def message_of(row: Row) -> Message:
    """Read the columns of ``MESSAGE``."""
    return Message(
        id=MessageId(row[0]),
        conversation_id=ConversationId(row[1]),
        seq=Seq(row[2]),
        sender_id=UserId(row[3]),
        device_id=DeviceId(row[4]),
        client_message_id=row[5],
        type=row[6],
        body=row[7],
        metadata=row[8],
        reply_to=row[9],
        created_at=Millis(row[10]),
        edited_at=row[11],
        deleted_at=row[12],
        version=row[13],
    )


def conversation_of(row: Row) -> Conversation:
    """Read the columns of ``CONVERSATION``."""
    return Conversation(
        id=ConversationId(row[0]),
        tenant=TenantId(row[1]),
        kind=ConversationKind(row[2]),
        title=row[3],
        metadata=row[4],
        visibility=HistoryVisibility(row[5]),
        created_by=UserId(row[6]),
        created_at=Millis(row[7]),
        version=row[8],
        last_seq=Seq(row[9]),
    )


def participant_of(row: Row) -> Participant:
    """Read the columns of ``PARTICIPANT``."""
    return Participant(
        conversation_id=ConversationId(row[0]),
        user_id=UserId(row[1]),
        role=Role(row[2]),
        joined_at=Millis(row[3]),
        left_at=row[4],
        version=row[5],
        muted=bool(row[6]),
        hidden=bool(row[7]),
        pinned=bool(row[8]),
    )


def participation_of(row: Row) -> Participation:
    """Read the columns of ``CONVERSATION`` and ``PARTICIPANT``, the set's version, those present and the owners."""
    members_version = CONVERSATION_WIDTH + PARTICIPANT_WIDTH
    return Participation(
        conversation=conversation_of(row),
        participant=participant_of(row[CONVERSATION_WIDTH:]),
        members_version=row[members_version],
        present=row[members_version + 1],
        owners=row[members_version + 2],
    )


def event_of(row: Row, *, joined_only: bool) -> Event | None:
    """Read the columns of ``EVENT`` followed by those of ``MESSAGE``; none if the message is gone from the database."""
    kind = EventKind(row[5])
    body: EventBody
    if kind in _MESSAGE_KINDS:
        if row[EVENT_WIDTH] is None:
            return None
        body = MessageChange(message_of(row[EVENT_WIDTH:]), joined_only and kind is not EventKind.MESSAGE_CREATED)
    else:
        body = _facts_of(kind, row[8])
    return Event(
        position=Position(row[0]),
        tag=row[1],
        tenant=TenantId(row[2]),
        conversation_id=ConversationId(row[3]),
        seq=Seq(row[4]),
        kind=kind,
        actor_id=UserId(row[6]),
        at=Millis(row[7]),
        body=body,
    )


def _facts_of(kind: EventKind, facts: str) -> ConversationChange | ParticipantChange:
    if kind.startswith("conversation."):
        return _conversation_facts.decode(facts)
    return _participant_facts.decode(facts)
