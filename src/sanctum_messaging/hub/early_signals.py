"""Signals that came before the events they follow: shown once the tail is there, or after a second not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sanctum_messaging.domain.events import Signal
    from sanctum_messaging.domain.model import Position

KEPT_SECONDS = 1.0
"""A signal says what is so now; nobody is served by an older one."""
MAX_KEPT = 1_000
"""Beyond it those that wait for the same event as the oldest are dropped: an instance this far behind has other worries
than who is typing."""


class EarlySignals:
    """Holds signals by the event that they wait for: each that is applied looks at its own alone, be they a thousand.

    An instance that is behind applies events as fast as it can, and this must not be what holds it up.
    """

    def __init__(self) -> None:
        self._kept: dict[Position, list[tuple[float, Signal]]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def keep(self, signal: Signal, after: Position, now: float) -> None:
        """Hold a signal until the tail has reached a position."""
        if self._count >= MAX_KEPT:
            self.release_at(next(iter(self._kept)))
        self._kept.setdefault(after, []).append((now + KEPT_SECONDS, signal))
        self._count += 1

    def release_at(self, position: Position) -> list[Signal]:
        """Take those that wait for the event at a position, which is the tail now."""
        kept = self._kept.pop(position, [])
        self._count -= len(kept)
        return [signal for _, signal in kept]

    def release(self, tail: Position, now: float) -> list[Signal]:
        """Take those whose time has come, wherever the tail has come from; what is too old is dropped."""
        due = [signal for position in tuple(self._kept) if position <= tail for signal in self.release_at(position)]
        for position in tuple(self._kept):
            kept = self._kept.pop(position)
            young = [each for each in kept if each[0] > now]
            self._count -= len(kept) - len(young)
            if young:
                self._kept[position] = young
        return due
