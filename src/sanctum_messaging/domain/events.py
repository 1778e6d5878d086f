"""Events: the durable facts of the log, and what a user's stream shows of them.

An event's body is the state right after it (a message's text is joined when the event is read, so that it is the
present one). The state tables are the projection of these bodies: whoever appends an event has thereby said what is
written.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sanctum_messaging.domain.model import (
    Conversation,
    ConversationId,
    Cursor,
    Message,
    Millis,
    Participant,
    Position,
    RemovalReason,
    Seq,
    TenantId,
    UserId,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class EventKind(StrEnum):
    """The nine durable facts."""

    CONVERSATION_CREATED = "conversation.created"
    CONVERSATION_UPDATED = "conversation.updated"
    CONVERSATION_DELETED = "conversation.deleted"
    PARTICIPANT_ADDED = "participant.added"
    PARTICIPANT_UPDATED = "participant.updated"
    PARTICIPANT_REMOVED = "participant.removed"
    MESSAGE_CREATED = "message.created"
    MESSAGE_UPDATED = "message.updated"
    MESSAGE_DELETED = "message.deleted"


OF_MEMBERSHIPS = frozenset(
    {
        EventKind.CONVERSATION_CREATED,
        EventKind.CONVERSATION_DELETED,
        EventKind.PARTICIPANT_ADDED,
        EventKind.PARTICIPANT_UPDATED,
        EventKind.PARTICIPANT_REMOVED,
    }
)
"""What may make another set of participants of the one before."""


@dataclass(frozen=True, slots=True)
class ConversationChange:
    """A conversation's new state; ``participants`` are those it was created with.

    ``visibility_changed`` tells readers that what they may see of the past is another than before.
    """

    conversation: Conversation
    participants: tuple[Participant, ...] = ()
    visibility_changed: bool = False


@dataclass(frozen=True, slots=True)
class ParticipantChange:
    """A participant's new state; with the conversation when added, with the reason when removed.

    ``private`` changes (muted, hidden, pinned) are shown to the participant alone.
    """

    participant: Participant
    conversation: Conversation | None = None
    reason: RemovalReason | None = None
    private: bool = False


# Every send makes one of the next, and of ``Event``; see ``model.Message``.
@dataclass(slots=True)
class MessageChange:
    """A message as it is now.

    ``joined_only`` is true for an edit or deletion in a conversation of ``joined`` history: only users whose intervals
    contain the message's creation see it.
    """

    message: Message
    joined_only: bool = False


EventBody = ConversationChange | ParticipantChange | MessageChange


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A fact that is about to be appended; the log gives it position, seq and tag."""

    kind: EventKind
    conversation_id: ConversationId
    actor_id: UserId
    at: Millis
    body: EventBody


@dataclass(slots=True)
class Event:
    """A fact in the log."""

    position: Position
    tag: str
    tenant: TenantId
    conversation_id: ConversationId
    seq: Seq
    kind: EventKind
    actor_id: UserId
    at: Millis
    body: EventBody

    @property
    def cursor(self) -> Cursor:
        """The cursor of a client that has handled everything up to and including this event."""
        return Cursor(self.position, self.tag)


@dataclass(frozen=True, slots=True)
class Committed:
    """A run of events that one commit appended; ``before`` is the log's end just before it."""

    before: Cursor
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Interval:
    """The seqs of a conversation during one membership, both ends included; ``last`` is none while it lasts."""

    first: Seq
    last: Seq | None = None

    def contains(self, seq: Seq) -> bool:
        """Tell whether an event of that seq fell into the membership."""
        return self.first <= seq and (self.last is None or seq <= self.last)


@dataclass(frozen=True, slots=True)
class Memberships:
    """The conversations a user is in, with all his intervals in each, as of the log's end ``head``.

    ``changed_at`` is where he last came into one or was out of one again, 0 if he never was in any: to what follows
    that position these conversations apply throughout.
    """

    head: Cursor
    conversations: Mapping[ConversationId, tuple[Interval, ...]]
    changed_at: Position


class SignalKind(StrEnum):
    """The two facts that are not durable and may be lost."""

    TYPING = "typing"
    READ = "read"


@dataclass(frozen=True, slots=True)
class Signal:
    """A fact that is not durable: typing (``on``), or a read marker as it moves (``seq``).

    ``to_self_only`` keeps a read marker to the reader's own sockets, where the conversation is too large for more.
    """

    kind: SignalKind
    tenant: TenantId
    conversation_id: ConversationId
    user_id: UserId
    on: bool | None = None
    seq: Seq | None = None
    to_self_only: bool = False
