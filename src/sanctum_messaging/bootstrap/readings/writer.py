"""What the writer shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.observability.metrics import Reading

if TYPE_CHECKING:
    from sanctum_messaging.workers.writer import Writer


def writer_readings(writer: Writer) -> list[Reading]:
    """List the readings of the writer."""
    counts = writer.counts
    return [
        Reading("append_commits", "Commits of the log.", lambda: counts.commits),
        Reading("append_messages", "Messages that were appended.", lambda: counts.messages),
        Reading("append_events", "Events that were appended.", lambda: counts.events),
        Reading("append_replays", "Sends that repeated an earlier one.", lambda: counts.replays),
        Reading("append_stale", "Changes that had to be decided again.", lambda: counts.stale),
        Reading("append_failures", "Batches that the database refused or that failed.", lambda: counts.failures),
    ]
