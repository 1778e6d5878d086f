"""What the HTTP API shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.observability.metrics import Reading

if TYPE_CHECKING:
    from sanctum_messaging.api.request_counts import RequestCounts


def request_readings(requests: RequestCounts) -> list[Reading]:
    """List the readings of the HTTP API."""
    return [
        Reading(
            "requests",
            "HTTP requests by what was asked for and how it was answered; 0: the client went away before. "
            "4501, 4503, 4506 of /v1/ws: the socket was closed with this code right after its handshake.",
            lambda: {(method, path, str(status)): count for (method, path, status), count in requests.answers.items()},
            label=("method", "route", "status"),
        ),
        Reading(
            "request_duration_seconds",
            "How long HTTP requests took, nothing of what sockets bring; those of sync wait until something happens.",
            lambda: requests.seconds,
            "histogram",
            label="kind",
        ),
    ]
