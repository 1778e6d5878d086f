"""What every append makes of a draft or a change, whatever database it goes to: numbered events, and what refuses."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

import msgspec

from sanctum_messaging.domain.errors import ConflictError, InvalidError
from sanctum_messaging.domain.events import (
    ConversationChange,
    Event,
    EventBody,
    EventKind,
    MessageChange,
    ParticipantChange,
)
from sanctum_messaging.domain.model import Message, MessageDraft, Seq

if TYPE_CHECKING:
    from sanctum_messaging.domain.events import NewEvent
    from sanctum_messaging.domain.model import Cursor, MessageId, TenantId, UserId

_TAG_BYTES = 4


def draw_tags(count: int) -> list[str]:
    """Draw the tags of so many events; they are never derived, so that no other log holds the same.

    All at once, since each time that randomness is asked for, another thread may take the interpreter.
    """
    digits = os.urandom(count * _TAG_BYTES).hex()
    return [digits[at : at + 2 * _TAG_BYTES] for at in range(0, len(digits), 2 * _TAG_BYTES)]


def message_of_draft(draft: MessageDraft, seq: Seq) -> Message:
    """Make the message that a draft becomes."""
    return Message(
        id=draft.id,
        conversation_id=draft.conversation_id,
        seq=seq,
        sender_id=draft.sender_id,
        device_id=draft.device_id,
        client_message_id=draft.client_message_id,
        type=draft.type,
        body=draft.body,
        metadata=draft.metadata,
        reply_to=draft.reply_to,
        created_at=draft.created_at,
    )


def event_of_draft(draft: MessageDraft, message: Message, cursor: Cursor) -> Event:
    """Make the event of a message that a draft became."""
    return Event(
        position=cursor.position,
        tag=cursor.tag,
        tenant=draft.tenant,
        conversation_id=draft.conversation_id,
        seq=message.seq,
        kind=EventKind.MESSAGE_CREATED,
        actor_id=draft.sender_id,
        at=draft.created_at,
        body=MessageChange(message),
    )


def numbered(tenant: TenantId, new: NewEvent, cursor: Cursor, seq: Seq) -> Event:
    """Give a new event its place in the log."""
    return Event(
        position=cursor.position,
        tag=cursor.tag,
        tenant=tenant,
        conversation_id=new.conversation_id,
        seq=seq,
        kind=new.kind,
        actor_id=new.actor_id,
        at=new.at,
        body=as_of(new.body, seq),
    )


def as_of(body: EventBody, seq: Seq) -> EventBody:
    """Say in a conversation's snapshot that it is the one right after this event."""
    match body:
        case ConversationChange():
            return replace(body, conversation=replace(body.conversation, last_seq=seq))
        case ParticipantChange():
            if body.conversation is None:
                return body
            return replace(body, conversation=replace(body.conversation, last_seq=seq))
        case MessageChange():
            return body
        case _:
            assert_never(body)


def facts_of(body: EventBody) -> tuple[MessageId | None, UserId | None, str | None]:
    """Take from an event's body what its row holds: the message's id, the audience, the facts as JSON text."""
    match body:
        case MessageChange():
            return body.message.id, None, None
        case ParticipantChange():
            return None, body.participant.user_id if body.private else None, msgspec.json.encode(body).decode()
        case ConversationChange():
            return None, None, msgspec.json.encode(body).decode()
        case _:
            assert_never(body)


def other_content() -> ConflictError:
    """Refuse a used client message id with other content; after an erasure anything matches."""
    return ConflictError("This client message id was used for other content.", code="client_message_id_reused")


def reply_not_found() -> InvalidError:
    """Refuse a reply to what is not a visible message of the conversation."""
    return InvalidError.of_field("replyTo", "not_found", "The message replied to is not in the conversation.")
