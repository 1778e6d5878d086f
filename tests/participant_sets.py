"""What stands behind a participant cache in tests: a shared level in memory, and a store whose answers can be held."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.domain.model import ConversationId, Millis, Participant, Role, UserId
from sanctum_messaging.ports.participant_cache import ParticipantSet
from tests.hub_world import Hold

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from sanctum_messaging.workers.participant_cache import ParticipantCache, ParticipantSets

WAIT_SECONDS = 10
"""Longer than anything here takes, on the slowest machine."""


def participant_set(conversation_id: ConversationId, version: int, *names: str) -> ParticipantSet:
    """Make a set of members, as a cache keeps them."""
    joined = Millis(1_700_000_000_000 + version)
    return ParticipantSet(
        version, tuple(Participant(conversation_id, UserId(name), Role.MEMBER, joined) for name in sorted(names))
    )


def names_of(found: ParticipantSet) -> list[str]:
    """Name those who are in a set."""
    return [each.user_id for each in found.participants]


@asynccontextmanager
async def started(cache: ParticipantCache) -> AsyncGenerator[ParticipantCache]:
    """Run a cache."""
    await cache.start()
    try:
        yield cache
    finally:
        await cache.stop()


class Gate:
    """Lets calls through, unless the next one of a name is to be held, or all are to fail."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.fault: Exception | None = None
        self._holds: dict[str, Hold] = {}

    def hold(self, call: str) -> Hold:
        """Hold the next call of that name until it is released."""
        self._holds[call] = Hold()
        return self._holds[call]

    def fail(self, fault: Exception | None = None) -> None:
        """Have all calls fail from now on."""
        self.fault = fault or UnavailableError("It is down.")

    def mend(self) -> None:
        """Have no call fail any more."""
        self.fault = None

    async def enter(self, call: str) -> None:
        """Note a call, and wait as long as it is held."""
        self.calls.append(call)
        hold = self._holds.pop(call, None)
        if hold is not None:
            hold.entered.set()
            await hold.released.wait()
        if self.fault is not None:
            raise self.fault


class GatedStore(Gate):
    """A store that answers when it is let: with what was so when it was asked, unless held ``before`` it."""

    def __init__(self, store: ParticipantSets) -> None:
        super().__init__()
        self._store = store

    async def read_participants(self, conversation_id: ConversationId) -> ParticipantSet:
        await self.enter("before")
        answer = await self._store.read_participants(conversation_id)
        await self.enter("after")
        return answer

    @property
    def reads(self) -> int:
        """How often it was asked."""
        return self.calls.count("before")


class SharedInMemory:
    """``SharedParticipants`` for caches of one process."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.sets: dict[tuple[ConversationId, int], ParticipantSet] = {}
        self._changed = asyncio.Condition()

    async def find(self, conversation_id: ConversationId, version: int) -> ParticipantSet | None:
        found = self.sets.get((conversation_id, version))
        await self.gate.enter("find")
        return found

    async def put(self, conversation_id: ConversationId, found: ParticipantSet) -> None:
        await self.gate.enter("put")
        self.sets[conversation_id, found.version] = found
        await self._tell()

    async def forget_all(self) -> None:
        await self.gate.enter("forget_all")
        self.sets.clear()
        await self._tell()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until puts and forgetting have made something so."""
        async with asyncio.timeout(WAIT_SECONDS), self._changed:
            await self._changed.wait_for(is_so)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
