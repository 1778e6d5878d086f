"""Sending, reading, editing and deleting messages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

from sanctum_messaging.actions.decisions import append_decided, check_version, expect
from sanctum_messaging.domain import rules
from sanctum_messaging.domain.errors import NotFoundError
from sanctum_messaging.domain.events import EventKind, MessageChange, NewEvent
from sanctum_messaging.domain.model import (
    Actor,
    ConversationId,
    HistoryVisibility,
    Message,
    MessageDraft,
    MessageId,
)
from sanctum_messaging.ports.log import Answer, Change, ExpectedMessage

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Sequence

    from sanctum_messaging.actions.decisions import VersionMatch
    from sanctum_messaging.ports import Ports
    from sanctum_messaging.ports.log import Appended, AppendedMessage
    from sanctum_messaging.ports.store import MessageBounds, VisibleMessage


@dataclass(slots=True)
class NewMessage:
    """A message that someone wants to send."""

    conversation_id: ConversationId
    client_message_id: str
    body: str
    type: str
    metadata: str
    reply_to: MessageId | None = None


@dataclass(frozen=True, slots=True)
class MessageEdit:
    """A message's new body, and its new metadata unless none is given."""

    body: str
    metadata: str | None = None


def send_message(ports: Ports, actor: Actor, new: NewMessage) -> Future[AppendedMessage]:
    """Send a message once, however often it is sent with the same client message id.

    The log has taken the draft when this returns, so that whoever sends one after the other keeps that order. Await
    what it returns: until then nothing is on disk.

    Raises:
        NotFoundError: the actor is not in the conversation.
        ForbiddenError: he is an observer, or sends a system message without being a service.
        InvalidError: ``replyTo`` names no visible message of the conversation.
        ConflictError: the client message id was used for other content.
        UnavailableError: ``overloaded`` or ``outcome_unknown``.
    """
    rules.check_sends_type(actor, new.type)
    return ports.log.append_message(_draft(ports, actor, new))


async def get_message(ports: Ports, actor: Actor, message_id: MessageId) -> Message:
    """Read a message that the actor may see now.

    Raises:
        NotFoundError: there is none.
    """
    return (await _get_visible(ports, actor, message_id)).message


async def list_messages(
    ports: Ports, actor: Actor, conversation_id: ConversationId, *, bounds: MessageBounds, limit: int
) -> tuple[Sequence[Message], bool]:
    """List visible messages, ascending by seq, and tell whether there are more in that direction.

    Raises:
        NotFoundError: the actor is not in the conversation.
    """
    page = await ports.store.list_messages(actor.tenant, actor.user, conversation_id, bounds=bounds, limit=limit)
    if page is None:
        raise NotFoundError
    return page


async def edit_message(
    ports: Ports, actor: Actor, message_id: MessageId, *, edit: MessageEdit, match: VersionMatch | None
) -> Message:
    """Give a message a new body.

    Raises:
        NotFoundError: the actor may not see it.
        ForbiddenError: he did not send it, or may send no more.
        ConflictError: it was deleted.
        PreconditionError: ``match`` is absent or does not hold the current version.
    """
    return _message_of(
        await append_decided(ports, partial(_decide_edit, ports, actor, message_id, edit=edit, match=match))
    )


async def delete_message(ports: Ports, actor: Actor, message_id: MessageId, *, match: VersionMatch | None) -> None:
    """Take a message's body and metadata away; its place in the conversation stays.

    Raises:
        NotFoundError: the actor may not see it.
        ForbiddenError: he neither sent it nor is an admin.
        ConflictError: it was deleted already.
        PreconditionError: ``match`` is absent or does not hold the current version.
    """
    await append_decided(ports, partial(_decide_deletion, ports, actor, message_id, match))


def _draft(ports: Ports, actor: Actor, new: NewMessage) -> MessageDraft:
    return MessageDraft(
        id=MessageId(ports.clock.new_id()),
        tenant=actor.tenant,
        conversation_id=new.conversation_id,
        sender_id=actor.user,
        device_id=actor.device,
        client_message_id=new.client_message_id,
        type=new.type,
        body=new.body,
        metadata=new.metadata,
        reply_to=new.reply_to,
        content_hash=_hash_content(new),
        created_at=ports.clock.now(),
        any_rank=actor.service,
    )


def _hash_content(new: NewMessage) -> str:
    """Hash what a repeat must have in common; no part holds U+0000, so no two contents are joined to the same text."""
    content = "\x00".join((new.type, new.reply_to or "", new.metadata, new.body))
    return sha256(content.encode()).hexdigest()


async def _decide_edit(
    ports: Ports, actor: Actor, message_id: MessageId, *, edit: MessageEdit, match: VersionMatch | None
) -> Change:
    visible, now = await _get_visible(ports, actor, message_id), ports.clock.now()
    present = visible.message
    rules.check_edits(present, actor, visible.participation.participant.role)
    check_version(match, present.version)
    edited = replace(
        present,
        body=edit.body,
        metadata=present.metadata if edit.metadata is None else edit.metadata,
        edited_at=now,
        version=present.version + 1,
    )
    return _change(actor, visible, EventKind.MESSAGE_UPDATED, edited)


async def _decide_deletion(ports: Ports, actor: Actor, message_id: MessageId, match: VersionMatch | None) -> Change:
    visible = await _get_visible(ports, actor, message_id)
    present = visible.message
    rules.check_deletes(present, actor, visible.participation.participant.role)
    check_version(match, present.version)
    deleted = replace(present, body=None, metadata=None, deleted_at=ports.clock.now(), version=present.version + 1)
    return _change(actor, visible, EventKind.MESSAGE_DELETED, deleted)


def _change(actor: Actor, visible: VisibleMessage, kind: EventKind, changed: Message) -> Change:
    conversation = visible.participation.conversation
    body = MessageChange(changed, joined_only=conversation.visibility is HistoryVisibility.JOINED)
    at = changed.deleted_at or changed.edited_at or changed.created_at
    return Change(
        actor.tenant,
        (*expect(visible.participation), ExpectedMessage(changed.id, visible.message.version)),
        (NewEvent(kind, changed.conversation_id, actor.user, at, body),),
        Answer(created=False),
    )


async def _get_visible(ports: Ports, actor: Actor, message_id: MessageId) -> VisibleMessage:
    visible = await ports.store.find_message(actor.tenant, actor.user, message_id)
    if visible is None:
        raise NotFoundError
    return visible


def _message_of(appended: Appended) -> Message:
    (message,) = (event.body.message for event in appended.events if isinstance(event.body, MessageChange))
    return message
