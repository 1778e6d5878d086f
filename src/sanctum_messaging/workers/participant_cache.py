"""The participant cache: who is present in a conversation, as of a version that the reader learned in SQL.

Memory, then the level that the instances share, then the database. Implements ``ports.participant_cache``.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.domain.model import Participant
from sanctum_messaging.ports.participant_cache import ParticipantSet
from sanctum_messaging.workers.participant_memory import MAX_PARTICIPANTS, ParticipantMemory
from sanctum_messaging.workers.participant_sharing import ParticipantSharing

if TYPE_CHECKING:
    from collections.abc import Callable

    from sanctum_messaging.domain.model import ConversationId
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.ports.participant_cache import SharedParticipants

Flight: TypeAlias = "asyncio.Task[ParticipantSet | Exception]"
"""One look behind the memory, for all who ask for the same at a time; a fault is its result, and ends no other."""


class ParticipantSets(Protocol):
    """What the cache asks the store."""

    async def read_participants(self, conversation_id: ConversationId) -> ParticipantSet:
        """Read those present, with their version; see ``ports.store.Store``."""
        ...


@dataclass(slots=True)
class ParticipantCacheCounts:
    """How often the cache was asked since the start, by what answered; and how often it was told to forget."""

    memory_hits: int = 0
    shared_hits: int = 0
    joined: int = 0
    """Asked for what another was just looking for."""
    misses: int = 0
    invalidations: int = 0


class ParticipantCache:
    """Call ``start`` before and ``stop`` after; outside of them, every ``get`` reads the database and keeps nothing.

    So whoever is still served while the service stops gets a right answer: the cache saves reads, it decides nothing.
    ``use_memory`` is asked at each ``get``: while it says no, because nobody would tell of changes, memory is empty.
    """

    def __init__(
        self,
        store: ParticipantSets,
        clock: Clock,
        shared: SharedParticipants | None = None,
        *,
        use_memory: Callable[[], bool] = lambda: True,
        max_participants: int = MAX_PARTICIPANTS,
    ) -> None:
        self.counts = ParticipantCacheCounts()
        self._store = store
        self._memory = ParticipantMemory(clock.monotonic, max_participants=max_participants)
        self._use_memory = use_memory
        self._sharing = None if shared is None else ParticipantSharing(shared)
        self._flights: dict[ConversationId, dict[int, Flight]] = {}
        """Those that may be joined, and whose finding is kept. Whatever drops them here makes them forgettable."""
        self._tasks: asyncio.TaskGroup | None = None
        self._owned: set[asyncio.Task[ParticipantSet | Exception] | asyncio.Task[None]] = set()
        self._lifespan = AsyncExitStack()

    @property
    def entries(self) -> int:
        """How many sets are in memory."""
        return len(self._memory)

    @property
    def participants(self) -> int:
        """How many participants are in them."""
        return self._memory.participants

    @property
    def unshared(self) -> int:
        """How many sets were not shared, because too many waited for it."""
        return 0 if self._sharing is None else self._sharing.dropped

    async def start(self) -> None:
        """Begin to keep what is read; what the instances share is forgotten first, it may be of another log."""
        self._tasks = await self._lifespan.enter_async_context(asyncio.TaskGroup())
        if self._sharing is not None:
            self._sharing.forget_all()
            self._own(self._tasks.create_task(self._sharing.run()))

    async def stop(self) -> None:
        """End all reads, whose waiters are told ``stopping``, and forget everything."""
        self._tasks = None
        self._memory.clear()
        self._flights.clear()
        for task in self._owned:
            task.cancel()
        await self._lifespan.aclose()

    async def get(self, conversation_id: ConversationId, version: int) -> ParticipantSet:
        """Return the set of that version, or a newer one from the database; see the port."""
        if not self._use_memory():
            self._memory.clear()
        found = self._memory.find(conversation_id, version)
        if found is not None:
            self.counts.memory_hits += 1
            return found
        if self._tasks is None:
            return await self._read(conversation_id, version)
        flight = self._board(self._tasks, conversation_id, version)
        # Waiting, other than awaiting, leaves the flight alone when the one who waits is cancelled.
        await asyncio.wait([flight])
        return _land(flight)

    def set(self, conversation_id: ConversationId, found: ParticipantSet) -> None:
        """Keep a set, here and for the other instances, under the version that it came with."""
        if self._tasks is None:
            return
        self._remember(conversation_id, found)
        if self._sharing is not None:
            self._sharing.put(conversation_id, found)

    def invalidate(self, conversation_id: ConversationId | None) -> None:
        """Forget a conversation's set, or all of them; what is being read is not kept, nor given to later callers."""
        self.counts.invalidations += 1
        if conversation_id is not None:
            self._memory.drop(conversation_id)
            self._flights.pop(conversation_id, None)
            return
        self._memory.clear()
        self._flights.clear()
        if self._sharing is not None:
            self._sharing.forget_all()

    def _board(self, tasks: asyncio.TaskGroup, conversation_id: ConversationId, version: int) -> Flight:
        flights = self._flights.setdefault(conversation_id, {})
        flight = flights.get(version)
        if flight is None:
            flight = flights[version] = tasks.create_task(self._fly(conversation_id, version))
            self._own(flight)
        else:
            self.counts.joined += 1
        return flight

    def _own(self, task: asyncio.Task[ParticipantSet | Exception] | asyncio.Task[None]) -> None:
        self._owned.add(task)
        task.add_done_callback(self._owned.discard)

    async def _fly(self, conversation_id: ConversationId, version: int) -> ParticipantSet | Exception:
        try:
            return await self._find_shared(conversation_id, version) or await self._find(conversation_id, version)
        except Exception as fault:  # noqa: BLE001 - those who wait for it raise it
            return fault
        finally:
            if self._is_kept(conversation_id, version):
                del self._flights[conversation_id][version]
                if not self._flights[conversation_id]:
                    del self._flights[conversation_id]

    async def _find_shared(self, conversation_id: ConversationId, version: int) -> ParticipantSet | None:
        """Look into the shared level; what it says is not believed if it should be forgotten meanwhile."""
        if self._sharing is None:
            return None
        found = await self._sharing.find(conversation_id, version)
        if found is None or not self._is_kept(conversation_id, version):
            return None
        self.counts.shared_hits += 1
        self._remember(conversation_id, found)
        return found

    async def _find(self, conversation_id: ConversationId, version: int) -> ParticipantSet:
        found = await self._read(conversation_id, version)
        if found.version >= version and self._is_kept(conversation_id, version):
            self.set(conversation_id, found)
        return found

    async def _read(self, conversation_id: ConversationId, version: int) -> ParticipantSet:
        """Read the database, which knows the version asked for or a newer one, or that there is nobody any more."""
        self.counts.misses += 1
        read = await self._store.read_participants(conversation_id)
        if 0 < read.version < version:
            detail = "The database has gone back to an earlier state."
            raise UnavailableError(detail)
        return ParticipantSet(read.version, tuple(map(_as_seen_by_all, read.participants)))

    def _is_kept(self, conversation_id: ConversationId, version: int) -> bool:
        """Tell whether the flight that asks has not been forgotten."""
        return self._flights.get(conversation_id, {}).get(version) is asyncio.current_task()

    def _remember(self, conversation_id: ConversationId, found: ParticipantSet) -> None:
        if self._use_memory():
            self._memory.put(conversation_id, found)


def _land(flight: Flight) -> ParticipantSet:
    if flight.cancelled():
        detail = "The service is stopping."
        raise UnavailableError(detail, code="stopping")
    outcome = flight.result()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _as_seen_by_all(participant: Participant) -> Participant:
    """Leave out what is of no set's version."""
    if participant.version == 1 and not (participant.muted or participant.hidden or participant.pinned):
        # Most are so; to make 10,000 of them anew would hold up the loop for 15 ms.
        return participant
    return Participant(participant.conversation_id, participant.user_id, participant.role, participant.joined_at)
