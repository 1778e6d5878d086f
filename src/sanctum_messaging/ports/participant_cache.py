"""Who is present in a conversation, kept near for those who list or address them.

Whether someone *is* a participant is never decided by it. A reader learns the version of the set by his own check of
membership in SQL, then asks for exactly that version, so that what he gets is never stale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sanctum_messaging.domain.model import ConversationId, Participant


@dataclass(frozen=True, slots=True)
class ParticipantSet:
    """Those present in a conversation, by user id, as of a version of the set.

    What only a participant himself may see of his row (muted, hidden, pinned), and the row's version, which counts
    changes of these too, are of no set's version: nobody may show them from here, or decide by them. What a cache gives
    has the defaults there.
    """

    version: int
    participants: tuple[Participant, ...]


class ParticipantCache(Protocol):
    """Two levels and the database behind them: memory, then what the instances share, then the store."""

    async def get(self, conversation_id: ConversationId, version: int) -> ParticipantSet:
        """Return the set of that version, or a newer one if there is one by now; one read for all who ask at a time.

        Never an older one. Of a conversation that was deleted meanwhile the set is empty, and its version 0.

        Raises:
            UnavailableError: it is in no cache, and the database does not answer, or has gone back to an earlier state
                (a failover that lost commits); or ``stopping``.
        """
        ...

    def invalidate(self, conversation_id: ConversationId | None) -> None:
        """Forget a conversation's set, or all of them; called by ``hub.apply`` for each event of membership."""
        ...


class SharedParticipants(Protocol):
    """The level that the instances share. It may lose anything at any time; its failures are its own."""

    async def find(self, conversation_id: ConversationId, version: int) -> ParticipantSet | None:
        """Find the set of exactly that version; none if it is not there, or can't be had within a moment."""
        ...

    async def put(self, conversation_id: ConversationId, found: ParticipantSet) -> None:
        """Keep a set for the other instances, for a while; losing it costs a read."""
        ...

    async def forget_all(self) -> None:
        """Forget everything: the log may be another one, which counts its versions anew.

        When it returns, no instance finds what was put before.

        Raises:
            UnavailableError: it can't be done now; the caller asks again, and believes nothing until it is done.
        """
        ...
