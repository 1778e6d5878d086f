"""What ``/metrics`` shows, a module for each part: where a number is counted, and what it is called outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.bootstrap.readings.hub import hub_readings
from sanctum_messaging.bootstrap.readings.participants import participant_cache_readings
from sanctum_messaging.bootstrap.readings.queues import queue_readings
from sanctum_messaging.bootstrap.readings.rate_limits import rate_limit_readings
from sanctum_messaging.bootstrap.readings.tokens import token_readings
from sanctum_messaging.bootstrap.readings.writer import writer_readings

if TYPE_CHECKING:
    from sanctum_messaging.bootstrap.instance import Instance
    from sanctum_messaging.observability.metrics import Reading


def instance_readings(instance: Instance) -> list[Reading]:
    """List the readings of all parts of an instance, and of what it shares with others."""
    return [
        *participant_cache_readings(instance.participants),
        *writer_readings(instance.writer),
        *hub_readings(instance.hub, instance.handshakes),
        *token_readings(instance.tokens),
        *rate_limit_readings(instance.limits, instance.hub),
        *queue_readings(
            {
                "append": instance.writer.batcher,
                "read_marker": instance.markers.batcher,
                "resume_state": instance.resume_states.batcher,
                "takeover": instance.takeovers.batcher,
                "farewell": instance.farewells.batcher,
            }
        ),
        *instance.storage.readings,
        *instance.sharing.readings,
    ]
