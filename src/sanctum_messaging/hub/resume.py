"""What is kept for a client that may come back, and when it is written (docs/protocol.md, "Resume")."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from sanctum_messaging.ports.resume_store import ResumeState

if TYPE_CHECKING:
    from sanctum_messaging.domain.model import Actor, Cursor
    from sanctum_messaging.hub.callables import Callables
    from sanctum_messaging.hub.settings import HubSettings
    from sanctum_messaging.ports.resume_store import DropReason


class Resume:
    """One resumable session. ``token`` is what the client is told; ``cursor`` is what it last acknowledged."""

    def __init__(
        self, callables: Callables, settings: HubSettings, *, token: str, state: ResumeState, resumed: bool
    ) -> None:
        self._callables = callables
        self._settings = settings
        self._state = state
        self._persisted_at = settings.monotonic()
        self._persisted: Cursor | None = None
        self._dropped = False
        self._lock = asyncio.Lock()
        self.token = token
        self.resumed = resumed
        self.cursor = state.cursor

    @property
    def id(self) -> str:
        """What all tokens of the session have in common."""
        return self.token.partition(".")[0]

    @property
    def generation(self) -> int:
        """How often the session was taken over; the highest holds it."""
        return self._state.generation

    def is_due(self, now: float) -> bool:
        """Tell whether to persist now: soon after progress, and sometimes to stay alive and notice a takeover."""
        elapsed, settings = now - self._persisted_at, self._settings
        # Each acknowledgement that moves it is another cursor.
        has_moved = self.cursor is not self._persisted
        return elapsed >= (settings.ack_persist_seconds if has_moved else settings.persist_seconds)

    async def persist(self) -> bool:
        """Store the cursor; false if another socket has taken the session over."""
        async with self._lock:
            if self._dropped:
                return True
            self._persisted_at = self._settings.monotonic()
            self._persisted = self.cursor
            self._state = replace(self._state, cursor=self.cursor)
            ttl = self._settings.resume_ttl_seconds
            return await self._callables.persist_resume_state(self.token, self._state, ttl)

    async def drop(self, reason: DropReason) -> None:
        """Forget the session for good."""
        async with self._lock:
            self._dropped = True
            await self._callables.drop_resume_state(self.token, reason)


async def open_resume(
    callables: Callables, settings: HubSettings, actor: Actor, *, token: str | None, start: Cursor
) -> Resume:
    """Take the session of a token over; without one that is this actor's, begin another at ``start``."""
    loaded = None if token is None else await callables.load_resume_state(token, actor)
    if loaded is not None:
        state, new_token = loaded
        return Resume(callables, settings, token=new_token, state=state, resumed=True)
    state = ResumeState(
        tenant=actor.tenant,
        user=actor.user,
        device=actor.device,
        session=actor.session,
        cursor=start,
        generation=1,
    )
    return Resume(callables, settings, token=_first_token(), state=state, resumed=False)


def _first_token() -> str:
    """Make a token of the form ``<id>.<generation>.<secret>``; 128 random bits in each of the two."""
    return f"{secrets.token_hex(16)}.1.{secrets.token_urlsafe(16)}"
