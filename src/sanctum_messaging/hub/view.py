"""What the hub looks like now, for whoever watches: read when it is asked for, and counted by nobody before."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sanctum_messaging.protocol.session import Phase

if TYPE_CHECKING:
    from sanctum_messaging.hub.registry import Parts


class HubView:
    """Numbers about a hub; those about its connections cost some 10 ms where there are 10,000."""

    def __init__(self, parts: Parts) -> None:
        self._registry = parts.registry
        self._tail = parts.source.tail
        self.users = parts.source.users
        self._database = parts.source.database
        self.ring = parts.source.ring
        self.flush = parts.source.flush

    @property
    def phases(self) -> dict[str, int]:
        """How many connections are in each phase."""
        counts = Counter(connection.phase for connection in self._registry.connections)
        return {phase.name.lower(): counts[phase] for phase in Phase}

    @property
    def pending_bytes(self) -> int:
        """What waits to be handed to all connections."""
        return sum(connection.delivery.pending_bytes for connection in self._registry.connections)

    @property
    def pages_waiting(self) -> int:
        """How many pages wait for their turn to be read from the database."""
        return self._database.waiting

    @property
    def behind(self) -> int:
        """How many positions the log is known to be ahead of what was applied here."""
        return max(0, self._tail.wanted - self.ring.tail.position)
