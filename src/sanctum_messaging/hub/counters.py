"""What the hub counts; plain numbers, read by whoever shows metrics."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sanctum_messaging.observability.histogram import Histogram


@dataclass(slots=True)
class HubCounters:
    """Counts since the hub was made; ``connections`` is how many there are now."""

    connections: int = 0
    applied: int = 0
    deliveries: int = 0
    catch_up_ring: int = 0
    catch_up_database: int = 0
    fell_behind: int = 0
    resyncs: int = 0
    sweeps: int = 0
    """Looks at the database: for a hole, or because it was time."""
    frames_above: int = 0
    """Frames that came faster than they may."""
    refusals: Counter[str] = field(default_factory=Counter)
    """Frames that were answered with a problem, by its code."""
    resets: int = 0
    """How often the log turned out to be another one."""
    closes: Counter[int] = field(default_factory=Counter)
    """By close code; 1006 stands for clients that went away by themselves."""
    lag: Histogram = field(default_factory=Histogram)
    """Seconds from an event's own time until it was applied here, by the clocks of both instances."""

    def note_applied(self, at: int, now: int) -> None:
        """Count an event that is of one time and was applied at another, in milliseconds."""
        self.applied += 1
        self.lag.observe(max(0, now - at) / 1000)
