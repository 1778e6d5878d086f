"""What ``/metrics`` shows: where each number is counted, and what it is called outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.observability.metrics import Reading

if TYPE_CHECKING:
    from sanctum_messaging.hub.hub import WebSocketHub
    from sanctum_messaging.workers.writer import Writer


def service_readings(writer: Writer, hub: WebSocketHub) -> list[Reading]:
    """List the readings of the writer and the hub."""
    counts, hub_counts = writer.counts, hub.counters
    return [
        Reading("append_commits", "Commits of the log.", lambda: counts.commits),
        Reading("append_messages", "Messages that were appended.", lambda: counts.messages),
        Reading("append_events", "Events that were appended.", lambda: counts.events),
        Reading("append_replays", "Sends that repeated an earlier one.", lambda: counts.replays),
        Reading("append_stale", "Changes that had to be decided again.", lambda: counts.stale),
        Reading("append_failures", "Batches that the database refused or that failed.", lambda: counts.failures),
        Reading("append_queue", "Appends that wait for a commit.", lambda: writer.queued, "gauge"),
        Reading("log_tail", "The position of the newest event applied here.", lambda: hub.tail.position, "gauge"),
        Reading("connections", "Open WebSocket connections.", lambda: hub_counts.connections, "gauge"),
        Reading("deliveries", "Events handed to connections.", lambda: hub_counts.deliveries),
        Reading("applied_events", "Events applied by the hub, each encoded once.", lambda: hub_counts.applied),
        Reading(
            "catch_up_pages",
            "Pages read for connections and polls that catch up.",
            lambda: {"ring": hub_counts.catch_up_ring, "database": hub_counts.catch_up_database},
            label="source",
        ),
        Reading("fell_behind", "Times a live connection read too slowly.", lambda: hub_counts.fell_behind),
        Reading("resyncs", "Times a client's cursor was not in the log.", lambda: hub_counts.resyncs),
        Reading(
            "closes",
            "Connections that ended, by close code; 1006: the client went away.",
            lambda: {str(int(code)): count for code, count in hub_counts.closes.items()},
            label="code",
        ),
    ]
