"""Signals that came before the events they follow: shown once the tail is there, or after a second not at all."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sanctum_messaging.domain.events import Signal
    from sanctum_messaging.domain.model import Position

KEPT_SECONDS = 1.0
"""A signal says what is so now; nobody is served by an older one."""
MAX_KEPT = 1_000
"""Beyond it the oldest is dropped: an instance this far behind has other worries than who is typing."""


class EarlySignals:
    """Holds signals in the order of their arrival."""

    def __init__(self) -> None:
        self._kept: deque[tuple[Position, float, Signal]] = deque(maxlen=MAX_KEPT)

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, signal: Signal, after: Position, now: float) -> None:
        """Hold a signal until the tail has reached a position."""
        self._kept.append((after, now + KEPT_SECONDS, signal))

    def release(self, tail: Position, now: float) -> list[Signal]:
        """Take those whose time has come; what is too old is dropped."""
        kept = self._kept
        self._kept = deque((each for each in kept if each[0] > tail and each[1] > now), maxlen=MAX_KEPT)
        return [signal for after, _, signal in kept if after <= tail]
