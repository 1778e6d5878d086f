"""What the participant cache shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.observability.metrics import Reading

if TYPE_CHECKING:
    from sanctum_messaging.workers.participant_cache import ParticipantCache


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
