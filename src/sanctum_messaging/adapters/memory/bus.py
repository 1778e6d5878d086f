"""The bus of a single process: its one hub hears everything at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sanctum_messaging.domain.events import Committed, Signal
    from sanctum_messaging.ports.bus import Listener
    from sanctum_messaging.ports.resume_store import Takeover


class LocalBus:
    """``ports.bus.Bus`` by plain calls; ``attach`` the hub before anything is published."""

    def __init__(self) -> None:
        """Nobody listens yet."""
        self._listeners: list[Listener] = []

    def attach(self, listener: Listener) -> None:
        """Have a hub hear of everything that is published from now on."""
        self._listeners.append(listener)

    def publish(self, committed: Committed) -> None:
        """Tell of a commit."""
        for listener in self._listeners:
            listener.apply(committed)

    def signal(self, signal: Signal) -> None:
        """Tell of a signal."""
        for listener in self._listeners:
            listener.apply_signal(signal, listener.tail.position)

    def announce(self, takeover: Takeover) -> None:
        """Tell of a session that was taken over."""
        for listener in self._listeners:
            listener.apply_takeover(takeover)
