"""Reading a user's stream by polling: the same events in the same bytes as on the socket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.domain.model import Actor, Cursor


@dataclass(frozen=True, slots=True)
class EncodedPage:
    """Event frames as they go over the wire, and the cursor up to which everything was examined."""

    events: Sequence[bytes]
    cursor: Cursor
    has_more: bool


class Streams(Protocol):
    """What ``GET /v1/sync`` reads; the hub implements it."""

    async def read(self, actor: Actor, *, cursor: Cursor | None, limit: int, wait_ms: int) -> EncodedPage:
        """Read what follows the cursor; with nothing there, wait up to ``wait_ms`` for something.

        Without a cursor the page is empty and its cursor is the log's end. A service token that acts for nobody reads
        all events of its tenant. Waiting costs no query; what was acknowledged before the call is seen.

        Raises:
            CursorLostError: ``cursor_too_old`` or ``cursor_diverged``.
        """
        ...
