"""One user, as the hub knows him while he has connections or polls, and for a while after."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from sanctum_messaging.domain.events import Event, Interval, MessageChange, ParticipantChange
from sanctum_messaging.domain.model import ConversationId, Cursor, Position, TenantId, UserId

if TYPE_CHECKING:
    from collections.abc import Sequence


class Receiver(Protocol):
    """A connection that is live."""

    def push(self, events: Sequence[tuple[Cursor, bytes, int]], size: int) -> None:
        """Take events, of so many bytes together; never waits."""
        ...

    def hint(self, frame: bytes) -> None:
        """Take a signal, or lose it."""
        ...

    def fall_behind(self) -> None:
        """Drop what is pending and read pages from what was handed over last."""
        ...


class User:
    """A user's memberships, his live connections and his waiting polls."""

    __slots__ = (
        "as_of",
        "changed_at",
        "conversations",
        "kept",
        "live",
        "loaded",
        "name",
        "tenant",
        "uses",
        "waiting",
    )

    def __init__(self, tenant: TenantId, name: UserId) -> None:
        self.tenant = tenant
        self.name = name
        self.conversations: dict[ConversationId, tuple[Interval, ...]] = {}
        """Those he is in, with all his intervals there; meaningless until ``loaded``."""
        self.loaded = False
        self.as_of = Position(0)
        """The log's end when the memberships were read: changes up to it are in them already."""
        self.changed_at = Position(0)
        """No membership changed behind this position: from there on the present ones are those of every event."""
        self.kept: list[Event] = []
        self.live: tuple[Receiver, ...] = ()
        self.waiting: set[asyncio.Future[None]] = set()
        self.uses = 0

    def wake(self) -> None:
        """Let the polls look again."""
        for waiting in self.waiting:
            if not waiting.done():
                waiting.set_result(None)

    def sees(self, event: Event) -> bool:
        """Tell whether an event of a conversation that he is in is for him."""
        match event.body:
            case ParticipantChange(private=True, participant=participant):
                return participant.user_id == self.name
            case MessageChange(joined_only=True, message=message):
                intervals = self.conversations[event.conversation_id]
                return any(interval.contains(message.seq) for interval in intervals)
            case _:
                return True
