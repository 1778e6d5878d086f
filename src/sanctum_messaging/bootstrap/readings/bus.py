"""What the bus between instances shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.observability.metrics import Reading

if TYPE_CHECKING:
    from sanctum_messaging.adapters.redis.bus import RedisBus


def bus_readings(bus: RedisBus) -> list[Reading]:
    """List the readings of the bus between instances."""
    counts = bus.counts
    return [
        Reading("bus_healthy", "Whether the instance hears itself over the bus.", lambda: float(bus.healthy), "gauge"),
        Reading("bus_published_events", "Events told to the other instances.", lambda: counts.published_events),
        Reading("bus_received_events", "Events heard of from other instances.", lambda: counts.received_events),
        Reading("bus_signals", "Signals heard of from other instances.", lambda: counts.signals),
        Reading(
            "bus_dropped",
            "Messages on the bus that were of no use: own ones, what was applied already, what waited too long.",
            lambda: {
                "own": counts.dropped_own,
                "applied": counts.dropped_applied,
                "overflow": counts.overflow,
                "expired": counts.expired,
            },
            label="reason",
        ),
        Reading(
            "bus_rejected",
            "Messages on the bus that nobody may believe.",
            lambda: dict(counts.rejected),
            label="reason",
        ),
        Reading("bus_reconnects", "Times the link to Redis was lost and found again.", lambda: counts.reconnects),
    ]
