"""The nearest level of the participant cache: sets in memory, bounded in participants, each for a while."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sanctum_messaging.domain.model import ConversationId
    from sanctum_messaging.ports.participant_cache import ParticipantSet

TTL_SECONDS = 30.0
"""How long a set may outlive everything that should have dropped it."""
MAX_PARTICIPANTS = 200_000
"""In all sets together: about 65 MB, where ids are as long as a UUID."""


@dataclass(frozen=True, slots=True)
class _Entry:
    found: ParticipantSet
    expires: float

    @property
    def weight(self) -> int:
        """Its share of the bound; an empty set takes room too."""
        return len(self.found.participants) + 1


class ParticipantMemory:
    """One set for each conversation; the least recently used go first when there are too many participants."""

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        max_participants: int = MAX_PARTICIPANTS,
        ttl_seconds: float = TTL_SECONDS,
    ) -> None:
        self._monotonic = monotonic
        self._max_weight = max_participants
        self._ttl_seconds = ttl_seconds
        self._entries: OrderedDict[ConversationId, _Entry] = OrderedDict()
        self._weight = 0

    def __len__(self) -> int:
        """Count the sets."""
        return len(self._entries)

    @property
    def participants(self) -> int:
        """How many participants are held, in all sets."""
        return self._weight - len(self._entries)

    def find(self, conversation_id: ConversationId, version: int) -> ParticipantSet | None:
        """Find the set of exactly that version."""
        entry = self._entries.get(conversation_id)
        if entry is None or entry.found.version != version:
            return None
        if entry.expires <= self._monotonic():
            self.drop(conversation_id)
            return None
        self._entries.move_to_end(conversation_id)
        return entry.found

    def put(self, conversation_id: ConversationId, found: ParticipantSet) -> None:
        """Keep a set, unless a newer one is kept."""
        now = self._monotonic()
        known = self._entries.get(conversation_id)
        if known is not None and known.expires > now and known.found.version > found.version:
            return
        self.drop(conversation_id)
        entry = _Entry(found, now + self._ttl_seconds)
        self._entries[conversation_id] = entry
        self._weight += entry.weight
        self._make_room(now)

    def drop(self, conversation_id: ConversationId) -> None:
        """Drop a conversation's set, if there is one."""
        entry = self._entries.pop(conversation_id, None)
        if entry is not None:
            self._weight -= entry.weight

    def clear(self) -> None:
        """Drop everything."""
        self._entries.clear()
        self._weight = 0

    def _make_room(self, now: float) -> None:
        """Drop the least recently used while there is too much, and those that are expired."""
        while self._entries:
            conversation_id, entry = next(iter(self._entries.items()))
            if self._weight <= self._max_weight and entry.expires > now:
                return
            self.drop(conversation_id)
