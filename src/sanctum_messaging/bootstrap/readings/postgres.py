"""What the connections to PostgreSQL show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.observability.metrics import Reading

if TYPE_CHECKING:
    from sanctum_messaging.adapters.postgres.database import Database


def postgres_readings(database: Database) -> list[Reading]:
    """List the readings of the lanes."""
    lanes = database.lanes
    return [
        Reading(
            "database_connections_busy",
            "Connections in use, by what they are for.",
            lambda: {name: lane.busy for name, lane in lanes.items()},
            "gauge",
            "lane",
        ),
        Reading(
            "database_waiting",
            "Callers for whom no connection is free.",
            lambda: {name: lane.waiting for name, lane in lanes.items()},
            "gauge",
            "lane",
        ),
    ]
