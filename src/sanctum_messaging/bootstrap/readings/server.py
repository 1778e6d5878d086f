"""What the server before the API shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.observability.metrics import Reading
from sanctum_messaging.server.intake import REASONS_TO_TURN_AWAY
from sanctum_messaging.server.refusals import Reason

if TYPE_CHECKING:
    from sanctum_messaging.server.intake import Intake


def server_readings(intake: Intake) -> list[Reading]:
    """List the readings of the server."""
    return [
        Reading(
            "requests_refused",
            "Requests refused for their form or their slowness, before anybody looked at what they ask for.",
            lambda: {str(reason): intake.refused[reason] for reason in Reason},
            label="reason",
        ),
        Reading(
            "connections_turned_away",
            "Connections ended before their first request; full: there were too many, silent: others made room.",
            lambda: {reason: intake.turned_away[reason] for reason in REASONS_TO_TURN_AWAY},
            label="reason",
        ),
    ]
