"""Deciding on rows that were read without a lock, and appending what was decided if they are still the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanctum_messaging.domain.errors import ConflictError, NotFoundError, PreconditionError
from sanctum_messaging.ports.log import Appended, ExpectedConversation, ExpectedParticipant

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sanctum_messaging.domain.model import Actor, ConversationId, Participation
    from sanctum_messaging.ports import Ports
    from sanctum_messaging.ports.log import Change, Expected

ATTEMPTS = 5
"""Decisions on one call; whoever loses that often to others is told so, rather than kept waiting."""


@dataclass(frozen=True, slots=True)
class VersionMatch:
    """The versions that an ``If-Match`` names; none stands for ``*``, whatever the version is."""

    versions: frozenset[int] | None


async def append_decided(ports: Ports, decide: Callable[[], Awaitable[Change]]) -> Appended:
    """Append what ``decide`` says; where its rows changed meanwhile, let it decide again.

    A change without events is appended only for the sake of its idempotency key.

    Raises:
        ConflictError: the rows changed under every attempt.
    """
    for _ in range(ATTEMPTS):
        change = await decide()
        if not change.events and change.idempotency is None:
            return Appended(change.answer)
        outcome = await ports.log.append_change(change)
        if outcome != "stale":
            return outcome
    raise ConflictError("Others changed it again and again meanwhile; try once more.")


async def get_participation(ports: Ports, actor: Actor, conversation_id: ConversationId) -> Participation:
    """Read a conversation with the actor's place in it.

    Raises:
        NotFoundError: he is not in it now, or there is no such conversation.
    """
    participation = await ports.store.find_participation(actor.tenant, actor.user, conversation_id)
    if participation is None:
        raise NotFoundError
    return participation


def expect(participation: Participation, *, members: bool = False) -> tuple[Expected, ...]:
    """Name the rows that every decision of a participant rests on; with ``members``, the set of participants too."""
    conversation, own = participation.conversation, participation.participant
    return (
        ExpectedConversation(conversation.id, conversation.version, participation.members_version if members else None),
        ExpectedParticipant(conversation.id, own.user_id, own.version),
    )


def check_version(match: VersionMatch | None, current: int) -> None:
    """Refuse a change that was decided upon another version than the current one.

    To be asked last: a precondition only counts where the call would succeed without it (RFC 9110, section 13.2.1).

    Raises:
        PreconditionError: ``if_match_required``, or ``precondition_failed`` with the current version.
    """
    if match is None:
        raise PreconditionError(
            "Send If-Match with the ETag of what you change.", code="if_match_required", version=current
        )
    if match.versions is not None and current not in match.versions:
        raise PreconditionError("It has another version by now.", version=current)
