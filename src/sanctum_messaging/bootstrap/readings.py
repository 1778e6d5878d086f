"""What ``/metrics`` shows: where each number is counted, and what it is called outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.observability.metrics import Reading

if TYPE_CHECKING:
    from sanctum_messaging.adapters.redis.bus import RedisBus
    from sanctum_messaging.hub.hub import WebSocketHub
    from sanctum_messaging.workers.participant_cache import ParticipantCache
    from sanctum_messaging.workers.writer import Writer


def service_readings(writer: Writer, hub: WebSocketHub, participants: ParticipantCache) -> list[Reading]:
    """List the readings of the writer, the hub and the participant cache."""
    counts, hub_counts = writer.counts, hub.counters
    return [
        *participant_cache_readings(participants),
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
        Reading("applied_events", "Events applied by the hub.", lambda: hub_counts.applied),
        Reading(
            "catch_up_pages",
            "Pages read for connections and polls that catch up.",
            lambda: {"ring": hub_counts.catch_up_ring, "database": hub_counts.catch_up_database},
            label="source",
        ),
        Reading("fell_behind", "Times a live connection read too slowly.", lambda: hub_counts.fell_behind),
        Reading("resyncs", "Times a client's cursor was not in the log.", lambda: hub_counts.resyncs),
        Reading("sweeps", "Looks at the database for what nothing had told of.", lambda: hub_counts.sweeps),
        Reading("log_resets", "Times the database turned out to hold another log.", lambda: hub_counts.resets),
        Reading(
            "closes",
            "Connections that ended, by close code; 1006: the client went away.",
            lambda: {str(int(code)): count for code, count in hub_counts.closes.items()},
            label="code",
        ),
    ]


def participant_cache_readings(cache: ParticipantCache) -> list[Reading]:
    """List the readings of the participant cache."""
    counts = cache.counts
    return [
        Reading(
            "participant_cache_hits",
            "Sets of participants that were cached, by where; joined: found with another who asked for the same.",
            lambda: {"memory": counts.memory_hits, "shared": counts.shared_hits, "joined": counts.joined},
            label="level",
        ),
        Reading("participant_cache_misses", "Sets of participants read from the database.", lambda: counts.misses),
        Reading(
            "participant_cache_invalidations",
            "Times that a set of participants, or all of them, had to be forgotten.",
            lambda: counts.invalidations,
        ),
        Reading(
            "participant_cache_unshared",
            "Sets of participants not shared, because too many waited for it.",
            lambda: cache.unshared,
        ),
        Reading("participant_cache_entries", "Sets of participants in memory.", lambda: cache.entries, "gauge"),
        Reading("participant_cache_participants", "Participants in these sets.", lambda: cache.participants, "gauge"),
    ]


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
