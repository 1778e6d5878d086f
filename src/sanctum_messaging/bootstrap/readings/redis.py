"""What the parts that speak to Redis show of its absence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.observability.metrics import Reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.adapters.redis.availability import Outage


def redis_readings(outages: Sequence[Outage]) -> list[Reading]:
    """List the readings of the parts whose outages these are."""
    return [
        Reading(
            "redis_available",
            "Whether the part's last call to Redis was answered.",
            lambda: {each.part: int(not each.lasts) for each in outages},
            "gauge",
            "part",
        ),
        Reading(
            "redis_failures",
            "The part's calls to Redis that failed.",
            lambda: {each.part: each.failures for each in outages},
            label="part",
        ),
    ]
