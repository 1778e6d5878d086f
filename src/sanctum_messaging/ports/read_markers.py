"""Read markers: durable state that moves outside the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sanctum_messaging.domain.model import ReadMarker
    from sanctum_messaging.ports.store import MoveMarker


class ReadMarkers(Protocol):
    """Where actions move markers; ``workers.coalescing`` coalesces them."""

    async def move(self, move: MoveMarker) -> ReadMarker:
        """Move a marker up and return where it stands after the commit.

        Raises:
            NotFoundError: the user is not in the conversation now.
            InvalidError: ``seq_out_of_range``.
        """
        ...
