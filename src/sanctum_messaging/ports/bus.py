"""The bus: how the hubs learn of commits, and of what is not durable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sanctum_messaging.domain.events import Committed, Signal


class Bus(Protocol):
    """A hint, never a decision: losing any or all of what is published costs latency, nothing else."""

    def publish(self, committed: Committed) -> None:
        """Tell every hub what a commit appended, in the order of commits. Never blocks and never fails."""
        ...

    def signal(self, signal: Signal) -> None:
        """Hand a signal to every hub. Never blocks and never fails; a signal may be lost."""
        ...
