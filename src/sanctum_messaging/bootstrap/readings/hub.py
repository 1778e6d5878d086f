"""What the hub shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.observability.metrics import Reading

if TYPE_CHECKING:
    from sanctum_messaging.guards.handshakes import Handshakes
    from sanctum_messaging.hub.hub import WebSocketHub


def hub_readings(hub: WebSocketHub, handshakes: Handshakes) -> list[Reading]:
    """List the readings of the hub, and of what comes to it."""
    counts, view = hub.counters, hub.view
    return [
        Reading("log_tail", "The position of the newest event applied here.", lambda: hub.tail.position, "gauge"),
        Reading("log_behind", "Events that are known to be in the log and not applied.", lambda: view.behind, "gauge"),
        Reading(
            "tail_lag_seconds",
            "From an event's own time until it was applied here, by the clocks of both instances.",
            lambda: counts.lag,
            "histogram",
        ),
        Reading("ring_events", "Events in memory.", lambda: view.ring.events, "gauge"),
        Reading("ring_bytes", "About how much memory they take.", lambda: view.ring.bytes, "gauge"),
        Reading("ring_floor", "The position after which they begin.", lambda: view.ring.floor, "gauge"),
        Reading("connections", "Open WebSocket connections.", lambda: counts.connections, "gauge"),
        Reading(
            "connection_phases", "Open connections by where they stand.", lambda: view.phases, "gauge", label="phase"
        ),
        Reading("connection_pending_bytes", "Events that wait to be written.", lambda: view.pending_bytes, "gauge"),
        Reading("deliveries", "Events handed to connections.", lambda: counts.deliveries),
        Reading("applied_events", "Events applied by the hub.", lambda: counts.applied),
        Reading(
            "catch_up_pages",
            "Pages read for connections and polls that catch up.",
            lambda: {"ring": counts.catch_up_ring, "database": counts.catch_up_database},
            label="source",
        ),
        Reading(
            "arrival_reads",
            "Statements that read memberships and the log's end, each for all who came at a time.",
            lambda: view.users.statements,
        ),
        Reading("catch_up_pages_waiting", "Pages that wait for the database.", lambda: view.pages_waiting, "gauge"),
        Reading(
            "handshakes_refused",
            "Sockets that were not opened since it would have been too much, by the reason.",
            lambda: {str(reason): count for reason, count in handshakes.refused.items()},
            label="reason",
        ),
        Reading(
            "frames_refused",
            "Frames of sockets that were answered with an error, by its problem's code.",
            lambda: dict(counts.refusals),
            label="code",
        ),
        Reading("fell_behind", "Times a live connection read too slowly.", lambda: counts.fell_behind),
        Reading("resyncs", "Times a client's cursor was not in the log.", lambda: counts.resyncs),
        Reading("sweeps", "Looks at the database for what nothing had told of.", lambda: counts.sweeps),
        Reading("log_resets", "Times the database turned out to hold another log.", lambda: counts.resets),
        Reading(
            "closes",
            "Connections that ended, by close code; 1006: the client went away. Those closed right after the handshake "
            "(4501, 4503, 4506) are in sanctum_requests_total with route /v1/ws, and not here.",
            lambda: {str(int(code)): count for code, count in counts.closes.items()},
            label="code",
        ),
    ]
