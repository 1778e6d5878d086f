"""What the bus counts; plain numbers, read by whoever shows metrics."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class BusCounts:
    """Counts since the bus was made."""

    published: int = 0
    """Envelopes with events that Redis took."""
    published_events: int = 0
    received: int = 0
    """Envelopes with events that were handed to the hub."""
    received_events: int = 0
    signals: int = 0
    """Signals of other instances that were handed to the hub."""
    takeovers: int = 0
    """As signals."""
    dropped_own: int = 0
    """Envelopes that came back to their sender."""
    dropped_applied: int = 0
    """Envelopes whose events had been applied already."""
    rejected: Counter[str] = field(
        default_factory=lambda: Counter({"forged": 0, "garbled": 0, "foreign": 0, "too_large": 0})
    )
    """Envelopes that nobody may believe, by what was wrong with them."""
    overflow: int = 0
    """Events, signals and takeovers that were dropped because too many waited."""
    expired: int = 0
    """Signals and takeovers that waited until they were of no use."""
    subscriptions: int = 0
    """How often the channel was subscribed to."""

    @property
    def reconnects(self) -> int:
        """How often the link had been lost and was found again."""
        return max(0, self.subscriptions - 1)
