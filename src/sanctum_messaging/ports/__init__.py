"""What the actions need from outside, as protocols; adapters and workers implement them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sanctum_messaging.ports.bus import Bus
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.ports.log import Log
    from sanctum_messaging.ports.participant_cache import ParticipantCache
    from sanctum_messaging.ports.read_markers import ReadMarkers
    from sanctum_messaging.ports.store import Store


@dataclass(frozen=True, slots=True)
class Ports:
    """The one explicit argument through which an action reaches the world."""

    store: Store
    log: Log
    markers: ReadMarkers
    participants: ParticipantCache
    bus: Bus
    clock: Clock
