"""What the queues in front of commits show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sanctum_messaging.observability.metrics import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sanctum_messaging.workers.batcher import Batcher

    Queues = Mapping[str, Batcher[Any, Any]]


def queue_readings(queues: Queues) -> list[Reading]:
    """List the readings of queues by what they are for."""

    def of_each(name: str, meaning: str, read: Callable[[Batcher[Any, Any]], float]) -> Reading:
        return Reading(name, meaning, lambda: {each: read(queues[each]) for each in queues}, "gauge", "queue")

    return [
        of_each("queue_entries", "What waits for a commit.", len),
        of_each("queue_bytes", "About how large it is.", lambda queue: queue.queued_bytes),
        Reading(
            "queue_wait_seconds",
            "How long each entry waited until it came into a batch, by whatever way it came: over HTTP or a socket.",
            lambda: {name: queue.times.waits for name, queue in queues.items()},
            "histogram",
            "queue",
        ),
        Reading(
            "batch_entries",
            "Entries of each batch.",
            lambda: {name: queue.times.sizes for name, queue in queues.items()},
            "histogram",
            "queue",
        ),
        Reading(
            "batch_commit_seconds",
            "How long each batch took, from being taken from its queue until all its entries were answered.",
            lambda: {name: queue.times.commits for name, queue in queues.items()},
            "histogram",
            "queue",
        ),
    ]
