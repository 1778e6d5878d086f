"""Listing the participants of a conversation, and changing one: his role, or his own marks."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from sanctum_messaging.actions.decisions import append_decided, expect, get_participation
from sanctum_messaging.domain import rules
from sanctum_messaging.domain.errors import ForbiddenError, NotFoundError
from sanctum_messaging.domain.events import EventKind, NewEvent, ParticipantChange
from sanctum_messaging.domain.model import Actor, ConversationId, Millis, Participant, Participation, Role, UserId
from sanctum_messaging.ports.log import Answer, Change, ExpectedParticipant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.ports import Ports
    from sanctum_messaging.ports.log import Expected


@dataclass(frozen=True, slots=True)
class ParticipantPatch:
    """A new role, or one's own marks; what is none stays."""

    role: Role | None = None
    muted: bool | None = None
    hidden: bool | None = None
    pinned: bool | None = None

    @property
    def marks(self) -> bool:
        """Whether any of one's own marks is spoken of."""
        return (self.muted, self.hidden, self.pinned) != (None, None, None)


async def list_participants(
    ports: Ports, actor: Actor, conversation_id: ConversationId, *, after: UserId | None, limit: int
) -> Sequence[Participant]:
    """List those present beyond a user id, by user id; as of the actor's own check, or of a moment after it.

    Raises:
        NotFoundError: the actor is not in the conversation.
    """
    participation = await get_participation(ports, actor, conversation_id)
    own = participation.participant
    present = (await ports.participants.get(conversation_id, participation.members_version)).participants
    if not _is_among(present, own.user_id):
        # The set is newer than the check, and he was removed in between: what came after that is not for him.
        raise NotFoundError
    first = 0 if after is None else bisect_right(present, after, key=_user_id)
    return [_with_own_marks(each, own) for each in present[first : first + limit]]


def _is_among(present: Sequence[Participant], user_id: UserId) -> bool:
    place = bisect_left(present, user_id, key=_user_id)
    return place < len(present) and present[place].user_id == user_id


def _user_id(participant: Participant) -> UserId:
    return participant.user_id


def _with_own_marks(participant: Participant, own: Participant) -> Participant:
    """Complete the actor's own row by what nobody else may see."""
    if participant.user_id != own.user_id:
        return participant
    return replace(own, role=participant.role, joined_at=participant.joined_at)


async def update_participant(
    ports: Ports, actor: Actor, conversation_id: ConversationId, *, user_id: UserId, patch: ParticipantPatch
) -> Participant:
    """Change a role, or one's own marks.

    Raises:
        NotFoundError: the actor or the other is not in the conversation.
        ForbiddenError: the actor's role does not allow it, or the marks are not his own.
        ConflictError: a direct conversation, or its last owner.
    """
    decide = partial(_decide_change, ports, actor, conversation_id, user_id=user_id, patch=patch)
    return (await append_decided(ports, decide)).answer.participants[0]


async def _decide_change(
    ports: Ports, actor: Actor, conversation_id: ConversationId, *, user_id: UserId, patch: ParticipantPatch
) -> Change:
    participation = await get_participation(ports, actor, conversation_id)
    oneself = user_id == actor.user
    if patch.role is not None:
        rules.check_not_direct(participation)
    if patch.marks and not oneself:
        raise ForbiddenError("Only oneself sets these.")
    if not oneself:
        rules.check_administers(actor, participation.participant.role)
    present = await get_present(ports, participation, user_id)
    now, changed, events = ports.clock.now(), present, []
    if patch.role is not None:
        _check_re_role(actor, participation, present, patch.role)
        if patch.role is not present.role:
            changed = replace(changed, role=patch.role, version=changed.version + 1)
            events.append(participant_event(EventKind.PARTICIPANT_UPDATED, actor, now, ParticipantChange(changed)))
    marked = _mark(changed, patch)
    if marked != changed:
        changed = replace(marked, version=changed.version + 1)
        events.append(
            participant_event(EventKind.PARTICIPANT_UPDATED, actor, now, ParticipantChange(changed, private=True))
        )
    expected = expect_both(participation, present, members=patch.role is not None and present.role is Role.OWNER)
    return Change(actor.tenant, expected, tuple(events), Answer(created=False, participants=(changed,)))


def _check_re_role(actor: Actor, participation: Participation, target: Participant, granted: Role) -> None:
    rules.check_re_roles(
        actor,
        participation.participant.role,
        target=target.role,
        granted=granted,
        oneself=target.user_id == actor.user,
    )
    rules.check_keeps_owner(participation, loses=target.role, gains=granted)


def _mark(present: Participant, patch: ParticipantPatch) -> Participant:
    return replace(
        present,
        muted=present.muted if patch.muted is None else patch.muted,
        hidden=present.hidden if patch.hidden is None else patch.hidden,
        pinned=present.pinned if patch.pinned is None else patch.pinned,
    )


async def get_present(ports: Ports, participation: Participation, user_id: UserId) -> Participant:
    """Read another's place in a conversation, or the actor's own.

    Raises:
        NotFoundError: the user is not in it now.
    """
    if user_id == participation.participant.user_id:
        return participation.participant
    rows = await ports.store.find_participants(participation.conversation.id, [user_id])
    row = rows.get(user_id)
    if row is None or row.left_at is not None:
        raise NotFoundError
    return row


def expect_both(participation: Participation, other: Participant, *, members: bool) -> tuple[Expected, ...]:
    """Name the rows that a decision on another participant rests on, or on oneself."""
    return (
        *expect(participation, members=members),
        ExpectedParticipant(other.conversation_id, other.user_id, other.version),
    )


def participant_event(kind: EventKind, actor: Actor, at: Millis, change: ParticipantChange) -> NewEvent:
    """Make the event of a participant's change."""
    return NewEvent(kind, change.participant.conversation_id, actor.user, at, change)
