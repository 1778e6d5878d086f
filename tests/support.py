"""A small vocabulary for arranging what tests need in a store."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from sanctum_messaging.domain.events import ConversationChange, EventKind, MessageChange, NewEvent, ParticipantChange
from sanctum_messaging.domain.model import (
    Conversation,
    ConversationId,
    ConversationKind,
    DeviceId,
    HistoryVisibility,
    Message,
    MessageDraft,
    MessageId,
    Millis,
    Participant,
    RemovalReason,
    Role,
    Seq,
    SessionId,
    TenantId,
    UserId,
)
from sanctum_messaging.ports.audit import AuditEntry
from sanctum_messaging.ports.log import Answer, Appended, AppendedMessage, Change, Expected, Idempotency

if TYPE_CHECKING:
    from sanctum_messaging.domain.errors import SanctumError
    from sanctum_messaging.domain.events import Event
    from sanctum_messaging.ports.store import Store

TENANT = TenantId("default")
_numbers = itertools.count(1)


def new_id(kind: str = "id") -> str:
    """Draw a readable id."""
    return f"{kind}-{next(_numbers):06d}"


def user(name: str) -> UserId:
    """Name a user."""
    return UserId(name)


class Arranged:
    """A store with shorthands for what a test appends; every call raises what the store refuses."""

    def __init__(self, store: Store, tenant: TenantId = TENANT) -> None:
        self.store = store
        self.tenant = tenant
        self.at = Millis(1_700_000_000_000)

    async def create(
        self,
        owner: str,
        *others: str,
        visibility: HistoryVisibility = HistoryVisibility.ALL,
        roles: dict[str, Role] | None = None,
        kind: ConversationKind = ConversationKind.GROUP,
    ) -> ConversationId:
        """Create a conversation of these users; the first owns it."""
        conversation = Conversation(
            id=ConversationId(new_id("conversation")),
            tenant=self.tenant,
            kind=kind,
            title="A title",
            metadata="{}",
            visibility=visibility,
            created_by=user(owner),
            created_at=self.at,
            version=1,
            last_seq=Seq(0),
        )
        participants = tuple(
            Participant(
                conversation_id=conversation.id,
                user_id=user(name),
                role=(roles or {}).get(name, Role.OWNER if name == owner else Role.MEMBER),
                joined_at=self.at,
            )
            for name in (owner, *others)
        )
        body = ConversationChange(conversation, participants)
        await self.change(NewEvent(EventKind.CONVERSATION_CREATED, conversation.id, user(owner), self.at, body))
        return conversation.id

    async def change(self, *events: NewEvent, expected: tuple[Expected, ...] = ()) -> tuple[Event, ...]:
        """Append events whatever the rows they rest on."""
        outcome = await self.store.append_change(Change(self.tenant, expected, events, Answer(created=True)))
        assert isinstance(outcome.result, Appended), outcome.result
        return outcome.result.events

    async def keep(self, key: Idempotency, answer: Answer, *events: NewEvent) -> Appended | str | SanctumError:
        """Append events under an idempotency key."""
        return (await self.store.append_change(Change(self.tenant, (), events, answer, key))).result

    def draft(
        self,
        conversation_id: ConversationId,
        sender: str,
        body: str = "Hello",
        *,
        client_id: str | None = None,
        reply_to: MessageId | None = None,
        metadata: str = "{}",
    ) -> MessageDraft:
        """Draft a message."""
        return MessageDraft(
            id=MessageId(new_id("message")),
            tenant=self.tenant,
            conversation_id=conversation_id,
            sender_id=user(sender),
            device_id=DeviceId("phone"),
            client_message_id=client_id or new_id("client"),
            type="text",
            body=body,
            metadata=metadata,
            reply_to=reply_to,
            content_hash=hashlib.sha256(f"{body}{metadata}{reply_to}".encode()).hexdigest(),
            created_at=self.at,
        )

    async def send(self, conversation_id: ConversationId, sender: str, body: str = "Hello") -> Message:
        """Send one message."""
        return (await self.send_draft(self.draft(conversation_id, sender, body))).message

    async def send_draft(self, draft: MessageDraft) -> AppendedMessage:
        """Send a draft, or raise its refusal."""
        result = (await self.store.append_messages([draft])).results[0]
        if isinstance(result, AppendedMessage):
            return result
        raise result

    async def add(self, conversation_id: ConversationId, name: str, role: Role = Role.MEMBER) -> Event:
        """Add a participant, for the first time or again."""
        old = (await self.store.find_participants(conversation_id, [user(name)])).get(user(name))
        participant = Participant(conversation_id, user(name), role, self.at, None, old.version + 1 if old else 1)
        conversation = await self.conversation(conversation_id)
        return (await self.participant_event(EventKind.PARTICIPANT_ADDED, participant, conversation=conversation))[0]

    async def remove(self, conversation_id: ConversationId, name: str) -> Event:
        """Remove a participant."""
        return (await self.change(await self.removal(conversation_id, name)))[0]

    async def removal(self, conversation_id: ConversationId, name: str) -> NewEvent:
        """Prepare the removal of a participant."""
        old = (await self.store.find_participants(conversation_id, [user(name)]))[user(name)]
        gone = replace(old, left_at=self.at, version=old.version + 1)
        body = ParticipantChange(gone, reason=RemovalReason.REMOVED)
        return NewEvent(EventKind.PARTICIPANT_REMOVED, conversation_id, user("admin"), self.at, body)

    async def participant_event(
        self,
        kind: EventKind,
        participant: Participant,
        *,
        conversation: Conversation | None = None,
        private: bool = False,
    ) -> tuple[Event, ...]:
        """Append a change of a participant."""
        body = ParticipantChange(participant, conversation, private=private)
        return await self.change(NewEvent(kind, participant.conversation_id, user("admin"), self.at, body))

    async def edit(self, message: Message, body: str) -> Event:
        """Edit a message."""
        changed = replace(message, body=body, version=message.version + 1, edited_at=self.at)
        return (await self.change(self._message_event(EventKind.MESSAGE_UPDATED, changed)))[0]

    async def delete(self, message: Message) -> Event:
        """Delete a message."""
        gone = replace(message, body=None, metadata=None, version=message.version + 1, deleted_at=self.at)
        return (await self.change(self._message_event(EventKind.MESSAGE_DELETED, gone)))[0]

    def _message_event(self, kind: EventKind, message: Message) -> NewEvent:
        return NewEvent(kind, message.conversation_id, message.sender_id, self.at, MessageChange(message))

    async def delete_conversation(self, conversation_id: ConversationId, owner: str) -> Event:
        """Delete a conversation."""
        conversation = await self.conversation(conversation_id)
        gone = replace(conversation, deleted_at=self.at, version=conversation.version + 1)
        body = ConversationChange(gone)
        event = NewEvent(EventKind.CONVERSATION_DELETED, conversation_id, user(owner), self.at, body)
        return (await self.change(event))[0]

    async def conversation(self, conversation_id: ConversationId) -> Conversation:
        """Read a conversation through its newest event that carries it."""
        found = None
        for event in await self.store.read_log(after=Seq(0), limit=100_000):  # type: ignore[arg-type] # a test reads from 0
            if event.conversation_id == conversation_id and isinstance(event.body, ConversationChange):
                found = event.body.conversation
        assert found is not None
        return found


def audit_entry(number: int, at: int, *, act_as: UserId | None = None) -> AuditEntry:
    """Make the entry of a service's call; its number orders those of one moment."""
    return AuditEntry(
        id=f"id-{number:03}",
        at=Millis(at),
        tenant=TENANT,
        bearer=user("backend"),
        act_as=act_as,
        token_id=None,
        session=SessionId("s1"),
        address=None,
        action="POST /v1/messages",
        request_id="",
    )
