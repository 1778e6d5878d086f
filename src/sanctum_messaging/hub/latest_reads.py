"""Read markers as they move: told at most once a second for each reader and conversation, and then the latest."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from sanctum_messaging.domain.events import Signal
    from sanctum_messaging.domain.model import ConversationId, TenantId, UserId

    Reader: TypeAlias = tuple[TenantId, UserId, ConversationId]

INTERVAL_SECONDS = 1.0
"""A reader who scrolls moves his marker many times a second; nobody looks that closely."""


class LatestReads:
    """Holds back what comes too soon after the one before. What is held is replaced by what comes later."""

    def __init__(self) -> None:
        self._told_at: dict[Reader, float] = {}
        self._held: dict[Reader, Signal] = {}

    def admit(self, signal: Signal, now: float) -> bool:
        """Tell whether to pass a signal on now; otherwise ``release`` gives it back when it is time."""
        reader = (signal.tenant, signal.user_id, signal.conversation_id)
        if reader in self._told_at:
            self._held[reader] = signal
            return False
        self._told_at[reader] = now
        return True

    def release(self, now: float) -> list[Signal]:
        """Take what may be told by now; to be called a few times a second."""
        due = [reader for reader, told_at in self._told_at.items() if now - told_at >= INTERVAL_SECONDS]
        released = []
        for reader in due:
            del self._told_at[reader]
            signal = self._held.pop(reader, None)
            if signal is not None:
                self._told_at[reader] = now
                released.append(signal)
        return released
