"""The bus: how what is not durable reaches the sockets of every instance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sanctum_messaging.domain.events import Signal


class Bus(Protocol):
    """Signals only need to arrive mostly and soon; nothing waits for them."""

    def signal(self, signal: Signal) -> None:
        """Hand a signal to every hub. Never blocks and never fails; a signal may be lost."""
        ...
