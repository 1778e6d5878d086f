"""How far a user has read, and what he has not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.actions.decisions import get_participation
from sanctum_messaging.domain import rules
from sanctum_messaging.domain.events import Signal, SignalKind
from sanctum_messaging.ports.store import MoveMarker

if TYPE_CHECKING:
    from sanctum_messaging.domain.model import Actor, ConversationId, ReadMarker, Seq, UnreadTotals
    from sanctum_messaging.ports import Ports


async def move_read_marker(ports: Ports, actor: Actor, conversation_id: ConversationId, *, seq: Seq) -> ReadMarker:
    """Move the actor's own marker up to a seq; below the present one it stays where it is.

    Others hear of it where the conversation is small enough, and the actor's own sockets always do.

    Raises:
        NotFoundError: the actor is not in the conversation.
        InvalidError: ``seq_out_of_range``.
    """
    participation = await get_participation(ports, actor, conversation_id)
    marker = await ports.markers.move(MoveMarker(actor.tenant, actor.user, conversation_id, seq))
    if marker.read_seq == seq:
        ports.bus.signal(
            Signal(
                SignalKind.READ,
                actor.tenant,
                conversation_id,
                actor.user,
                seq=seq,
                to_self_only=participation.present > rules.MAX_READ_SIGNAL_PARTICIPANTS,
            )
        )
    return marker


async def count_unread(ports: Ports, actor: Actor) -> UnreadTotals:
    """Sum up what the actor has not read."""
    return await ports.store.count_unread(actor.tenant, actor.user)
