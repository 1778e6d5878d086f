"""The bus of a single process: its one hub hears everything at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sanctum_messaging.domain.events import Committed, Signal


class LocalBus:
    """``ports.bus.Bus`` by plain calls; ``attach`` the hub before anything is published."""

    def __init__(self) -> None:
        """Nobody listens yet."""
        self._on_committed: list[Callable[[Committed], None]] = []
        self._on_signal: list[Callable[[Signal], None]] = []

    def attach(self, on_committed: Callable[[Committed], None], on_signal: Callable[[Signal], None]) -> None:
        """Have a hub hear of commits and signals; both callables are synchronous."""
        self._on_committed.append(on_committed)
        self._on_signal.append(on_signal)

    def publish(self, committed: Committed) -> None:
        """Tell of a commit."""
        for listener in self._on_committed:
            listener(committed)

    def signal(self, signal: Signal) -> None:
        """Tell of a signal."""
        for listener in self._on_signal:
            listener(signal)
