"""Saying that one types: never durable, and bounded in how often."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sanctum_messaging.actions.decisions import get_participation
from sanctum_messaging.domain import rules
from sanctum_messaging.domain.events import Signal, SignalKind

if TYPE_CHECKING:
    from sanctum_messaging.domain.model import Actor, ConversationId, TenantId, UserId
    from sanctum_messaging.ports import Ports

INTERVAL_S = 3.0
"""One signal per sender in this time; receivers show it for twice as long."""
MAX_SENDERS = 10_000
"""How many senders are remembered; forgetting one early only lets him signal once more."""


_NEVER = (float("-inf"), None)


@dataclass(slots=True)
class TypingThrottle:
    """Who wanted to signal last, when and where, so that nobody does so more often than every three seconds."""

    _last: OrderedDict[tuple[TenantId, UserId], tuple[float, ConversationId | None]] = field(
        default_factory=OrderedDict
    )

    def admits(self, actor: Actor, conversation_id: ConversationId, *, on: bool, now: float) -> bool:
        """Tell whether a signal may go out now. Who was shown as typing may stop at any time, once."""
        at, shown_in = self._last.get((actor.tenant, actor.user), _NEVER)
        return now - at >= INTERVAL_S if on else shown_in == conversation_id

    def remember(self, actor: Actor, conversation_id: ConversationId, *, on: bool, now: float) -> None:
        """Remember a signal that may go out; stopping does not begin a new interval."""
        key = (actor.tenant, actor.user)
        at, _ = self._last.pop(key, _NEVER)
        self._last[key] = (now, conversation_id) if on else (at, None)
        if len(self._last) > MAX_SENDERS:
            self._last.popitem(last=False)


async def signal_typing(
    ports: Ports, actor: Actor, conversation_id: ConversationId, *, on: bool, throttle: TypingThrottle
) -> None:
    """Tell those present that the actor types, or stopped; too often, or among too many, it is dropped unsaid.

    Raises:
        NotFoundError: the actor is not in the conversation.
        ForbiddenError: he is an observer.
    """
    now = ports.clock.monotonic()
    if not throttle.admits(actor, conversation_id, on=on, now=now):
        return
    # Before anything is waited for: those that come at once ask the database once, and so does who is refused.
    throttle.remember(actor, conversation_id, on=on, now=now)
    participation = await get_participation(ports, actor, conversation_id)
    rules.check_sends(participation.participant.role, any_rank=actor.service)
    if participation.present <= rules.MAX_TYPING_PARTICIPANTS:
        ports.bus.signal(Signal(SignalKind.TYPING, actor.tenant, conversation_id, actor.user, on=on))
