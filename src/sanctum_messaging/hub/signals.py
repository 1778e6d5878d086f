"""Signals on the way to those who are live: none before the events it follows, of a moving marker one a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.domain.events import SignalKind
from sanctum_messaging.domain.model import ORIGIN
from sanctum_messaging.hub.early_signals import EarlySignals
from sanctum_messaging.hub.latest_reads import LatestReads
from sanctum_messaging.presenters import present_signal
from sanctum_messaging.protocol.codec import encode_frame
from sanctum_messaging.protocol.framing import frame_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from sanctum_messaging.domain.events import Signal
    from sanctum_messaging.domain.model import Position
    from sanctum_messaging.hub.ring import Ring
    from sanctum_messaging.hub.users import Users


class Signals:
    """Tells each signal when it is time, or not at all; synchronous, and nothing of it is durable."""

    def __init__(self, users: Users, ring: Ring, monotonic: Callable[[], float]) -> None:
        self._users = users
        self._ring = ring
        self._monotonic = monotonic
        self._reads = LatestReads()
        self._early = EarlySignals()

    def take(self, signal: Signal, after: Position = ORIGIN.position) -> None:
        """Tell of a signal once everything up to ``after`` was applied, or not at all if that takes too long."""
        if after > self._ring.tail.position:
            self._early.keep(signal, after, self._monotonic())
        elif signal.kind is not SignalKind.READ or self._reads.admit(signal, self._monotonic()):
            self._tell(signal)

    def follow(self) -> None:
        """Tell what waited for the event that was just applied."""
        if self._early:
            for signal in self._early.release_at(self._ring.tail.position):
                self.take(signal)

    def tick(self, now: float) -> None:
        """Tell what was held back until now, and forget what came too early for too long."""
        for signal in self._early.release(self._ring.tail.position, now):
            self.take(signal)
        for signal in self._reads.release(now):
            self._tell(signal)

    def _tell(self, signal: Signal) -> None:
        frame = frame_text(encode_frame(present_signal(signal)))
        for user in self._users.hear(signal):
            for receiver in user.live:
                receiver.hint(frame)
