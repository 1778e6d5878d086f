"""What was refused because it was too much, or would have been."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.observability.metrics import Reading

if TYPE_CHECKING:
    from sanctum_messaging.guards.rate_limits import RateLimits
    from sanctum_messaging.hub.hub import WebSocketHub


def rate_limit_readings(limits: RateLimits, hub: WebSocketHub) -> list[Reading]:
    """List the readings of the rate limits; ``frames`` is the one of a single connection."""

    def refused() -> dict[str, float]:
        return {**limits.refused, "frames": hub.counters.frames_above if hub.settings.refuses_frames else 0}

    def spared() -> dict[str, float]:
        return {**limits.spared, "frames": 0 if hub.settings.refuses_frames else hub.counters.frames_above}

    return [
        Reading("rate_limited", "What was refused because of a limit.", refused, label="limit"),
        Reading("rate_limit_spared", "What would have been, if it was not for shadow mode.", spared, label="limit"),
    ]
