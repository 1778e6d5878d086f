"""The way to the level that the instances share: read at once, written later, and in order."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import structlog

from sanctum_messaging.domain.errors import UnavailableError

if TYPE_CHECKING:
    from sanctum_messaging.domain.model import ConversationId
    from sanctum_messaging.ports.participant_cache import ParticipantSet, SharedParticipants

MAX_WAITING = 50_000
"""Participants in the sets that wait to be shared; what is too much is not shared, which costs another's read."""
RETRY_SECONDS = 1.0
"""Between two attempts to have everything forgotten."""

_log = structlog.get_logger()


class ParticipantSharing:
    """Puts sets into the shared level, off the path of whoever reads. ``run`` must be running.

    Call ``forget_all`` before it runs: the shared level may have outlived the log from which it was filled, and another
    log counts its versions anew.
    """

    def __init__(
        self, shared: SharedParticipants, *, max_waiting: int = MAX_WAITING, retry_seconds: float = RETRY_SECONDS
    ) -> None:
        self.dropped = 0
        """Sets that were not shared, because too many waited."""
        self._shared = shared
        self._max_waiting = max_waiting
        self._retry_seconds = retry_seconds
        self._queue: deque[tuple[ConversationId, ParticipantSet]] = deque()
        self._waiting = 0
        self._changed = asyncio.Event()
        self._doubts = 0
        self._dispelled = 0
        self._is_refused = False

    async def find(self, conversation_id: ConversationId, version: int) -> ParticipantSet | None:
        """Find the set of exactly that version; what is found as all is being forgotten, the caller drops."""
        return None if self._is_doubtful() else await self._shared.find(conversation_id, version)

    def put(self, conversation_id: ConversationId, found: ParticipantSet) -> None:
        """Have a set shared, soon."""
        weight = len(found.participants) + 1
        if self._waiting + weight > self._max_waiting:
            self.dropped += 1
            return
        self._queue.append((conversation_id, found))
        self._waiting += weight
        self._changed.set()

    def forget_all(self) -> None:
        """Have everything forgotten, and believe nothing before."""
        self._queue.clear()
        self._waiting = 0
        self._doubts += 1
        self._changed.set()

    async def run(self) -> None:
        """Do what is wanted, one after the other, until cancelled: what is forgotten was put before."""
        while True:
            if self._is_doubtful():
                await self._forget_all()
            elif self._queue:
                conversation_id, found = self._queue.popleft()
                self._waiting -= len(found.participants) + 1
                await self._shared.put(conversation_id, found)
            else:
                self._changed.clear()
                await self._changed.wait()

    def _is_doubtful(self) -> bool:
        return self._dispelled < self._doubts

    async def _forget_all(self) -> None:
        """Forget what was put until now; if it is doubted again meanwhile, once more."""
        doubts = self._doubts
        try:
            await self._shared.forget_all()
        except UnavailableError as refusal:
            if not self._is_refused:
                _log.warning("shared_participants_not_forgotten", code=refusal.code)
            self._is_refused = True
            await asyncio.sleep(self._retry_seconds)
        else:
            self._dispelled, self._is_refused = doubts, False
