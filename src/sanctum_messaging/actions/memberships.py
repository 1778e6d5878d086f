"""Joining and leaving: who is in a conversation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from sanctum_messaging.actions.decisions import append_decided, expect, get_participation
from sanctum_messaging.actions.participants import expect_both, get_present, participant_event
from sanctum_messaging.domain import rules
from sanctum_messaging.domain.errors import FieldFault, InvalidError
from sanctum_messaging.domain.events import EventKind, ParticipantChange
from sanctum_messaging.domain.model import (
    Actor,
    ConversationId,
    Millis,
    Participant,
    RemovalReason,
    Role,
    UserId,
)
from sanctum_messaging.ports.log import Answer, Appended, Change, ExpectedParticipant, Idempotency

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.ports import Ports

ADDED_AT_ONCE = 1_000
"""Far more additions to one conversation than are ever decided at the same time. Where so many like it would overfill
the conversation, an addition also rests on the set of participants."""


@dataclass(frozen=True, slots=True)
class NewParticipant:
    """A user to add."""

    user_id: UserId
    role: Role = Role.MEMBER


def check_named_once(participants: Sequence[NewParticipant], *, but_for: UserId | None = None) -> None:
    """Refuse a user who is named twice, or who is in the conversation anyway."""
    faults, seen = [], set()
    for index, each in enumerate(participants):
        if each.user_id == but_for:
            faults.append(FieldFault(f"participants[{index}].userId", "oneself"))
        elif each.user_id in seen:
            faults.append(FieldFault(f"participants[{index}].userId", "duplicate"))
        seen.add(each.user_id)
    if faults:
        raise InvalidError("Name everyone once, and not yourself.", faults=tuple(faults))


async def add_participants(
    ports: Ports,
    actor: Actor,
    conversation_id: ConversationId,
    *,
    added: Sequence[NewParticipant],
    idempotency: Idempotency | None = None,
) -> Appended:
    """Add users; who is present already stays as he is. The answer holds all that were named, in their order.

    Who left before gets the role that is given now, and finds his own marks as he left them.

    Raises:
        NotFoundError: the actor is not in the conversation.
        ForbiddenError: he is below admin, or grants what he may not.
        ConflictError: a direct conversation, or too many participants.
        InvalidError: someone is named twice, or the idempotency key was used for another request.
    """
    check_named_once(added)
    if idempotency is not None:
        await get_participation(ports, actor, conversation_id)
        first = await ports.store.find_idempotent(actor.tenant, idempotency)
        if first is not None:
            return Appended(first, replayed=True)
    return await append_decided(
        ports, partial(_decide_addition, ports, actor, conversation_id, added=added, idempotency=idempotency)
    )


async def remove_participant(ports: Ports, actor: Actor, conversation_id: ConversationId, *, user_id: UserId) -> None:
    """Remove a participant, or leave. He receives the removal, and nothing after it.

    Raises:
        NotFoundError: the actor or the other is not in the conversation.
        ForbiddenError: the actor's role does not allow it.
        ConflictError: a direct conversation, or its last owner.
    """
    await append_decided(ports, partial(_decide_removal, ports, actor, conversation_id, user_id))


async def _decide_addition(
    ports: Ports,
    actor: Actor,
    conversation_id: ConversationId,
    *,
    added: Sequence[NewParticipant],
    idempotency: Idempotency | None,
) -> Change:
    participation = await get_participation(ports, actor, conversation_id)
    rules.check_not_direct(participation)
    rules.check_administers(actor, participation.participant.role)
    for each in added:
        rules.check_grants(actor, participation.participant.role, each.role)
    rows = await ports.store.find_participants(conversation_id, [each.user_id for each in added])
    now = ports.clock.now()
    joining = {
        each.user_id: _joined(each, rows.get(each.user_id), conversation_id, now)
        for each in added
        if not _is_present(rows.get(each.user_id))
    }
    rules.check_room(participation, len(joining))
    expected = (
        *expect(participation, members=participation.present + ADDED_AT_ONCE * len(joining) > rules.MAX_PARTICIPANTS),
        *(ExpectedParticipant(conversation_id, user, _version_of(rows.get(user))) for user in joining),
    )
    events = tuple(
        participant_event(EventKind.PARTICIPANT_ADDED, actor, now, ParticipantChange(each, participation.conversation))
        for each in joining.values()
    )
    everyone = tuple(joining.get(each.user_id) or rows[each.user_id] for each in added)
    return Change(actor.tenant, expected, events, Answer(bool(joining), participants=everyone), idempotency)


async def _decide_removal(ports: Ports, actor: Actor, conversation_id: ConversationId, user_id: UserId) -> Change:
    participation = await get_participation(ports, actor, conversation_id)
    role, oneself = participation.participant.role, user_id == actor.user
    rules.check_not_direct(participation)
    if oneself:
        rules.check_leaves(actor, role)
    else:
        rules.check_administers(actor, role)
    present = await get_present(ports, participation, user_id)
    if not oneself:
        rules.check_acts_on(actor, role, present.role)
    rules.check_keeps_owner(participation, loses=present.role, gains=None)
    now = ports.clock.now()
    gone = replace(present, left_at=now, version=present.version + 1)
    change = ParticipantChange(gone, reason=RemovalReason.LEFT if oneself else RemovalReason.REMOVED)
    return Change(
        actor.tenant,
        expect_both(participation, present, members=present.role is Role.OWNER),
        (participant_event(EventKind.PARTICIPANT_REMOVED, actor, now, change),),
        Answer(created=False, participants=(gone,)),
    )


def _joined(new: NewParticipant, row: Participant | None, conversation_id: ConversationId, now: Millis) -> Participant:
    if row is None:
        return Participant(conversation_id, new.user_id, new.role, joined_at=now)
    return replace(row, role=new.role, joined_at=now, left_at=None, version=row.version + 1)


def _is_present(row: Participant | None) -> bool:
    return row is not None and row.left_at is None


def _version_of(row: Participant | None) -> int:
    return 0 if row is None else row.version
