"""Creating, reading, changing and deleting conversations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING

from sanctum_messaging.actions.decisions import (
    VersionMatch,
    append_decided,
    check_version,
    expect,
    get_participation,
)
from sanctum_messaging.actions.memberships import NewParticipant, check_named_once
from sanctum_messaging.domain import rules
from sanctum_messaging.domain.errors import FieldFault, InvalidError
from sanctum_messaging.domain.events import ConversationChange, EventKind, NewEvent
from sanctum_messaging.domain.model import (
    Actor,
    Conversation,
    ConversationId,
    ConversationKind,
    ConversationView,
    Cursor,
    HistoryVisibility,
    Participant,
    Position,
    Role,
    Seq,
    UserId,
)
from sanctum_messaging.ports.log import Answer, Appended, Change, ExpectedNoDirect, Idempotency
from sanctum_messaging.protocol.decoding import FieldFaultsError
from sanctum_messaging.protocol.metadata import NO_METADATA, merge_metadata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.domain.model import Millis
    from sanctum_messaging.ports import Ports


@dataclass(frozen=True, slots=True)
class NewConversation:
    """A conversation that someone asks for."""

    kind: ConversationKind
    participants: tuple[NewParticipant, ...]
    title: str | None = None
    metadata: str = NO_METADATA
    visibility: HistoryVisibility = HistoryVisibility.ALL


class Unchanged(Enum):
    """What a patch does not speak of, where none is a value too: it takes away."""

    UNCHANGED = auto()


@dataclass(frozen=True, slots=True)
class ConversationPatch:
    """What should change; ``metadata`` is a JSON merge patch of the present metadata."""

    title: str | Unchanged | None = Unchanged.UNCHANGED
    metadata: str | Unchanged | None = Unchanged.UNCHANGED
    visibility: HistoryVisibility | Unchanged = Unchanged.UNCHANGED


NOTHING = ConversationPatch()
"""The patch that changes nothing."""


async def create_conversation(
    ports: Ports, actor: Actor, new: NewConversation, *, idempotency: Idempotency | None = None
) -> Appended:
    """Create a conversation with its participants, or find the direct one that is there already.

    Raises:
        InvalidError: the participants make no sense, or the idempotency key was used for another request.
    """
    check_named_once(new.participants, but_for=actor.user)
    rules.check_direct_form(new.kind, tuple(each.role for each in new.participants))
    if idempotency is not None:
        first = await ports.store.find_idempotent(actor.tenant, idempotency)
        if first is not None:
            return Appended(first, replayed=True)
    return await append_decided(ports, partial(_decide_creation, ports, actor, new, idempotency))


async def get_conversation(ports: Ports, actor: Actor, conversation_id: ConversationId) -> Conversation:
    """Read a conversation that the actor is in."""
    return (await get_participation(ports, actor, conversation_id)).conversation


async def list_conversations(
    ports: Ports, actor: Actor, *, before: Position | None, limit: int
) -> tuple[Sequence[ConversationView], Cursor]:
    """List the actor's conversations below a last position, the most recently active first, with the log's end."""
    return await ports.store.list_conversations(actor.tenant, actor.user, before=before, limit=limit)


async def update_conversation(
    ports: Ports, actor: Actor, conversation_id: ConversationId, *, patch: ConversationPatch, match: VersionMatch | None
) -> Conversation:
    """Change title, metadata or the visibility of history; an empty patch changes nothing.

    Raises:
        NotFoundError: the actor is not in the conversation.
        ForbiddenError: he is below admin.
        PreconditionError: ``match`` is absent or does not hold the current version.
    """
    appended = await append_decided(
        ports, partial(_decide_update, ports, actor, conversation_id, patch=patch, match=match)
    )
    changed = [event.body.conversation for event in appended.events if isinstance(event.body, ConversationChange)]
    return changed[0] if changed else await get_conversation(ports, actor, conversation_id)


async def delete_conversation(
    ports: Ports, actor: Actor, conversation_id: ConversationId, *, match: VersionMatch | None
) -> None:
    """Delete a group for all who are in it.

    Raises:
        NotFoundError: the actor is not in the conversation.
        ForbiddenError: he is no owner.
        ConflictError: it is a direct conversation.
        PreconditionError: ``match`` is absent or does not hold the current version.
    """
    await append_decided(ports, partial(_decide_deletion, ports, actor, conversation_id, match))


async def _decide_creation(ports: Ports, actor: Actor, new: NewConversation, idempotency: Idempotency | None) -> Change:
    now = ports.clock.now()
    conversation = _conversation(new, actor, ConversationId(ports.clock.new_id()), now)
    expected: tuple[ExpectedNoDirect, ...] = ()
    if new.kind is ConversationKind.DIRECT:
        pair = _pair(actor.user, new.participants[0].user_id)
        present = await ports.store.find_direct(actor.tenant, pair)
        if present is not None:
            return Change(actor.tenant, (), (), Answer(created=False, conversation=present), idempotency)
        expected = (ExpectedNoDirect(pair),)
    body = ConversationChange(conversation, participants=_first_participants(new, actor, conversation))
    event = NewEvent(EventKind.CONVERSATION_CREATED, conversation.id, actor.user, now, body)
    answer = Answer(created=True, conversation=conversation)
    return Change(actor.tenant, expected, (event,), answer, idempotency)


async def _decide_update(
    ports: Ports, actor: Actor, conversation_id: ConversationId, *, patch: ConversationPatch, match: VersionMatch | None
) -> Change:
    participation = await get_participation(ports, actor, conversation_id)
    rules.check_administers(actor, participation.participant.role)
    present = participation.conversation
    check_version(match, present.version)
    if patch == NOTHING:
        return Change(actor.tenant, (), (), Answer(created=False, conversation=present))
    changed = _apply(patch, present)
    body = ConversationChange(changed, visibility_changed=changed.visibility is not present.visibility)
    event = NewEvent(EventKind.CONVERSATION_UPDATED, present.id, actor.user, ports.clock.now(), body)
    return Change(actor.tenant, expect(participation), (event,), Answer(created=False, conversation=changed))


async def _decide_deletion(
    ports: Ports, actor: Actor, conversation_id: ConversationId, match: VersionMatch | None
) -> Change:
    participation = await get_participation(ports, actor, conversation_id)
    rules.check_not_direct(participation)
    rules.check_owns(actor, participation.participant.role)
    present, now = participation.conversation, ports.clock.now()
    check_version(match, present.version)
    deleted = replace(present, deleted_at=now, version=present.version + 1)
    event = NewEvent(EventKind.CONVERSATION_DELETED, present.id, actor.user, now, ConversationChange(deleted))
    return Change(actor.tenant, expect(participation), (event,), Answer(created=False, conversation=deleted))


def _conversation(new: NewConversation, actor: Actor, conversation_id: ConversationId, now: Millis) -> Conversation:
    return Conversation(
        id=conversation_id,
        tenant=actor.tenant,
        kind=new.kind,
        title=new.title,
        metadata=new.metadata,
        visibility=new.visibility,
        created_by=actor.user,
        created_at=now,
        version=1,
        last_seq=Seq(1),
    )


def _first_participants(new: NewConversation, actor: Actor, conversation: Conversation) -> tuple[Participant, ...]:
    own_role = Role.MEMBER if new.kind is ConversationKind.DIRECT else Role.OWNER
    everyone = (NewParticipant(actor.user, own_role), *new.participants)
    return tuple(Participant(conversation.id, each.user_id, each.role, conversation.created_at) for each in everyone)


def _apply(patch: ConversationPatch, present: Conversation) -> Conversation:
    return replace(
        present,
        title=present.title if isinstance(patch.title, Unchanged) else patch.title,
        metadata=_merge(present.metadata, patch.metadata),
        visibility=present.visibility if isinstance(patch.visibility, Unchanged) else patch.visibility,
        version=present.version + 1,
    )


def _merge(present: str, patch: str | Unchanged | None) -> str:
    if isinstance(patch, Unchanged):
        return present
    try:
        return merge_metadata(present, patch)
    except FieldFaultsError as fault:
        faults = tuple(FieldFault(each.field, each.code) for each in fault.faults)
        raise InvalidError("The metadata would be too large.", faults=faults) from None


def _pair(one: UserId, other: UserId) -> tuple[UserId, UserId]:
    return (one, other) if one < other else (other, one)
