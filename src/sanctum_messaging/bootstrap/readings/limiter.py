"""What the limiter that the instances share shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.observability.metrics import Reading

if TYPE_CHECKING:
    from sanctum_messaging.adapters.redis.limiter import RedisLimiter


def limiter_readings(limiter: RedisLimiter) -> list[Reading]:
    """List the readings of the limiter on Redis."""
    counts = limiter.counts
    return [
        Reading("limiter_checks", "Checks of rate limits, however they were decided.", lambda: counts.checks),
        Reading("limiter_batches", "Calls of Redis in which checks travelled together.", lambda: counts.batches),
        Reading("limiter_remembered", "Checks refused again without asking Redis.", lambda: counts.remembered),
        Reading(
            "limiter_local_decisions",
            "Checks decided by this instance's share, because Redis did not answer, or many waited, or for too long.",
            lambda: counts.local,
        ),
        Reading(
            "limiter_instances", "Instances among which the limits are shared.", lambda: limiter.instances, "gauge"
        ),
    ]
